package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store"
)

// patience bounds every wait; nothing here takes near as long.
const patience = time.Minute

func python() string {
	if p := os.Getenv("KERNEL_PYTHON"); p != "" {
		return p
	}
	return "python3"
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func newHost(t *testing.T) *kernel.Host {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	host, err := kernel.NewHost(ctx, kernel.Options{
		Python: python(), Preload: []string{}, Dir: t.TempDir(), Log: quiet(),
		Modules: map[string]string{"sqlvalues.py": sqlcell.PythonSource()},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	return host
}

type fixture struct {
	*session.Manager
	t       *testing.T
	ctx     context.Context
	store   session.Store
	kernels session.Kernels
}

func newFixture(t *testing.T, change ...func(*session.Options)) fixture {
	t.Helper()
	o := session.Options{Log: quiet()}
	for _, f := range change {
		f(&o)
	}
	if o.Store == nil {
		o.Store = openStore(t, "memory:")
	}
	if o.Kernels == nil {
		o.Kernels = newHost(t)
	}
	m := session.NewManager(o)
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(func() {
		require.NoError(t, m.Close(ctx))
		cancel()
	})
	return fixture{m, t, ctx, o.Store, o.Kernels}
}

func openStore(t *testing.T, url string) session.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url)
	require.NoError(t, err)
	if c, ok := s.(io.Closer); ok {
		t.Cleanup(func() { _ = c.Close() })
	}
	return s
}

func (f fixture) notebook(mode notebook.Mode, sources ...string) *notebook.Notebook {
	f.t.Helper()
	n := session.NewNotebook{Name: "Test", Mode: mode}
	for _, s := range sources {
		n.Cells = append(n.Cells, session.NewCell{Source: s})
	}
	doc, err := f.Create(f.ctx, n)
	require.NoError(f.t, err)
	return doc
}

func (f fixture) runs(id string, cells ...string) session.RunResult {
	f.t.Helper()
	r, err := f.RunAndWait(f.ctx, id, session.RunRequest{Cells: cells}, patience)
	require.NoError(f.t, err)
	require.NotEqual(f.t, session.RunRunning, r.Status, "the run has not finished")
	return r
}

func (f fixture) get(id string) *notebook.Notebook {
	f.t.Helper()
	n, err := f.Get(f.ctx, id)
	require.NoError(f.t, err)
	return n
}

func (f fixture) edit(id, cell, source string) {
	f.t.Helper()
	_, _, err := f.UpdateCell(f.ctx, id, cell, session.AnyVersion, session.CellPatch{Source: &source})
	require.NoError(f.t, err)
}

// eventually waits until the notebook is as wanted.
func (f fixture) eventually(id string, want func(*notebook.Notebook) bool) *notebook.Notebook {
	f.t.Helper()
	var n *notebook.Notebook
	require.Eventually(f.t, func() bool { n = f.get(id); return want(n) }, patience, 10*time.Millisecond)
	return n
}

func text(c *notebook.Cell) string {
	var b strings.Builder
	for _, o := range c.Outputs {
		b.WriteString(o.Text)
		if plain, ok := o.Data["text/plain"]; ok {
			var s string
			_ = json.Unmarshal(plain, &s)
			b.WriteString(s)
		}
	}
	return b.String()
}

func statuses(n *notebook.Notebook) []notebook.Status {
	out := make([]notebook.Status, len(n.Cells))
	for i, c := range n.Cells {
		out[i] = c.Status
	}
	return out
}

func TestChangingACellAndRunningItRunsWhatDependsOnIt(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "print(b)", "b = a + 1", "a = 1")
	r := f.runs(n.ID)
	require.Equal(t, session.RunOK, r.Status)
	require.Equal(t, []string{n.Cells[2].ID, n.Cells[1].ID, n.Cells[0].ID}, r.Order)
	require.Equal(t, "2\n", text(r.Notebook.Cells[0]))

	f.edit(n.ID, n.Cells[2].ID, "a = 41")
	require.Equal(t, notebook.StatusStale, f.get(n.ID).Cells[2].Status)
	r = f.runs(n.ID, n.Cells[2].ID)
	require.Equal(t, "42\n", text(r.Notebook.Cells[0]))
	require.Equal(t, 2, r.Notebook.Cells[0].ExecutionCount)
}

