package sqlcell_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/postgrestest"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// TestPostgreSQL runs against one server, as starting it takes seconds.
func TestPostgreSQL(t *testing.T) {
	s := startServer(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, *server)
	}{
		{"every type keeps its value", typesArrive},
		{"parameters are bound with their types", parametersAreBound},
		{"no value becomes text of a statement", injectionFails},
		{"interrupt cancels on the server", interruptCancels},
		{"interrupt between statements runs no further one", interruptStopsTheRest},
		{"the time limit cancels on the server", timeLimitCancels},
		{"the row limit keeps the first rows and all that a statement changes", rowLimitKeepsChanges},
		{"the byte limit bounds memory", byteLimit},
		{"duplicate columns get names of their own", duplicateColumns},
		{"the result is that of the last statement", lastResult},
		{"a cell leaves nothing behind in its session", sessionsAreClean},
		{"errors name what, where and the way out", postgresErrors},
		{"notices reach the reader", noticesArrive},
		{"COPY from and to the client is refused", copyIsRefused},
		{"a session that the server ends is replaced", lostSession},
		{"no error shows a password", noCredentials},
		{"TLS is as the URL says", tlsWorks},
		{"many cells share few sessions", manyRuns},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, s) })
	}
}
func typesArrive(t *testing.T, s *server) {
	c := open(t, s.settings())
	s.Admin(t, `CREATE TYPE mood AS ENUM ('sad', 'so so'); CREATE DOMAIN cents AS numeric(10,2); CREATE TYPE pair AS (a int, b text)`)
	for _, v := range []struct{ sql, kind, value string }{
		{"true", "bool", "true"},
		{"null::bool", "bool", "null"},
		{"1::int2", "int", "1"},
		{"'-9223372036854775808'::int8", "int", "-9223372036854775808"},
		{"9007199254740993", "int", "9007199254740993"},
		{"1.10", "decimal", `"1.10"`},
		{"12345678901234567890123456789.0123456789", "decimal", `"12345678901234567890123456789.0123456789"`},
		{"'NaN'::numeric", "decimal", `"NaN"`},
		{"5.005::cents", "decimal", `"5.01"`},
		{"0.1::float8 + 0.2::float8", "float", "0.30000000000000004"},
		{"0.1::float4", "float", "0.1"},
		{"1e300::float8", "float", "1e+300"},
		{"'NaN'::float8", "float", `"NaN"`},
		{"'-Infinity'::float8", "float", `"-Infinity"`},
		{"''", "text", `""`},
		{`E'a"b\\c\n\x01ü🚀'`, "text", `"a\"b\\c\u000a\u0001ü🚀"`},
		{"'abc'::char(5)", "text", `"abc  "`},
		{"'sad'::mood", "text", `"sad"`},
		{"'{sad,\"so so\",NULL}'::mood[]", "text[]", `["sad","so so",null]`},
		{"row(1, 'x')::pair", "text", `"(1,x)"`},
		{"'192.168.1.0/24'::cidr", "text", `"192.168.1.0/24"`},
		{"int4range(1, 5)", "text", `"[1,5)"`},
		{"'12.30'::money", "text", `"$12.30"`},
		{"date '2024-02-29'", "date", `"2024-02-29"`},
		{"date 'infinity'", "text", `"infinity"`},
		{"date '0044-03-15 BC'", "text", `"0044-03-15 BC"`},
		{"time '13:14:15.000001'", "time", `"13:14:15.000001"`},
		{"time '24:00'", "text", `"24:00:00"`},
		{"timetz '13:14:15+05:30'", "time", `"13:14:15+05:30"`},
		{"timestamp '2024-02-29 13:14:15.5'", "timestamp", `"2024-02-29T13:14:15.500000"`},
		{"timestamptz '2024-02-29 23:30:00-02'", "timestamptz", `"2024-03-01T01:30:00+00:00"`},
		{"timestamptz '1850-01-01 00:00:00 Europe/Amsterdam'", "timestamptz", `"1849-12-31T23:40:28+00:00"`},
		{"interval '1 day 02:03:04.000005'", "interval", `"93784000005"`},
		{"interval '-1 second'", "interval", `"-1000000"`},
		{"interval '0'", "interval", `"0"`},
		{"interval '1 year 2 days'", "text", `"P1Y2D"`},
		{`'\x00ff10'::bytea`, "bytes", `"AP8Q"`},
		{"''::bytea", "bytes", `""`},
		{`'{"a": [1, 2.50, null]}'::json`, "json", `"{\"a\": [1, 2.50, null]}"`},
		{`'{"b":12345678901234567890}'::jsonb`, "json", `"{\"b\": 12345678901234567890}"`},
		{"'null'::jsonb", "json", `"null"`},
		{"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "uuid", `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`},
		{"array[1, null, 3]", "int[]", "[1,null,3]"},
		{"array[[1.5, 2],[3, 4]]", "decimal[]", `[["1.5","2"],["3","4"]]`},
		{`array['a,b', '{', '"', '', 'NULL', null]`, "text[]", `["a,b","{","\"","","NULL",null]`},
		{"'{}'::int[]", "int[]", "[]"},
		{"'[2:3]={7,8}'::int[]", "int[]", "[7,8]"},
		{"array[timestamptz '2024-01-01 00:00+01']", "timestamptz[]", `["2023-12-31T23:00:00+00:00"]`},
		{`array['\xff'::bytea]`, "bytes[]", `["/w=="]`},
		{"array[date 'infinity']", "text", `"{infinity}"`},
	} {
		t.Run(v.sql, func(t *testing.T) {
			kind, value := one(t, run(t, c, "SELECT "+v.sql+" AS v"))
			require.Equal(t, v.kind, kind)
			require.Equal(t, v.value, value)
		})
	}
}

func parametersAreBound(t *testing.T, s *server) {
	c := open(t, s.settings())
	for _, v := range []struct{ param, kind, value string }{
		{`null`, "text", `null`},
		{`true`, "bool", `true`},
		{`5`, "int", `5`},
		{`-9223372036854775808`, "int", `-9223372036854775808`},
		{`123456789012345678901234567890`, "decimal", `"123456789012345678901234567890"`},
		{`0.1`, "float", `0.1`},
		{`5.0`, "float", `5`},
		{`{"type":"float","value":"-Infinity"}`, "float", `"-Infinity"`},
		{`"it's \\ {x} $1 ü"`, "text", `"it's \\ {x} $1 ü"`},
		{`{"type":"decimal","value":"1.50"}`, "decimal", `"1.50"`},
		{`{"type":"date","value":"2024-02-29"}`, "date", `"2024-02-29"`},
		{`{"type":"time","value":"01:02:03"}`, "time", `"01:02:03"`},
		{`{"type":"time","value":"01:02:03+02:00"}`, "time", `"01:02:03+02:00"`},
		{`{"type":"timestamp","value":"2024-02-29T01:02:03.000004"}`, "timestamp", `"2024-02-29T01:02:03.000004"`},
		{`{"type":"timestamptz","value":"2024-02-29T01:02:03+00:00"}`, "timestamptz", `"2024-02-29T01:02:03+00:00"`},
		{`{"type":"interval","value":"-86400000001"}`, "interval", `"-86400000001"`},
		{`{"type":"bytes","value":"AP8Q"}`, "bytes", `"AP8Q"`},
		{`{"type":"uuid","value":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}`, "uuid", `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`},
		{`{"type":"json","value":"{\"a\": [1, \"b\"]}"}`, "json", `"{\"a\": [1, \"b\"]}"`},
		{`[1, null, 3]`, "int[]", `[1,null,3]`},
		{`[1, 3000000000]`, "int[]", `[1,3000000000]`},
		{`[1, 2.5]`, "float[]", `[1,2.5]`},
		{`[[1, 2], [3, 4]]`, "int[]", `[[1,2],[3,4]]`},
		{`[{"type":"date","value":"2024-02-29"}]`, "date[]", `["2024-02-29"]`},
	} {
		t.Run(v.param, func(t *testing.T) {
			kind, value := one(t, run(t, c, "SELECT {x} AS v", "x", v.param))
			require.Equal(t, v.kind, kind)
			require.Equal(t, v.value, value)
		})
	}
	t.Run("strings and lists of them fit any type", func(t *testing.T) {
		s.Admin(t, `CREATE TYPE size AS ENUM ('s', 'm'); CREATE TABLE shirt (size size, made date, id uuid DEFAULT gen_random_uuid());
			INSERT INTO shirt VALUES ('s', '2024-01-01'), ('m', '2024-01-02')`)
		kind, value := one(t, run(t, c, "SELECT made FROM shirt WHERE size = {size} AND made = ANY({days})",
			"size", `"m"`, "days", `["2024-01-02", "2030-01-01", null]`))
		require.Equal(t, "date", kind)
		require.Equal(t, `"2024-01-02"`, value)
		require.Zero(t, run(t, c, "SELECT * FROM shirt WHERE size = ANY({none})", "none", `[]`).RowCount)
	})
	t.Run("one variable can stand in several places and statements", func(t *testing.T) {
		_, value := one(t, run(t, c, "SELECT {b}; SELECT concat({a}::text, {b}::text, {a}::text)", "a", `"x"`, "b", `"y"`))
		require.Equal(t, `"xyx"`, value)
	})
	t.Run("what can't be bound is named", func(t *testing.T) {
		fault := fail(t, c, "SELECT {f}", "f", `{"type":"unsupported","value":"function"}`)
		require.Equal(t, "TypeError", fault.Name)
		require.Equal(t, "{f}: a value of type function can't be a parameter", fault.Message)
		require.Equal(t, "{l}: its items are of different types, which no array can hold",
			fail(t, c, "SELECT {l}", "l", `[1, "a"]`).Message)
		require.Equal(t, "{missing}: no variable of this name has a value", fail(t, c, "SELECT {missing}").Message)
	})
}

func injectionFails(t *testing.T, s *server) {
	c := open(t, s.settings())
	s.Admin(t, "CREATE TABLE victim (name text); INSERT INTO victim VALUES ('kept')")
	for _, attack := range []string{
		`"x'; DROP TABLE victim; --"`, `"\\'; DROP TABLE victim; --"`, `"$1); DELETE FROM victim; --"`,
		`"' OR '1'='1"`, `"{name}"`, `"$$; DROP TABLE victim; $$"`, `"*/ OR true /*"`,
		`["'}'); DROP TABLE victim; --", "\"}'", "\\", "NULL", "{a,b}"]`,
		`{"type":"decimal","value":"1; DROP TABLE victim"}`, `{"type":"date","value":"2024-01-01'; DROP TABLE victim; --"}`,
		`{"type":"interval","value":"1 day'; DROP TABLE victim; --"}`, `{"type":"json","value":"'; DROP TABLE victim; --"}`,
	} {
		// As what it is, a value matches nothing, or is none of its type.
		operator := "="
		if attack[0] == '[' {
			operator = "= ANY"
		}
		r, fault := c.Run(context.Background(), query(t, "SELECT * FROM victim WHERE name "+operator+" ({x})", "x", attack))
		if fault == nil {
			require.Zero(t, r.RowCount, attack)
		} else {
			require.Equal(t, notebook.ErrSQL, fault.Kind)
		}
		require.Equal(t, "1", s.Admin(t, "SELECT count(*) FROM victim"), attack)
	}
	_, value := one(t, run(t, c, "SELECT {x}::text[] AS v", "x", `["'}'); DROP", "\"}", "\\", "NULL", "{a,b}", null]`))
	require.JSONEq(t, `["'}'); DROP", "\"}", "\\", "NULL", "{a,b}", null]`, value)
}

// active is how many sessions of a kind run a statement now.
func (s *server) active(t testing.TB, name string) string {
	return s.Admin(t, fmt.Sprintf(
		"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%%%s%%' AND pid <> pg_backend_pid()", name))
}

func interruptCancels(t *testing.T, s *server) {
	c := open(t, s.settings())
	for i := range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		faults := make(chan *notebook.CellError, 1)
		mark := fmt.Sprintf("interrupted_%d", i)
		go func() {
			_, fault := c.Run(ctx, sqlcell.Query{Source: "SELECT pg_sleep(300) AS " + mark, Timeout: -1})
			faults <- fault
		}()
		require.Eventually(t, func() bool { return s.active(t, mark) == "1" }, time.Minute, 20*time.Millisecond)
		cancel()
		fault := <-faults
		require.NotNil(t, fault)
		require.Equal(t, notebook.ErrInterrupted, fault.Kind)
		require.Equal(t, "0", s.active(t, mark), "the statement goes on at the server")
		_, value := one(t, run(t, c, "SELECT 1"))
		require.Equal(t, "1", value, "the next cell is not concerned")
	}
	// While rows are arriving, too.
	ctx, cancel := context.WithTimeoutCause(context.Background(), 300*time.Millisecond, errors.New("interrupted"))
	defer cancel()
	_, fault := c.Run(ctx, sqlcell.Query{Source: "SELECT i, repeat('x', 1000), pg_sleep(0.001) FROM generate_series(1, 1000000) i", ByteLimit: 1 << 20, RowLimit: 1 << 20})
	require.NotNil(t, fault)
	require.Equal(t, notebook.ErrInterrupted, fault.Kind)
	require.Equal(t, "0", s.active(t, "generate_series"))
}

