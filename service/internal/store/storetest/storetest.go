// Package storetest is the one suite that every kind of store passes.
//
// It is a test, not a store. Its invariant: it asks for nothing that
// session.Store doesn't promise, and nothing that only one kind can do.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// Run holds a kind of store against what session.Store promises. Open returns
// an empty store, and sees to its end.
func Run(t *testing.T, open func(t *testing.T) session.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, session.Store)
	}{
		{"a created notebook is read back whole", createAndGet},
		{"nobody shares memory with the store", isolation},
		{"an unknown notebook is not found", unknown},
		{"a change keeps exactly what it names", apply},
		{"a change on another version is refused", versions},
		{"of many changes on one version one wins", race},
		{"results alone don't touch the document", resultsAlone},
		{"results of removed cells are dropped", removedResults},
		{"results of before the last run never replace those of it", olderResults},
		{"a malformed change is refused", malformed},
		{"cells keep their order", orderOfCells},
		{"the list is newest first, in pages", list},
		{"the search ignores case in every script", search},
		{"a deleted notebook is gone with its cells", deletion},
		{"a notebook is deleted at the version that was asked for", deletionAtVersion},
		{"large and strange texts survive", texts},
		{"it answers a ping", func(t *testing.T, s session.Store) { require.NoError(t, s.Ping(t.Context())) }},
		{"an ended context is heeded", ended},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// Full returns a notebook in which no field is at its zero value.
func Full(name string) *notebook.Notebook {
	n := notebook.New(name, notebook.Lazy)
	n.Version = 3
	started, took := notebook.Now(), 12.5
	connection, rows := "sample", "rows"

	python := notebook.NewCell(notebook.Python, "x = 1")
	python.Defines, python.References = []string{"x"}, []string{"a", "b"}
	python.Status, python.ExecutionCount, python.StartedAt, python.DurationMS = notebook.StatusOK, 4, &started, &took
	python.Outputs = []notebook.Output{
		{Kind: notebook.OutputStream, Stream: "stdout", Text: "héllo\n\x1b[31mred\x1b[0m"},
		{
			Kind:     notebook.OutputDisplay,
			Data:     map[string]json.RawMessage{"text/plain": json.RawMessage(`"1"`), "application/json": json.RawMessage(`{"a":[1,2]}`)},
			Metadata: map[string]json.RawMessage{"k": json.RawMessage(`1`)},
		},
		{Kind: notebook.OutputError, Name: "ValueError", Message: "no", Traceback: []string{"line 1"}},
	}
	failed := notebook.NewCell(notebook.Python, "1/0")
	failed.Status, failed.Disabled = notebook.StatusError, true
	failed.Error = &notebook.CellError{
		Kind: notebook.ErrException, Name: "ZeroDivisionError", Message: "division by zero",
		Traceback: []string{"here"}, Names: []string{"n"}, Cells: []string{python.ID},
	}
	query := notebook.NewCell(notebook.SQL, "select 1")
	query.Connection, query.Result = &connection, &rows
	query.Status, query.BlockedBy = notebook.StatusBlocked, []string{failed.ID}
	n.Cells = []*notebook.Cell{python, failed, query, notebook.NewCell(notebook.Markdown, "# Title")}
	return n
}

// Same requires that two notebooks are alike, as clients would see them.
func Same(t *testing.T, want, got *notebook.Notebook) {
	t.Helper()
	w, err := json.MarshalIndent(want, "", " ")
	require.NoError(t, err)
	g, err := json.MarshalIndent(got, "", " ")
	require.NoError(t, err)
	require.Equal(t, string(w), string(g))
}

func created(t *testing.T, s session.Store) *notebook.Notebook {
	t.Helper()
	n := Full("Notebook")
	require.NoError(t, s.Create(t.Context(), n.Clone()))
	return n
}

func get(t *testing.T, s session.Store, id string) *notebook.Notebook {
	t.Helper()
	n, err := s.Get(t.Context(), id)
	require.NoError(t, err)
	return n
}

func createAndGet(t *testing.T, s session.Store) {
	n := created(t, s)
	Same(t, n, get(t, s, n.ID))

	empty := notebook.New("Empty", notebook.Auto)
	require.NoError(t, s.Create(t.Context(), empty))
	Same(t, empty, get(t, s, empty.ID))

	busy := Full("Busy")
	busy.Kernel = notebook.Kernel{Status: notebook.KernelBusy}
	require.NoError(t, s.Create(t.Context(), busy))
	require.Equal(t, notebook.KernelNone, get(t, s, busy.ID).Kernel.Status, "kernels don't outlive the service")

	require.Error(t, s.Create(t.Context(), n.Clone()), "one id, one notebook")
	Same(t, n, get(t, s, n.ID))
}

func isolation(t *testing.T, s session.Store) {
	n := created(t, s)
	got := get(t, s, n.ID)
	got.Name = "changed"
	got.Cells[0].Source = "changed"
	got.Cells[0].Outputs[0].Text = "changed"
	got.Cells = got.Cells[:1]
	Same(t, n, get(t, s, n.ID))
}

func unknown(t *testing.T, s session.Store) {
	ctx, n := t.Context(), Full("Never kept")
	_, err := s.Get(ctx, n.ID)
	require.ErrorIs(t, err, session.ErrNotFound)
	require.ErrorIs(t, s.Delete(ctx, n.ID, 0), session.ErrNotFound)
	require.ErrorIs(t, s.Apply(ctx, session.Change{Notebook: n, Base: 2}), session.ErrNotFound)
	require.ErrorIs(t, s.Apply(ctx, session.Change{Notebook: n, Ran: []string{n.Cells[0].ID}}), session.ErrNotFound)
}

func apply(t *testing.T, s session.Store) {
	n := created(t, s)
	want := n.Clone()

	// What is not named must stay, whatever the notebook handed over says.
	n.Cells[1].Source = "not named"
	n.Cells[1].Outputs = []notebook.Output{{Kind: notebook.OutputStream, Stream: "stderr", Text: "not named"}}

	base := n.Version
	n.Name, n.Mode = "Renamed", notebook.Auto
	n.Cells[0].Source = "x = 2"
	n.Cells[0].Status = notebook.StatusStale // named as written only
	n.Cells[2].Status = notebook.StatusOK    // named as ran
	n.Cells[2].BlockedBy = []string{}
	n.Cells[2].Connection = nil // named as ran only
	fresh := notebook.NewCell(notebook.SQL, "select 2")
	name := "prod"
	fresh.Connection = &name
	require.NoError(t, n.Insert(fresh, notebook.Place{Given: true}))
	gone := n.Cells[4].ID
	n.Remove(gone)
	n.Changed()
	require.NoError(t, s.Apply(t.Context(), session.Change{
		Notebook: n.Clone(), Base: base,
		Written: []string{n.Cells[1].ID, fresh.ID}, At: []int{1, n.Index(fresh.ID)}, Ran: []string{n.Cells[3].ID}, Removed: []string{gone},
	}))

	want.Name, want.Mode, want.Version, want.UpdatedAt = "Renamed", notebook.Auto, n.Version, n.UpdatedAt
	want.Cells[0].Source = "x = 2"
	want.Cells[2].Status, want.Cells[2].BlockedBy = notebook.StatusOK, []string{}
	want.Cells = append([]*notebook.Cell{fresh}, want.Cells[:3]...)
	Same(t, want, get(t, s, n.ID))

	page, err := s.List(t.Context(), session.Query{Limit: 10})
	require.NoError(t, err)
	require.Equal(t, []notebook.Summary{want.Summary()}, page.Notebooks)
}

func versions(t *testing.T, s session.Store) {
	n := created(t, s)
	want := get(t, s, n.ID)
	for _, base := range []int64{n.Version - 1, n.Version + 1} {
		n.Name = "refused"
		err := s.Apply(t.Context(), session.Change{
			Notebook: n, Base: base, Written: []string{n.Cells[0].ID},
			Ran: []string{n.Cells[0].ID}, Removed: []string{n.Cells[1].ID},
		})
		var conflict *session.VersionError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, session.VersionError{Given: base, Current: want.Version}, *conflict)
		Same(t, want, get(t, s, n.ID))
	}
}

