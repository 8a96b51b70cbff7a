package session_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/postgrestest"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// withSQL gives notebooks the sample database.
func withSQL(t *testing.T) func(*session.Options) {
	t.Helper()
	connections, err := sqlcell.Open(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connections.Close()) })
	return func(o *session.Options) { o.SQL = connections }
}

func sql(source, result string) session.NewCell {
	connection := sqlcell.SampleName
	return session.NewCell{Kind: notebook.SQL, Source: source, Connection: &connection, Result: &result}
}

func (f fixture) cells(mode notebook.Mode, cells ...session.NewCell) *notebook.Notebook {
	f.t.Helper()
	n, err := f.Create(f.ctx, session.NewNotebook{Name: "Test", Mode: mode, Cells: cells})
	require.NoError(f.t, err)
	return n
}

// endless is a query that never ends by itself.
const endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

func TestASQLCellReadsVariablesAndFeedsTheCellsBelow(t *testing.T) {
	f := newFixture(t, withSQL(t))
	n := f.cells(notebook.Auto,
		session.NewCell{Source: "print(type(moons).__name__, len(moons), sum(moons['radius_km']) if hasattr(moons, 'columns') else 0)"},
		sql("SELECT name, radius_km FROM moon WHERE planet = {of} ORDER BY name", "moons"),
		session.NewCell{Source: "of = 'Mars'"})
	require.Equal(t, []string{"of"}, n.Cells[1].References)
	require.Equal(t, []string{"moons"}, n.Cells[1].Defines)

	r := f.runs(n.ID)
	require.Equal(t, session.RunOK, r.Status, "%+v", r.Notebook.Cells[1].Error)
	require.Equal(t, []string{n.Cells[2].ID, n.Cells[1].ID, n.Cells[0].ID}, r.Order)
	require.Regexp(t, `^(DataFrame 2 17\.3|list 2 0)\n$`, text(r.Notebook.Cells[0]))
	var table struct {
		Rows [][]any `json:"rows"`
	}
	require.NoError(t, json.Unmarshal(r.Notebook.Cells[1].Outputs[0].Data["application/vnd.notebook.table+json"], &table))
	require.Equal(t, [][]any{{"Deimos", 6.2}, {"Phobos", 11.1}}, table.Rows)
	require.Equal(t, 1, r.Notebook.Cells[1].ExecutionCount)
	require.NotNil(t, r.Notebook.Cells[1].DurationMS)

	f.edit(n.ID, n.Cells[2].ID, "of = 'Jupiter'")
	r = f.runs(n.ID, n.Cells[2].ID)
	require.Equal(t, []string{n.Cells[2].ID, n.Cells[1].ID, n.Cells[0].ID}, r.Order)
	require.Regexp(t, `^(DataFrame|list) 6 `, text(r.Notebook.Cells[0]))
}

func TestARenamedResultLeavesTheKernelAndItsReadersFailHonestly(t *testing.T) {
	f := newFixture(t, withSQL(t))
	n := f.cells(notebook.Auto, sql("SELECT 1 AS one", "first"), session.NewCell{Source: "len(first)"})
	require.Equal(t, session.RunOK, f.runs(n.ID).Status)
	other := "second"
	given := &other
	_, _, err := f.UpdateCell(f.ctx, n.ID, n.Cells[0].ID, session.AnyVersion, session.CellPatch{Result: &given})
	require.NoError(t, err)
	require.Equal(t, notebook.StatusStale, f.get(n.ID).Cells[0].Status)
	f.runs(n.ID, n.Cells[0].ID)
	n = f.eventually(n.ID, func(n *notebook.Notebook) bool { return n.Cells[1].Status == notebook.StatusError })
	require.Equal(t, "NameError", n.Cells[1].Error.Name)
	vars, err := f.Variables(f.ctx, n.ID)
	require.NoError(t, err)
	require.Len(t, vars, 1)
	require.Equal(t, "second", vars[0].Name)
	require.Equal(t, n.Cells[0].ID, *vars[0].CellID)
}