func TestTheVersionRisesByOneWithEachChangeAndAWrongIfMatchChangesNothing(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "a = 1")
	require.EqualValues(t, 1, n.Version)
	name := "Other"
	n, err := f.Update(f.ctx, n.ID, 1, session.NotebookPatch{Name: &name})
	require.NoError(t, err)
	require.EqualValues(t, 2, n.Version)
	n, err = f.Update(f.ctx, n.ID, session.AnyVersion, session.NotebookPatch{Name: &name})
	require.NoError(t, err)
	require.EqualValues(t, 2, n.Version, "nothing changed")
	_, err = f.Update(f.ctx, n.ID, 1, session.NotebookPatch{Name: &name})
	var version *session.VersionError
	require.ErrorAs(t, err, &version)
	require.EqualValues(t, 2, version.Current)
	f.runs(n.ID)
	require.EqualValues(t, 2, f.get(n.ID).Version, "a run is no change")
}

func TestACellThatFailsBlocksWhatIsBelowAndNothingElse(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "a = 1/0", "b = a", "print('fine')")
	r := f.runs(n.ID)
	require.Equal(t, session.RunError, r.Status)
	require.Equal(t, []notebook.Status{notebook.StatusError, notebook.StatusBlocked, notebook.StatusOK}, statuses(r.Notebook))
	require.Equal(t, "ZeroDivisionError", r.Notebook.Cells[0].Error.Name)
	require.Equal(t, []string{n.Cells[0].ID}, r.Notebook.Cells[1].BlockedBy)
}

func TestSyntaxAndGraphErrorsShowAsSoonAsASourceIsSaved(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "a = 1", "b = 1")
	f.edit(n.ID, n.Cells[1].ID, "b = (")
	require.Equal(t, notebook.ErrSyntax, f.get(n.ID).Cells[1].Error.Kind)
	f.edit(n.ID, n.Cells[1].ID, "a = 2")
	n = f.get(n.ID)
	require.Equal(t, notebook.ErrMultipleDefinition, n.Cells[0].Error.Kind)
	require.Equal(t, []string{n.Cells[1].ID}, n.Cells[0].Error.Cells)
}

func TestDeletingACellRerunsItsReadersIntoANameError(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "a = 1", "a + 1")
	f.runs(n.ID)
	version, err := f.DeleteCell(f.ctx, n.ID, n.Cells[0].ID, session.AnyVersion)
	require.NoError(t, err)
	require.EqualValues(t, 2, version)
	n = f.eventually(n.ID, func(n *notebook.Notebook) bool { return n.Cells[0].Status == notebook.StatusError })
	require.Equal(t, "NameError", n.Cells[0].Error.Name)
}

func TestEventsTellTheWholeStoryInOrder(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "a = 1", "print(a)")
	sub, err := f.Subscribe(f.ctx, n.ID, "", 0)
	require.NoError(t, err)
	defer sub.Close()
	f.runs(n.ID)
	var types []string
	var epoch string
	last := 0.0
	for len(types) == 0 || types[len(types)-1] != "run.finished" {
		frames, err := sub.Next(f.ctx)
		require.NoError(t, err)
		for _, frame := range frames {
			var e map[string]any
			require.NoError(t, json.Unmarshal(frame.Text(), &e))
			types = append(types, e["type"].(string))
			switch seq, numbered := e["seq"].(float64); {
			case e["type"] == "snapshot":
				last, epoch = seq, e["epoch"].(string)
				require.EqualValues(t, 1, e["clients"])
			case numbered:
				require.Equal(t, last+1, seq)
				last = seq
			}
		}
	}
	require.Equal(t, []string{
		"snapshot",
		"run.started", "cell.status", "cell.status", // both queued
		"kernel.status", "kernel.status", "kernel.status", // starting, idle, busy
		"cell.status", "cell.status", // a: running, ok
		"cell.status", "cell.output", "cell.status", // print(a): running, what it says, ok
		"kernel.status", "run.finished",
	}, types)

	again, err := f.Subscribe(f.ctx, n.ID, epoch, uint64(last)-1)
	require.NoError(t, err)
	defer again.Close()
	frames, err := again.Next(f.ctx)
	require.NoError(t, err)
	require.Contains(t, string(frames[0].Text()), `"type":"resumed"`)
	require.Contains(t, string(frames[1].Text()), `"type":"run.finished"`)
}

func TestInterruptStopsTheRunningCellAndDropsTheQueue(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "a = 1\nwhile True: pass", "b = a", "c = 1")
	_, err := f.Run(f.ctx, n.ID, session.RunRequest{})
	require.NoError(t, err)
	f.eventually(n.ID, func(n *notebook.Notebook) bool { return n.Cells[0].Status == notebook.StatusRunning })
	require.NoError(t, f.Interrupt(f.ctx, n.ID))
	n = f.eventually(n.ID, func(n *notebook.Notebook) bool { return n.Kernel.Status == notebook.KernelIdle })
	require.Equal(t, []notebook.Status{notebook.StatusError, notebook.StatusBlocked, notebook.StatusNew}, statuses(n))
	require.Equal(t, notebook.ErrInterrupted, n.Cells[0].Error.Kind)
}

