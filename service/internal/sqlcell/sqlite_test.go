package sqlcell_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// file returns connections to a new, empty SQLite file, and its path.
func file(t *testing.T) (*sqlcell.Connections, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data 1%.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	return open(t, fmt.Sprintf(`{"file":"sqlite:%s"}`, path)), path
}

func TestSampleDatabaseIsThereWithoutSettingsAndCannotBeChanged(t *testing.T) {
	c := open(t, " ")
	require.Equal(t, []sqlcell.Info{{Name: "sample", Dialect: sqlcell.SQLite}}, c.List())
	r := run(t, c, `SELECT p.name, p.rings, count(m.name) AS moons, max(m.radius_km) AS largest, p.discovered
		FROM planet p LEFT JOIN moon m ON m.planet = p.name WHERE p.dwarf = 0 GROUP BY p.name ORDER BY p.distance_au`)
	p := table(t, r)
	require.Equal(t, 8, p.Total)
	require.Equal(t, []any{"Mercury", false, 0.0, nil, nil}, p.Rows[0])
	require.Equal(t, []any{"Uranus", true, 6.0, 788.4, "1781-03-13"}, p.Rows[6])
	types := []string{}
	for _, column := range p.Columns {
		types = append(types, column.Type)
	}
	require.Equal(t, []string{"str", "bool", "int64", "float64", "date"}, types)
	require.Equal(t, 0, run(t, c, "PRAGMA foreign_key_check").RowCount)
	for _, source := range []string{
		"DELETE FROM moon", "DROP TABLE visit", "CREATE TABLE mine (i)", "PRAGMA user_version = 7", "UPDATE planet SET dwarf = 1",
	} {
		require.Equal(t, "SQLITE_READONLY", fail(t, c, source).Name, source)
	}
	run(t, c, "CREATE TEMP TABLE mine AS SELECT * FROM moon; DELETE FROM mine; SELECT count(*) FROM mine")
	_, value := one(t, run(t, c, "SELECT count(*) FROM moon"))
	require.Equal(t, "35", value)
	require.Contains(t, fail(t, c, "SELECT * FROM mine").Message, "no such table: mine")
}

func TestSQLiteValuesKeepTheirTypes(t *testing.T) {
	c, _ := file(t)
	for _, v := range []struct{ declared, values, kind, wire string }{
		{"INTEGER", "9223372036854775807, -1, NULL", "int", `[9223372036854775807,-1,null]`},
		{"REAL", "0.1, 1, 9e999, -9e999, 1e300", "float", `[0.1,1,"Infinity","-Infinity",1e+300]`},
		{"NUMERIC", "1, 2.5", "float", `[1,2.5]`},
		{"NUMERIC", "9007199254740993, 2.5", "any", `[["int",9007199254740993],["float",2.5]]`},
		{"TEXT", "'a\"\\', '', NULL, 'ü'", "text", `["a\"\\","",null,"ü"]`},
		{"BLOB", "x'00ff10', x''", "bytes", `["AP8Q",""]`},
		{"BOOLEAN", "0, 1, NULL", "bool", `[false,true,null]`},
		{"BOOLEAN", "0, 2", "int", `[0,2]`},
		{"DATE", "'2024-02-29', NULL", "date", `["2024-02-29",null]`},
		{"DATE", "'2024-02-29', 'soon'", "text", `["2024-02-29","soon"]`},
		{"DATE", "'2024-02-30'", "text", `["2024-02-30"]`},
		{"DATE", "1709164800", "int", `[1709164800]`},
		{"DATETIME", "'2024-02-29 01:02', '2024-02-29T01:02:03.5', '2024-02-29'", "timestamp",
			`["2024-02-29T01:02:00","2024-02-29T01:02:03.500000","2024-02-29T00:00:00"]`},
		{"TIMESTAMPTZ", "'2024-02-29 01:02:03+02:00', '2024-02-29T01:02:03Z'", "timestamptz",
			`["2024-02-28T23:02:03+00:00","2024-02-29T01:02:03+00:00"]`},
		{"TIME", "'01:02', '01:02:03'", "time", `["01:02:00","01:02:03"]`},
		{"JSON", `'{"a": 1}', '[1]'`, "json", `["{\"a\": 1}","[1]"]`},
		{"JSON", `'{'`, "text", `["{"]`},
		{"", "1, 'two', 3.0, x'04', NULL", "any", `[["int",1],["text","two"],["float",3],["bytes","BA=="],null]`},
		{"VARCHAR(20)", "NULL", "text", `[null]`},
		{"", "NULL", "null", `[null]`},
	} {
		t.Run(v.declared+" "+v.values, func(t *testing.T) {
			r := run(t, c, fmt.Sprintf(`DROP TABLE IF EXISTS t; CREATE TABLE t (v %s);
				INSERT INTO t SELECT value FROM (%s); SELECT v FROM t ORDER BY rowid`, v.declared, union(v.values)))
			w := decode(t, r)
			require.Equal(t, v.kind, w.Columns[0].Type)
			values, err := json.Marshal(w.Columns[0].Values)
			require.NoError(t, err)
			require.JSONEq(t, v.wire, string(values))
			table(t, r)
		})
	}
}

