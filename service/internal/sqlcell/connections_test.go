package sqlcell_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/postgrestest"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

func TestOpenNamesEveryFaultOfItsSettingsAndNoSecret(t *testing.T) {
	const form = `must be a JSON object such as {"warehouse":"postgres://USER:PASSWORD@HOST/DATABASE"}`
	const notURL = "is not a valid URL postgres://USER:PASSWORD@HOST:PORT/DATABASE; percent-encode what is special in user and password"
	for _, v := range []struct{ settings, fault string }{
		{"postgres://ann:s3cret@db/x", form},
		{`["s3cret"]`, form},
		{`{"a":"sqlite:x"} "s3cret"`, form},
		{`{"a":"postgres://s3cret`, form},
		{`{}`, "names no connection: leave it empty for the sample database"},
		{`{"a": 5, "": "sqlite:x", "b": "mysql://u:s3cret@h/d", "c": "sqlite:", "d": "sqlite::memory:", "e": "sqlite:x", "e": "sqlite:y"}`,
			`connection "a": its URL must be a string
connection "": a name must have 1 to 63 letters, digits, and - _ . or spaces after the first
connection "b": its URL must begin with postgres:// or sqlite:
connection "c": its path is missing: write sqlite:PATH
connection "d": must name a file: write sqlite:PATH, without host or options
connection "e": is there twice`},
		{`{"a": "postgres://ann:s3c/ret@db/x", "b": "postgres://ann:s3c%zzret@db/x", "c": "postgres:", "d": "postgres://ann:s3cret@db:70000/x", "e": "postgres://ann:12/s3cret@db/x"}`,
			`connection "a": ` + notURL + `
connection "b": ` + notURL + `
connection "c": ` + notURL + `
connection "d": its port must be from 1 to 65535
connection "e": ` + notURL},
		{`{"a": "postgres://ann:s3cret@db/x?sslmode=maybe", "b": "postgres://ann:s3cret@db/x?sslrootcert=/none.pem&sslmode=verify-full"}`,
			`connection "a": can't be used: sslmode is invalid
connection "b": can't be used: unable to read CA file: open /none.pem: no such file or directory`},
	} {
		c, err := sqlcell.Open(context.Background(), v.settings)
		require.Nil(t, c)
		require.EqualError(t, err, v.fault, v.settings)
		require.EqualError(t, sqlcell.Check(v.settings), v.fault)
		require.NotContains(t, err.Error(), "s3c")
	}
	require.NoError(t, sqlcell.Check(""))
}

func TestOpenContactsNoServerAndListsByName(t *testing.T) {
	c := open(t, fmt.Sprintf(`{"warehouse": "postgres://ann:s3cret@127.0.0.1:%d/x", "local file": "sqlite:none.db", "Ünal-2": "postgresql://h/x"}`, postgrestest.FreePort(t)))
	require.Equal(t, []sqlcell.Info{
		{Name: "local file", Dialect: sqlcell.SQLite}, {Name: "warehouse", Dialect: sqlcell.PostgreSQL}, {Name: "Ünal-2", Dialect: sqlcell.PostgreSQL},
	}, c.List())
	require.Equal(t, sqlcell.SQLite, c.Dialect("local file"))
	require.Equal(t, sqlcell.PostgreSQL, c.Dialect("no such"))
	require.NotContains(t, fmt.Sprintf("%+v", c.List()), "s3cret")
	require.Equal(t, sqlcell.SQLite, open(t, "").Dialect(""), "the only one needs no name")
}
