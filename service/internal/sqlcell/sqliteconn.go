package sqlcell

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/sqlite" // besides the names of errors: its init makes the library fit for several threads
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteConn is a connection to a SQLite database, over the library's own
// functions. The driver for database/sql on top of them hides what SQL cells
// need: it can interrupt only the first step of a query, doesn't tell where in
// a statement an error is, and turns texts of columns that are declared DATE
// into times, whatever they were.
//
// Only interrupt may be called while another method runs.
type sqliteConn struct {
	tls *libc.TLS
	db  uintptr
}

const (
	sqliteLength    = 64 << 20 // bytes of a value or row
	pointerSize     = int(unsafe.Sizeof(uintptr(0)))
	sqliteTransient = ^uintptr(0) // SQLite makes a copy of what is bound
)

// openSQLite opens a file that exists, for reading and, if that is possible,
// writing.
func openSQLite(path string) (*sqliteConn, error) {
	if !strings.HasPrefix(path, "/") && path != ":memory:" {
		path = "./" + path // a path that looks like a URI is none
	}
	c := &sqliteConn{tls: libc.NewTLS()}
	name, err := libc.CString(path)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, name)
	out, err := c.pointer()
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, out)
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, out,
		sqlite3.SQLITE_OPEN_READWRITE|sqlite3.SQLITE_OPEN_FULLMUTEX|sqlite3.SQLITE_OPEN_EXRESCODE, 0)
	c.db = load(out)
	if rc != sqlite3.SQLITE_OK {
		defer c.close()
		return nil, errors.New(libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc)))
	}
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, int32(sqliteBusy.Milliseconds()))
	return c, nil
}

// pointer makes room for a pointer that the library writes.
func (c *sqliteConn) pointer() (uintptr, error) {
	p := libc.Xcalloc(c.tls, 1, 8)
	if p == 0 {
		return 0, errors.New("out of memory")
	}
	return p, nil
}

func load(p uintptr) uintptr {
	b := libc.GoBytes(p, pointerSize)
	if pointerSize == 4 {
		return uintptr(binary.NativeEndian.Uint32(b))
	}
	return uintptr(binary.NativeEndian.Uint64(b))
}

func (c *sqliteConn) close() {
	sqlite3.Xsqlite3_close_v2(c.tls, c.db)
	c.tls.Close()
}

// guard keeps statements to the one database: see allowed.
func (c *sqliteConn) guard() {
	sqlite3.Xsqlite3_limit(c.tls, c.db, sqlite3.SQLITE_LIMIT_ATTACHED, 0)
	sqlite3.Xsqlite3_limit(c.tls, c.db, sqlite3.SQLITE_LIMIT_LENGTH, sqliteLength)
	for _, setting := range []struct{ op, on int32 }{
		{sqlite3.SQLITE_DBCONFIG_DEFENSIVE, 1}, {sqlite3.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
	} {
		list := libc.NewVaList(setting.on, uintptr(0))
		sqlite3.Xsqlite3_db_config(c.tls, c.db, setting.op, list)
		libc.Xfree(c.tls, list)
	}
	// The library takes a function of Go by the address of its code, as a
	// top-level function's value holds it.
	function := struct {
		f func(tls *libc.TLS, arg uintptr, action int32, first, second, database, trigger uintptr) int32
	}{authorize}
	sqlite3.Xsqlite3_set_authorizer(c.tls, c.db, *(*uintptr)(unsafe.Pointer(&function)), 0)
}

func authorize(_ *libc.TLS, _ uintptr, action int32, first, second, _, _ uintptr) int32 {
	if allowed(action, libc.GoString(first), libc.GoString(second)) {
		return sqlite3.SQLITE_OK
	}
	return sqlite3.SQLITE_DENY
}

// interrupt ends the statement under way. A statement that starts later is
// not concerned.
func (c *sqliteConn) interrupt() {
	tls := libc.NewTLS()
	defer tls.Close()
	sqlite3.Xsqlite3_interrupt(tls, c.db)
}

func (c *sqliteConn) inTransaction() bool { return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }
func (c *sqliteConn) changes() int64      { return sqlite3.Xsqlite3_changes64(c.tls, c.db) }
func (c *sqliteConn) totalChanges() int64 { return sqlite3.Xsqlite3_total_changes64(c.tls, c.db) }

// failed returns what the library says of the call before.
func (c *sqliteConn) failed(rc int32) *failure {
	f := &failure{offset: -1, message: libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))}
	if extended := sqlite3.Xsqlite3_extended_errcode(c.tls, c.db); extended&0xff == rc&0xff {
		rc = extended
	}
	f.name = errorName(rc)
	switch rc & 0xff {
	case sqlite3.SQLITE_INTERRUPT:
		f.code = interruptedCode
	case sqlite3.SQLITE_ERROR:
		f.offset = int(sqlite3.Xsqlite3_error_offset(c.tls, c.db))
		if strings.HasPrefix(f.message, `near "?`) {
			f.hint = "a reference stands where only text can: bind values, not names; " +
				"for a list write IN (SELECT value FROM json_each({name}))"
		}
	case sqlite3.SQLITE_AUTH:
		f.hint = "ATTACH, VACUUM, extensions and pragmas that change more than this database are not available in SQL cells"
	}
	return f
}

var constraints = map[int32]string{
	sqlite3.SQLITE_CONSTRAINT_CHECK: "CHECK", sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: "FOREIGNKEY",
	sqlite3.SQLITE_CONSTRAINT_NOTNULL: "NOTNULL", sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: "PRIMARYKEY",
	sqlite3.SQLITE_CONSTRAINT_UNIQUE: "UNIQUE", sqlite3.SQLITE_CONSTRAINT_TRIGGER: "TRIGGER",
	sqlite3.SQLITE_CONSTRAINT_DATATYPE: "DATATYPE",
}