// union makes rows of a list of literals.
func union(list string) string {
	return "WITH v(value) AS (VALUES (" + replaceTopCommas(list, "), (") + ")) SELECT value FROM v"
}

func replaceTopCommas(list, with string) string {
	out, quoted, depth := "", false, 0
	for _, r := range list {
		switch {
		case r == '\'':
			quoted = !quoted
		case r == '(':
			depth++
		case r == ')':
			depth--
		}
		if r == ',' && !quoted && depth == 0 {
			out += with
			continue
		}
		out += string(r)
	}
	return out
}

func TestSQLiteParametersAreBound(t *testing.T) {
	c, _ := file(t)
	for _, v := range []struct{ param, storage, value string }{
		{`null`, "null", "null"},
		{`true`, "integer", "1"},
		{`9223372036854775807`, "integer", "9223372036854775807"},
		{`0.5`, "real", "0.5"},
		{`{"type":"float","value":"Infinity"}`, "real", `"Infinity"`},
		{`{"type":"float","value":"NaN"}`, "null", "null"},
		{`{"type":"decimal","value":"2.50"}`, "real", "2.5"},
		{`{"type":"decimal","value":"2"}`, "integer", "2"},
		{`"x'; DROP TABLE t; --"`, "text", `"x'; DROP TABLE t; --"`},
		{`"a\u0000b"`, "text", `"a\u0000b"`},
		{`{"type":"date","value":"2024-02-29"}`, "text", `"2024-02-29"`},
		{`{"type":"timestamp","value":"2024-02-29T01:02:03"}`, "text", `"2024-02-29 01:02:03"`},
		{`{"type":"bytes","value":"AP8Q"}`, "blob", `"AP8Q"`},
		{`{"type":"json","value":"{\"a\": 1}"}`, "text", `"{\"a\": 1}"`},
		{`[1, "a'b", null, {"type":"date","value":"2024-02-29"}]`, "text", `"[1,\"a'b\",null,\"2024-02-29\"]"`},
	} {
		t.Run(v.param, func(t *testing.T) {
			w := decode(t, run(t, c, "SELECT {x} AS v, typeof({x}) AS t", "x", v.param))
			require.JSONEq(t, v.value, string(w.Columns[0].Values[0]))
			require.Equal(t, `"`+v.storage+`"`, string(w.Columns[1].Values[0]))
		})
	}
	require.Equal(t, 2, run(t, c, "SELECT 1 AS i UNION SELECT 2 UNION SELECT 3 EXCEPT SELECT i FROM (SELECT 2 AS i) WHERE i IN (SELECT value FROM json_each({l}))", "l", "[1,2]").RowCount)
	fault := fail(t, c, "SELECT 1 WHERE 1 IN {l}", "l", "[1]")
	require.Contains(t, fault.Message, "json_each")
	require.Contains(t, fail(t, c, "SELECT {n}", "n", "123456789012345678901234567890").Message, "64 bits")
	require.Contains(t, fail(t, c, "SELECT {n}", "n", `{"type":"interval","value":"1"}`).Message, "no intervals")
}

func TestSQLiteRunsInterruptsAndTimeLimits(t *testing.T) {
	c, _ := file(t)
	const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
	for _, source := range []string{
		endless + "SELECT count(*) FROM n",
		"SELECT 0 AS c UNION ALL SELECT * FROM (" + endless + "SELECT count(*) FROM n)", // after the first row
	} {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(200*time.Millisecond, cancel)
		_, fault := c.Run(ctx, sqlcell.Query{Source: source, Timeout: -1})
		require.NotNil(t, fault)
		require.Equal(t, notebook.ErrInterrupted, fault.Kind)

		_, fault = c.Run(context.Background(), sqlcell.Query{Source: source, Timeout: 200 * time.Millisecond})
		require.NotNil(t, fault)
		require.Equal(t, notebook.ErrTimeout, fault.Kind)
	}
	r, fault := c.Run(context.Background(), sqlcell.Query{Source: endless + "SELECT i FROM n", RowLimit: 1000})
	require.Nil(t, fault)
	require.True(t, r.Truncated)
	require.Equal(t, 1000, r.RowCount)
	require.Equal(t, "SQLITE_TOOBIG", fail(t, c, "SELECT zeroblob(1000000000)").Name)

	r, fault = c.Run(context.Background(), sqlcell.Query{RowLimit: 1, Source: "CREATE TABLE t (i); INSERT INTO t VALUES (1), (2), (3) RETURNING i"})
	require.Nil(t, fault)
	require.Equal(t, 1, r.RowCount)
	_, value := one(t, run(t, c, "SELECT count(*) FROM t"))
	require.Equal(t, "3", value)
}

