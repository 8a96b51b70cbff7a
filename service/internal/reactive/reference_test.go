package reactive

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/property"
)

// reference is the plain, slow model of an engine with its kernel: it keeps of
// each cell what happened to it, and works everything else out anew from the
// whole page whenever it is asked.
type reference struct {
	mode    notebook.Mode
	page    []*referenceCell
	vars    map[string]uint64
	owner   map[string]*referenceCell // who bound what is in the kernel
	leaving []string                  // names to remove before anything else runs
	running *referenceCell
	ended   *notebook.CellError // how the running cell will end
}

type referenceCell struct {
	id       string
	prog     program
	says     Analysis // of prog
	text     bool     // not a program at all
	disabled bool

	ran, failed bool   // the last run, if any
	err         string // of it
	code        string // of it
	dirty       bool   // an input changed since
	here        bool   // it was in this kernel, and all that it bound is there
	holds       []string
	deletes     []string         // what the last run deletes
	took        []*referenceCell // whose names it deleted
	owes        string           // the code that should have run and couldn't
	queued      bool
}

func (c *referenceCell) write(p program, text bool) {
	c.prog, c.text, c.says = p, text, p.analysis()
	if text {
		c.says = Analysis{Code: p.code()}
	}
}

func (c *referenceCell) analysis() *Analysis { return &c.says }

func (c *referenceCell) broken() bool { return !c.text && c.prog.broken }

// edge tells whether b depends on a, and through which names.
func (m *reference) edge(a, b *referenceCell) (names []string) {
	if a == b {
		return nil
	}
	x, y := a.analysis(), b.analysis()
	for _, name := range x.Defines {
		if slices.Contains(y.References, name) {
			names = append(names, name)
		}
	}
	for _, name := range y.Deletes {
		defined := slices.ContainsFunc(m.page, func(c *referenceCell) bool {
			return c != b && slices.Contains(c.analysis().Defines, name)
		})
		if defined && slices.Contains(x.References, name) && !slices.Contains(x.Defines, name) {
			names = append(names, name)
		}
	}
	return uniq(names)
}

func (m *reference) parents(c *referenceCell) (found []*referenceCell) {
	for _, p := range m.page {
		if m.edge(p, c) != nil {
			found = append(found, p)
		}
	}
	return found
}

// below is all that depends on c, in page order.
func (m *reference) below(c *referenceCell) []*referenceCell {
	reached := map[*referenceCell]bool{}
	var visit func(*referenceCell)
	visit = func(a *referenceCell) {
		for _, b := range m.page {
			if m.edge(a, b) != nil && !reached[b] {
				reached[b] = true
				visit(b)
			}
		}
	}
	visit(c)
	return m.those(func(c *referenceCell) bool { return reached[c] })
}

func (m *reference) those(wanted func(*referenceCell) bool) (found []*referenceCell) {
	for _, c := range m.page {
		if wanted(c) {
			found = append(found, c)
		}
	}
	return found
}

// graphError returns its kind or "", and the other cells in it.
func (m *reference) graphError(c *referenceCell) (notebook.ErrorKind, []*referenceCell) {
	rivals := m.those(func(d *referenceCell) bool {
		return d != c && slices.ContainsFunc(c.analysis().Defines, func(name string) bool {
			return slices.Contains(d.analysis().Defines, name)
		})
	})
	if len(rivals) > 0 {
		return notebook.ErrMultipleDefinition, rivals
	}
	below := m.below(c)
	if !slices.Contains(below, c) {
		return "", nil
	}
	return notebook.ErrCycle, m.those(func(d *referenceCell) bool {
		return d != c && slices.Contains(below, d) && slices.Contains(m.below(d), c)
	})
}

// failing tells whether c itself keeps what is below it from running.
func (m *reference) failing(c *referenceCell) bool {
	kind, _ := m.graphError(c)
	return kind != "" || c.failed && len(m.blockers(c)) == 0
}

func (m *reference) blockers(c *referenceCell) []*referenceCell {
	return m.above(c, m.failing)
}

func (m *reference) disablers(c *referenceCell) []*referenceCell {
	return m.above(c, func(p *referenceCell) bool { return p.disabled })
}

// above finds, on every way up from c, the first cell that is such.
func (m *reference) above(c *referenceCell, such func(*referenceCell) bool) []*referenceCell {
	found, seen := map[*referenceCell]bool{}, map[*referenceCell]bool{c: true}
	var visit func(*referenceCell)
	visit = func(c *referenceCell) {
		for _, p := range m.parents(c) {
			if seen[p] {
				continue
			}
			if seen[p] = true; such(p) {
				found[p] = true
			} else {
				visit(p)
			}
		}
	}
	visit(c)
	return m.those(func(c *referenceCell) bool { return found[c] })
}

