package sqlcell

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// SampleName is the name of the connection that is there when none is
// configured.
const SampleName = "sample"

// Info is what people may know of a connection.
type Info struct {
	Name    string  `json:"name"`
	Dialect Dialect `json:"dialect"`
}

// Connections are the databases that SQL cells can name. Its methods may be
// called at any time from any goroutine, but for Close, which comes last.
type Connections struct {
	databases map[string]database
}

// database runs statements on one configured connection.
type database interface {
	dialect() Dialect
	// run fills r.result by running r's statements.
	run(ctx context.Context, r *run) *notebook.CellError
	close() error
}

// Check returns what Open would find wrong with its settings, without opening
// anything.
func Check(settings string) error {
	_, err := readSettings(settings)
	return err
}

// Open prepares the connections that settings name: a JSON object whose keys
// are names and whose values are URLs, "postgres://…" or "sqlite:PATH" of an
// existing file. Empty settings stand for the sample database. The error joins
// one for each fault. Servers are not contacted before a cell needs them, so
// that the service starts without them.
func Open(ctx context.Context, settings string) (*Connections, error) {
	openers, err := readSettings(settings)
	if err != nil {
		return nil, err
	}
	c := &Connections{databases: map[string]database{}}
	var faults []error
	for name, open := range openers {
		db, err := open(ctx)
		if err != nil {
			faults = append(faults, fmt.Errorf("connection %q: %w", name, err))
			continue
		}
		c.databases[name] = db
	}
	if len(faults) > 0 {
		return nil, errors.Join(append(faults, c.Close())...)
	}
	return c, nil
}

type opener func(ctx context.Context) (database, error)

var nameForm = regexp.MustCompile(`^[\pL\pN_][\pL\pN_ .-]{0,62}$`)

// readSettings parses by hand what a map would lose: a name given twice. Its
// errors never quote a value.
func readSettings(settings string) (map[string]opener, error) {
	if strings.TrimSpace(settings) == "" {
		return map[string]opener{SampleName: openSample}, nil
	}
	form := errors.New(`must be a JSON object such as {"warehouse":"postgres://USER:PASSWORD@HOST/DATABASE"}`)
	decoder := json.NewDecoder(bytes.NewReader([]byte(settings)))
	if t, err := decoder.Token(); err != nil || t != json.Delim('{') {
		return nil, form
	}
	openers := map[string]opener{}
	var faults []error
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, errors.Join(append(faults, form)...)
		}
		name, _ := key.(string)
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("connection %q: %w", name, fmt.Errorf(format, args...)))
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, errors.Join(append(faults, form)...)
		}
		if !nameForm.MatchString(name) {
			fault("a name must have 1 to 63 letters, digits, and - _ . or spaces after the first")
		}
		if _, twice := openers[name]; twice {
			fault("is there twice")
		}
		openers[name] = nil
		address, ok := value.(string)
		scheme, rest, _ := strings.Cut(address, ":")
		switch {
		case !ok:
			fault("its URL must be a string")
		case scheme == "sqlite":
			if openers[name], err = sqliteOpener(rest); err != nil {
				fault("%w", err)
			}
		case scheme == "postgres" || scheme == "postgresql":
			if openers[name], err = postgresOpener(address); err != nil {
				fault("%w", err)
			}
		default:
			fault("its URL must begin with postgres:// or sqlite:")
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errors.Join(append(faults, form)...)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(append(faults, form)...)
	}
	if len(openers) == 0 {
		faults = append(faults, errors.New("names no connection: leave it empty for the sample database"))
	}
	return openers, errors.Join(faults...)
}

// List returns the connections, sorted by name.
func (c *Connections) List() []Info {
	infos := []Info{}
	for _, name := range slices.Sorted(maps.Keys(c.databases)) {
		infos = append(infos, Info{name, c.databases[name].dialect()})
	}
	return infos
}

// Dialect returns the dialect of the connection that a cell names, "" being
// the only one. Of an unknown one it is PostgreSQL, as the source has to be
// read even so; running it says what is wrong.
func (c *Connections) Dialect(name string) Dialect {
	if db, err := c.database(name); err == nil {
		return db.dialect()
	}
	return PostgreSQL
}