// errorName returns a result code's name, the extended one's where it is known.
func errorName(rc int32) string {
	if name, ok := constraints[rc]; ok {
		return "SQLITE_CONSTRAINT_" + name
	}
	for _, code := range []int32{rc, rc & 0xff} {
		// Such as "Database lock protocol error (SQLITE_PROTOCOL)".
		described := sqlite.ErrorCodeString[int(code)]
		if i := strings.LastIndex(described, "("); i >= 0 {
			return strings.TrimSuffix(described[i+1:], ")")
		}
	}
	return fmt.Sprintf("SQLITE_%d", rc)
}

type sqliteStmt struct {
	conn *sqliteConn
	stmt uintptr
}

// prepare compiles a single statement.
func (c *sqliteConn) prepare(text string) (*sqliteStmt, *failure) {
	sql, err := libc.CString(text)
	if err != nil {
		return nil, noMemory
	}
	defer libc.Xfree(c.tls, sql)
	out, err := c.pointer()
	if err != nil {
		return nil, noMemory
	}
	defer libc.Xfree(c.tls, out)
	tail, err := c.pointer()
	if err != nil {
		return nil, noMemory
	}
	defer libc.Xfree(c.tls, tail)
	if rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, sql, int32(len(text)+1), 0, out, tail); rc != sqlite3.SQLITE_OK {
		return nil, c.failed(rc)
	}
	s := &sqliteStmt{c, load(out)}
	if end := int(load(tail) - sql); s.stmt == 0 || strings.TrimSpace(text[min(end, len(text)):]) != "" {
		// SQLite and parse disagree on where the statement ends.
		s.finalize()
		return nil, &failure{name: "SQLITE_ERROR", message: "this is more than one statement", offset: end}
	}
	return s, nil
}

var noMemory = &failure{name: "SQLITE_NOMEM", message: "out of memory", offset: -1}

func (s *sqliteStmt) finalize() { sqlite3.Xsqlite3_finalize(s.conn.tls, s.stmt) }

// bind sets the parameter i, from 1.
func (s *sqliteStmt) bind(i int, value any) *failure {
	tls, n := s.conn.tls, int32(i)
	var rc int32
	switch v := value.(type) {
	case nil:
		rc = sqlite3.Xsqlite3_bind_null(tls, s.stmt, n)
	case int64:
		rc = sqlite3.Xsqlite3_bind_int64(tls, s.stmt, n, v)
	case float64:
		rc = sqlite3.Xsqlite3_bind_double(tls, s.stmt, n, v)
	case string, []byte:
		var text string
		bytes, isBytes := v.([]byte)
		if isBytes {
			text = string(bytes)
		} else {
			text = v.(string)
		}
		p, err := libc.CString(text)
		if err != nil {
			return noMemory
		}
		defer libc.Xfree(tls, p)
		if isBytes {
			rc = sqlite3.Xsqlite3_bind_blob(tls, s.stmt, n, p, int32(len(text)), sqliteTransient)
		} else {
			rc = sqlite3.Xsqlite3_bind_text(tls, s.stmt, n, p, int32(len(text)), sqliteTransient)
		}
	}
	if rc != sqlite3.SQLITE_OK {
		return s.conn.failed(rc)
	}
	return nil
}

func (s *sqliteStmt) columnCount() int { return int(sqlite3.Xsqlite3_column_count(s.conn.tls, s.stmt)) }

func (s *sqliteStmt) columnName(i int) string {
	return libc.GoString(sqlite3.Xsqlite3_column_name(s.conn.tls, s.stmt, int32(i)))
}

// columnDeclared returns the declared type of the table's column that a
// column shows, or "".
func (s *sqliteStmt) columnDeclared(i int) string {
	return libc.GoString(sqlite3.Xsqlite3_column_decltype(s.conn.tls, s.stmt, int32(i)))
}

// step goes to the next row and tells whether there is one.
func (s *sqliteStmt) step() (bool, *failure) {
	switch rc := sqlite3.Xsqlite3_step(s.conn.tls, s.stmt); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.conn.failed(rc)
	}
}

// column returns a value of the row.
func (s *sqliteStmt) column(i int) sqliteValue {
	tls, n := s.conn.tls, int32(i)
	switch sqlite3.Xsqlite3_column_type(tls, s.stmt, n) {
	case sqlite3.SQLITE_INTEGER:
		return sqliteValue{tagInt, strconv.FormatInt(sqlite3.Xsqlite3_column_int64(tls, s.stmt, n), 10)}
	case sqlite3.SQLITE_FLOAT:
		return sqliteValue{tagFloat, sqliteFloat(sqlite3.Xsqlite3_column_double(tls, s.stmt, n))}
	case sqlite3.SQLITE_TEXT:
		p := sqlite3.Xsqlite3_column_text(tls, s.stmt, n)
		text, _ := validText(string(libc.GoBytes(p, int(sqlite3.Xsqlite3_column_bytes(tls, s.stmt, n)))))
		return sqliteValue{tagText, text}
	case sqlite3.SQLITE_BLOB:
		p := sqlite3.Xsqlite3_column_blob(tls, s.stmt, n)
		return sqliteValue{tagBytes, base64.StdEncoding.EncodeToString(libc.GoBytes(p, int(sqlite3.Xsqlite3_column_bytes(tls, s.stmt, n))))}
	}
	return sqliteValue{kind: tagNull}
}

func loadInt64(p uintptr) int64 { return int64(binary.NativeEndian.Uint64(libc.GoBytes(p, 8))) }
