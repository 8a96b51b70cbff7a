// Package postgres keeps notebooks in a PostgreSQL database.
//
// It is for several services over one set of notebooks. It decides nothing
// about which of them owns an open notebook: it only refuses changes to a
// version that isn't the current one.
//
// Invariant: the changes to one notebook come one after the other, as each
// holds the lock of the notebook's row first; so none is lost, and no two of
// them wait for each other.
package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/postgresurl"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storekit"
)

// Store is a session.Store. Use Open.
type Store struct{ pool *pgxpool.Pool }

// Check tells whether a URL can be one of a database. It connects to nothing,
// and its error shows no password.
func Check(url string) error {
	if _, err := postgresurl.Parse(url); err != nil {
		return fmt.Errorf("the address of the database %w", err)
	}
	return nil
}

// sessions of one service, unless the URL has a pool_max_conns.
const sessions = 10

// Open connects to the database and brings its schema up to date. The database
// must be there.
func Open(ctx context.Context, url string) (*Store, error) {
	config, err := postgresurl.Parse(url)
	if err != nil {
		return nil, fmt.Errorf("the address of the database %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = sessions
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := migrate(ctx, pool, steps()); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open database %s on %s: %w", config.ConnConfig.Database, config.ConnConfig.Host, err)
	}
	return &Store{pool}, nil
}

// Close waits for what is under way and closes the connections. It may be
// called more than once.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// failed wraps an error with what was being done. If the database is away, as
// while another one takes over from it, the error says so to clients.
func failed(err error, doing string, args ...any) error {
	doing = fmt.Sprintf(doing, args...)
	if away(err) {
		return fmt.Errorf("%s: %w: %w", doing, &session.UnavailableError{Reason: "the database does not answer: try again", RetryAfter: 2}, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func away(err error) bool {
	var refused *pgconn.ConnectError
	var told *pgconn.PgError
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // that has an answer of its own
	}
	if errors.As(err, &refused) || pgconn.SafeToRetry(err) {
		return true
	}
	if errors.As(err, &told) {
		switch told.Code[:2] { // classes of SQLSTATE
		case "08", "53": // connection exception, insufficient resources
			return true
		case "57":
			return told.Code != "57014" // a statement was cancelled; the others end the server
		}
		return told.Code == "25006" // read-only: it was the primary until now
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// document is a cell as people wrote it.
type document struct {
	Kind       notebook.Kind `json:"kind"`
	Source     string        `json:"source"`
	Disabled   bool          `json:"disabled"`
	Connection *string       `json:"connection,omitempty"`
	Result     *string       `json:"result,omitempty"`
}

// writes collects statements that are sent together.
type writes struct {
	batch pgx.Batch
	err   error
}

func (w *writes) cell(id string, position int, c *notebook.Cell) {
	doc, err := json.Marshal(document{c.Kind, c.Source, c.Disabled, c.Connection, c.Result})
	if err != nil {
		w.err = errors.Join(w.err, fmt.Errorf("encode cell %s: %w", c.ID, err))
		return
	}
	w.batch.Queue(`INSERT INTO cells (notebook_id, id, position, document) VALUES ($1, $2, $3, $4)
		ON CONFLICT (notebook_id, id) DO UPDATE SET document = excluded.document`, id, c.ID, position, string(doc))
}

// results writes what runs left; alone says that it comes without a version,
// so that it may be of before a run by another service.
func (w *writes) results(id string, n *notebook.Notebook, cells []string, alone bool) {
	results, err := storekit.ResultsOf(n, cells)
	w.err = errors.Join(w.err, err)
	for _, r := range results {
		// Selecting from cells drops results of a cell that isn't there. What
		// is not UTF-8 would be refused.
		w.batch.Queue(`INSERT INTO results (notebook_id, cell_id, runs, state, outputs)
			SELECT notebook_id, id, $3, $4, $5 FROM cells WHERE notebook_id = $1 AND id = $2
			ON CONFLICT (notebook_id, cell_id) DO UPDATE SET runs = excluded.runs, state = excluded.state, outputs = excluded.outputs
			WHERE $6 OR results.runs <= excluded.runs`,
			id, r.CellID, r.Runs, strings.ToValidUTF8(r.State, "\uFFFD"), strings.ToValidUTF8(r.Outputs, "\uFFFD"), !alone)
	}
}

func (w *writes) send(ctx context.Context, tx pgx.Tx) error {
	if w.err != nil || w.batch.Len() == 0 {
		return w.err
	}
	return tx.SendBatch(ctx, &w.batch).Close()
}

// Create is session.Store's.
func (s *Store) Create(ctx context.Context, n *notebook.Notebook) error {
	var w writes
	w.batch.Queue(`INSERT INTO notebooks (id, name, search_name, mode, version, cell_count, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		n.ID, n.Name, storekit.Fold(n.Name), n.Mode, n.Version, len(n.Cells), n.CreatedAt.Time, n.UpdatedAt.Time)
	for i, c := range n.Cells {
		w.cell(n.ID, i, c)
	}
	w.results(n.ID, n, storekit.Order(n), false)
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return w.send(ctx, tx) })
	if err != nil {
		return failed(err, "create notebook %s", n.ID)
	}
	return nil
}

// Apply is session.Store's.
func (s *Store) Apply(ctx context.Context, c session.Change) error {
	if err := storekit.CheckChange(c); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return apply(ctx, tx, c) })
	if err != nil {
		return failed(err, "change notebook %s", c.Notebook.ID)
	}
	return nil
}

// lock takes the notebook's row, if it has the version that a change was made
// on; 0 is any.
func lock(ctx context.Context, tx pgx.Tx, id string, base int64) error {
	var current int64
	err := tx.QueryRow(ctx, `SELECT version FROM notebooks WHERE id = $1 FOR UPDATE`, id).Scan(&current)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return session.ErrNotFound
	case err == nil && base != 0 && base != current:
		return &session.VersionError{Given: base, Current: current}
	}
	return err
}

func apply(ctx context.Context, tx pgx.Tx, c session.Change) error {
	n := c.Notebook
	if err := lock(ctx, tx, n.ID, c.Base); err != nil {
		return err
	}
	var w writes
	if c.Base != 0 {
		w.batch.Queue(`UPDATE notebooks SET name = $2, search_name = $3, mode = $4, version = $5, cell_count = $6, updated_at = $7 WHERE id = $1`,
			n.ID, n.Name, storekit.Fold(n.Name), n.Mode, n.Version, len(n.Cells), n.UpdatedAt.Time)
		if len(c.Removed) > 0 {
			w.batch.Queue(`DELETE FROM cells WHERE notebook_id = $1 AND id = ANY($2)`, n.ID, c.Removed)
		}
		for k := range c.Written {
			if i := c.Place(k); i >= 0 { // else written and removed since
				w.cell(n.ID, i, n.Cells[i])
			}
		}
		if c.Moved || len(c.Written) > 0 {
			// Only cells that stand elsewhere are written.
			w.batch.Queue(`UPDATE cells SET position = wanted.position - 1
				FROM unnest($2::text[]) WITH ORDINALITY AS wanted (id, position)
				WHERE cells.notebook_id = $1 AND cells.id = wanted.id AND cells.position <> wanted.position - 1`, n.ID, storekit.Order(n))
		}
	}
	w.results(n.ID, n, c.Ran, c.Base == 0)
	return w.send(ctx, tx)
}

// Delete is session.Store's.
func (s *Store) Delete(ctx context.Context, id string, base int64) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := lock(ctx, tx, id, base); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM notebooks WHERE id = $1`, id)
		return err
	})
	if err != nil {
		return failed(err, "delete notebook %s", id)
	}
	return nil
}

// List is session.Store's.
func (s *Store) List(ctx context.Context, q session.Query) (session.Page, error) {
	text := `SELECT id, name, version, cell_count, created_at, updated_at FROM notebooks WHERE true`
	args := pgx.NamedArgs{"limit": q.Limit + 1} // one more tells whether there is a next page
	if q.Search != "" {
		// Not ILIKE: its letter case is the locale's, and % and _ would need escapes.
		text += ` AND strpos(search_name, @search) > 0`
		// No name has a character that text can't hold.
		if strings.ContainsRune(q.Search, 0) {
			return session.Page{Notebooks: []notebook.Summary{}}, nil
		}
		args["search"] = storekit.Fold(q.Search)
	}
	if q.Cursor != "" {
		from, err := storekit.ParseCursor(q.Cursor)
		if err != nil {
			return session.Page{}, err
		}
		text += ` AND (created_at, id) < (@created, @id)`
		args["created"], args["id"] = time.UnixMilli(from.CreatedMS), from.ID
	}
	text += ` ORDER BY created_at DESC, id DESC LIMIT @limit`
	rows, err := s.pool.Query(ctx, text, args)
	if err != nil {
		return session.Page{}, failed(err, "list notebooks")
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n notebook.Summary, err error) {
		n.Kernel.Status = notebook.KernelNone
		err = row.Scan(&n.ID, &n.Name, &n.Version, &n.CellCount, &n.CreatedAt.Time, &n.UpdatedAt.Time)
		n.CreatedAt.Time, n.UpdatedAt.Time = n.CreatedAt.UTC(), n.UpdatedAt.UTC()
		return n, err
	})
	if err != nil {
		return session.Page{}, failed(err, "list notebooks")
	}
	var page session.Page
	page.Notebooks, page.NextCursor = storekit.FullPage(found, q.Limit)
	return page, nil
}

// Get is session.Store's.
func (s *Store) Get(ctx context.Context, id string) (*notebook.Notebook, error) {
	n := &notebook.Notebook{ID: id, Kernel: notebook.Kernel{Status: notebook.KernelNone}, Cells: []*notebook.Cell{}}
	found := false
	// One statement, so that document, order and results are of one instant.
	rows, err := s.pool.Query(ctx, `
		SELECT n.name, n.mode, n.version, n.created_at, n.updated_at, c.id, c.document::text, r.state, r.outputs
		FROM notebooks n
		LEFT JOIN cells c ON c.notebook_id = n.id
		LEFT JOIN results r ON r.notebook_id = c.notebook_id AND r.cell_id = c.id
		WHERE n.id = $1 ORDER BY c.position`, id)
	if err != nil {
		return nil, failed(err, "read notebook %s", id)
	}
	defer rows.Close()
	for rows.Next() {
		found = true
		var cell, doc, state, outputs *string
		if err := rows.Scan(&n.Name, &n.Mode, &n.Version, &n.CreatedAt.Time, &n.UpdatedAt.Time, &cell, &doc, &state, &outputs); err != nil {
			return nil, failed(err, "read notebook %s", id)
		}
		if cell == nil {
			continue // a notebook without cells
		}
		var d document
		if err := json.Unmarshal([]byte(*doc), &d); err != nil {
			return nil, fmt.Errorf("decode cell %s: %w", *cell, err)
		}
		c := notebook.NewCell(d.Kind, d.Source)
		c.ID, c.Disabled, c.Connection, c.Result = *cell, d.Disabled, d.Connection, d.Result
		n.Cells = append(n.Cells, c)
		if state == nil {
			continue // never analysed, never run
		}
		if err := (storekit.Results{CellID: c.ID, State: *state, Outputs: *outputs}).Into(c); err != nil {
			return nil, err
		}
	}
	err = rows.Err()
	if err == nil && !found {
		err = session.ErrNotFound
	}
	if err != nil {
		return nil, failed(err, "read notebook %s", id)
	}
	n.CreatedAt.Time, n.UpdatedAt.Time = n.CreatedAt.UTC(), n.UpdatedAt.UTC()
	return n, nil
}

// Ping is session.Store's.
func (s *Store) Ping(ctx context.Context) error {
	if _, err := s.pool.Exec(ctx, `SELECT 1 FROM notebooks LIMIT 1`); err != nil {
		return failed(err, "ask the database")
	}
	return nil
}
