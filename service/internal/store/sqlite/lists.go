package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

const (
	maxLists      = 64  // pages that are kept
	maxListedSize = 100 // notebooks of a page that is kept
)

// lists keeps pages of the list of notebooks for as long as nobody, in this
// process or another, has changed the database.
type lists struct {
	conn    *sql.Conn // asked for nothing but the version
	version statement // of conn, used within its Raw: a third cheaper than by database/sql

	mu    sync.Mutex
	next  *check // that has not begun: whoever comes now can share it
	busy  bool   // one is under way
	at    int64  // the version that pages are of
	pages map[session.Query]session.Page
	stamp uint64 // of the last page
}

// statement is what a prepared statement of the driver is.
type statement interface {
	driver.StmtQueryContext
	Close() error
}

// check is one question for the version of the database.
type check struct {
	done    chan struct{} // closed when these are set:
	version int64
	err     error
}

func openLists(ctx context.Context, db *sql.DB) (*lists, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	l := &lists{conn: conn, pages: map[session.Query]session.Page{}}
	err = conn.Raw(func(c any) error {
		// It differs from what it was when another connection has committed
		// since: https://sqlite.org/pragma.html#pragma_data_version.
		prepared, err := c.(driver.ConnPrepareContext).PrepareContext(ctx, "PRAGMA data_version")
		if err == nil {
			l.version = prepared.(statement)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return l, nil
}

// close is called when nobody asks any more.
func (l *lists) close() error {
	// The connection is closed next, and tells.
	_ = l.conn.Raw(func(any) error { return l.version.Close() })
	return l.conn.Close()
}

// get returns the page, by load if it isn't there or the database has changed.
// Nobody may change what it returns.
func (l *lists) get(ctx context.Context, q session.Query, load func() (session.Page, error)) (session.Page, error) {
	version, err := l.now(ctx)
	if err != nil {
		return session.Page{}, err
	}
	l.mu.Lock()
	if version != l.at {
		l.at = version
		clear(l.pages)
	}
	page, kept := l.pages[q]
	l.mu.Unlock()
	if kept {
		return page, nil
	}
	// What is read now is of this version or newer, never older.
	if page, err = load(); err != nil || len(page.Notebooks) > maxListedSize {
		return page, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if version == l.at {
		if len(l.pages) >= maxLists {
			clear(l.pages)
		}
		l.stamp++
		page.Stamp.Store = l.stamp
		l.pages[q] = page
	}
	return page, nil
}

// now returns the version of the database at a moment after the call. Those who
// ask while one question is under way share the next.
func (l *lists) now(ctx context.Context) (int64, error) {
	l.mu.Lock()
	c := l.next
	if c == nil {
		c = &check{done: make(chan struct{})}
		l.next = c
	}
	if !l.busy {
		l.busy = true
		go l.ask()
	}
	l.mu.Unlock()
	select {
	case <-c.done:
		return c.version, c.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (l *lists) ask() {
	for {
		runtime.Gosched() // those who are about to ask can share the question
		l.mu.Lock()
		c := l.next
		l.next = nil
		l.busy = c != nil
		l.mu.Unlock()
		if c == nil {
			return
		}
		if c.version, c.err = l.read(); c.err != nil {
			c.err = fmt.Errorf("read the version of the database: %w", c.err)
		}
		close(c.done)
	}
}

func (l *lists) read() (version int64, err error) {
	err = l.conn.Raw(func(any) error {
		rows, err := l.version.QueryContext(context.Background(), nil)
		if err != nil {
			return err
		}
		var row [1]driver.Value
		if err = rows.Next(row[:]); err == nil {
			version = row[0].(int64)
		}
		return errors.Join(err, rows.Close())
	})
	return version, err
}