func TestFaultsOfASQLCellAreItsErrors(t *testing.T) {
	f := newFixture(t, withSQL(t))
	n := f.cells(notebook.Auto,
		sql("SELECT nothing FROM moon", "rows"),
		session.NewCell{Source: "len(rows)"},
		sql("SELECT {missing}", ""),
		session.NewCell{Source: "odd = object()"},
		sql("SELECT {odd}", ""),
		sql("SELECT {not a name}", "never"))
	require.Equal(t, notebook.ErrSyntax, n.Cells[5].Error.Kind, "shown before any run")
	unknown := sql("SELECT 1", "")
	*unknown.Connection = "elsewhere"
	cell, _, err := f.CreateCell(f.ctx, n.ID, session.AnyVersion, unknown)
	require.NoError(t, err)
	n = f.runs(n.ID).Notebook

	require.Equal(t, notebook.ErrSQL, n.Cells[0].Error.Kind)
	require.Contains(t, n.Cells[0].Error.Message, "nothing")
	require.Equal(t, notebook.OutputError, n.Cells[0].Outputs[0].Kind)
	require.Equal(t, notebook.StatusBlocked, n.Cells[1].Status)
	require.Equal(t, []string{n.Cells[0].ID}, n.Cells[1].BlockedBy)
	require.Equal(t, "NameError", n.Cells[2].Error.Name)
	require.Contains(t, n.Cells[4].Error.Message, "odd")
	require.Equal(t, notebook.ErrSQL, n.Cell(cell.ID).Error.Kind)
	require.Contains(t, n.Cell(cell.ID).Error.Message, "elsewhere")
	require.Equal(t, notebook.KernelIdle, n.Kernel.Status)
}

func TestAServiceWithoutSQLConnectionsSaysSo(t *testing.T) {
	f := newFixture(t)
	require.Empty(t, f.Connections())
	n := f.runs(f.cells(notebook.Auto, sql("SELECT 1", "rows")).ID).Notebook
	require.Equal(t, notebook.ErrSQL, n.Cells[0].Error.Kind)
	require.Contains(t, n.Cells[0].Error.Message, "no SQL connections")
}

func TestTheNameOfAResultMustBeAVariableThatOthersCanSee(t *testing.T) {
	f := newFixture(t, withSQL(t))
	n := f.cells(notebook.Auto, sql("SELECT 1", ""))
	for _, name := range []string{"_rows", "__rows__", "1st", "a b", "a.b", "class", "None", "a = b", "a; b", "a\n", "ﬁn"} {
		var field *notebook.FieldError
		given := &name
		_, _, err := f.UpdateCell(f.ctx, n.ID, n.Cells[0].ID, session.AnyVersion, session.CellPatch{Result: &given})
		require.ErrorAs(t, err, &field, "%q", name)
		require.Equal(t, "result", field.Field)
		_, _, err = f.CreateCell(f.ctx, n.ID, session.AnyVersion, sql("SELECT 1", name))
		require.ErrorAs(t, err, &field, "%q", name)
		_, err = f.Create(f.ctx, session.NewNotebook{Name: "N", Cells: []session.NewCell{sql("SELECT 1", name)}})
		require.ErrorAs(t, err, &field, "%q", name)
		require.Equal(t, "cells.0.result", field.Field)
	}
	for _, name := range []string{"rows", "größe", "x1_"} {
		given := &name
		c, _, err := f.UpdateCell(f.ctx, n.ID, n.Cells[0].ID, session.AnyVersion, session.CellPatch{Result: &given})
		require.NoError(t, err)
		require.Equal(t, []string{name}, c.Defines)
	}
}

func TestInterruptStopsALongStatementAndDropsTheQueue(t *testing.T) {
	f := newFixture(t, withSQL(t))
	n := f.cells(notebook.Auto, sql(endless, "rows"), session.NewCell{Source: "rows"}, session.NewCell{Source: "x = 1"})
	_, err := f.Run(f.ctx, n.ID, session.RunRequest{})
	require.NoError(t, err)
	f.eventually(n.ID, func(n *notebook.Notebook) bool { return n.Cells[0].Status == notebook.StatusRunning })
	require.NoError(t, f.Interrupt(f.ctx, n.ID))
	n = f.eventually(n.ID, func(n *notebook.Notebook) bool { return n.Kernel.Status == notebook.KernelIdle })
	require.Equal(t, []notebook.Status{notebook.StatusError, notebook.StatusBlocked, notebook.StatusNew}, statuses(n))
	require.Equal(t, notebook.ErrInterrupted, n.Cells[0].Error.Kind)
	require.Equal(t, session.RunOK, f.runs(n.ID, n.Cells[2].ID).Status)
}