func (m *reference) off(c *referenceCell) bool {
	return c.text || c.disabled || len(m.disablers(c)) > 0
}

func (m *reference) status(c *referenceCell) string {
	by := func(cells []*referenceCell) string {
		var names []string
		for _, c := range cells {
			names = append(names, c.id)
		}
		return " by " + strings.Join(names, ",")
	}
	kind, _ := m.graphError(c)
	switch {
	case c == m.running:
		return "running"
	case c.disabled:
		return "disabled"
	case len(m.disablers(c)) > 0:
		return "disabled" + by(m.disablers(c))
	case c.broken():
		return "error syntax SyntaxError"
	case kind == notebook.ErrMultipleDefinition:
		return "error multiple-definition MultipleDefinitionError"
	case kind == notebook.ErrCycle:
		return "error cycle CycleError"
	case c.queued:
		return "queued"
	case len(m.blockers(c)) > 0:
		return "blocked" + by(m.blockers(c))
	case !c.ran:
		return "new"
	case c.dirty || c.code != c.analysis().Code:
		return "stale"
	case c.failed:
		return "error " + c.err
	}
	return "ok"
}

// order sorts cells: parents first, ties by page order.
func (m *reference) order(cells []*referenceCell) (order []*referenceCell) {
	left := m.those(func(c *referenceCell) bool { return slices.Contains(cells, c) })
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(c *referenceCell) bool {
			return !slices.ContainsFunc(left, func(p *referenceCell) bool { return m.edge(p, c) != nil })
		})
		if i < 0 {
			return append(order, left...)
		}
		order = append(order, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return order
}

func (m *reference) queue() []*referenceCell {
	return m.order(m.those(func(c *referenceCell) bool { return c.queued }))
}

// letGo has names that c's last run bound leave the kernel.
func (m *reference) letGo(c *referenceCell, leaves func(string) bool) (gone []string) {
	var kept []string
	for _, name := range c.holds {
		switch owner := m.owner[name]; {
		case owner != nil && owner != c: // another's by now
		case leaves(name):
			delete(m.owner, name)
			m.leaving = append(m.leaving, name)
			gone = append(gone, name)
		default:
			kept = append(kept, name)
		}
	}
	c.holds = kept
	return gone
}

func (m *reference) removeNames() {
	for _, name := range m.leaving {
		delete(m.vars, name)
	}
	m.leaving = nil
}

// giveUp is for a cell that should run and can't.
func (m *reference) giveUp(c *referenceCell) {
	c.queued, c.here, c.dirty, c.owes = false, false, true, c.analysis().Code
	m.letGo(c, every)
}

// sweep drops from the queue what an edit keeps from running.
func (m *reference) sweep() {
	for before := -1; before != len(m.queue()); {
		before = len(m.queue())
		for _, c := range m.queue() {
			if m.off(c) || c.broken() {
				c.queued = false
			} else if kind, _ := m.graphError(c); kind != "" || m.hindered(c, nil, nil) {
				m.giveUp(c)
			}
		}
	}
}

// hindered tells whether a parent of c won't run before it, and can't be built on.
func (m *reference) hindered(c *referenceCell, planned, stopped map[*referenceCell]bool) bool {
	return slices.ContainsFunc(m.parents(c), func(p *referenceCell) bool {
		willRun := planned[p] || p.queued || p == m.running
		return stopped[p] || !willRun && (m.failing(p) || len(m.blockers(p)) > 0)
	})
}

func (m *reference) needsRun(c *referenceCell) bool {
	return !c.ran || !c.here || c.dirty || c.code != c.analysis().Code
}