func interruptStopsTheRest(t *testing.T, s *server) {
	c := open(t, s.settings())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, fault := c.Run(ctx, sqlcell.Query{Source: "CREATE TABLE never (); SELECT 1"})
	require.Equal(t, notebook.ErrInterrupted, fault.Kind)
	require.Equal(t, "", s.Admin(t, "SELECT to_regclass('never')"))
}

func timeLimitCancels(t *testing.T, s *server) {
	c := open(t, s.settings())
	for _, source := range []string{
		"SELECT pg_sleep(300) AS overtime",
		"SET statement_timeout = 0; SELECT pg_sleep(300) AS overtime", // the limit is not the cell's to lift
	} {
		_, fault := c.Run(context.Background(), sqlcell.Query{Source: source, Timeout: 200 * time.Millisecond})
		require.NotNil(t, fault)
		require.Equal(t, notebook.ErrTimeout, fault.Kind)
		require.Contains(t, fault.Message, "200ms")
		require.Equal(t, "0", s.active(t, "overtime"))
	}
	// It is of one statement, not of the cell.
	_, fault := c.Run(context.Background(), sqlcell.Query{Source: strings.Repeat("SELECT pg_sleep(0.4);", 6), Timeout: 2 * time.Second})
	require.Nil(t, fault)
}