func TestACellTimeoutEndsAStatement(t *testing.T) {
	f := newFixture(t, withSQL(t), func(o *session.Options) { o.CellTimeout = 300 * time.Millisecond })
	n := f.runs(f.cells(notebook.Auto, sql(endless, "rows")).ID).Notebook
	require.Equal(t, notebook.ErrTimeout, n.Cells[0].Error.Kind)
}

func TestAKernelThatIsLostDuringAStatementEndsTheCell(t *testing.T) {
	f := newFixture(t, withSQL(t))
	n := f.cells(notebook.Auto,
		session.NewCell{Source: "import os, threading\ndying = threading.Timer(0.5, lambda: os._exit(3))\ndying.start()\nready = 1"},
		sql(endless+" WHERE {ready}", "rows"), session.NewCell{Source: "x = 1"})
	r := f.runs(n.ID, n.Cells[0].ID)
	require.Equal(t, session.RunError, r.Status)
	require.Equal(t, notebook.ErrKernelDied, r.Notebook.Cells[1].Error.Kind)
	require.Contains(t, *r.Notebook.Kernel.Reason, "3")
	require.Equal(t, session.RunOK, f.runs(n.ID, n.Cells[2].ID).Status)
}

func TestDeletingOrRestartingEndsARunningStatement(t *testing.T) {
	f := newFixture(t, withSQL(t))
	for what, end := range map[string]func(n *notebook.Notebook) error{
		"delete": func(n *notebook.Notebook) error {
			_, err := f.DeleteCell(f.ctx, n.ID, n.Cells[0].ID, session.AnyVersion)
			return err
		},
		"restart": func(n *notebook.Notebook) error { return f.Restart(f.ctx, n.ID, false) },
	} {
		n := f.cells(notebook.Auto, sql(endless, "rows"), session.NewCell{Source: "x = 1"})
		_, err := f.Run(f.ctx, n.ID, session.RunRequest{Cells: []string{n.Cells[0].ID}})
		require.NoError(t, err)
		f.eventually(n.ID, func(n *notebook.Notebook) bool { return n.Cells[0].Status == notebook.StatusRunning })
		require.NoError(t, end(n), what)
		f.eventually(n.ID, func(n *notebook.Notebook) bool { return n.Kernel.Status == notebook.KernelIdle })
		last := len(f.get(n.ID).Cells) - 1
		require.Equal(t, session.RunOK, f.runs(n.ID, f.get(n.ID).Cells[last].ID).Status, what)
	}
}

func TestManyRowsReachTheKernel(t *testing.T) {
	f := newFixture(t, withSQL(t))
	const rows = 60_000
	n := f.cells(notebook.Auto,
		sql(fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i, printf('%%0200d', i) AS text FROM n", rows), "rows"),
		session.NewCell{Source: "print(len(rows))"})
	require.Equal(t, fmt.Sprintf("%d\n", rows), text(f.runs(n.ID).Notebook.Cells[1]))
}

func TestClosingTheServiceEndsAStatementBeforeItsConnection(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "notebooks.db")
	host := newHost(t)
	first := newFixture(t, withSQL(t), func(o *session.Options) { o.Store, o.Kernels = openStore(t, url), host })
	n := first.cells(notebook.Auto, sql(endless, "rows"))
	_, err := first.Run(first.ctx, n.ID, session.RunRequest{})
	require.NoError(t, err)
	first.eventually(n.ID, func(n *notebook.Notebook) bool { return n.Cells[0].Status == notebook.StatusRunning })
	require.NoError(t, first.Close(first.ctx))
	second := newFixture(t, func(o *session.Options) { o.Store, o.Kernels = openStore(t, url), host })
	require.Equal(t, notebook.ErrInterrupted, second.get(n.ID).Cells[0].Error.Kind)
}