// plan queues cells with all that must run with them: to the rules, until none
// asks for more.
func (m *reference) plan(seeds []*referenceCell) {
	plan := map[*referenceCell]bool{}
	add := func(c *referenceCell) { plan[c] = plan[c] || slices.Contains(m.page, c) && !m.off(c) }
	in := func() []*referenceCell { return m.those(func(c *referenceCell) bool { return plan[c] }) }
	for _, c := range seeds {
		add(c)
	}
	known := func() int { return len(in()) + len(m.those(func(c *referenceCell) bool { return c.dirty })) }
	for before := -1; before != known(); {
		before = known()
		for _, c := range in() {
			if _, others := m.graphError(c); others != nil { // what they left goes, too
				for _, d := range others {
					add(d)
				}
			}
			for changed := true; changed; { // stale ancestors, and what is between them and c
				changed = false
				for _, p := range m.those(func(p *referenceCell) bool { return slices.Contains(m.below(p), c) }) {
					between := slices.ContainsFunc(m.parents(p), func(q *referenceCell) bool { return plan[q] })
					if !plan[p] && p != m.running && !m.off(p) && (m.needsRun(p) || between) {
						add(p)
						changed = true
					}
				}
			}
			for _, name := range m.letGo(c, func(name string) bool { return !slices.Contains(c.analysis().Defines, name) }) {
				if m.mode == notebook.Lazy {
					m.spoil(name)
					continue
				}
				for _, reader := range m.readers(name) {
					add(reader)
				}
			}
			if m.mode == notebook.Auto {
				for _, d := range m.below(c) {
					add(d)
				}
				m.giveBack(c, add)
			}
		}
	}
	stopped := map[*referenceCell]bool{}
	for _, c := range in() {
		if kind, _ := m.graphError(c); kind != "" || c.broken() {
			stopped[c] = true
			m.giveUp(c)
		}
	}
	for _, c := range m.order(m.those(func(c *referenceCell) bool { return plan[c] && !stopped[c] })) {
		if m.hindered(c, plan, stopped) {
			stopped[c] = true
			m.giveUp(c)
		} else {
			c.queued = true
		}
	}
}

func (m *reference) readers(name string) []*referenceCell {
	return m.those(func(c *referenceCell) bool { return slices.Contains(c.analysis().References, name) })
}

// spoil makes stale who reads a name that leaves, and what is below.
func (m *reference) spoil(name string) {
	for _, reader := range m.readers(name) {
		reader.dirty = true
		for _, c := range m.below(reader) {
			c.dirty = true
		}
	}
}

// giveBack asks for those again whose names c's last run deleted.
func (m *reference) giveBack(c *referenceCell, add func(*referenceCell)) {
	if c == m.running {
		m.takeNames(c)
	}
	for _, owner := range c.took {
		if slices.Contains(m.page, owner) && !owner.here && owner.code == owner.analysis().Code {
			add(owner)
		}
	}
}

// healed are the cells that should have run before and can run now.
func (m *reference) healed() []*referenceCell {
	return m.those(func(c *referenceCell) bool {
		kind, _ := m.graphError(c)
		return c.owes != "" && c.owes == c.analysis().Code && !c.queued && kind == "" && !m.hindered(c, nil, nil)
	})
}

func (m *reference) cell(id string) *referenceCell {
	return m.page[slices.IndexFunc(m.page, func(c *referenceCell) bool { return c.id == id })]
}

func (m *reference) insert(id string, at int, p program) {
	c := &referenceCell{id: id}
	c.write(p, false)
	m.page = slices.Insert(m.page, at, c)
	m.sweep()
}

func (m *reference) edit(id string, p program, text bool) {
	c := m.cell(id)
	c.write(p, text)
	if text {
		c.queued = false
		for _, name := range m.letGo(c, every) {
			m.spoil(name)
		}
		c.ran, c.failed, c.here, c.err, c.owes = false, false, false, "", ""
	}
	m.sweep()
}

func (m *reference) move(id string, to int) {
	c := m.cell(id)
	m.page = slices.DeleteFunc(m.page, func(d *referenceCell) bool { return d == c })
	m.page = slices.Insert(m.page, to, c)
}

func (m *reference) remove(id string) {
	c := m.cell(id)
	gone := m.letGo(c, every)
	m.page = slices.DeleteFunc(m.page, func(d *referenceCell) bool { return d == c })
	m.sweep()
	seeds := m.healed()
	for _, name := range gone {
		if m.mode == notebook.Lazy {
			m.spoil(name)
		}
		seeds = append(seeds, m.readers(name)...)
	}
	if m.mode == notebook.Auto {
		m.giveBack(c, func(owner *referenceCell) { seeds = append(seeds, owner) })
		m.plan(seeds)
	}
}

func (m *reference) disable(id string, disabled bool) {
	c := m.cell(id)
	if c.disabled == disabled {
		return
	}
	c.disabled = disabled
	if disabled {
		m.sweep()
		return
	}
	if m.mode == notebook.Auto {
		affected := append(m.below(c), c)
		m.plan(slices.DeleteFunc(affected, func(c *referenceCell) bool { return m.status(c) != "stale" }))
	}
}

func (m *reference) request(ids []string) {
	var seeds []*referenceCell
	for _, id := range ids {
		if c := m.cell(id); c != m.running || c.dirty || c.code != c.analysis().Code {
			seeds = append(seeds, c)
		}
	}
	if m.mode == notebook.Auto {
		seeds = append(seeds, m.healed()...)
	}
	m.plan(seeds)
}