func race(t *testing.T, s session.Store) {
	n := created(t, s)
	const rounds, writers = 5, 8
	for range rounds {
		var won, lost int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				mine := n.Clone()
				base := mine.Version
				mine.Cells[0].Source = fmt.Sprint("writer ", w)
				mine.Changed()
				err := s.Apply(t.Context(), session.Change{Notebook: mine, Base: base, Written: []string{mine.Cells[0].ID}})
				mu.Lock()
				defer mu.Unlock()
				var conflict *session.VersionError
				switch {
				case err == nil:
					won++
				case errors.As(err, &conflict):
					lost++
				default:
					t.Errorf("apply: %v", err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, won)
		require.Equal(t, writers-1, lost)
		after := get(t, s, n.ID)
		require.Equal(t, n.Version+1, after.Version)
		n = after
	}
}

func resultsAlone(t *testing.T, s session.Store) {
	n := created(t, s)
	want := n.Clone()
	n.Name, n.Version, n.Cells[0].Source = "unsaved", 99, "unsaved"
	n.Cells[0].Outputs = nil
	n.Cells[0].Error, n.Cells[0].Status = notebook.NewError(notebook.ErrTimeout, "", "too long"), notebook.StatusError
	require.NoError(t, s.Apply(t.Context(), session.Change{Notebook: n, Ran: []string{n.Cells[0].ID}}))

	want.Cells[0].Outputs = []notebook.Output{}
	want.Cells[0].Error, want.Cells[0].Status = n.Cells[0].Error, n.Cells[0].Status
	got := get(t, s, n.ID)
	if got.Cells[0].Outputs == nil {
		got.Cells[0].Outputs = []notebook.Output{}
	}
	Same(t, want, got)
}

func removedResults(t *testing.T, s session.Store) {
	n := created(t, s)
	late := n.Clone()
	gone := n.Remove(n.Cells[0].ID)
	n.Changed()
	require.NoError(t, s.Apply(t.Context(), session.Change{Notebook: n.Clone(), Base: n.Version - 1, Removed: []string{gone.ID}}))

	late.Cells[1].ExecutionCount = 77
	require.NoError(t, s.Apply(t.Context(), session.Change{Notebook: late, Ran: []string{gone.ID, late.Cells[1].ID, notebook.NewID()}}))
	n.Cells[0].ExecutionCount = 77
	Same(t, n, get(t, s, n.ID))

	// Written by an earlier change of the same batch and removed by a later one.
	base := n.Version
	n.Changed()
	require.NoError(t, s.Apply(t.Context(), session.Change{Notebook: n.Clone(), Base: base, Written: []string{gone.ID}, At: []int{-1}, Removed: []string{gone.ID}}))
	Same(t, n, get(t, s, n.ID))
}

func olderResults(t *testing.T, s session.Store) {
	n := created(t, s)
	cell, older := n.Cells[0], n.Clone()
	ran := func(n *notebook.Notebook) error {
		return s.Apply(t.Context(), session.Change{Notebook: n.Clone(), Ran: []string{cell.ID}})
	}
	cell.ExecutionCount++
	cell.Outputs = []notebook.Output{{Kind: notebook.OutputStream, Stream: "stdout", Text: "of the last run"}}
	require.NoError(t, ran(n))
	cell.Outputs[0].Text += ", and more of it"
	require.NoError(t, ran(n), "a run's results come in several parts")

	// A service that knows nothing of that run marks the cell, and the other.
	older.Cells[0].Status, older.Cells[1].Status = notebook.StatusStale, notebook.StatusStale
	require.NoError(t, s.Apply(t.Context(), session.Change{Notebook: older, Ran: []string{cell.ID, older.Cells[1].ID}}))
	n.Cells[1].Status = notebook.StatusStale
	Same(t, n, get(t, s, n.ID))

	// With the document, and so at the current version, they may begin again.
	base := n.Version
	n.Changed()
	cell.Kind, cell.ExecutionCount, cell.Outputs = notebook.Markdown, 0, []notebook.Output{}
	require.NoError(t, s.Apply(t.Context(), session.Change{Notebook: n.Clone(), Base: base, Written: []string{cell.ID}, Ran: []string{cell.ID}}))
	Same(t, n, get(t, s, n.ID))
}

func malformed(t *testing.T, s session.Store) {
	n := created(t, s)
	for _, c := range []session.Change{
		{},
		{Notebook: n, Base: -1},
		{Notebook: n, Written: []string{n.Cells[0].ID}},
		{Notebook: n, Removed: []string{n.Cells[0].ID}},
		{Notebook: n, Moved: true},
	} {
		require.Error(t, s.Apply(t.Context(), c))
	}
	Same(t, n, get(t, s, n.ID))
}

func orderOfCells(t *testing.T, s session.Store) {
	n := notebook.New("Order", notebook.Auto)
	require.NoError(t, s.Create(t.Context(), n.Clone()))
	change := func(c session.Change) {
		t.Helper()
		c.Base = n.Version
		n.Changed()
		c.Notebook = n.Clone()
		require.NoError(t, s.Apply(t.Context(), c))
		Same(t, n, get(t, s, n.ID))
	}
	insert := func(name string, at notebook.Place) *notebook.Cell {
		t.Helper()
		c := notebook.NewCell(notebook.Python, name)
		require.NoError(t, n.Insert(c, at))
		change(session.Change{Written: []string{c.ID}})
		return c
	}
	b := insert("b", notebook.Place{})
	a := insert("a", notebook.Place{Given: true})
	d := insert("d", notebook.Place{})
	insert("c", notebook.Place{Given: true, After: b.ID})

	n.Remove(a.ID)
	change(session.Change{Removed: []string{a.ID}})
	insert("e", notebook.Place{Given: true, After: b.ID}) // where the gap isn't

	n.Remove(d.ID)
	require.NoError(t, n.Insert(d, notebook.Place{Given: true}))
	change(session.Change{Moved: true})

	slices.Reverse(n.Cells)
	change(session.Change{Moved: true})
	insert("f", notebook.Place{})
}

func list(t *testing.T, s session.Store) {
	page, err := s.List(t.Context(), session.Query{Limit: 3})
	require.NoError(t, err)
	page.Stamp = session.Stamp{}
	require.Equal(t, session.Page{Notebooks: []notebook.Summary{}}, page, "an empty list, not null")

	var want []string
	start := notebook.Now().Add(-time.Hour)
	for i := range 10 {
		n := Full(fmt.Sprint("Notebook ", i))
		n.CreatedAt = notebook.Time{Time: start.Add(time.Duration(i/3) * time.Millisecond)} // several of one instant
		require.NoError(t, s.Create(t.Context(), n))
		want = append(want, place(n.CreatedAt, n.ID))
	}
	slices.Sort(want)
	slices.Reverse(want)

	for _, limit := range []int{1, 3, 5, 9, 10, 500} {
		var got []string
		var cursor string
		var later *notebook.Notebook
		for pages := 0; ; pages++ {
			require.LessOrEqual(t, pages, 10, "the list ends")
			page, err := s.List(t.Context(), session.Query{Limit: limit, Cursor: cursor})
			require.NoError(t, err)
			require.NotEmpty(t, page.Notebooks, "no empty page at the end")
			require.LessOrEqual(t, len(page.Notebooks), limit)
			for _, n := range page.Notebooks {
				require.Equal(t, 4, n.CellCount)
				require.Equal(t, notebook.KernelNone, n.Kernel.Status)
				got = append(got, place(n.CreatedAt, n.ID))
			}
			if page.NextCursor == nil {
				break
			}
			cursor = *page.NextCursor
			if pages == 0 { // what comes later must not shift the pages
				later = notebook.New("Later", notebook.Auto)
				require.NoError(t, s.Create(t.Context(), later))
			}
		}
		if later != nil {
			require.NoError(t, s.Delete(t.Context(), later.ID, 0))
		}
		require.Equal(t, want, got, "limit %d", limit)
	}

	for _, cursor := range []string{"x", "!!", "MTIz", strings.Repeat("A", 1000)} {
		_, err := s.List(t.Context(), session.Query{Limit: 1, Cursor: cursor})
		var field *notebook.FieldError
		require.ErrorAs(t, err, &field)
		require.Equal(t, "cursor", field.Field)
	}
}

// place sorts, as text, like the list.
func place(created notebook.Time, id string) string {
	return fmt.Sprintf("%020d/%s", created.UnixMilli(), id)
}

func search(t *testing.T, s session.Store) {
	for _, name := range []string{"Größe der ÄCKER", "ΣΊΣΥΦΟΣ", "Отчёт 100%", "plain_text", "percent %"} {
		require.NoError(t, s.Create(t.Context(), notebook.New(name, notebook.Auto)))
	}
	for q, want := range map[string][]string{
		"größe":      {"Größe der ÄCKER"},
		"GRÖ":        {"Größe der ÄCKER"},
		"äcker":      {"Größe der ÄCKER"},
		"σίσυφος":    {"ΣΊΣΥΦΟΣ"},
		"ОТЧЁТ":      {"Отчёт 100%"},
		"_":          {"plain_text"},
		"%":          {"percent %", "Отчёт 100%"},
		"' OR 1=1--": nil,
		"nothing":    nil,
	} {
		page, err := s.List(t.Context(), session.Query{Limit: 10, Search: q})
		require.NoError(t, err)
		var got []string
		for _, n := range page.Notebooks {
			got = append(got, n.Name)
		}
		require.Equal(t, want, got, "search %q", q)
	}
}

func deletion(t *testing.T, s session.Store) {
	n, other := created(t, s), created(t, s)
	require.NoError(t, s.Delete(t.Context(), n.ID, 0))
	_, err := s.Get(t.Context(), n.ID)
	require.ErrorIs(t, err, session.ErrNotFound)
	require.ErrorIs(t, s.Apply(t.Context(), session.Change{Notebook: n, Ran: []string{n.Cells[0].ID}}), session.ErrNotFound)
	Same(t, other, get(t, s, other.ID))

	bare := n.Clone()
	bare.Cells = []*notebook.Cell{}
	require.NoError(t, s.Create(t.Context(), bare))
	Same(t, bare, get(t, s, n.ID))
}

func deletionAtVersion(t *testing.T, s session.Store) {
	n := created(t, s)
	for _, base := range []int64{n.Version - 1, n.Version + 1} {
		var conflict *session.VersionError
		require.ErrorAs(t, s.Delete(t.Context(), n.ID, base), &conflict)
		require.Equal(t, session.VersionError{Given: base, Current: n.Version}, *conflict)
	}
	Same(t, n, get(t, s, n.ID))
	require.NoError(t, s.Delete(t.Context(), n.ID, n.Version))
	require.ErrorIs(t, s.Delete(t.Context(), n.ID, n.Version), session.ErrNotFound)
}

func texts(t *testing.T, s session.Store) {
	n := notebook.New("日本語 🐍 'quoted' \"twice\" \\ %s", notebook.Auto)
	for _, source := range []string{"", "\x00 is a byte", "# \u2028\u2029 \ufeff", strings.Repeat("x = 'ä'\n", 200_000)} {
		n.Cells = append(n.Cells, notebook.NewCell(notebook.Python, source))
	}
	n.Cells[0].Outputs = []notebook.Output{{Kind: notebook.OutputStream, Stream: "stdout", Text: strings.Repeat("\x00\x1b<&>", 300_000)}}
	require.NoError(t, s.Create(t.Context(), n.Clone()))
	Same(t, n, get(t, s, n.ID))
}

func ended(t *testing.T, s session.Store) {
	n := created(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Create(ctx, Full("x")), context.Canceled)
	require.ErrorIs(t, s.Apply(ctx, session.Change{Notebook: n, Base: n.Version}), context.Canceled)
	require.ErrorIs(t, s.Delete(ctx, n.ID, 0), context.Canceled)
	Same(t, n, get(t, s, n.ID))
}