func TestADeadKernelIsReportedAndReplacedAtTheNextRun(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "import os\nos._exit(3)", "x = 1")
	other := f.notebook(notebook.Auto, "print('still here')")
	r := f.runs(n.ID, n.Cells[0].ID)
	require.Equal(t, session.RunError, r.Status)
	require.Equal(t, notebook.ErrKernelDied, r.Notebook.Cells[0].Error.Kind)
	require.Equal(t, notebook.KernelDead, r.Notebook.Kernel.Status)
	require.Contains(t, *r.Notebook.Kernel.Reason, "3")
	require.Equal(t, "still here\n", text(f.runs(other.ID).Notebook.Cells[0]))
	require.Equal(t, session.RunOK, f.runs(n.ID, n.Cells[1].ID).Status)
}

func TestRestartGivesAFreshKernelAndRunsEverythingIfAsked(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "import os\nprint(os.getpid())")
	first := text(f.runs(n.ID).Notebook.Cells[0])
	require.NoError(t, f.Restart(f.ctx, n.ID, true))
	n = f.eventually(n.ID, func(n *notebook.Notebook) bool {
		return n.Cells[0].ExecutionCount == 2 && n.Cells[0].Status == notebook.StatusOK
	})
	require.NotEqual(t, first, text(n.Cells[0]))
}

func TestAfterARestartOfTheServiceNotebooksAndTheirOutputsAreThere(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "notebooks.db")
	host := newHost(t)
	first := newFixture(t, func(o *session.Options) { o.Store, o.Kernels = openStore(t, url), host })
	n := first.notebook(notebook.Auto, "a = 20", "print(a + 1)", "b = 1/0")
	before := first.runs(n.ID).Notebook
	require.NoError(t, first.Close(first.ctx))

	second := newFixture(t, func(o *session.Options) { o.Store, o.Kernels = openStore(t, url), host })
	after := second.get(n.ID)
	require.Equal(t, notebook.KernelNone, after.Kernel.Status)
	after.Kernel, before.Kernel = notebook.Kernel{}, notebook.Kernel{}
	want, _ := json.Marshal(before)
	got, _ := json.Marshal(after)
	require.JSONEq(t, string(want), string(got))
	r := second.runs(n.ID, n.Cells[1].ID)
	require.Equal(t, []string{n.Cells[0].ID, n.Cells[1].ID}, r.Order, "what it needs isn't in the new kernel yet")
}

func TestTheLongestIdleKernelMakesRoomAndWithoutAnIdleOneTheServiceIsUnavailable(t *testing.T) {
	f := newFixture(t, func(o *session.Options) { o.MaxKernels = 1 })
	a, b := f.notebook(notebook.Auto, "x = 1"), f.notebook(notebook.Auto, "import time\ntime.sleep(60)")
	f.runs(a.ID)
	_, err := f.Run(f.ctx, b.ID, session.RunRequest{})
	require.NoError(t, err)
	n := f.eventually(a.ID, func(n *notebook.Notebook) bool { return n.Kernel.Status == notebook.KernelNone })
	require.Contains(t, *n.Kernel.Reason, "room")
	require.Equal(t, notebook.StatusOK, n.Cells[0].Status)
	f.eventually(b.ID, func(n *notebook.Notebook) bool { return n.Kernel.Status == notebook.KernelBusy })
	_, err = f.Run(f.ctx, a.ID, session.RunRequest{})
	var unavailable *session.UnavailableError
	require.ErrorAs(t, err, &unavailable)
	require.Positive(t, unavailable.RetryAfter)
	require.NoError(t, f.Interrupt(f.ctx, b.ID))
}

func TestDeletingANotebookEndsItsSubscriptionsAndItsKernel(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "import time\ntime.sleep(60)")
	_, err := f.Run(f.ctx, n.ID, session.RunRequest{})
	require.NoError(t, err)
	sub, err := f.Subscribe(f.ctx, n.ID, "", 0)
	require.NoError(t, err)
	require.NoError(t, f.Delete(f.ctx, n.ID, session.AnyVersion))
	for err == nil {
		_, err = sub.Next(f.ctx)
	}
	require.ErrorIs(t, err, events.ErrDeleted)
	_, err = f.Get(f.ctx, n.ID)
	require.ErrorIs(t, err, session.ErrNotFound)
}

