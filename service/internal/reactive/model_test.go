package reactive

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/property"
)

// program is a cell in a toy language: it reads some names, fails or not,
// binds some names to a value that depends on its text and what it read, and
// deletes some.
type program struct {
	reads, binds, deletes []string
	fails, broken         bool // raises; does not compile
	text                  int
}

func (p program) code() string {
	return fmt.Sprint(p.reads, p.binds, p.deletes, p.fails, p.broken, p.text)
}

func (p program) analysis() Analysis {
	if p.broken {
		return Analysis{Error: notebook.NewError(notebook.ErrSyntax, "SyntaxError", "broken"), Code: p.code()}
	}
	a := Analysis{Defines: uniq(p.binds), Code: p.code()}
	refs := slices.Clone(p.reads)
	for _, name := range p.deletes {
		if !slices.Contains(p.binds, name) {
			a.Deletes = append(a.Deletes, name)
			refs = append(refs, name)
		}
	}
	a.Deletes = uniq(a.Deletes)
	a.References = uniq(refs)
	return a
}

func uniq(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// run executes the program on variables; after a failure it has bound nothing.
func (p program) run(vars map[string]uint64) *notebook.CellError {
	sum := fnv.New64()
	fmt.Fprint(sum, p.code())
	for _, name := range uniq(append(slices.Clone(p.reads), p.analysis().Deletes...)) {
		value, there := vars[name]
		if !there {
			return notebook.NewError(notebook.ErrException, "NameError", name)
		}
		fmt.Fprint(sum, name, value)
	}
	if p.fails && p.text%2 == 0 {
		return notebook.NewError(notebook.ErrException, "Exception", "")
	}
	for _, name := range p.binds {
		vars[name] = sum.Sum64()
	}
	for _, name := range p.analysis().Deletes {
		delete(vars, name)
	}
	if p.fails { // at its end: nothing that it bound stays
		for _, name := range p.binds {
			delete(vars, name)
		}
		return notebook.NewError(notebook.ErrException, "Exception", "")
	}
	return nil
}

// world is an engine with a toy kernel.
type world struct {
	e       *Engine
	page    []string
	source  map[string]program
	vars    map[string]uint64
	started []string
	made    int

	running bool
	ended   *notebook.CellError // how the running cell ends
}

func newWorld(mode notebook.Mode) *world {
	return &world{e: New(mode, map[string]bool{"max": true}), source: map[string]program{}, vars: map[string]uint64{}}
}

func (w *world) src(id string) Source {
	return Source{ID: id, Runs: true, Analysis: w.source[id].analysis()}
}

func (w *world) insert(at int, p program) string {
	w.made++
	id := fmt.Sprintf("c%d", w.made)
	w.source[id] = p
	w.page = slices.Insert(w.page, at, id)
	w.e.Insert(w.src(id), at)
	return id
}

func (w *world) edit(id string, p program) {
	w.source[id] = p
	w.e.Edit(w.src(id))
}

func (w *world) remove(id string) {
	w.page = slices.DeleteFunc(w.page, func(x string) bool { return x == id })
	w.e.Delete(id)
	delete(w.source, id)
}

func (w *world) move(id string, to int) {
	w.page = slices.DeleteFunc(w.page, func(x string) bool { return x == id })
	w.page = slices.Insert(w.page, to, id)
	w.e.Move(id, to)
}

// settle runs what is queued, and lets names go that have to.
func (w *world) settle() []string {
	first := len(w.started)
	for w.step() {
	}
	for _, name := range w.e.TakeRemovals() {
		delete(w.vars, name)
	}
	return w.started[first:]
}

func (w *world) step() bool { return w.finish() || w.start() && w.finish() }

// start begins to run the next cell.
func (w *world) start() bool {
	step, ok := w.e.Next()
	if !ok {
		return false
	}
	for _, name := range step.Remove {
		delete(w.vars, name)
	}
	w.started = append(w.started, step.Cell)
	w.running, w.ended = true, w.source[step.Cell].run(w.vars)
	return true
}

// finish ends the running cell, if there is one.
func (w *world) finish() bool {
	if !w.running {
		return false
	}
	w.running = false
	w.e.Finish(w.ended)
	return true
}

func (w *world) request(ids ...string) []string {
	w.e.Request(ids)
	return w.settle()
}

func (w *world) statuses() map[string]string {
	out := map[string]string{}
	for _, id := range w.page {
		v := w.e.View(id)
		out[id] = string(v.Status)
		if v.Error != nil {
			out[id] += " " + string(v.Error.Kind) + " " + v.Error.Name
		}
		if len(v.BlockedBy) > 0 {
			out[id] += " by " + strings.Join(v.BlockedBy, ",")
		}
	}
	return out
}

// fresh is the plain, slow model: run the whole page in a new kernel. It knows
// nothing of what happened before.
func (w *world) fresh() (vars map[string]uint64, statuses map[string]string, order []string) {
	n := len(w.page)
	an := make([]Analysis, n)
	for i, id := range w.page {
		an[i] = w.source[id].analysis()
	}
	definers := map[string][]int{}
	for i := range an {
		for _, name := range an[i].Defines {
			definers[name] = append(definers[name], i)
		}
	}
	edge := make([][]bool, n)
	for i := range edge {
		edge[i] = make([]bool, n)
		for j := range edge[i] {
			if i == j {
				continue
			}
			for _, name := range an[i].Defines {
				edge[i][j] = edge[i][j] || slices.Contains(an[j].References, name)
			}
			for _, name := range an[j].Deletes {
				defined := slices.ContainsFunc(definers[name], func(k int) bool { return k != j })
				if defined && slices.Contains(an[i].References, name) && !slices.Contains(an[i].Defines, name) {
					edge[i][j] = true
				}
			}
		}
	}
	reach := make([][]bool, n)
	for i := range reach {
		reach[i] = slices.Clone(edge[i])
	}
	for k := range n {
		for i := range n {
			for j := range n {
				reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
			}
		}
	}
	vars, statuses = map[string]uint64{}, map[string]string{}
	bad := make([]bool, n)
	done := make([]bool, n)
	blockedBy := make([][]int, n)
	for i, id := range w.page {
		multiple := slices.ContainsFunc(an[i].Defines, func(name string) bool { return len(definers[name]) > 1 })
		switch {
		case an[i].Error != nil:
			statuses[id], done[i] = "error syntax SyntaxError", true
		case multiple:
			statuses[id], bad[i], done[i] = "error multiple-definition MultipleDefinitionError", true, true
		case reach[i][i]:
			statuses[id], bad[i], done[i] = "error cycle CycleError", true, true
		}
	}
	for {
		next := -1
		for j := range n {
			ready := !done[j]
			for i := range n {
				ready = ready && (!edge[i][j] || done[i])
			}
			if ready {
				next = j
				break
			}
		}
		if next < 0 {
			return vars, statuses, order
		}
		done[next] = true
		id := w.page[next]
		var blockers []int
		for i := range n {
			if edge[i][next] {
				if bad[i] {
					blockers = append(blockers, i)
				} else {
					blockers = append(blockers, blockedBy[i]...)
				}
			}
		}
		if len(blockers) > 0 {
			sort.Ints(blockers)
			blockers = slices.Compact(blockers)
			blockedBy[next] = blockers
			names := make([]string, len(blockers))
			for k, b := range blockers {
				names[k] = w.page[b]
			}
			statuses[id] = "blocked by " + strings.Join(names, ",")
			continue
		}
		order = append(order, id)
		if err := w.source[id].run(vars); err != nil {
			bad[next] = true
			statuses[id] = "error exception " + err.Name
		} else {
			statuses[id] = "ok"
		}
	}
}

// casesOfProperty is how many random notebooks each property is held to.
const casesOfProperty = 8000

func anyProgram(t *rapid.T) program {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "max"})
	return program{
		reads:   rapid.SliceOfNDistinct(name, 0, 2, rapid.ID[string]).Draw(t, "reads"),
		binds:   rapid.SliceOfNDistinct(name, 0, 2, rapid.ID[string]).Draw(t, "binds"),
		deletes: rapid.SliceOfNDistinct(name, 0, rapid.IntRange(0, 4).Draw(t, "deleting")/4, rapid.ID[string]).Draw(t, "deletes"),
		fails:   rapid.IntRange(0, 7).Draw(t, "fails") == 0,
		broken:  rapid.IntRange(0, 11).Draw(t, "broken") == 0,
		text:    rapid.IntRange(0, 3).Draw(t, "text"),
	}
}

