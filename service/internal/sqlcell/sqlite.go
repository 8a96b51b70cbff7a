package sqlcell

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

const (
	sqliteRuns = 4               // of one database at a time; further ones wait
	sqliteBusy = 3 * time.Second // to wait for another writer's lock, which no interrupt ends
)

// sqliteFile is a database that is one file. Each run opens it anew, so that
// nothing of a run is left to the next.
type sqliteFile struct {
	path string
	runs chan struct{} // holds a token for each run under way
}

func sqliteOpener(path string) (opener, error) {
	switch {
	case path == "":
		return nil, errors.New("its path is missing: write sqlite:PATH")
	case path == ":memory:" || strings.HasPrefix(path, "file:") || strings.HasPrefix(path, "//") || strings.ContainsRune(path, 0):
		return nil, errors.New("must name a file: write sqlite:PATH, without host or options")
	}
	return func(context.Context) (database, error) {
		return &sqliteFile{path, make(chan struct{}, sqliteRuns)}, nil
	}, nil
}

func (f *sqliteFile) dialect() Dialect { return SQLite }
func (f *sqliteFile) close() error     { return nil }

func (f *sqliteFile) run(ctx context.Context, r *run) *notebook.CellError {
	return runSQLite(ctx, r, f.runs, func() (*sqliteConn, error) {
		if _, err := os.Stat(f.path); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("there is no file %s", f.path)
		}
		return openSQLite(f.path)
	})
}

func runSQLite(ctx context.Context, r *run, runs chan struct{}, open func() (*sqliteConn, error)) (fault *notebook.CellError) {
	select {
	case runs <- struct{}{}:
		defer func() { <-runs }()
	case <-ctx.Done():
		return stopped(ctx)
	}
	conn, err := open()
	if err != nil {
		return sqlError("ConnectionError", "the SQLite database can't be opened: %v", err)
	}
	defer conn.close()
	conn.guard()
	for i := range r.statements {
		if fault := stopped(ctx); fault != nil {
			return fault
		}
		r.next()
		if fault := runStatement(ctx, conn, r, &r.statements[i]); fault != nil {
			return fault
		}
	}
	if conn.inTransaction() {
		r.result.notice("the transaction that this cell began was rolled back: end it with COMMIT in the same cell")
	}
	return nil
}