func TestSQLiteCellsReachNothingButTheirDatabase(t *testing.T) {
	c, path := file(t)
	other := filepath.Join(t.TempDir(), "other.db")
	for _, source := range []string{
		"ATTACH '" + other + "' AS other", "ATTACH ('" + other + "' || '') AS other", "ATTACH {path} AS other",
		"VACUUM INTO '" + other + "'", "VACUUM", "DETACH main",
		"PRAGMA hard_heap_limit = 1", "PRAGMA soft_heap_limit(1)", "PRAGMA temp_store_directory = '/'", "PRAGMA main.journal_mode = DELETE",
		"\ufeffPRAGMA hard_heap_limit = 1", "EXPLAIN PRAGMA hard_heap_limit = 1", "PRAGMA database_list", "PRAGMA writable_schema = 1",
		"SELECT load_extension('/tmp/x.so')", "SELECT * FROM pragma_database_list",
		"CREATE VIRTUAL TABLE v USING csv(filename='/etc/passwd')",
	} {
		fault := fail(t, c, source, "path", fmt.Sprintf("%q", other))
		require.Contains(t, []string{"SQLITE_AUTH", "SQLITE_ERROR"}, fault.Name, source)
		require.NoFileExists(t, other)
	}
	require.Contains(t, fail(t, c, "ATTACH 'x' AS y").Message, "not available in SQL cells")
	run(t, c, "PRAGMA table_info(unknown); SELECT * FROM pragma_table_info('unknown')")
	run(t, c, "CREATE VIRTUAL TABLE words USING fts5(text); INSERT INTO words VALUES ('hello there')")
	require.Equal(t, 1, run(t, c, "SELECT * FROM words WHERE words MATCH 'there'").RowCount)
	_, err := os.Stat(path)
	require.NoError(t, err)
}

func TestSQLiteErrorsNameThePlace(t *testing.T) {
	c, path := file(t)
	fault := fail(t, c, "SELECT 'ü', {x};\nSELECT 'é', {x},\n  nope FROM sqlite_schema", "x", "1")
	require.Equal(t, "line 3, column 3: no such column: nope", fault.Message)
	require.Equal(t, []string{"SQLITE_ERROR: no such column: nope", "3:   nope FROM sqlite_schema", "     ^"}, fault.Traceback)
	require.Equal(t, `line 2, column 1: near "FORM": syntax error`, fail(t, c, "SELECT *\nFORM t").Message)
	fault = fail(t, c, "CREATE TABLE u (i UNIQUE); INSERT INTO u VALUES (1); INSERT INTO u VALUES (1)")
	require.Equal(t, "SQLITE_CONSTRAINT_UNIQUE", fault.Name)
	require.Equal(t, "UNIQUE constraint failed: u.i", fault.Message)

	r := run(t, c, "BEGIN; DELETE FROM u")
	require.Contains(t, r.Notices[0], "rolled back")
	_, value := one(t, run(t, c, "SELECT count(*) FROM u"))
	require.Equal(t, "1", value)
	r = run(t, c, `CREATE TRIGGER g AFTER INSERT ON u BEGIN
			INSERT INTO u SELECT CASE WHEN new.i > 5 THEN 1000 ELSE 2000 END; SELECT 1;
		END; INSERT INTO u VALUES (7)`)
	require.Equal(t, "INSERT 1", r.Command)
	require.EqualValues(t, 1, r.Affected)

	require.NoError(t, os.Remove(path))
	require.Contains(t, fail(t, c, "SELECT 1").Message, "there is no file "+path)
	require.NoFileExists(t, path)
}

func TestPageGetsTheFirstRowsWithinBounds(t *testing.T) {
	c, _ := file(t)
	const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) "
	r := run(t, c, numbers+"SELECT i, 9007199254740992 + i AS big, printf('%.*c', 3000, 'x') AS text FROM n")
	p := table(t, r)
	require.Equal(t, 2000, p.Total)
	require.Len(t, p.Rows, 500)
	require.Equal(t, "9007199254740993", p.Rows[0][1])
	require.Len(t, []rune(p.Rows[0][2].(string)), 1001)
	require.Len(t, decode(t, r).Columns[0].Values, 2000)

	var text string
	r = run(t, c, "SELECT 1 AS id, 'a' || char(10) || 'b' AS name, 12.5 AS price, NULL AS none UNION ALL SELECT 100, 'ü', 3, NULL")
	require.NoError(t, json.Unmarshal(r.Output().Data["text/plain"], &text))
	require.Equal(t, " id  name  price  none\n---  ----  -----  ----\n  1  a b    12.5  NULL\n100  ü         3  NULL\n(2 rows)", text)
}