func (m *reference) stale() (ids []string) {
	for _, c := range m.page {
		if status := m.status(c); !c.text && (status == "new" || status == "stale") {
			ids = append(ids, c.id)
		}
	}
	return ids
}

func (m *reference) interrupt() {
	for _, c := range m.page {
		c.dirty = c.dirty || c.queued
		c.queued = false
	}
}

func (m *reference) kernelGone() {
	m.interrupt()
	for _, c := range m.page {
		c.here = false
	}
	clear(m.owner)
	m.vars, m.leaving = map[string]uint64{}, nil
}

// start runs the first cell that can run, and returns it or "".
func (m *reference) start() string {
	queue := m.queue()
	if m.running != nil || len(queue) == 0 {
		return ""
	}
	c := queue[0]
	m.letGo(c, every)
	m.removeNames()
	c.queued, c.here, c.dirty, c.owes, c.took, c.code = false, false, false, "", nil, c.analysis().Code
	c.holds, c.deletes = c.analysis().Defines, c.analysis().Deletes
	for _, name := range c.holds {
		m.owner[name] = c
	}
	m.running, m.ended = c, c.prog.run(m.vars)
	return c.id
}

// takeNames notes that what c deletes is not its owner's any more.
func (m *reference) takeNames(c *referenceCell) {
	for _, name := range c.deletes {
		if owner := m.owner[name]; owner != nil {
			owner.here = false
			c.took = append(c.took, owner)
			delete(m.owner, name)
		}
	}
}

// finish ends the running cell, with an error or without.
func (m *reference) finish(err *notebook.CellError) {
	c := m.running
	m.running = nil
	if !slices.Contains(m.page, c) { // deleted meanwhile
		return
	}
	for _, d := range m.below(c) {
		d.dirty = d.dirty || d != c
	}
	m.takeNames(c)
	if c.text { // it has become that meanwhile
		return
	}
	c.ran, c.failed = true, err != nil
	if err == nil {
		c.err, c.here = "", true
		return
	}
	c.err, c.here = string(err.Kind)+" "+err.Name, err.Kind != notebook.ErrInterrupted
	for _, name := range c.holds {
		delete(m.owner, name)
	}
	c.holds = nil
	for _, d := range m.below(c) {
		if d.queued && !c.queued {
			m.giveUp(d)
		}
	}
}

// twins are an engine and the reference, to which the same happens.
type twins struct {
	t *rapid.T
	*world
	m   *reference
	log []string
}

func (w *twins) statusesOfReference() map[string]string {
	found := map[string]string{}
	for _, c := range w.m.page {
		found[c.id] = w.m.status(c)
	}
	return found
}

// compare sees that both are in the same state.
func (w *twins) compare() {
	require.Equal(w.t, w.statusesOfReference(), w.statuses(), "statuses")
	queue := []string{}
	for _, c := range w.m.queue() {
		queue = append(queue, c.id)
	}
	require.Equal(w.t, queue, w.e.Queue(), "the queue")
	stale := append([]string{}, w.m.stale()...)
	require.Equal(w.t, stale, w.e.Stale(), "what is new or stale")
	if !w.e.Busy() {
		for _, name := range w.e.TakeRemovals() {
			delete(w.vars, name)
		}
		w.m.removeNames()
		require.Equal(w.t, w.m.vars, w.vars, "variables")
	}
	whole := newSets()
	for _, c := range w.e.page {
		put(whole.queued, c, c.queued)
		put(whole.wanted, c, c.wantedCode != "")
		put(whole.needy, c, c.runs && c.needy())
	}
	kept := w.e.those()
	require.True(w.t, maps.Equal(whole.queued, kept.queued) && maps.Equal(whole.wanted, kept.wanted) && maps.Equal(whole.needy, kept.needy), "the sets")
}

// start has both start their next cell.
func (w *twins) start() {
	id, started := w.m.start(), ""
	if w.world.start() {
		started = w.started[len(w.started)-1]
	}
	require.Equal(w.t, id, started, "which cell starts")
	require.Equal(w.t, w.m.vars, w.vars, "variables after %s", id)
}

func (w *twins) finish(err *notebook.CellError) {
	if w.running {
		w.m.finish(err)
		w.ended = err
		w.world.finish()
	}
}

func (w *twins) settle() {
	for w.m.running != nil || w.e.Busy() {
		w.finish(w.m.ended)
		w.start()
		w.compare()
	}
}

