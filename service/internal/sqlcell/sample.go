package sqlcell

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

//go:embed sample.sql
var sampleSQL string

// sample is the sample database. All runs read one image of it in memory,
// which SQLite treats as a read-only file.
type sample struct {
	image uintptr
	size  int64
	runs  chan struct{}
}

func openSample(context.Context) (database, error) {
	conn, err := openSQLite(":memory:")
	if err != nil {
		return nil, fmt.Errorf("make the sample database: %w", err)
	}
	defer conn.close()
	statements, err := parse(sampleSQL, SQLite)
	if err != nil {
		return nil, fmt.Errorf("make the sample database: %w", err)
	}
	for _, s := range statements {
		r := &run{Query: Query{RowLimit: 1, ByteLimit: 1}, result: &Result{}}
		if failed := conn.run(context.Background(), s.text, nil, r); failed != nil {
			return nil, fmt.Errorf("make the sample database: %s: %s", failed.name, failed.message)
		}
	}
	name, size, err := conn.names()
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(conn.tls, name)
	defer libc.Xfree(conn.tls, size)
	s := &sample{runs: make(chan struct{}, sqliteRuns)}
	if s.image = sqlite3.Xsqlite3_serialize(conn.tls, conn.db, name, size, 0); s.image == 0 {
		return nil, errors.New("make the sample database: out of memory")
	}
	s.size = loadInt64(size)
	return s, nil
}

// names returns the name of the main database and room for a number, both to
// be freed.
func (c *sqliteConn) names() (name, number uintptr, err error) {
	if name, err = libc.CString("main"); err != nil {
		return 0, 0, err
	}
	if number, err = c.pointer(); err != nil {
		libc.Xfree(c.tls, name)
	}
	return name, number, err
}

func (s *sample) dialect() Dialect { return SQLite }

func (s *sample) run(ctx context.Context, r *run) *notebook.CellError {
	return runSQLite(ctx, r, s.runs, s.open)
}

func (s *sample) open() (*sqliteConn, error) {
	conn, err := openSQLite(":memory:")
	if err != nil {
		return nil, err
	}
	name, err := libc.CString("main")
	if err != nil {
		conn.close()
		return nil, err
	}
	defer libc.Xfree(conn.tls, name)
	if rc := sqlite3.Xsqlite3_deserialize(conn.tls, conn.db, name, s.image, s.size, s.size, sqlite3.SQLITE_DESERIALIZE_READONLY); rc != sqlite3.SQLITE_OK {
		failed := conn.failed(rc)
		conn.close()
		return nil, errors.New(failed.message)
	}
	return conn, nil
}

func (s *sample) close() error {
	tls := libc.NewTLS()
	defer tls.Close()
	sqlite3.Xsqlite3_free(tls, s.image)
	s.image = 0
	return nil
}