func rowLimitKeepsChanges(t *testing.T, s *server) {
	c := open(t, s.settings())
	limited := func(source string) *sqlcell.Result {
		r, fault := c.Run(context.Background(), sqlcell.Query{Source: source, RowLimit: 10})
		require.Nil(t, fault, "%+v", fault)
		return r
	}
	r := limited("SELECT a FROM generate_series(1, 100000) a, generate_series(1, 100000) b")
	require.True(t, r.Truncated)
	require.Equal(t, 10, r.RowCount)
	require.Len(t, r.Notices, 1)
	require.Contains(t, r.Notices[0], "limit of 10")
	require.False(t, limited("SELECT i FROM generate_series(1, 10) i").Truncated)

	r = limited("CREATE TABLE many (i int); INSERT INTO many SELECT generate_series(1, 100) RETURNING i")
	require.True(t, r.Truncated)
	require.Equal(t, "100", s.Admin(t, "SELECT count(*) FROM many"))
	r = limited("WITH gone AS (DELETE FROM many RETURNING i) SELECT * FROM gone")
	require.True(t, r.Truncated)
	require.Equal(t, "0", s.Admin(t, "SELECT count(*) FROM many"))
}

func byteLimit(t *testing.T, s *server) {
	c := open(t, s.settings())
	r, fault := c.Run(context.Background(), sqlcell.Query{Source: "SELECT repeat('x', 1000) FROM generate_series(1, 5000)", ByteLimit: 10_500})
	require.Nil(t, fault)
	require.True(t, r.Truncated)
	require.Equal(t, 10, r.RowCount)
	require.Contains(t, r.Notices[0], "10500 bytes")
	one := fail(t, c, "SELECT repeat('x', 300000000)") // more than a row may have
	require.Equal(t, notebook.ErrSQL, one.Kind)
	require.Contains(t, one.Message, "a row is larger than the limit of 256 MiB")
	run(t, c, "SELECT 1")
}