func runStatement(ctx context.Context, conn *sqliteConn, r *run, st *statement) *notebook.CellError {
	values := make([]any, len(st.names))
	for i, name := range st.names {
		var err error
		if values[i], err = r.params[name].sqlite(); err != nil {
			return sqlError("TypeError", "{%s}: %v", name, err)
		}
	}
	limited, cancel := ctx, context.CancelFunc(func() {})
	if r.Timeout > 0 {
		limited, cancel = context.WithTimeout(ctx, r.Timeout)
	}
	defer cancel()
	ended, interrupted := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(limited, func() {
		defer close(interrupted)
		for {
			// Between two steps there is nothing to interrupt: try again.
			conn.interrupt()
			select {
			case <-ended:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	failed := conn.run(limited, st.text, values, r)
	close(ended)
	if !stop() {
		<-interrupted
	}
	switch {
	case failed == nil:
		return nil
	case failed.code == interruptedCode:
		if fault := stopped(ctx); fault != nil {
			return fault
		}
		return r.overtime()
	}
	failed.code = ""
	return failed.cellError(r.Source, st)
}

// interruptedCode is the code of a failure that interrupt caused.
const interruptedCode = "interrupted"

// run runs one statement into the run's result.
func (c *sqliteConn) run(ctx context.Context, text string, values []any, r *run) *failure {
	result := r.result
	stmt, failed := c.prepare(text)
	if failed != nil {
		return failed
	}
	defer stmt.finalize()
	for i, value := range values {
		if failed := stmt.bind(i+1, value); failed != nil {
			return failed
		}
	}
	before := c.totalChanges()
	width := stmt.columnCount()
	var columns []sqliteColumn
	if width > 0 {
		names := make([]string, width)
		columns = make([]sqliteColumn, width)
		for i := range names {
			names[i], _ = validText(stmt.columnName(i))
			columns[i].declared = strings.ToUpper(stmt.columnDeclared(i))
		}
		result.describe(names)
	}
	size := 0
	for !result.Truncated {
		// An interrupt that comes before the first step is lost.
		if ctx.Err() != nil {
			return &failure{code: interruptedCode}
		}
		more, failed := stmt.step()
		if failed != nil {
			return failed
		}
		if !more {
			break
		}
		if result.RowCount == r.RowLimit {
			r.full(strconv.Itoa(r.RowLimit))
			break
		}
		row := make([]sqliteValue, width)
		for i := range row {
			row[i] = stmt.column(i)
			size += len(row[i].text)
		}
		if size > r.ByteLimit {
			r.full(fmt.Sprintf("%d bytes", r.ByteLimit))
			break
		}
		for i, v := range row {
			columns[i].values = append(columns[i].values, v)
		}
		result.RowCount++
	}
	if width == 0 {
		result.Affected = c.totalChanges() - before
		if result.Affected > 0 {
			result.Affected = c.changes()
		}
		result.Command = command(text, result.Affected)
	}
	for i := range columns {
		columns[i].convert(result, i)
	}
	return nil
}

// command says what a statement without rows did, as PostgreSQL does.
func command(text string, affected int64) string {
	words := []string{}
	if statements, err := parse(text, SQLite); err == nil || len(statements) > 0 {
		words = statements[0].words
	}
	if len(words) == 0 {
		return ""
	}
	switch first := strings.ToUpper(words[0]); first {
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH":
		return fmt.Sprintf("%s %d", first, affected)
	case "CREATE", "DROP", "ALTER":
		if len(words) > 1 {
			return first + " " + strings.ToUpper(words[1])
		}
		return first
	default:
		return first
	}
}

// sqliteValue is a value as SQLite stores it. SQLite's columns have no types,
// its values have.
type sqliteValue struct {
	kind tag // tagNull, tagInt, tagFloat, tagText or tagBytes
	text string
}

type sqliteColumn struct {
	declared string // in upper case, or ""
	values   []sqliteValue
}

// convert finds the type that holds all of a column's values: that of the
// column's declaration, if they are of the form that it promises, else that of
// the values themselves.
func (c *sqliteColumn) convert(result *Result, column int) {
	kinds := map[tag]bool{}
	for _, v := range c.values {
		kinds[v.kind] = true
	}
	delete(kinds, tagNull)
	t := tagAny
	switch {
	case len(kinds) == 0:
		t = affinity(c.declared)
	case len(kinds) == 1:
		for t = range kinds {
		}
		if special := declaredType(c.declared); special != "" && c.fits(t, special) {
			t = special
		}
	case len(kinds) == 2 && kinds[tagInt] && kinds[tagFloat] && c.exactFloats():
		t = tagFloat
	}
	values := make([]value, len(c.values))
	for row, v := range c.values {
		switch {
		case v.kind == tagNull:
			values[row] = value{null: true}
		case t == tagAny:
			pair := append([]byte{'['}, appendString(nil, string(v.kind))...)
			pair = append(appendWire(append(pair, ','), v.kind, v.text), ']')
			values[row] = value{text: string(pair)}
		case t == v.kind || t == tagFloat || t == tagText:
			values[row] = value{text: v.text}
		default:
			text, _ := sqliteCanonical(t, v.text)
			values[row] = value{text: text}
		}
	}
	result.values[column] = values
	result.setType(column, t)
}

// fits tells whether all values, which are stored as kind, are of a declared
// type's form.
func (c *sqliteColumn) fits(kind, special tag) bool {
	if (special == tagBool) != (kind == tagInt) || special != tagBool && kind != tagText {
		return false
	}
	return !slices.ContainsFunc(c.values, func(v sqliteValue) bool {
		_, err := sqliteCanonical(special, v.text)
		return v.kind != tagNull && err != nil
	})
}

func (c *sqliteColumn) exactFloats() bool {
	return !slices.ContainsFunc(c.values, func(v sqliteValue) bool {
		n, err := strconv.ParseInt(v.text, 10, 64)
		return v.kind == tagInt && (err != nil || n > exact || n < -exact)
	})
}

// declaredType returns the type that a declaration promises beyond those that
// SQLite stores, or "".
func declaredType(declared string) tag {
	name, _, _ := strings.Cut(declared, "(")
	switch strings.TrimSpace(name) {
	case "BOOL", "BOOLEAN":
		return tagBool
	case "DATE":
		return tagDate
	case "TIME":
		return tagTime
	case "DATETIME", "TIMESTAMP":
		return tagTimestamp
	case "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE":
		return tagTimestampTZ
	case "JSON":
		return tagJSON
	}
	return ""
}

// affinity returns the type of a column without any value.
func affinity(declared string) tag {
	if t := declaredType(declared); t != "" {
		return t
	}
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(declared, part) })
	}
	switch {
	case has("INT"):
		return tagInt
	case has("CHAR", "CLOB", "TEXT"):
		return tagText
	case has("BLOB"):
		return tagBytes
	case has("REAL", "FLOA", "DOUB"):
		return tagFloat
	}
	return tagNull
}

// sqliteCanonical turns the text of a stored value into that of a declared
// type. SQLite's own functions write dates with a space or a T, with seconds
// or without, with a fraction and with an offset.
func sqliteCanonical(t tag, text string) (string, error) {
	switch t {
	case tagBool:
		switch text {
		case "0":
			return "false", nil
		case "1":
			return "true", nil
		}
		return "", errShape
	case tagTime:
		if len(text) == len("15:04") {
			text += ":00"
		}
	case tagTimestamp, tagTimestampTZ:
		text = strings.Replace(text, "T", " ", 1)
		if len(text) == len(time.DateOnly) {
			text += " 00:00:00"
		} else if len(text) == len("2006-01-02 15:04") {
			text += ":00"
		}
		if rest, ok := strings.CutSuffix(text, "Z"); ok {
			text = strings.TrimSpace(rest) + "+00:00"
		}
	}
	return canonical(t, text)
}

// sqliteFloat writes a stored float.
func sqliteFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// allowedPragmas describe a database, or concern its own session alone; those
// that are true may be given a value. All others are refused: they reach
// SQLite's state for the whole process, or other files.
var allowedPragmas = map[string]bool{
	"table_info": true, "table_xinfo": true, "table_list": true, "index_list": true, "index_info": true, "index_xinfo": true,
	"foreign_key_list": true, "foreign_key_check": true, "integrity_check": true, "quick_check": true,
	"foreign_keys": true, "defer_foreign_keys": true, "recursive_triggers": true, "case_sensitive_like": true,
	"user_version": true, "application_id": true, "query_only": true, "optimize": true,
	"encoding": false, "schema_version": false, "page_count": false, "page_size": false, "freelist_count": false,
	"journal_mode": false, "collation_list": false, "function_list": false, "module_list": false, "pragma_list": false,
	"compile_options": false, "data_version": false,
}

var allowedModules = []string{"fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"}

// allowed decides what SQLite may compile; see the package's comment.
func allowed(action int32, first, second string) bool {
	switch action {
	case sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH:
		return false
	case sqlite3.SQLITE_PRAGMA:
		takesValue, ok := allowedPragmas[strings.ToLower(first)]
		return ok && (takesValue || second == "")
	case sqlite3.SQLITE_FUNCTION:
		name := strings.ToLower(second)
		return name != "load_extension" && name != "fts3_tokenizer"
	case sqlite3.SQLITE_CREATE_VTABLE:
		return slices.Contains(allowedModules, strings.ToLower(second))
	}
	return true
}
