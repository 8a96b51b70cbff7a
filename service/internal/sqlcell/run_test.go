package sqlcell_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens connections that end with the test.
func open(t testing.TB, settings string) *sqlcell.Connections {
	t.Helper()
	c, err := sqlcell.Open(context.Background(), settings)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// run runs a cell that must succeed.
func run(t testing.TB, c *sqlcell.Connections, source string, params ...any) *sqlcell.Result {
	t.Helper()
	r, fault := c.Run(context.Background(), query(t, source, params...))
	require.Nil(t, fault, "%+v", fault)
	return r
}

// fail runs a cell that must fail.
func fail(t testing.TB, c *sqlcell.Connections, source string, params ...any) *notebook.CellError {
	t.Helper()
	r, fault := c.Run(context.Background(), query(t, source, params...))
	require.NotNil(t, fault)
	require.Nil(t, r)
	return fault
}

// query takes names and JSON texts of parameters in turn.
func query(t testing.TB, source string, params ...any) sqlcell.Query {
	t.Helper()
	object := map[string]json.RawMessage{}
	for i := 0; i < len(params); i += 2 {
		object[params[i].(string)] = json.RawMessage(params[i+1].(string))
	}
	text, err := json.Marshal(object)
	require.NoError(t, err)
	values, err := sqlcell.DecodeParams(text)
	require.NoError(t, err)
	return sqlcell.Query{Source: source, Params: values}
}

// wire is what the kernel gets.
type wire struct {
	Rows    int `json:"rows"`
	Columns []struct {
		Name   string            `json:"name"`
		Type   string            `json:"type"`
		Values []json.RawMessage `json:"values"`
	} `json:"columns"`
}

func decode(t testing.TB, r *sqlcell.Result) wire {
	t.Helper()
	var w wire
	require.NoError(t, json.Unmarshal(r.Encode(), &w), "%s", r.Encode())
	return w
}

// one returns the type and JSON of a result's only value.
func one(t testing.TB, r *sqlcell.Result) (kind, value string) {
	t.Helper()
	w := decode(t, r)
	require.Len(t, w.Columns, 1)
	require.Len(t, w.Columns[0].Values, 1)
	return w.Columns[0].Type, string(w.Columns[0].Values[0])
}

type page struct {
	Columns []struct{ Name, Type string }
	Rows    [][]any
	Total   int `json:"total_rows"`
}

func table(t testing.TB, r *sqlcell.Result) page {
	t.Helper()
	o := r.Output()
	require.Equal(t, notebook.OutputResult, o.Kind)
	require.Contains(t, o.Data, "text/plain")
	var p page
	require.NoError(t, json.Unmarshal(o.Data["application/vnd.notebook.table+json"], &p))
	return p
}