func duplicateColumns(t *testing.T, s *server) {
	c := open(t, s.settings())
	r := run(t, c, `SELECT 1 AS id, 2 AS id, 3 AS id_2, 4 AS id, 5, 6 AS "Id"`)
	names := []string{}
	for _, column := range r.Columns {
		names = append(names, column.Name)
	}
	require.Equal(t, []string{"id", "id_3", "id_2", "id_4", "column_5", "Id"}, names)
	require.Equal(t, []string{
		"column 2 is named id_3, as there is another id", "column 4 is named id_4, as there is another id",
	}, r.Notices)
}

func lastResult(t *testing.T, s *server) {
	c := open(t, s.settings())
	r := run(t, c, "CREATE TABLE last (i int);\nINSERT INTO last VALUES (1), (2);\n-- the end\nUPDATE last SET i = i + 1;;")
	require.Equal(t, "UPDATE 2", r.Command)
	require.EqualValues(t, 2, r.Affected)
	require.Empty(t, r.Columns)
	require.Equal(t, `"UPDATE 2"`, string(r.Output().Data["text/plain"]))
	require.NotContains(t, r.Output().Data, "application/vnd.notebook.table+json")
	require.JSONEq(t, `{"rows":0,"columns":[]}`, string(r.Encode()))

	require.Equal(t, 2, run(t, c, "DELETE FROM last WHERE i = 0; SELECT * FROM last").RowCount)
	run(t, c, "-- nothing at all\n;;")
	r = run(t, c, "SELECT 1 AS a, 'x'::text AS b WHERE false")
	require.Equal(t, "int", r.Columns[0].Tag, "columns have types without rows, too")

	// A failing statement takes none of those before it with it, unless they
	// are in one transaction.
	fail(t, c, "INSERT INTO last VALUES (100); SELECT 1/0")
	fail(t, c, "BEGIN; INSERT INTO last VALUES (200); SELECT 1/0; COMMIT")
	require.Equal(t, "1", s.Admin(t, "SELECT count(*) FROM last WHERE i >= 100"))

	r = run(t, c, `CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN i > 0 THEN i ELSE i END; SELECT 2 * i; END;
		CREATE FUNCTION thrice(i int) RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN 3 * i; END; $body$;
		SELECT twice(2) + thrice({x}) AS v`, "x", "5")
	_, value := one(t, r)
	require.Equal(t, "19", value)
}