func TestUnknownIDsAreToldApart(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "a = 1")
	_, err := f.Get(f.ctx, notebook.NewID())
	require.ErrorIs(t, err, session.ErrNotFound)
	_, _, err = f.UpdateCell(f.ctx, n.ID, notebook.NewID(), session.AnyVersion, session.CellPatch{})
	require.ErrorIs(t, err, session.ErrCellNotFound)
	var field *notebook.FieldError
	_, err = f.Run(f.ctx, n.ID, session.RunRequest{Cells: []string{notebook.NewID()}})
	require.ErrorAs(t, err, &field)
	require.Equal(t, "cells.0", field.Field)
	_, _, err = f.CreateCell(f.ctx, n.ID, session.AnyVersion, session.NewCell{At: notebook.Place{Given: true, After: notebook.NewID()}})
	require.ErrorAs(t, err, &field)
	require.Equal(t, "after", field.Field)
}

func TestVariablesNameTheCellThatDefinesThem(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "b: int = 1\na = 41", "_private = 1", "__version__ = '2'")
	vars, err := f.Variables(f.ctx, n.ID)
	require.NoError(t, err)
	require.Empty(t, vars, "no kernel, no variables")
	f.runs(n.ID)
	vars, err = f.Variables(f.ctx, n.ID)
	require.NoError(t, err)
	require.Equal(t, []session.Variable{
		{Name: "__version__", Type: "str", Summary: "'2'", CellID: &n.Cells[2].ID},
		{Name: "a", Type: "int", Summary: "41", CellID: &n.Cells[0].ID},
		{Name: "b", Type: "int", Summary: "1", CellID: &n.Cells[0].ID},
	}, vars)
	done, err := f.Complete(f.ctx, n.ID, n.Cells[1].ID, "a.bit_l", 7)
	require.NoError(t, err)
	require.NotEmpty(t, done.Matches)
}

func TestCompletionKnowsThePageBeforeAnythingRan(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "printed = 1\n_printed = 2", "🐍 = (", "pri")
	propose := func(source string) (texts []string) {
		t.Helper()
		end := len(utf16.Encode([]rune(source)))
		done, err := f.Complete(f.ctx, n.ID, n.Cells[2].ID, source, end)
		require.NoError(t, err)
		require.Equal(t, end, done.End)
		require.NotNil(t, done.Matches)
		for _, match := range done.Matches {
			texts = append(texts, match.Text)
			require.True(t, strings.HasPrefix(match.Text, string(utf16.Decode(utf16.Encode([]rune(source))[done.Start:]))))
		}
		return texts
	}
	require.Equal(t, []string{"print", "printed"}, propose("'🐍'; pri"))
	require.Equal(t, []string{"while"}, propose("x\n  whi"))
	require.Contains(t, propose("__imp"), "__import__")
	require.NotContains(t, propose(""), "__import__")
	require.Empty(t, propose("printed.re"), "what it has, only a kernel can tell")
	require.Empty(t, propose("from pri"))
	require.Equal(t, notebook.KernelNone, f.get(n.ID).Kernel.Status)
}

func TestCompletionProposesWhatThePageTellsWhileACellRuns(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "import time\nprint('begun', flush=True)\ntime.sleep(600)", "")
	_, err := f.Run(f.ctx, n.ID, session.RunRequest{Cells: []string{n.Cells[0].ID}})
	require.NoError(t, err)
	f.eventually(n.ID, func(n *notebook.Notebook) bool { return strings.Contains(text(n.Cells[0]), "begun") })
	done, err := f.Complete(f.ctx, n.ID, n.Cells[1].ID, "time.sl", 7)
	require.NoError(t, err)
	require.Equal(t, session.Completion{Start: 5, End: 7, Matches: []session.CompletionMatch{}}, done)
	done, err = f.Complete(f.ctx, n.ID, n.Cells[1].ID, "ti", 2)
	require.NoError(t, err)
	require.Equal(t, session.Completion{Start: 0, End: 2, Matches: []session.CompletionMatch{{Text: "time", Type: "name"}}}, done)
	_, err = f.Variables(f.ctx, n.ID)
	require.ErrorIs(t, err, session.ErrBusy)
}

