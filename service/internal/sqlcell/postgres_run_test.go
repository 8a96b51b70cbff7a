package sqlcell_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPostgreSQL(t *testing.T) {
	s := startServer(t)
	c := open(t, s.settings())
	t.Run("every type keeps its value", func(t *testing.T) { typesArrive(t, s) })
	_ = c
}

func typesArrive(t *testing.T, s *server) {
	c := open(t, s.settings())
	s.admin(t, `CREATE TYPE mood AS ENUM ('sad', 'so so'); CREATE DOMAIN cents AS numeric(10,2); CREATE TYPE pair AS (a int, b text)`)
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
