package session_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// page is a notebook whose cells go by their place, from 0 on.
type page struct {
	fixture
	id string
}

func (f fixture) page(t *testing.T, mode notebook.Mode, sources ...string) page {
	f.t = t
	return page{f, f.notebook(mode, sources...).ID}
}

// auto is a page that has been run from top to bottom, in auto mode.
func (f fixture) auto(t *testing.T, sources ...string) page {
	t.Helper()
	p := f.page(t, notebook.Auto, sources...)
	p.run()
	return p
}

func (p page) cell(at int) *notebook.Cell { p.t.Helper(); return p.get(p.id).Cells[at] }

// run runs cells, or all, and returns the places of those that ran, in order.
func (p page) run(cells ...int) []int {
	p.t.Helper()
	n := p.get(p.id)
	ids := []string{}
	for _, at := range cells {
		ids = append(ids, n.Cells[at].ID)
	}
	return p.places(p.runs(p.id, ids...).Order)
}

func (p page) places(ids []string) []int {
	p.t.Helper()
	n, order := p.get(p.id), []int{}
	for _, id := range ids {
		order = append(order, slices.IndexFunc(n.Cells, func(c *notebook.Cell) bool { return c.ID == id }))
	}
	return order
}

func (p page) write(at int, source string) { p.t.Helper(); p.edit(p.id, p.cell(at).ID, source) }

func (p page) patch(at int, patch session.CellPatch) {
	p.t.Helper()
	_, _, err := p.UpdateCell(p.ctx, p.id, p.cell(at).ID, session.AnyVersion, patch)
	require.NoError(p.t, err)
}

func (p page) disable(at int, disabled bool) {
	p.t.Helper()
	p.patch(at, session.CellPatch{Disabled: &disabled})
}

func (p page) remove(at int) {
	p.t.Helper()
	_, err := p.DeleteCell(p.ctx, p.id, p.cell(at).ID, session.AnyVersion)
	require.NoError(p.t, err)
}

// quiet waits for the end of what runs.
func (p page) quiet() {
	p.t.Helper()
	p.eventually(p.id, func(n *notebook.Notebook) bool {
		return n.Kernel.Status != notebook.KernelBusy && n.Kernel.Status != notebook.KernelStarting
	})
}

func (p page) statuses() []notebook.Status { p.t.Helper(); p.quiet(); return statuses(p.get(p.id)) }

func (p page) text(at int) string { p.t.Helper(); p.quiet(); return text(p.cell(at)) }

// counts are how often each cell has run.
func (p page) counts() []int {
	p.t.Helper()
	p.quiet()
	counts := []int{}
	for _, c := range p.get(p.id).Cells {
		counts = append(counts, c.ExecutionCount)
	}
	return counts
}

// fails expects a cell's error to be of a kind and to say something.
func (p page) fails(at int, kind notebook.ErrorKind, says ...string) *notebook.CellError {
	p.t.Helper()
	p.quiet()
	err := p.cell(at).Error
	require.NotNil(p.t, err, "cell %d: %+v", at, p.cell(at))
	require.Equal(p.t, kind, err.Kind)
	for _, part := range says {
		require.Contains(p.t, err.Name+": "+err.Message, part)
	}
	return err
}

func (p page) running(at int) {
	p.t.Helper()
	p.eventually(p.id, func(n *notebook.Notebook) bool { return n.Cells[at].Status == notebook.StatusRunning })
}

func (p page) shows(at int, part string) {
	p.t.Helper()
	p.eventually(p.id, func(n *notebook.Notebook) bool { return strings.Contains(text(n.Cells[at]), part) })
}

const (
	ok       = notebook.StatusOK
	failed   = notebook.StatusError
	outdated = notebook.StatusStale
	blocked  = notebook.StatusBlocked
	disabled = notebook.StatusDisabled
	fresh    = notebook.StatusNew
)

