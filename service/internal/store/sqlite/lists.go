package sqlite

import (
	"context"
	"database/sql"
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
	version *sql.Stmt

	mu    sync.Mutex
	next  *check // that has not begun: whoever comes now can share it
	busy  bool   // one is under way
	at    int64  // the version that pages are of
	pages map[session.Query]session.Page
	stamp uint64 // of the last page
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
	// It differs from what it was when another connection has committed
	// since: https://sqlite.org/pragma.html#pragma_data_version.
	version, err := conn.PrepareContext(ctx, "PRAGMA data_version")
	if err != nil {
		return nil, err
	}
	return &lists{conn: conn, version: version, pages: map[session.Query]session.Page{}}, nil
}

// close is called when nobody asks any more.
func (l *lists) close() error {
	_ = l.version.Close() // the connection is closed next, and tells
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
		if err := l.version.QueryRow().Scan(&c.version); err != nil {
			c.err = fmt.Errorf("read the version of the database: %w", err)
		}
		close(c.done)
	}
}
