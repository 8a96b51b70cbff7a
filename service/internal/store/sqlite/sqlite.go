// Package sqlite keeps notebooks in one SQLite file.
//
// It is not for several services at once on a network file system: SQLite's
// locks want a local disk. One goroutine writes and commits what waits
// together, so that many editors share one fsync; reads go through a pool of
// their own and see the last commit.
//
// Invariant: when a method that changes something returns nil, the change is
// on the disk (write-ahead log, synchronous=FULL); when it returns an error of
// package session, nothing of the change is.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"modernc.org/sqlite" // registers the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storekit"
)

const (
	readers  = 4
	maxGroup = 128 // changes in one transaction

	lockTimeout = 10 * time.Second // for others to let go of the file
)

var busyTimeout = fmt.Sprintf("busy_timeout(%d)", lockTimeout.Milliseconds())

var errClosed = errors.New("the store is closed")

// Store is a session.Store. Use Open.
type Store struct {
	path   string
	read   *sql.DB
	write  *sql.DB
	writer *sql.Conn // only the writing goroutine uses it
	lists  *lists

	jobs     chan *job
	closing  chan struct{} // closed by Close: take no more jobs
	finished chan struct{} // closed when the writing goroutine has ended
	close    sync.Once
	closeErr error
}

// job is one change in the queue of the writing goroutine.
type job struct {
	ctx  context.Context
	do   func(ctx context.Context, tx *statements) error
	done chan error // has room for the answer
}