func sessionsAreClean(t *testing.T, s *server) {
	c := open(t, s.settings())
	r := run(t, c, "CREATE TABLE clean (i int); BEGIN; INSERT INTO clean VALUES (1)")
	require.Contains(t, r.Notices[0], "rolled back")
	for range 8 { // more than there are sessions
		run(t, c, "SET search_path = pg_catalog; SET TimeZone = 'Asia/Tokyo'; CREATE TEMP TABLE mine (i int); "+
			"SELECT pg_advisory_lock(1); PREPARE p AS SELECT 1; SET DateStyle = 'German'")
	}
	require.Equal(t, "0", s.Admin(t, "SELECT count(*) FROM clean"))
	require.Equal(t, "0", s.Admin(t, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
	require.Zero(t, run(t, c, "SELECT * FROM clean").RowCount)
	_, value := one(t, run(t, c, "SELECT timestamptz '2024-01-01 00:00+00'::text"))
	require.Equal(t, `"2024-01-01 00:00:00+00"`, value)
	// What a cell sets holds for itself, and the values stay right.
	kind, value := one(t, run(t, c, "SET TimeZone = 'Asia/Tokyo'; SELECT timestamptz '2024-01-01 00:00+00' AS v"))
	require.Equal(t, "timestamptz", kind)
	require.Equal(t, `"2024-01-01T00:00:00+00:00"`, value)
	r = run(t, c, "SET DateStyle = 'German'; SELECT date '2024-02-29' AS v")
	kind, value = one(t, r)
	require.Equal(t, "text", kind)
	require.Equal(t, `"29.02.2024"`, value)
	require.Len(t, r.Notices, 1)
}

func postgresErrors(t *testing.T, s *server) {
	c := open(t, s.settings())
	s.Admin(t, "CREATE TABLE account (owner text PRIMARY KEY, balance int CHECK (balance >= 0)); INSERT INTO account VALUES ('ann', 1)")
	fault := fail(t, c, "SELECT 'ü', {x}::int;\nSELECT 'é',\n  {x} + nope FROM account", "x", "1")
	require.Equal(t, notebook.ErrSQL, fault.Kind)
	require.Equal(t, "undefined_column", fault.Name)
	require.Equal(t, `line 3, column 9: column "nope" does not exist`, fault.Message)
	require.Equal(t, []string{
		`undefined_column: column "nope" does not exist (SQLSTATE 42703)`,
		"3:   {x} + nope FROM account",
		"           ^",
	}, fault.Traceback)

	fault = fail(t, c, "SELECT * FROM account WHERE owner IN {names}", "names", `["ann"]`)
	require.Equal(t, "syntax_error", fault.Name)
	require.Contains(t, fault.Message, "line 1, column 38")
	require.Contains(t, fault.Message, "= ANY({name})")

	for _, source := range []string{"SET search_path = {x}", "CREATE VIEW v AS SELECT {x}", "DO {x}"} {
		require.Contains(t, fail(t, c, source, "x", `"a"`).Message, "hint: ", source)
	}

	fault = fail(t, c, "SELECT {x} IS NULL", "x", `"a"`)
	require.Equal(t, "indeterminate_datatype", fault.Name)
	require.Contains(t, fault.Message, "data type of parameter {x} (hint: ")

	fault = fail(t, c, "INSERT INTO account VALUES ('ann', 2)")
	require.Equal(t, "unique_violation", fault.Name)
	require.Contains(t, fault.Traceback, "Detail: Key (owner)=(ann) already exists.")

	fault = fail(t, c, "DO $$ BEGIN RAISE NOTICE 'before'; RAISE EXCEPTION 'mine' USING HINT = 'do otherwise', ERRCODE = 'ZZ001'; END $$")
	require.Equal(t, "ZZ001", fault.Name)
	require.Equal(t, "mine (hint: do otherwise)", fault.Message)
	require.Contains(t, fault.Traceback, "NOTICE: before")

	fault = fail(t, c, "SELECT nosuch({x})", "x", "1")
	require.Equal(t, "undefined_function", fault.Name)
	require.Contains(t, fault.Message, "line 1, column 8:")
}

func noticesArrive(t *testing.T, s *server) {
	c := open(t, s.settings())
	r := run(t, c, "DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; END $$; SELECT 1 AS a")
	require.Equal(t, []string{"NOTICE: hello", "WARNING: careful"}, r.Notices)
	outputs := r.Outputs()
	require.Len(t, outputs, 2)
	require.Equal(t, "stderr", outputs[1].Stream)
	require.Equal(t, "NOTICE: hello\nWARNING: careful\n", outputs[1].Text)
	r = run(t, c, "DO $$ BEGIN FOR i IN 1..100000 LOOP RAISE NOTICE '%', repeat('x', 2000); END LOOP; END $$")
	require.LessOrEqual(t, len(r.Notices), 101)
}

func copyIsRefused(t *testing.T, s *server) {
	c := open(t, s.settings())
	s.Admin(t, "CREATE TABLE copied (i int)")
	require.Contains(t, fail(t, c, "COPY copied FROM STDIN").Message, "no data to copy")
	require.Contains(t, fail(t, c, "COPY (SELECT generate_series(1, 100000000)) TO STDOUT").Message, "use SELECT")
	run(t, c, "SELECT 1")
}

func lostSession(t *testing.T, s *server) {
	c := open(t, s.settings())
	fault := fail(t, c, "SELECT pg_terminate_backend(pg_backend_pid())")
	require.Equal(t, "admin_shutdown", fault.Name)
	_, value := one(t, run(t, c, "SELECT 1"))
	require.Equal(t, "1", value)
}

func noCredentials(t *testing.T, s *server) {
	ctx := context.Background()
	wrong := "n0t-the-pass%2Fword"
	settings := fmt.Sprintf(`{
		"refused": "postgres://ghost:%s@127.0.0.1:%d/postgres?sslmode=disable",
		"closed": "postgres://ghost:%s@127.0.0.1:%d/postgres",
		"plain": "postgres://%s:p%%40ss%%2Fw%%3Ard%%3Fs3cret@127.0.0.1:%d/postgres?sslmode=verify-full",
		"missing": "postgres://%s:p%%40ss%%2Fw%%3Ard%%3Fs3cret@127.0.0.1:%d/nosuch?sslmode=disable"}`,
		wrong, s.Port, wrong, postgrestest.FreePort(t), postgrestest.User, s.Port, postgrestest.User, s.Port)
	c := open(t, settings)
	for name, reason := range map[string]string{
		"refused": "refuses the user or the password", "closed": "connection refused", "plain": "certificate", "missing": `database "nosuch" does not exist`,
	} {
		_, fault := c.Run(ctx, sqlcell.Query{Connection: name, Source: "SELECT 1"})
		require.NotNil(t, fault, name)
		all := fmt.Sprintf("%+v", fault)
		require.Contains(t, fault.Message, reason)
		for _, secret := range []string{"n0t-the-pass", postgrestest.Password, "s3cret", "ghost"} {
			require.NotContains(t, all, secret, name)
		}
	}
	_, fault := c.Run(ctx, sqlcell.Query{Connection: "nope", Source: "SELECT 1"})
	require.Equal(t, `there is no SQL connection "nope"; there is closed, missing, plain, refused`, fault.Message)
	_, fault = c.Run(ctx, sqlcell.Query{Source: "SELECT 1"})
	require.Equal(t, "this cell names no SQL connection: choose one of closed, missing, plain, refused", fault.Message)
}

func manyRuns(t *testing.T, s *server) {
	c := open(t, s.settings())
	faults := make(chan *notebook.CellError)
	for i := range 40 {
		go func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if i%4 == 0 { // interrupted at any moment
				time.AfterFunc(time.Duration(i)*time.Millisecond, cancel)
			}
			_, fault := c.Run(ctx, sqlcell.Query{Source: "SELECT pg_sleep(0.02); SELECT {i}::int", Params: map[string]any{"i": "1"}})
			if i%4 == 0 && fault != nil && fault.Kind == notebook.ErrInterrupted {
				fault = nil
			}
			faults <- fault
		}()
	}
	for range 40 {
		fault := <-faults
		require.Nil(t, fault, "%+v", fault)
	}
	sessions := s.Admin(t, "SELECT count(*) <= 4 FROM pg_stat_activity WHERE application_name = 'reactive-notebook'")
	require.Equal(t, "t", sessions)
}

func tlsWorks(t *testing.T, s *server) {
	at := fmt.Sprintf("postgres://%s:p%%40ss%%2Fw%%3Ard%%3Fs3cret@127.0.0.1:%d/postgres", postgrestest.User, s.Port)
	c := open(t, fmt.Sprintf(`{"verified": "%s?sslmode=verify-full&sslrootcert=%s", "unknown": "%s?sslmode=verify-full"}`, at, s.Certificate, at))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, fault := c.Run(ctx, sqlcell.Query{Connection: "verified", Source: "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"})
	require.Nil(t, fault, "%+v", fault)
	_, value := one(t, r)
	require.Equal(t, "true", value)

	go func() {
		for s.active(t, "over_tls") != "1" && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
		}
		cancel()
	}()
	_, fault = c.Run(ctx, sqlcell.Query{Connection: "verified", Source: "SELECT pg_sleep(60) AS over_tls"})
	require.NotNil(t, fault)
	require.Equal(t, notebook.ErrInterrupted, fault.Kind)
	require.Equal(t, "0", s.active(t, "over_tls"))

	_, fault = c.Run(context.Background(), sqlcell.Query{Connection: "unknown", Source: "SELECT 1"})
	require.NotNil(t, fault)
	require.Contains(t, fault.Message, "certificate")
}