func TestClosingTheServiceInterruptsCellsAndKeepsWhatTheyHaveShown(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "notebooks.db")
	host := newHost(t)
	first := newFixture(t, func(o *session.Options) { o.Store, o.Kernels = openStore(t, url), host })
	n := first.notebook(notebook.Auto, "import time\nprint('begun', flush=True)\ntime.sleep(60)")
	_, err := first.Run(first.ctx, n.ID, session.RunRequest{})
	require.NoError(t, err)
	first.eventually(n.ID, func(n *notebook.Notebook) bool { return strings.Contains(text(n.Cells[0]), "begun") })
	require.NoError(t, first.Close(first.ctx))
	_, err = first.Get(first.ctx, n.ID)
	require.True(t, errors.Is(err, session.ErrDraining))

	second := newFixture(t, func(o *session.Options) { o.Store, o.Kernels = openStore(t, url), host })
	after := second.get(n.ID)
	require.Contains(t, text(after.Cells[0]), "begun")
	require.Equal(t, notebook.ErrInterrupted, after.Cells[0].Error.Kind)
}

func TestANotebooksOutputsAreLimitedAndItIsSaid(t *testing.T) {
	f := newFixture(t, func(o *session.Options) { o.MaxOutputBytes = 1 << 20 })
	n := f.notebook(notebook.Auto,
		"for _ in range(8): display('x' * 100_000)", "for _ in range(8): display('y' * 100_000)", "print('still heard')")
	r := f.runs(n.ID)
	require.Equal(t, session.RunOK, r.Status, "it is no fault of the code")
	require.Len(t, text(r.Notebook.Cells[0]), 8*100_002)
	said := text(r.Notebook.Cells[1])
	require.Contains(t, said, "The cells of this notebook show more than 1 MiB: the rest is left out.")
	require.Equal(t, 1, strings.Count(said, "left out"))
	require.Less(t, len(said), 8*100_000)
	require.Equal(t, "still heard\n", text(r.Notebook.Cells[2]))

	f.edit(n.ID, n.Cells[0].ID, "pass")
	r = f.runs(n.ID)
	require.Len(t, text(r.Notebook.Cells[1]), 8*100_002, "there is room again")
}

func TestANotebooksSourcesAreLimitedTogether(t *testing.T) {
	f := newFixture(t)
	n := f.notebook(notebook.Auto, "a = 1", "b = 1")
	large := strings.Repeat("#", notebook.MaxSource)
	var field *notebook.FieldError
	var last string
	for i := 0; ; i++ {
		require.LessOrEqual(t, i, notebook.MaxSources/notebook.MaxSource, "there is an end")
		cell, _, err := f.CreateCell(f.ctx, n.ID, session.AnyVersion, session.NewCell{Kind: notebook.Markdown, Source: large})
		if err != nil {
			require.ErrorAs(t, err, &field)
			require.Equal(t, "source", field.Field)
			break
		}
		last = cell.ID
	}
	longer := "a = 1 " + large[:notebook.MaxSource-6]
	_, _, err := f.UpdateCell(f.ctx, n.ID, n.Cells[0].ID, session.AnyVersion, session.CellPatch{Source: &longer})
	require.ErrorAs(t, err, &field)
	f.edit(n.ID, last, "# shorter")
	f.edit(n.ID, n.Cells[0].ID, "a = 2")
	require.Equal(t, "a = 2", f.get(n.ID).Cells[0].Source)
	cells := make([]session.NewCell, notebook.MaxSources/notebook.MaxSource+1)
	for i := range cells {
		cells[i] = session.NewCell{Kind: notebook.Markdown, Source: large}
	}
	_, err = f.Create(f.ctx, session.NewNotebook{Name: "N", Cells: cells})
	require.ErrorAs(t, err, &field)
}

func TestWhoWaitsForARunIsToldHowTheServicesEndLeftIt(t *testing.T) {
	f := newFixture(t, func(o *session.Options) { o.Store = openStore(t, "sqlite:"+filepath.Join(t.TempDir(), "notebooks.db")) })
	n := f.notebook(notebook.Auto, "import time\nprint('begun', flush=True)\ntime.sleep(600)")
	type answer struct {
		session.RunResult
		error
	}
	answered := make(chan answer, 1)
	go func() {
		r, err := f.RunAndWait(f.ctx, n.ID, session.RunRequest{}, 10*time.Minute)
		answered <- answer{r, err}
	}()
	f.eventually(n.ID, func(n *notebook.Notebook) bool { return strings.Contains(text(n.Cells[0]), "begun") })
	require.NoError(t, f.Close(f.ctx))
	a := <-answered
	require.NoError(t, a.error)
	require.Equal(t, session.RunInterrupted, a.Status)
	require.Equal(t, []string{n.Cells[0].ID}, a.Order)
	require.Contains(t, text(a.Notebook.Cells[0]), "begun")
	kept, err := f.store.Get(f.ctx, n.ID)
	require.NoError(t, err)
	require.Contains(t, text(kept.Cells[0]), "begun", "it is kept when that is said")
}