func TestInAutoModeTheKernelEqualsAFreshRunOfThePageAfterAnyEdits(t *testing.T) {
	property.Check(t, casesOfProperty, func(t *rapid.T) {
		w := newWorld(notebook.Auto)
		for range rapid.IntRange(1, 14).Draw(t, "edits") {
			pick := func() string { return rapid.SampledFrom(w.page).Draw(t, "cell") }
			switch op := rapid.IntRange(0, 9).Draw(t, "op"); {
			case op <= 3 || len(w.page) == 0:
				id := w.insert(rapid.IntRange(0, len(w.page)).Draw(t, "at"), anyProgram(t))
				w.request(id)
			case op <= 6:
				id := pick()
				w.edit(id, anyProgram(t))
				w.request(id)
			case op == 7:
				w.remove(pick())
				w.settle()
			case op == 8:
				w.move(pick(), rapid.IntRange(0, len(w.page)-1).Draw(t, "to"))
				w.settle()
			case op == 9:
				w.e.KernelGone()
				w.vars = map[string]uint64{}
				w.request(w.e.All()...)
			}
			vars, statuses, _ := w.fresh()
			require.Equal(t, vars, w.vars, "variables after %v", describe(w))
			require.Equal(t, statuses, w.statuses(), "statuses after %v", describe(w))
		}
		w.e.KernelGone()
		w.vars = map[string]uint64{}
		_, _, order := w.fresh()
		started := w.request(w.e.All()...)
		if len(order) == 0 {
			require.Empty(t, started)
		} else {
			require.Equal(t, order, started, "order of %v", describe(w))
		}
	})
}