// TestSQLCellsOfANotebookOnPostgreSQL goes from a variable through a server
// and a frame into the next statement.
func TestSQLCellsOfANotebookOnPostgreSQL(t *testing.T) {
	server := postgrestest.Start(t)
	server.Admin(t, `CREATE TABLE part (id int, price numeric(12,4), made timestamptz, tags text[], about jsonb, seen date);
		INSERT INTO part VALUES (1, 1.5000, '2024-02-29 23:30:00-02', '{a,NULL}', '{"x": [1, 2.50]}', '2024-02-29'),
			(2, 12345678.9012, '2024-03-01 00:00:00+00', '{}', 'null', NULL), (3, NULL, NULL, NULL, NULL, NULL)`)
	connections, err := sqlcell.Open(t.Context(), fmt.Sprintf(`{"pg":%q}`, server.URL()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connections.Close()) })
	f := newFixture(t, func(o *session.Options) { o.SQL = connections })
	pg := func(source, result string) session.NewCell {
		cell := sql(source, result)
		*cell.Connection = "pg"
		return cell
	}

	n := f.cells(notebook.Auto,
		session.NewCell{Source: "import decimal\nids = [1, 2, 3]\nname = \"x'); DROP TABLE part; --\""},
		pg("SELECT *, id AS id, {name} AS name FROM part WHERE id = ANY({ids}) ORDER BY id", "parts"),
		session.NewCell{Source: `rows = parts.to_dict("records") if hasattr(parts, "columns") else parts
print(list(rows[0]))
for row in rows:
    print(*(None if not isinstance(v, (list, dict)) and v != v or v is None or str(v) == "NaT" or str(v) == "<NA>" else v for v in row.values()), sep=" | ")
print(type(rows[0]["price"]).__name__, type(rows[0]["seen"]).__name__, sum(r["price"] for r in rows[:2]))`},
		session.NewCell{Source: `some = parts["id"] if hasattr(parts, "columns") else [row["id"] for row in parts]
first = rows[0]["made"]
price = rows[1]["price"]
about = rows[0]["about"]`},
		pg("SELECT count(*) AS n FROM part WHERE id = ANY({some}) AND (made = {first} AND about = {about} OR price = {price})", "again"),
		session.NewCell{Source: `int(again["n"][0] if hasattr(again, "columns") else again[0]["n"])`})
	r := f.runs(n.ID)
	for i, cell := range r.Notebook.Cells {
		require.Equal(t, notebook.StatusOK, cell.Status, "cell %d: %+v", i, cell.Error)
	}
	require.Equal(t, `['id', 'price', 'made', 'tags', 'about', 'seen', 'id_2', 'name']
1 | 1.5000 | 2024-03-01 01:30:00+00:00 | ['a', None] | {'x': [1, 2.5]} | 2024-02-29 | 1 | x'); DROP TABLE part; --
2 | 12345678.9012 | 2024-03-01 00:00:00+00:00 | [] | None | None | 2 | x'); DROP TABLE part; --
3 | None | None | None | None | None | 3 | x'); DROP TABLE part; --
Decimal date 12345680.4012
`, text(r.Notebook.Cells[2]))
	require.Equal(t, "2", text(r.Notebook.Cells[5]))
	require.Equal(t, "3", server.Admin(t, "SELECT count(*) FROM part"))

	// What is interrupted in the notebook ends at the server, too.
	long := f.cells(notebook.Auto, pg("SELECT pg_sleep(600) AS of_a_notebook", "rows"))
	_, err = f.Run(f.ctx, long.ID, session.RunRequest{})
	require.NoError(t, err)
	active := func() string {
		return server.Admin(t, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%of_a_notebook%' AND pid <> pg_backend_pid()")
	}
	require.Eventually(t, func() bool { return active() == "1" }, patience, 20*time.Millisecond)
	require.NoError(t, f.Interrupt(f.ctx, long.ID))
	long = f.eventually(long.ID, func(n *notebook.Notebook) bool { return n.Cells[0].Status == notebook.StatusError })
	require.Equal(t, notebook.ErrInterrupted, long.Cells[0].Error.Kind)
	require.Equal(t, "0", active())
}