func (c *Connections) database(name string) (database, *notebook.CellError) {
	if db, ok := c.databases[name]; ok {
		return db, nil
	}
	names := slices.Sorted(maps.Keys(c.databases))
	switch {
	case name != "":
		return nil, sqlError("ConnectionError", "there is no SQL connection %q; there is %s", name, strings.Join(names, ", "))
	case len(names) == 1:
		return c.databases[names[0]], nil
	}
	return nil, sqlError("ConnectionError", "this cell names no SQL connection: choose one of %s", strings.Join(names, ", "))
}

// Close ends all connections. Runs must have ended.
func (c *Connections) Close() error {
	var errs []error
	for name, db := range c.databases {
		if err := db.close(); err != nil {
			errs = append(errs, fmt.Errorf("close SQL connection %q: %w", name, err))
		}
	}
	c.databases = map[string]database{}
	return errors.Join(errs...)
}

// Limits of a run that a Query leaves zero.
const (
	DefaultRowLimit  = 100_000
	DefaultByteLimit = 64 << 20
	DefaultTimeout   = time.Minute
)

// Query is one run of a SQL cell.
type Query struct {
	Connection string         // its name; "" is the only one there is
	Source     string         // of the cell
	Params     map[string]any // the value of each of References, as DecodeParams returns them
	RowLimit   int            // rows that are kept
	ByteLimit  int            // bytes of their values that are kept
	Timeout    time.Duration  // of each statement; negative: none
}

// run is a query under way.
type run struct {
	Query
	statements []statement
	params     map[string]param
	result     *Result
}

// Run runs the statements of a cell and returns the result of the last one.
// When ctx ends, the statement under way is cancelled on the server before Run
// returns. The error's kind is ErrSQL, ErrSyntax for a fault that References
// finds, ErrInterrupted when ctx was cancelled, or ErrTimeout.
func (c *Connections) Run(ctx context.Context, q Query) (*Result, *notebook.CellError) {
	db, fault := c.database(q.Connection)
	if fault != nil {
		return nil, fault
	}
	if q.RowLimit <= 0 {
		q.RowLimit = DefaultRowLimit
	}
	if q.ByteLimit <= 0 {
		q.ByteLimit = DefaultByteLimit
	}
	if q.Timeout == 0 {
		q.Timeout = DefaultTimeout
	}
	r := &run{Query: q, params: map[string]param{}, result: &Result{}}
	var err error
	if r.statements, err = parse(q.Source, db.dialect()); err != nil {
		return nil, SourceCellError(err)
	}
	for _, s := range r.statements {
		for _, name := range s.names {
			value, ok := q.Params[name]
			if !ok {
				return nil, sqlError("NameError", "{%s}: no variable of this name has a value", name)
			}
			if r.params[name], err = readParam(value); err != nil {
				return nil, sqlError("TypeError", "{%s}: %v", name, err)
			}
		}
	}
	if len(r.statements) == 0 {
		return r.result, nil
	}
	if fault := db.run(ctx, r); fault != nil {
		for _, notice := range r.result.Notices {
			fault.Traceback = append(fault.Traceback, notice)
		}
		return nil, fault
	}
	return r.result, nil
}

// next makes room for the result of the next statement.
func (r *run) next() { r.result = &Result{Notices: r.result.Notices} }

// stopped returns why ctx ended the run, or nil if it did not.
func stopped(ctx context.Context) *notebook.CellError {
	switch {
	case ctx.Err() == nil:
		return nil
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return notebook.NewError(notebook.ErrTimeout, "TimeoutError", "the time limit was reached, and the statement was cancelled")
	}
	return notebook.NewError(notebook.ErrInterrupted, "KeyboardInterrupt", "interrupted: the statement was cancelled")
}

func (r *run) overtime() *notebook.CellError {
	return notebook.NewError(notebook.ErrTimeout, "TimeoutError", fmt.Sprintf(
		"the statement took longer than the limit of %s and was cancelled", r.Timeout))
}

// full takes down that rows were left out.
func (r *run) full(what string) {
	if !r.result.Truncated {
		r.result.Truncated = true
		r.result.notice("there are more rows than the limit of %s: the first %d are kept; "+
			"aggregate or filter them in SQL, or add a LIMIT", what, r.result.RowCount)
	}
}