// happens is one thing that happens to a notebook.
func (w *twins) happens() string {
	t := w.t
	pick := func() string { return rapid.SampledFrom(w.page).Draw(t, "cell") }
	place := func(n int) int { return rapid.IntRange(0, n).Draw(t, "at") }
	op := rapid.IntRange(0, 19).Draw(t, "op")
	if len(w.page) == 0 {
		op = 0
	}
	switch {
	case op <= 2:
		p, at := anyProgram(t), place(len(w.page))
		id := w.insert(at, p)
		w.m.insert(id, at, p)
		return fmt.Sprintf("insert %s %+v at %d", id, p, at)
	case op <= 5:
		id, p := pick(), anyProgram(t)
		w.edit(id, p)
		w.m.edit(id, p, false)
		return fmt.Sprintf("edit %s %+v", id, p)
	case op == 6: // another text that compiles to the same code
		id := pick()
		text := w.m.cell(id).text
		w.e.Edit(Source{ID: id, Runs: !text, Disabled: w.m.cell(id).disabled, Analysis: w.m.cell(id).says})
		w.m.edit(id, w.source[id], text)
		return "save " + id
	case op == 7:
		id := pick()
		a := Analysis{Code: w.source[id].code()}
		w.e.Edit(Source{ID: id, Analysis: a, Disabled: w.m.cell(id).disabled})
		w.m.edit(id, w.source[id], true)
		return "make text of " + id
	case op == 8:
		id := pick()
		w.remove(id)
		w.m.remove(id)
		return "remove " + id
	case op == 9:
		id, to := pick(), place(len(w.page)-1)
		w.move(id, to)
		w.m.move(id, to)
		return fmt.Sprintf("move %s to %d", id, to)
	case op == 10:
		id, disabled := pick(), rapid.Bool().Draw(t, "disabled")
		w.e.SetDisabled(id, disabled)
		w.m.disable(id, disabled)
		return fmt.Sprintf("disable %s %v", id, disabled)
	case op <= 13:
		ids := rapid.SliceOfNDistinct(rapid.SampledFrom(w.page), 1, 2, rapid.ID[string]).Draw(t, "cells")
		ids = slices.DeleteFunc(ids, func(id string) bool { return w.m.cell(id).text })
		w.asks(ids)
		return fmt.Sprint("request ", ids)
	case op == 14:
		w.asks(w.e.All())
		return "request all"
	case op == 15:
		w.asks(w.e.Stale())
		return "request what is stale"
	case op == 16:
		w.start()
		return "start"
	case op == 17:
		w.finish(w.m.ended)
		return "finish"
	case op == 18:
		w.e.Interrupt()
		w.m.interrupt()
		w.finish(notebook.NewError(notebook.ErrInterrupted, "KeyboardInterrupt", ""))
		return "interrupt"
	case rapid.IntRange(0, 2).Draw(t, "which") == 0:
		w.finish(notebook.NewError(notebook.ErrKernelDied, "KernelDied", ""))
		w.e.KernelGone()
		w.m.kernelGone()
		w.vars = map[string]uint64{}
		return "kernel gone"
	default:
		mode := rapid.SampledFrom([]notebook.Mode{notebook.Auto, notebook.Lazy}).Draw(t, "mode")
		w.e.SetMode(mode)
		w.m.mode = mode
		return "mode " + string(mode)
	}
}

// asks requests cells, and sees that the plan tells of each why it runs.
func (w *twins) asks(ids []string) {
	plan := w.e.Request(ids)
	w.m.request(ids)
	require.ElementsMatch(w.t, plan.Cells, slices.Collect(maps.Keys(plan.Reasons)), "reasons")
	for id, why := range plan.Reasons {
		if why.Because == BecauseInput {
			require.NotEmpty(w.t, why.Names, "the input of %s", id)
			require.True(w.t, w.e.Has(why.CellID), "where the input of %s is from", id)
		}
	}
}

func TestEveryOrderAndStatusIsThatOfThePlainModel(t *testing.T) {
	property.Check(t, casesOfProperty, func(t *rapid.T) {
		mode := rapid.SampledFrom([]notebook.Mode{notebook.Auto, notebook.Lazy}).Draw(t, "mode")
		w := &twins{t: t, world: newWorld(mode), m: &reference{
			mode: mode, vars: map[string]uint64{}, owner: map[string]*referenceCell{},
		}}
		defer func() {
			if t.Failed() {
				t.Logf("what happened in %s mode:\n%s", mode, strings.Join(w.log, "\n"))
			}
		}()
		for range rapid.IntRange(1, 25).Draw(t, "events") {
			w.log = append(w.log, w.happens())
			w.compare()
			if rapid.IntRange(0, 2).Draw(t, "settle") > 0 {
				w.log = append(w.log, "settle")
				w.settle()
			}
		}
		w.settle()
	})
}