// Open opens the database file, makes it and its directory if they aren't
// there, and brings its schema up to date.
func Open(ctx context.Context, path string) (*Store, error) {
	s := &Store{path: path, jobs: make(chan *job, maxGroup), closing: make(chan struct{}), finished: make(chan struct{})}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, errors.Join(err, s.release()))
	}
	prepared, err := prepare(ctx, s.writer)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, errors.Join(err, s.release()))
	}
	go s.writeLoop(prepared)
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	path, err := filepath.Abs(s.path)
	if err != nil {
		return err
	}
	// Notebooks are nobody else's, least of all the kernels', which run
	// as other users of this machine where the service is root.
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}

	if s.write, err = sql.Open("sqlite", dsn(path,
		busyTimeout, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.writer, err = connect(ctx, s.write); err != nil {
		return err
	}
	if err := migrate(ctx, s.writer, steps()); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", dsn(path, busyTimeout, "query_only(1)")); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers + 1) // and one for lists
	s.read.SetMaxIdleConns(readers + 1)
	s.lists, err = openLists(ctx, s.read)
	return err
}

// syncDir makes the names of a directory's files last. SQLite does so for the
// files that it makes itself.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// connect waits for others who open the file at the same time: for the change
// to a write-ahead log SQLite itself doesn't.
func connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	for {
		conn, err := db.Conn(ctx)
		var told *sqlite.Error
		if err == nil || !errors.As(err, &told) || told.Code()&0xff != sqlite3.SQLITE_BUSY {
			return conn, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func dsn(path string, pragmas ...string) string {
	query := url.Values{"_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

func (s *Store) release() error {
	var errs []error
	if s.lists != nil {
		errs = append(errs, s.lists.close())
	}
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	return errors.Join(errs...)
}

// Close finishes what is being written and closes the file. It may be called
// more than once.
func (s *Store) Close() error {
	s.close.Do(func() {
		close(s.closing)
		<-s.finished
		s.closeErr = s.release()
	})
	return s.closeErr
}

// change hands a change to the writing goroutine and waits for its commit. Once
// the goroutine has begun with it, the context can't stop it any more, so that
// nobody is told of a failure that did not happen.
func (s *Store) change(ctx context.Context, do func(context.Context, *statements) error) error {
	j := &job{ctx: ctx, do: do, done: make(chan error, 1)}
	select {
	case <-s.closing:
		return errClosed
	default:
	}
	select {
	case s.jobs <- j:
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-j.done:
		return err
	case <-s.finished:
		// The queue was closed down; the answer may have come just before.
		select {
		case err := <-j.done:
			return err
		default:
			return errClosed
		}
	}
}

// writeLoop is the writing goroutine.
func (s *Store) writeLoop(prepared *statements) {
	defer close(s.finished)
	defer prepared.close()
	for {
		select {
		case first := <-s.jobs:
			s.commit(prepared, s.gather(first))
		case <-s.closing:
			for { // what was queued before is still written
				select {
				case first := <-s.jobs:
					s.commit(prepared, s.gather(first))
				default:
					return
				}
			}
		}
	}
}

// gather takes everything that waits already, up to a limit. It waits for
// nothing: while one group is being written the next one forms by itself.
func (s *Store) gather(first *job) []*job {
	group := []*job{first}
	for len(group) < maxGroup {
		select {
		case j := <-s.jobs:
			group = append(group, j)
		default:
			return group
		}
	}
	return group
}

// commit writes a group of changes in one transaction and answers each. A
// change that fails is taken back alone; a commit that fails fails them all.
func (s *Store) commit(prepared *statements, group []*job) {
	// Not a request's context: a group belongs to several of them.
	ctx := context.Background()
	answers := make([]error, len(group))
	err := s.transaction(ctx, func() error {
		for i, j := range group {
			if answers[i] = j.ctx.Err(); answers[i] != nil {
				continue
			}
			if _, err := s.writer.ExecContext(ctx, "SAVEPOINT change"); err != nil {
				return err
			}
			if answers[i] = j.do(ctx, prepared); answers[i] != nil {
				if _, err := s.writer.ExecContext(ctx, "ROLLBACK TO change"); err != nil {
					return err
				}
			}
			if _, err := s.writer.ExecContext(ctx, "RELEASE change"); err != nil {
				return err
			}
		}
		return nil
	})
	for i, j := range group {
		if err != nil {
			answers[i] = fmt.Errorf("write to database %s: %w", s.path, err)
		}
		j.done <- answers[i]
	}
}

func (s *Store) transaction(ctx context.Context, do func() error) error {
	if _, err := s.writer.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = s.writer.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// SQLite rolls some failures back by itself, so this may find nothing
		// to do and say so.
		_, _ = s.writer.ExecContext(ctx, "ROLLBACK")
	}
	return err
}

// statements are what the writing goroutine says, prepared once.
type statements struct {
	insertNotebook, updateNotebook, version, deleteNotebook *sql.Stmt
	insertCell, updateCell, deleteCell, order               *sql.Stmt
	result                                                  *sql.Stmt
}

func (st *statements) all() map[**sql.Stmt]string {
	return map[**sql.Stmt]string{
		&st.insertNotebook: `INSERT INTO notebooks (id, name, search_name, mode, version, cell_count, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		&st.updateNotebook: `UPDATE notebooks SET name = ?, search_name = ?, mode = ?, version = ?, cell_count = ?, updated_at = ?
			WHERE id = ? AND version = ?`,
		&st.version:        `SELECT version FROM notebooks WHERE id = ?`,
		&st.deleteNotebook: `DELETE FROM notebooks WHERE id = ? AND (? = 0 OR version = ?)`,
		&st.insertCell: `INSERT INTO cells (notebook_id, id, position, kind, source, disabled, connection, result)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		&st.updateCell: `UPDATE cells SET kind = ?, source = ?, disabled = ?, connection = ?, result = ?
			WHERE notebook_id = ? AND id = ?`,
		&st.deleteCell: `DELETE FROM cells WHERE notebook_id = ? AND id = ?`,
		// The order comes as a JSON list of ids; only cells that stand
		// elsewhere are written.
		&st.order: `UPDATE cells SET position = wanted.key FROM json_each(?) AS wanted
			WHERE cells.notebook_id = ? AND cells.id = wanted.value AND cells.position <> wanted.key`,
		// Selecting from cells drops results of a cell that isn't there.
		&st.result: `INSERT INTO results (notebook_id, cell_id, runs, state, outputs)
			SELECT notebook_id, id, ?, ?, ? FROM cells WHERE notebook_id = ? AND id = ?
			ON CONFLICT DO UPDATE SET runs = excluded.runs, state = excluded.state, outputs = excluded.outputs
			WHERE ? OR runs <= excluded.runs`,
	}
}

func prepare(ctx context.Context, conn *sql.Conn) (*statements, error) {
	st := &statements{}
	for target, text := range st.all() {
		var err error
		if *target, err = conn.PrepareContext(ctx, text); err != nil {
			st.close()
			return nil, fmt.Errorf("prepare %q: %w", text, err)
		}
	}
	return st, nil
}

func (st *statements) close() {
	for target := range st.all() {
		if *target != nil {
			_ = (*target).Close() // the connection is closed next, and tells
		}
	}
}

// Create is session.Store's.
func (s *Store) Create(ctx context.Context, n *notebook.Notebook) error {
	// Encoded before it is queued, so that the writing goroutine writes only.
	results, err := storekit.ResultsOf(n, storekit.Order(n))
	if err != nil {
		return err
	}
	err = s.change(ctx, func(ctx context.Context, st *statements) error {
		if _, err := st.insertNotebook.ExecContext(ctx, n.ID, n.Name, storekit.Fold(n.Name), n.Mode, n.Version,
			len(n.Cells), n.CreatedAt.UnixMilli(), n.UpdatedAt.UnixMilli()); err != nil {
			return err
		}
		for i, c := range n.Cells {
			if _, err := st.insertCell.ExecContext(ctx, n.ID, c.ID, i, c.Kind, c.Source, c.Disabled, c.Connection, c.Result); err != nil {
				return err
			}
		}
		return st.keep(ctx, n.ID, results, false)
	})
	if err != nil {
		return fmt.Errorf("create notebook %s: %w", n.ID, err)
	}
	return nil
}

// keep writes results; alone says that they come without a version, so that
// they may be of before a run by another service.
func (st *statements) keep(ctx context.Context, id string, results []storekit.Results, alone bool) error {
	for _, r := range results {
		if _, err := st.result.ExecContext(ctx, r.Runs, r.State, r.Outputs, id, r.CellID, !alone); err != nil {
			return err
		}
	}
	return nil
}

// Apply is session.Store's.
func (s *Store) Apply(ctx context.Context, c session.Change) error {
	if err := storekit.CheckChange(c); err != nil {
		return err
	}
	n := c.Notebook
	results, err := storekit.ResultsOf(n, c.Ran)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(ctx context.Context, st *statements) error {
		if c.Base == 0 {
			if _, err := st.current(ctx, n.ID); err != nil {
				return err
			}
		} else if err := st.document(ctx, c); err != nil {
			return err
		}
		return st.keep(ctx, n.ID, results, c.Base == 0)
	})
	if err != nil {
		return fmt.Errorf("change notebook %s: %w", n.ID, err)
	}
	return nil
}

// current returns the version of a notebook.
func (st *statements) current(ctx context.Context, id string) (version int64, err error) {
	err = st.version.QueryRowContext(ctx, id).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		err = session.ErrNotFound
	}
	return version, err
}

// conflict says why no notebook of that id has that version.
func (st *statements) conflict(ctx context.Context, id string, base int64) error {
	current, err := st.current(ctx, id)
	if err != nil {
		return err
	}
	return &session.VersionError{Given: base, Current: current}
}

// document writes what changed of what people wrote.
func (st *statements) document(ctx context.Context, c session.Change) error {
	n := c.Notebook
	done, err := st.updateNotebook.ExecContext(ctx, n.Name, storekit.Fold(n.Name), n.Mode, n.Version,
		len(n.Cells), n.UpdatedAt.UnixMilli(), n.ID, c.Base)
	if err != nil {
		return err
	}
	if hit, err := affected(done); err != nil || !hit {
		if err != nil {
			return err
		}
		return st.conflict(ctx, n.ID, c.Base)
	}
	for _, id := range c.Removed {
		if _, err := st.deleteCell.ExecContext(ctx, n.ID, id); err != nil {
			return err
		}
	}
	arrange := c.Moved
	for k, id := range c.Written {
		i := c.Place(k)
		if i < 0 {
			continue // written and removed since
		}
		cell := n.Cells[i]
		done, err := st.updateCell.ExecContext(ctx, cell.Kind, cell.Source, cell.Disabled, cell.Connection, cell.Result, n.ID, id)
		if err != nil {
			return err
		}
		hit, err := affected(done)
		if err != nil {
			return err
		}
		if !hit {
			if _, err := st.insertCell.ExecContext(ctx, n.ID, id, i, cell.Kind, cell.Source, cell.Disabled, cell.Connection, cell.Result); err != nil {
				return err
			}
			arrange = true
		}
	}
	if arrange {
		order, err := json.Marshal(storekit.Order(n))
		if err != nil {
			return fmt.Errorf("encode order of cells: %w", err)
		}
		if _, err := st.order.ExecContext(ctx, string(order), n.ID); err != nil {
			return err
		}
	}
	return nil
}

func affected(r sql.Result) (bool, error) {
	n, err := r.RowsAffected()
	return n > 0, err
}

// Delete is session.Store's.
func (s *Store) Delete(ctx context.Context, id string, base int64) error {
	err := s.change(ctx, func(ctx context.Context, st *statements) error {
		done, err := st.deleteNotebook.ExecContext(ctx, id, base, base)
		if err != nil {
			return err
		}
		if hit, err := affected(done); err != nil || hit {
			return err
		}
		return st.conflict(ctx, id, base)
	})
	if err != nil {
		return fmt.Errorf("delete notebook %s: %w", id, err)
	}
	return nil
}

// List is session.Store's.
func (s *Store) List(ctx context.Context, q session.Query) (session.Page, error) {
	select {
	case <-s.closing:
		return session.Page{}, errClosed
	default:
	}
	return s.lists.get(ctx, q, func() (session.Page, error) { return s.list(ctx, q) })
}

func (s *Store) list(ctx context.Context, q session.Query) (session.Page, error) {
	text := `SELECT id, name, version, cell_count, created_at, updated_at FROM notebooks WHERE TRUE`
	var args []any
	if q.Search != "" {
		// Not LIKE: its letter case is ASCII's, and % and _ would need escapes.
		text += ` AND instr(search_name, ?) > 0`
		args = append(args, storekit.Fold(q.Search))
	}
	if q.Cursor != "" {
		from, err := storekit.ParseCursor(q.Cursor)
		if err != nil {
			return session.Page{}, err
		}
		text += ` AND (created_at, id) < (?, ?)`
		args = append(args, from.CreatedMS, from.ID)
	}
	text += ` ORDER BY created_at DESC, id DESC LIMIT ?`
	args = append(args, q.Limit+1) // one more tells whether there is a next page

	page := session.Page{Notebooks: []notebook.Summary{}}
	err := s.query(ctx, text, args, func(row *sql.Rows) error {
		var n notebook.Summary
		var created, updated int64
		if err := row.Scan(&n.ID, &n.Name, &n.Version, &n.CellCount, &created, &updated); err != nil {
			return err
		}
		n.CreatedAt, n.UpdatedAt = instant(created), instant(updated)
		n.Kernel.Status = notebook.KernelNone
		page.Notebooks = append(page.Notebooks, n)
		return nil
	})
	if err != nil {
		return session.Page{}, fmt.Errorf("list notebooks: %w", err)
	}
	page.Notebooks, page.NextCursor = storekit.FullPage(page.Notebooks, q.Limit)
	return page, nil
}

func instant(ms int64) notebook.Time { return notebook.Time{Time: time.UnixMilli(ms).UTC()} }

func (s *Store) query(ctx context.Context, text string, args []any, each func(*sql.Rows) error) error {
	select {
	case <-s.closing:
		return errClosed
	default:
	}
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Get is session.Store's.
func (s *Store) Get(ctx context.Context, id string) (*notebook.Notebook, error) {
	var n *notebook.Notebook
	// One statement, so that document, order and results are of one instant.
	err := s.query(ctx, `
		SELECT n.name, n.mode, n.version, n.created_at, n.updated_at,
		       c.id, c.kind, c.source, c.disabled, c.connection, c.result, r.state, r.outputs
		FROM notebooks n
		LEFT JOIN cells c ON c.notebook_id = n.id
		LEFT JOIN results r ON r.notebook_id = c.notebook_id AND r.cell_id = c.id
		WHERE n.id = ? ORDER BY c.position`, []any{id}, func(row *sql.Rows) error {
		next := &notebook.Notebook{ID: id, Kernel: notebook.Kernel{Status: notebook.KernelNone}, Cells: []*notebook.Cell{}}
		var created, updated int64
		var cell, kind, source, state, outputs sql.NullString
		var disabled sql.NullBool
		c := notebook.NewCell("", "")
		if err := row.Scan(&next.Name, &next.Mode, &next.Version, &created, &updated,
			&cell, &kind, &source, &disabled, &c.Connection, &c.Result, &state, &outputs); err != nil {
			return err
		}
		if n == nil {
			next.CreatedAt, next.UpdatedAt = instant(created), instant(updated)
			n = next
		}
		if !cell.Valid {
			return nil // a notebook without cells
		}
		c.ID, c.Kind, c.Source, c.Disabled = cell.String, notebook.Kind(kind.String), source.String, disabled.Bool
		n.Cells = append(n.Cells, c)
		if !state.Valid {
			return nil // never analysed, never run
		}
		return storekit.Results{CellID: c.ID, State: state.String, Outputs: outputs.String}.Into(c)
	})
	if err == nil && n == nil {
		err = session.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read notebook %s: %w", id, err)
	}
	return n, nil
}

// Ping is session.Store's. It asks the file, and does not wait for writers.
func (s *Store) Ping(ctx context.Context) error {
	err := s.query(ctx, "SELECT count(*) FROM (SELECT 1 FROM notebooks LIMIT 1)", nil, func(*sql.Rows) error { return nil })
	if err != nil {
		return fmt.Errorf("ask database %s: %w", s.path, err)
	}
	return nil
}