// The rules of the graph and of runs, each held with a real kernel. What the
// analyzer and the kernels owe to them is tested in package kernel, and the
// scheduler's corners in package reactive; see the index in rules_index_test.go.
func TestRules(t *testing.T) {
	f := newFixture(t)
	rule := func(says string, holds func(t *testing.T)) { t.Run(says, holds) }

	rule("a cell depends on the cells that define the names it references", func(t *testing.T) {
		p := f.page(t, notebook.Auto, "c = a + b", "a = 1", "b = a", "z = 0")
		g, err := f.Graph(f.ctx, p.id)
		require.NoError(t, err)
		edges := map[[2]int][]string{}
		for _, e := range g.Edges {
			ends := p.places([]string{e.From, e.To})
			edges[[2]int{ends[0], ends[1]}] = e.Names
		}
		require.Equal(t, map[[2]int][]string{{1, 0}: {"a"}, {2, 0}: {"b"}, {1, 2}: {"a"}}, edges)
	})
	rule("running a cell runs its descendants too, once each, in topological order, ties by page order", func(t *testing.T) {
		p := f.auto(t, "d = b + c", "c = a", "b = a", "a = 1", "z = 0")
		require.Equal(t, []int{3, 1, 2, 0}, p.run(3))
		require.Equal(t, []int{2, 2, 2, 2, 1}, p.counts())
	})
	rule("builtins count, so that a cell defining max becomes a parent of those who read it", func(t *testing.T) {
		p := f.auto(t, "print(max(1, 2))", "1")
		require.Empty(t, p.cell(0).References)
		p.write(1, "def max(*a): return 'mine'")
		require.Equal(t, []string{"max"}, p.cell(0).References, "it shows at once")
		require.Equal(t, []int{1, 0}, p.run(1))
		require.Equal(t, "mine\n", p.text(0))
		p.remove(1)
		require.Equal(t, "2\n", p.text(0))
		require.Empty(t, p.cell(0).References)
	})
	rule("a read before the cell's own binding makes the name both, and an edge to oneself is never a cycle", func(t *testing.T) {
		p := f.auto(t, "x += 1")
		c := p.cell(0)
		require.Equal(t, []string{"x"}, c.Defines)
		require.Equal(t, []string{"x"}, c.References)
		p.fails(0, notebook.ErrException, "NameError: name 'x' is not defined")
	})
	rule("private names make no edges and no conflicts, other cells can't see them, and they live while a public function uses them", func(t *testing.T) {
		p := f.auto(t, "_n = 1\n__ = 10\ndef get(): return _n + __", "_n = 2\n__ = 20", "print(get())", "_n")
		require.Equal(t, []notebook.Status{ok, ok, ok, failed}, p.statuses())
		require.Equal(t, "11\n", p.text(2))
		p.fails(3, notebook.ErrException, "name '_n' is not defined")
		require.Equal(t, []int{1}, p.run(1), "nobody depends on it")
		require.Equal(t, []int{2}, p.run(2))
		require.Equal(t, "11\n", p.text(2))
	})
	rule("dunder and __x names are public", func(t *testing.T) {
		p := f.auto(t, "__x = 4\n__version__ = '1'", "print(__x, __version__)")
		require.Equal(t, "4 1\n", p.text(1))
		require.Equal(t, []int{0, 1}, p.run(0))
	})
	rule("comprehension targets and except names are no definitions, a loop variable is one", func(t *testing.T) {
		p := f.auto(t, "[i for i in range(2)]\ntry: 1/0\nexcept Exception as e: pass", "i = 5\ne = 6", "for k in range(3): pass", "print(i, e, k)")
		require.Equal(t, []notebook.Status{ok, ok, ok, ok}, p.statuses())
		require.Equal(t, "5 6 2\n", p.text(3))
		// Nor does Python's own deletion of it take another cell's variable.
		p = f.auto(t, "e = 6", "try: 1/0\nexcept Exception as e: print(e)\nprint(e)", "e")
		require.Equal(t, "division by zero\n6\n", p.text(1))
		require.Equal(t, []int{1}, p.run(1))
		require.Equal(t, []int{2}, p.run(2))
		require.Equal(t, "6", p.text(2))
	})
	rule("import * is refused with an error that says so", func(t *testing.T) {
		p := f.page(t, notebook.Auto, "from math import *")
		p.fails(0, notebook.ErrImportStar, "from math import *", "can't be used here")
		require.Empty(t, p.run())
	})
	rule("top-level await works, a trailing semicolon hides the result, a no-break space is read as a space", func(t *testing.T) {
		p := f.auto(t, "import asyncio\nawait asyncio.sleep(0, 3)", "4;", "5\u00a0+\u00a01")
		require.Equal(t, []string{"3", "", "6"}, []string{p.text(0), p.text(1), p.text(2)})
	})
	rule("mutating an object in another cell is not tracked, and the documentation says so where users will look", func(t *testing.T) {
		p := f.auto(t, "items = [1]", "print(len(items))", "items.append(2)")
		require.Equal(t, []int{1, 1, 1}, p.counts())
		require.Equal(t, []int{2}, p.run(2))
		require.Equal(t, "1\n", p.text(1))
		for _, file := range []string{"../../../README.md", "../../../frontend/src/pages/samples.ts"} {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.True(t, regexp.MustCompile(`(?i)what is not tracked`).Match(text) && regexp.MustCompile(`(?i)in\s+place`).Match(text), file)
		}
	})

	rule("two cells that define the same name: neither runs, and each error names the name and the other cells", func(t *testing.T) {
		p := f.auto(t, "x = 1", "x = 2\ny = 1", "print(x)")
		require.Equal(t, []int{0, 0, 0}, p.counts())
		for at, other := range []int{1, 0} {
			err := p.fails(at, notebook.ErrMultipleDefinition, "x is defined in other cells")
			require.Equal(t, []string{"x"}, err.Names)
			require.Equal(t, []int{other}, p.places(err.Cells))
		}
		require.Equal(t, []int{0, 1}, p.places(p.cell(2).BlockedBy))
	})
	rule("a text at the beginning of a cell is no definition", func(t *testing.T) {
		p := f.auto(t, "'about a'\na = 1", "'about b'\nb = 1", "print('__doc__' in globals())")
		require.Equal(t, []notebook.Status{ok, ok, ok}, p.statuses())
	})
	rule("a loop variable that two cells define is offered its private name", func(t *testing.T) {
		p := f.page(t, notebook.Auto, "for i in range(3): pass", "for i in range(4): pass")
		p.fails(0, notebook.ErrMultipleDefinition, "_i")
	})
	rule("fixing or deleting one of two definitions runs the survivor without a click in auto mode", func(t *testing.T) {
		p := f.auto(t, "x = 1", "x = 2", "print(x)")
		p.remove(1)
		require.Equal(t, []notebook.Status{ok, ok}, p.statuses())
		require.Equal(t, "1\n", p.text(1))
		p = f.auto(t, "x = 1", "x = 2", "print(x)")
		p.write(1, "y = 2")
		require.ElementsMatch(t, []int{0, 1, 2}, p.run(1))
		require.Equal(t, "1\n", p.text(2))
	})
	rule("every member of a cycle errs with the names and cells on it, and cells outside it run", func(t *testing.T) {
		p := f.auto(t, "a = b", "b = c", "c = a", "print('outside')")
		for at := range 3 {
			err := p.fails(at, notebook.ErrCycle, "a, b and c")
			require.Equal(t, []string{"a", "b", "c"}, err.Names)
			require.Len(t, err.Cells, 2)
		}
		require.Equal(t, "outside\n", p.text(3))
	})
	rule("a cell that deletes another's name runs after all other readers of it, and two deleters are a cycle", func(t *testing.T) {
		p := f.page(t, notebook.Auto, "del x", "x = 1", "print(x)")
		require.Equal(t, []int{1, 2, 0}, p.run())
		require.Equal(t, []notebook.Status{ok, ok, ok}, p.statuses())
		p.write(2, "del x")
		p.fails(0, notebook.ErrCycle, "x")
		p.fails(2, notebook.ErrCycle, "x")
	})
	rule("descendants of a failed cell are blocked, show no stale output as if it were fresh, and name what blocks them", func(t *testing.T) {
		p := f.auto(t, "a = 1", "b = a\nprint(b)", "print(b)")
		p.write(0, "a = 1/0")
		require.Equal(t, []int{0}, p.run(0))
		require.Equal(t, []notebook.Status{failed, blocked, blocked}, p.statuses())
		require.Equal(t, []string{"", ""}, []string{p.text(1), p.text(2)})
		require.Equal(t, []int{0}, p.places(p.cell(2).BlockedBy))
	})
	rule("a cell with a syntax error defines nothing, and its former readers rerun and fail by themselves", func(t *testing.T) {
		p := f.auto(t, "a = 1", "print(a)")
		p.write(0, "a = (")
		p.fails(0, notebook.ErrSyntax)
		require.Empty(t, p.cell(0).Defines)
		require.Equal(t, []int{1}, p.run(0))
		p.fails(1, notebook.ErrException, "NameError: name 'a' is not defined")
	})

	rule("before a cell runs, the names that it defined are removed", func(t *testing.T) {
		p := f.auto(t, "a = 1")
		p.write(0, "print('a' in globals())\na = 2")
		p.run(0)
		require.Equal(t, "False\n", p.text(0))
	})
	rule("after an exception none of a cell's new names are kept", func(t *testing.T) {
		p := f.auto(t, "a = 1\nb = 2\n1/0", "c = 3")
		vars, err := f.Variables(f.ctx, p.id)
		require.NoError(t, err)
		require.Len(t, vars, 1)
		require.Equal(t, "c", vars[0].Name)
	})
	rule("a deleted or renamed definition leaves the kernel, and its readers rerun into an honest NameError", func(t *testing.T) {
		p := f.auto(t, "a = 1", "print(a)")
		p.write(0, "b = 1")
		require.Equal(t, []int{0, 1}, p.run(0))
		p.fails(1, notebook.ErrException, "NameError: name 'a' is not defined")
		p = f.auto(t, "a = 1", "print(a)")
		p.remove(0)
		p.fails(0, notebook.ErrException, "NameError: name 'a' is not defined")
	})
	rule("a definition that appears heals its waiting readers by itself", func(t *testing.T) {
		p := f.auto(t, "print(a)", "1")
		p.fails(0, notebook.ErrException, "NameError")
		p.write(1, "a = 7")
		require.Equal(t, []int{1, 0}, p.run(1))
		require.Equal(t, "7\n", p.text(0))
	})
	rule("lazy mode runs the cell and the stale ancestors that it needs, and marks descendants stale", func(t *testing.T) {
		p := f.page(t, notebook.Lazy, "a = 1", "b = a", "c = b", "d = c")
		p.run()
		require.Equal(t, []int{0}, p.run(0))
		require.Equal(t, []notebook.Status{ok, outdated, outdated, outdated}, p.statuses())
		require.Equal(t, []int{1, 2}, p.run(2))
		require.Equal(t, []notebook.Status{ok, ok, ok, outdated}, p.statuses())
	})
	rule("stale ancestors of a requested cell, and those that never ran, run first", func(t *testing.T) {
		p := f.page(t, notebook.Auto, "print(b)", "b = a", "a = 1")
		require.Equal(t, []int{2, 1, 0}, p.run(0))
		p.write(2, "a = 2")
		require.Equal(t, []int{2, 1, 0}, p.run(0))
		require.Equal(t, "2\n", p.text(0))
	})
	rule("a cell that was asked for always runs", func(t *testing.T) {
		p := f.auto(t, "print('x')")
		require.Equal(t, []int{0}, p.run(0))
		require.Equal(t, []int{2}, p.counts())
	})
	rule("disabled cells don't run, nor do their descendants, and their names stay", func(t *testing.T) {
		p := f.auto(t, "a = 1", "b = a", "c = b", "print('b' in globals())")
		p.disable(1, true)
		require.Equal(t, []notebook.Status{ok, disabled, disabled, ok}, p.statuses())
		require.Equal(t, []int{1}, p.places(p.cell(2).BlockedBy))
		require.Equal(t, []int{0, 3}, p.run(), "all")
		require.Equal(t, "True\n", p.text(3))
	})
	rule("enabling a cell runs it only if it has become stale", func(t *testing.T) {
		p := f.auto(t, "a = 1", "b = a", "c = b")
		p.disable(1, true)
		p.disable(1, false)
		require.Equal(t, []int{1, 1, 1}, p.counts())
		p.disable(1, true)
		p.run(0)
		p.disable(1, false)
		require.Equal(t, []int{2, 2, 2}, p.counts())
		require.Equal(t, []notebook.Status{ok, ok, ok}, p.statuses())
	})
	rule("moving cells, and edits that compile to the same code, make nothing stale", func(t *testing.T) {
		p := f.auto(t, "a = 1", "print(a)")
		p.patch(0, session.CellPatch{At: notebook.Place{Given: true, After: p.cell(1).ID}})
		p.write(1, "# the same\na  =  1")
		p.write(0, "print( a )  # and this")
		require.Equal(t, []notebook.Status{ok, ok}, p.statuses())
		require.Equal(t, []int{1, 1}, p.counts())
	})
	rule("a run requested while another is under way is queued and merged: no cell runs twice for the same inputs", func(t *testing.T) {
		gate := t.TempDir() + "/gate"
		p := f.page(t, notebook.Auto, wait(gate)+"a = 1", "b = a", "c = b")
		first, err := f.Run(f.ctx, p.id, session.RunRequest{})
		require.NoError(t, err)
		p.running(0)
		for _, at := range []int{0, 2, 1} {
			again, err := f.Run(f.ctx, p.id, session.RunRequest{Cells: []string{p.cell(at).ID}})
			require.NoError(t, err)
			require.Equal(t, first, again)
		}
		open(t, gate)
		require.Equal(t, []notebook.Status{ok, ok, ok}, p.statuses())
		require.Equal(t, []int{1, 1, 1}, p.counts())
	})
	rule("an edit to a running cell doesn't disturb it and marks it stale", func(t *testing.T) {
		gate := t.TempDir() + "/gate"
		p := f.page(t, notebook.Auto, wait(gate)+"print('first')")
		_, err := f.Run(f.ctx, p.id, session.RunRequest{})
		require.NoError(t, err)
		p.running(0)
		p.write(0, "print('second')")
		require.Equal(t, notebook.StatusRunning, p.cell(0).Status)
		open(t, gate)
		require.Equal(t, []notebook.Status{outdated}, p.statuses())
		require.Equal(t, "first\n", p.text(0))
		// One that has become text has no results when it ends, and left no name.
		gate = t.TempDir() + "/gate"
		p = f.page(t, notebook.Auto, wait(gate)+"print('text by now')\na = 1", "a")
		_, err = f.Run(f.ctx, p.id, session.RunRequest{})
		require.NoError(t, err)
		p.running(0)
		text := notebook.Markdown
		p.patch(0, session.CellPatch{Kind: &text})
		open(t, gate)
		require.Equal(t, []notebook.Status{fresh, failed}, p.statuses())
		p.fails(1, notebook.ErrException, "name 'a' is not defined")
		c := p.cell(0)
		require.Empty(t, c.Outputs)
		require.Equal(t, []any{0, (*notebook.Time)(nil), (*float64)(nil)}, []any{c.ExecutionCount, c.StartedAt, c.DurationMS})
	})
	rule("interrupt stops the cell, can't be swallowed by except Exception, and drops the queue", func(t *testing.T) {
		p := f.page(t, notebook.Auto, "import time\nwhile True:\n    try:\n        print('go', flush=True)\n        time.sleep(1000)\n    except Exception: pass", "b = 1")
		_, err := f.Run(f.ctx, p.id, session.RunRequest{})
		require.NoError(t, err)
		p.shows(0, "go")
		require.NoError(t, f.Interrupt(f.ctx, p.id))
		require.Equal(t, []notebook.Status{failed, fresh}, p.statuses())
		p.fails(0, notebook.ErrInterrupted)
	})
	rule("a cell that ignores an interrupt is killed with its kernel, and the user is told so", func(t *testing.T) {
		p := f.page(t, notebook.Auto, "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('go', flush=True)\nwhile True: pass")
		_, err := f.Run(f.ctx, p.id, session.RunRequest{})
		require.NoError(t, err)
		p.shows(0, "go")
		require.NoError(t, f.Interrupt(f.ctx, p.id))
		p.fails(0, notebook.ErrInterrupted, "was interrupted and did not stop within 5s; its kernel was killed")
		n := f.get(p.id)
		require.Equal(t, notebook.KernelDead, n.Kernel.Status)
		require.Contains(t, *n.Kernel.Reason, "its kernel was killed")
	})

	rule("there is one process for each open notebook, all from one parent", func(t *testing.T) {
		ids := "import os\nprint(os.getpid(), os.getppid())"
		one, two := f.auto(t, ids), f.auto(t, ids)
		a, b := strings.Fields(one.text(0)), strings.Fields(two.text(0))
		require.NotEqual(t, a[0], b[0])
		require.Equal(t, a[1], b[1])
		one.run()
		require.Equal(t, a, strings.Fields(one.text(0)))
	})
	for says, dies := range map[string]struct{ source, reason string }{
		"its exit code": {"import os\nos._exit(7)", "exited with code 7"},
		"its signal":    {"import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "killed by signal SIGSEGV"},
		"out of memory": {"import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "memory ran out"},
	} {
		rule("a dead kernel is replaced at the next run, with the reason shown: "+says, func(t *testing.T) {
			p := f.auto(t, "print('alive')", dies.source)
			n := f.get(p.id)
			require.Equal(t, notebook.KernelDead, n.Kernel.Status)
			require.Contains(t, *n.Kernel.Reason, dies.reason)
			p.fails(1, notebook.ErrKernelDied, dies.reason)
			require.Equal(t, []int{0}, p.run(0))
			require.Equal(t, "alive\n", p.text(0))
			require.Equal(t, notebook.KernelIdle, f.get(p.id).Kernel.Status)
		})
	}
}

// wait is the beginning of a cell that goes on once a file is there.
func wait(file string) string {
	return "import os, time\nwhile not os.path.exists(" + "'" + file + "'): time.sleep(0.01)\n"
}

func open(t *testing.T, file string) {
	t.Helper()
	for dir := file; dir != os.TempDir() && len(dir) > 1; dir = dir[:strings.LastIndexByte(dir, '/')] {
		if dir != file {
			require.NoError(t, os.Chmod(dir, 0o755)) // kernels are users of their own
		}
	}
	require.NoError(t, os.WriteFile(file, nil, 0o644))
}

func TestADeadKernelIsReplacedAtTheNextRunWithTheReasonShownItsTimeLimit(t *testing.T) {
	f := newFixture(t, func(o *session.Options) { o.CellTimeout = 300 * time.Millisecond })
	p := f.auto(t, "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", "print('alive')")
	p.fails(0, notebook.ErrTimeout, "ran longer than its time limit of 300ms")
	require.Contains(t, *f.get(p.id).Kernel.Reason, "time limit of 300ms")
	require.Equal(t, []int{1}, p.run(1))
	require.Equal(t, "alive\n", p.text(1))
}

func TestIdleKernelsAreStoppedAfterTheTimeoutWithoutARunAndAClientAndRunAgainAtTheNextRun(t *testing.T) {
	f := newFixture(t, func(o *session.Options) { o.IdleTimeout = time.Second })
	p := f.auto(t, "import os\nprint(os.getpid())")
	watched := f.auto(t, "import os\nprint(os.getpid())")
	sub, err := f.Subscribe(f.ctx, watched.id, "", 0)
	require.NoError(t, err)
	defer sub.Close()
	// Asking a notebook how it is would be use.
	require.Eventually(t, func() bool {
		list, err := f.List(f.ctx, session.Query{Limit: 10})
		require.NoError(t, err)
		kernels := map[string]notebook.KernelStatus{}
		for _, n := range list.Notebooks {
			kernels[n.ID] = n.Kernel.Status
		}
		require.Equal(t, notebook.KernelIdle, kernels[watched.id], "it has a client")
		return kernels[p.id] == notebook.KernelNone
	}, patience, 10*time.Millisecond)
	n := f.get(p.id)
	require.Contains(t, *n.Kernel.Reason, "stopped after 1s without use")
	before := text(n.Cells[0])
	require.NotEmpty(t, before, "kept outputs are shown")
	require.Equal(t, ok, n.Cells[0].Status)
	require.Equal(t, []int{0}, p.run(0))
	require.NotEqual(t, before, p.text(0))
}