// While a run is under way, edits and requests come in, also while a cell runs.
// In the end all is as after a fresh run; what an interrupt dropped has to be
// asked for again.
func TestOverlappingRunsEndAsAFreshRunOfThePage(t *testing.T) {
	property.Check(t, casesOfProperty, func(t *rapid.T) {
		w, interrupted := newWorld(notebook.Auto), false
		for range rapid.IntRange(1, 20).Draw(t, "events") {
			pick := func() string { return rapid.SampledFrom(w.page).Draw(t, "cell") }
			switch op := rapid.IntRange(0, 9).Draw(t, "op"); {
			case op <= 2 || len(w.page) == 0:
				id := w.insert(rapid.IntRange(0, len(w.page)).Draw(t, "at"), anyProgram(t))
				w.e.Request([]string{id})
			case op <= 4:
				id := pick()
				w.edit(id, anyProgram(t))
				w.e.Request([]string{id})
			case op == 5:
				w.remove(pick())
			case op == 6:
				w.move(pick(), rapid.IntRange(0, len(w.page)-1).Draw(t, "to"))
			case op == 7:
				w.e.Interrupt()
				interrupted = true
			case op == 8:
				w.start() // what follows happens while it runs
			default:
				w.step()
			}
		}
		w.settle()
		if interrupted {
			w.request(w.e.Stale()...)
		}
		vars, statuses, _ := w.fresh()
		require.Equal(t, vars, w.vars, "variables after %v", describe(w))
		require.Equal(t, statuses, w.statuses(), "statuses after %v", describe(w))
	})
}

func TestInLazyModeARequestedCellSeesTheValuesOfAFreshRun(t *testing.T) {
	property.Check(t, casesOfProperty, func(t *rapid.T) {
		w := newWorld(notebook.Lazy)
		for range rapid.IntRange(2, 8).Draw(t, "cells") {
			p := anyProgram(t)
			p.deletes = nil // what a deleter leaves depends on who ran
			w.insert(len(w.page), p)
		}
		for range rapid.IntRange(1, 8).Draw(t, "edits") {
			id := rapid.SampledFrom(w.page).Draw(t, "cell")
			if rapid.Bool().Draw(t, "edit") {
				p := anyProgram(t)
				p.deletes = nil
				w.edit(id, p)
			}
			w.request(id)
			vars, statuses, _ := w.fresh()
			if statuses[id] == "ok" && w.statuses()[id] == "ok" {
				for _, name := range w.source[id].binds {
					require.Equal(t, vars[name], w.vars[name], "%s of %s in %v", name, id, describe(w))
				}
			}
		}
	})
}

func describe(w *world) string {
	var b strings.Builder
	for _, id := range w.page {
		fmt.Fprintf(&b, "\n%s %+v %v", id, w.source[id], w.statuses()[id])
	}
	fmt.Fprintf(&b, "\nstarted %v vars %v", w.started, slices.Sorted(maps.Keys(w.vars)))
	return b.String()
}
