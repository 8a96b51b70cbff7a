package reactive

import (
	"container/heap"
	"fmt"
	"slices"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Engine holds the graph and the states of one notebook's cells.
type Engine struct {
	mode     notebook.Mode
	builtins map[string]bool
	cells    map[string]*cell
	page     []*cell // in page order
	names    nameIndex

	// owner says which cell's last run bound a name that is in the kernel.
	owner map[string]*cell

	queue   int       // how many cells are queued
	ready   readyHeap // those of them that wait for no other
	sets    sets
	planned bool // ready is up to date
	waits   map[*cell]int
	current *cell

	touched  []*cell
	reread   map[*cell]struct{} // whose References may be different
	searches uint64             // how many graph searches there have been
	edges    uint64             // rises when what is below a stale cell may not be stale any more
	remove   []string
	clear    []string
}

// New returns the engine of an empty notebook.
func New(mode notebook.Mode, builtins map[string]bool) *Engine {
	return &Engine{
		mode: mode, builtins: builtins, cells: map[string]*cell{}, names: newNameIndex(),
		owner: map[string]*cell{}, waits: map[*cell]int{}, reread: map[*cell]struct{}{}, sets: newSets(),
	}
}

// Source is what the engine needs to know of a cell.
type Source struct {
	ID       string
	Runs     bool // false for markdown
	Disabled bool
	Analysis Analysis
}

// Saved is how a cell stood when it was last stored.
type Saved struct {
	Status         notebook.Status
	Error          *notebook.CellError
	ExecutionCount int
}

// Load fills an empty engine with a page of cells that were run in an earlier
// kernel, if they were run: none of their names are in the kernel now.
func (e *Engine) Load(sources []Source, saved []Saved) {
	for i, s := range sources {
		c := &cell{id: s.ID, pos: i, runs: s.Runs, disabled: s.Disabled, analysis: s.Analysis}
		switch was := saved[i]; was.Status {
		case notebook.StatusOK, notebook.StatusDisabled, notebook.StatusStale, notebook.StatusBlocked:
			if was.ExecutionCount > 0 {
				c.outcome, c.ranCode = succeeded, s.Analysis.Code
			}
			c.inputStale = was.Status == notebook.StatusStale || was.Status == notebook.StatusBlocked
			if was.Status == notebook.StatusBlocked {
				c.wantedCode = s.Analysis.Code
			}
		case notebook.StatusError:
			if was.Error != nil && (was.Error.Kind == notebook.ErrMultipleDefinition || was.Error.Kind == notebook.ErrCycle) {
				c.wantedCode = s.Analysis.Code
			}
			if was.ExecutionCount > 0 {
				c.outcome, c.ranCode, c.err = failed, s.Analysis.Code, was.Error
			}
		case notebook.StatusQueued, notebook.StatusRunning: // the service ended in the middle of the run
			if was.ExecutionCount > 0 {
				c.outcome, c.ranCode, c.inputStale = succeeded, s.Analysis.Code, true
			}
		}
		e.cells[c.id] = c
		e.page = append(e.page, c)
		e.names.add(c)
		e.touch(c)
	}
	e.survey()
}

// Mode returns what happens to cells below one that ran.
func (e *Engine) Mode() notebook.Mode { return e.mode }

// SetMode changes it for later runs.
func (e *Engine) SetMode(m notebook.Mode) { e.mode = m }

// Insert adds a cell at a place on the page.
func (e *Engine) Insert(s Source, at int) {
	c := &cell{id: s.ID, runs: s.Runs, disabled: s.Disabled, analysis: s.Analysis}
	e.cells[c.id] = c
	e.page = slices.Insert(e.page, at, c)
	e.renumber()
	e.names.add(c)
	e.rereadBuiltins(c)
	e.graphChanged()
	e.sets.mark(c)
	c.shown = c.view() // who inserts it looks at it
}

// Move puts a cell at another place on the page. It makes nothing stale.
func (e *Engine) Move(id string, to int) {
	c := e.cells[id]
	e.page = slices.Delete(e.page, c.pos, c.pos+1)
	e.page = slices.Insert(e.page, to, c)
	e.renumber()
	e.planned = false
	for _, c := range e.page { // lists of cells are in page order
		if len(c.blockers) > 1 || len(c.disablers) > 1 || c.graphError != nil {
			e.graphChanged()
			return
		}
	}
}

func (e *Engine) renumber() {
	for i, c := range e.page {
		c.pos = i
	}
}

// Edit gives a cell a new source. It runs nothing: the cell is stale if the
// new source compiles to other code than the one that last ran.
func (e *Engine) Edit(s Source) {
	c := e.cells[s.ID]
	same := c.analysis.sameNames(&s.Analysis) && c.runs == s.Runs
	if same {
		c.analysis = s.Analysis
	} else {
		e.rereadBuiltins(c)
		e.names.remove(c)
		c.analysis, c.runs = s.Analysis, s.Runs
		e.names.add(c)
		e.rereadBuiltins(c)
		e.graphChanged()
	}
	if !c.runs || c.analysis.Error != nil {
		e.dequeue(c)
	}
	if !c.runs { // it is text now, and has no results
		for _, name := range e.unbind(c, every) {
			e.makeReadersStale(name)
		}
		c.outcome, c.live, c.err = never, false, nil
		c.wantedCode = ""
	}
	e.touch(c)
}

// SetDisabled switches a cell off or on. Switched on in auto mode, it and what
// is below it are queued if they have become stale; see Plan for the answer.
func (e *Engine) SetDisabled(id string, disabled bool) Plan {
	c := e.cells[id]
	if c.disabled == disabled {
		return Plan{}
	}
	c.disabled = disabled
	e.touch(c)
	e.survey()
	affected := append(e.sorted(e.names.below(c)), c)
	if disabled {
		for _, d := range affected {
			e.dequeue(d)
		}
		return Plan{}
	}
	if e.mode != notebook.Auto {
		return Plan{}
	}
	p := e.newPlan()
	for _, d := range affected {
		if d.view().Status == notebook.StatusStale {
			p.add(d, Reason{Because: BecauseRequested})
		}
	}
	return p.queue()
}

// Delete takes a cell off the page; its names leave the kernel. In auto mode
// their readers are queued, and the cells that now can run.
func (e *Engine) Delete(id string) Plan {
	c := e.cells[id]
	leaving := e.unbind(c, every)
	e.dequeue(c)
	e.sets.mark(c)
	delete(e.cells, id)
	e.page = slices.Delete(e.page, c.pos, c.pos+1)
	e.renumber()
	e.rereadBuiltins(c)
	e.names.remove(c)
	e.graphChanged()
	if e.mode == notebook.Lazy {
		for _, name := range leaving {
			e.makeReadersStale(name)
		}
		return Plan{}
	}
	p := e.newPlan()
	for _, name := range leaving {
		for reader := range e.names.readers[name] {
			p.add(reader, Reason{Because: BecauseInput, CellID: c.id, Names: []string{name}})
		}
	}
	p.giveBack(c)
	p.heal()
	return p.queue()
}

// graphChanged finds out anew what is in error and what is blocked by what, and
// takes out of the queue what can't run any more.
func (e *Engine) graphChanged() {
	e.planned = false
	e.edges++
	e.survey()
	if e.queue == 0 {
		return
	}
	for _, c := range e.sorted(e.those().queued) {
		switch {
		case len(c.disablers) > 0:
			e.dequeue(c)
		case c.graphError != nil || e.hindered(c):
			e.giveUp(c)
		}
	}
}

// hindered tells whether something above a cell won't run before it, and has
// left nothing to go on with.
func (e *Engine) hindered(c *cell) bool {
	hindered := false
	e.names.parents(c, func(p *cell, _ string) {
		if !p.queued && !p.running && (p.failing() || len(p.blockers) > 0) {
			hindered = true
		}
	})
	return hindered
}

// Request queues the cells that were asked for with what has to run before
// and after them.
func (e *Engine) Request(cells []string) Plan {
	p := e.newPlan()
	for _, id := range cells {
		c := e.cells[id]
		if c == e.current && c.ranCode == c.analysis.Code && !c.inputStale {
			continue // it is running with just these inputs
		}
		p.add(c, Reason{Because: BecauseRequested})
		p.asked[c] = true
	}
	if e.mode == notebook.Auto {
		p.heal()
	}
	return p.queue()
}

// All returns the ids of all cells that can be asked to run.
func (e *Engine) All() []string {
	return e.which(func(*cell) bool { return true })
}

// Stale returns the ids of the cells that are new or stale.
func (e *Engine) Stale() []string {
	return e.which(func(c *cell) bool {
		status := c.view().Status
		return status == notebook.StatusNew || status == notebook.StatusStale
	})
}

func (e *Engine) which(wanted func(*cell) bool) []string {
	found := []string{}
	for _, c := range e.page {
		if c.runs && wanted(c) {
			found = append(found, c.id)
		}
	}
	return found
}

// Step is a cell to run now.
type Step struct {
	Cell    string
	Remove  []string // names that leave the kernel first
	Defines []string // names that it may bind; after a failure none of them stays
}

// Next starts the next cell, if any is queued and none is running.
func (e *Engine) Next() (Step, bool) {
	if e.current != nil || e.queue == 0 {
		return Step{}, false
	}
	if !e.planned {
		e.arrange()
	}
	if len(e.ready) == 0 {
		panic(fmt.Sprintf("reactive: %d cells queued and none can start", e.queue))
	}
	c := heap.Pop(&e.ready).(*cell)
	c.queued = false
	e.queue--
	e.unbind(c, every)
	c.took = nil
	step := Step{Cell: c.id, Remove: e.TakeRemovals(), Defines: c.analysis.Defines}
	c.running, c.live, c.inputStale, c.wantedCode = true, false, false, ""
	c.ranCode, c.bound, c.deletes = c.analysis.Code, c.analysis.Defines, c.analysis.Deletes
	e.current = c
	for _, name := range c.bound {
		e.owner[name] = c
	}
	// A cell that came between while this one was queued is stale and stays so.
	// What it has made stale is not all stale any more.
	e.names.parents(c, func(p *cell, _ string) {
		if p.inputStale {
			e.edges++
		}
	})
	e.touch(c)
	return step, true
}

// arrange counts for every queued cell the queued ones that it waits for.
func (e *Engine) arrange() {
	e.ready = e.ready[:0]
	clear(e.waits)
	for c := range e.those().queued {
		for range e.queuedParents(c) {
			e.waits[c]++
		}
		if e.waits[c] == 0 {
			e.ready = append(e.ready, c)
		}
	}
	heap.Init(&e.ready)
	e.planned = true
}

func (e *Engine) queuedParents(c *cell) map[*cell]struct{} {
	found := map[*cell]struct{}{}
	e.names.parents(c, func(p *cell, _ string) {
		if p.queued || p.running {
			found[p] = struct{}{}
		}
	})
	return found
}

// release lets the cells go that waited for c alone.
func (e *Engine) release(c *cell) {
	if !e.planned {
		return
	}
	seen := map[*cell]bool{}
	e.names.children(c, func(d *cell, _ string) {
		if !d.queued || seen[d] {
			return
		}
		seen[d] = true
		if e.waits[d]--; e.waits[d] == 0 {
			heap.Push(&e.ready, d)
		}
	})
}

// Finish says how the running cell ended; err is nil if it went well.
func (e *Engine) Finish(err *notebook.CellError) {
	c := e.current
	if c == nil {
		return
	}
	e.current = nil
	c.running = false
	if e.cells[c.id] != c {
		return // deleted while it ran: what it bound is about to leave
	}
	e.touch(c)
	defer e.sets.mark(c) // what it is changes until the end
	e.makeStaleBelow(c)
	e.noteDeletions(c) // perhaps before it failed
	if !c.runs {       // it became text while it ran, and text has no results
		e.release(c)
		return
	}
	c.err = err
	was := c.outcome
	if err == nil {
		c.outcome, c.live = succeeded, true
		if was == failed {
			e.inheritBelow(c)
		}
		e.release(c)
		return
	}
	c.outcome = failed
	c.live = err.Kind != notebook.ErrInterrupted // that says nothing of the next try
	for _, name := range c.bound {
		delete(e.owner, name) // the kernel has dropped them
	}
	c.bound = nil
	e.inheritBelow(c)
	if !c.queued { // else it is about to run again, and what is below waits for that
		for _, below := range e.sorted(e.names.below(c)) {
			if below.queued {
				e.giveUp(below)
			}
		}
	}
	e.release(c)
}

// noteDeletions notes whose names a run of c has deleted.
func (e *Engine) noteDeletions(c *cell) {
	for _, name := range c.deletes {
		if owner := e.owner[name]; owner != nil {
			owner.live = false // to be read again, the name must be made again
			e.sets.mark(owner)
			c.took = append(c.took, owner)
			delete(e.owner, name)
		}
	}
}

// makeStaleBelow makes stale what depends on c. What is stale already has made
// stale what is below it, unless that was below it by other edges.
func (e *Engine) makeStaleBelow(c *cell) {
	stack := []*cell{c}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		e.names.children(top, func(child *cell, _ string) {
			if child == c || child.inputStale && child.spread == e.edges {
				return
			}
			e.makeStale(child)
			child.spread = e.edges
			stack = append(stack, child)
		})
	}
}

// makeReadersStale is for a name that leaves the kernel.
func (e *Engine) makeReadersStale(name string) {
	for reader := range e.names.readers[name] {
		e.makeStale(reader)
		e.makeStaleBelow(reader)
	}
}

func (e *Engine) makeStale(c *cell) {
	if !c.inputStale {
		c.inputStale = true
		e.touch(c)
	}
}

// giveUp takes a cell that can't run out of the queue: what it left in the
// kernel and on the page goes, and it runs as soon as it can.
func (e *Engine) giveUp(c *cell) {
	e.dequeue(c)
	e.unbind(c, every)
	c.live, c.inputStale, c.wantedCode = false, true, c.analysis.Code
	if c.outcome != never {
		e.clear = append(e.clear, c.id)
	}
	e.touch(c)
}

// Interrupt drops the queue. The running cell ends by Finish.
func (e *Engine) Interrupt() {
	for _, c := range e.page {
		if c.queued {
			e.dequeue(c)
			e.makeStale(c)
		}
	}
}

// KernelGone says that the kernel and all names in it are no more. A cell that
// was running has ended by Finish before.
func (e *Engine) KernelGone() {
	e.Interrupt()
	clear(e.owner)
	e.remove = nil
	for _, c := range e.page {
		c.live = false
		e.sets.mark(c)
	}
}

// Queue returns the cells that are queued, in the order in which they will start.
func (e *Engine) Queue() []string {
	return ids(e.sorted(e.those().queued))
}

// Has tells whether the engine knows the cell.
func (e *Engine) Has(id string) bool { return e.cells[id] != nil }

// Busy tells whether a cell runs or is queued.
func (e *Engine) Busy() bool { return e.current != nil || e.queue > 0 }

func (e *Engine) dequeue(c *cell) {
	if c.queued {
		c.queued = false
		e.queue--
		e.planned = false
		e.touch(c)
	}
}

func (e *Engine) enqueue(c *cell) {
	if !c.queued {
		c.queued = true
		e.queue++
		e.planned = false
		e.touch(c)
	}
}

// unbind makes those names that c's last run bound, and no other cell has bound
// since, leave the kernel before anything else runs in it. It returns them,
// also those that another cell has deleted already.
func (e *Engine) unbind(c *cell, leaves func(name string) bool) []string {
	var leaving, staying []string
	for _, name := range c.bound {
		switch owner := e.owner[name]; {
		case owner != nil && owner != c:
		case !leaves(name):
			staying = append(staying, name)
		default:
			leaving = append(leaving, name)
			delete(e.owner, name)
			e.remove = append(e.remove, name)
		}
	}
	c.bound = staying
	return leaving
}

func every(string) bool { return true }

// TakeRemovals returns the names that have to leave the kernel, once.
func (e *Engine) TakeRemovals() []string {
	names := e.remove
	e.remove = nil
	slices.Sort(names)
	return slices.Compact(names)
}

// TakeCleared returns the cells whose outputs must go, once.
func (e *Engine) TakeCleared() []string {
	cleared := e.clear
	e.clear = nil
	return cleared
}

// Owner returns the cell whose run bound a name, or "".
func (e *Engine) Owner(name string) string {
	if c := e.owner[name]; c != nil {
		return c.id
	}
	return ""
}

// TakeChanges returns the cells whose View became different since the last
// call, in page order.
func (e *Engine) TakeChanges() []string {
	var changed []*cell
	for _, c := range e.touched {
		c.dirty = false
		if e.cells[c.id] != c {
			continue
		}
		if now := c.view(); !now.equal(c.shown) {
			c.shown = now
			changed = append(changed, c)
		}
	}
	e.touched = e.touched[:0]
	return ids(inPageOrder(changed))
}

func (e *Engine) touch(c *cell) {
	e.sets.mark(c)
	if !c.dirty {
		c.dirty = true
		e.touched = append(e.touched, c)
	}
}

// View returns a cell's state as people see it.
func (e *Engine) View(id string) View { return e.cells[id].view() }

// Outdated tells whether a cell's source differs from the one that last ran.
func (c *cell) outdated() bool { return c.outcome != never && c.ranCode != c.analysis.Code }

func (c *cell) view() View {
	none := []string{}
	switch {
	case c.running:
		return View{notebook.StatusRunning, nil, none}
	case c.disabled:
		return View{notebook.StatusDisabled, nil, none}
	case len(c.disablers) > 0:
		return View{notebook.StatusDisabled, nil, ids(c.disablers)}
	case c.analysis.Error != nil:
		return View{notebook.StatusError, c.analysis.Error, none}
	case c.graphError != nil:
		return View{notebook.StatusError, c.graphError, none}
	case c.queued:
		return View{notebook.StatusQueued, nil, none}
	case len(c.blockers) > 0:
		return View{notebook.StatusBlocked, nil, ids(c.blockers)}
	case c.outcome == never:
		return View{notebook.StatusNew, nil, none}
	case c.outdated() || c.inputStale:
		return View{notebook.StatusStale, nil, none}
	case c.outcome == failed:
		return View{notebook.StatusError, c.err, none}
	}
	return View{notebook.StatusOK, nil, none}
}

// Defines returns the names that a cell defines, sorted.
func (e *Engine) Defines(id string) []string {
	return append([]string{}, e.cells[id].analysis.Defines...)
}

// References returns what a cell reads, without builtins that no cell defines.
func (e *Engine) References(id string) []string {
	found := []string{}
	for _, name := range e.cells[id].analysis.References {
		if !e.builtins[name] || len(e.names.definers[name]) > 0 {
			found = append(found, name)
		}
	}
	return found
}

// rereadBuiltins notes who reads a builtin that c defines: to them it is no
// builtin while c does.
func (e *Engine) rereadBuiltins(c *cell) {
	for _, name := range c.analysis.Defines {
		if !e.builtins[name] {
			continue
		}
		for reader := range e.names.readers[name] {
			e.reread[reader] = struct{}{}
		}
	}
}

// TakeReread returns the cells whose References may have become different since
// the last call because another cell defines a builtin, or no longer, in page
// order.
func (e *Engine) TakeReread() []string {
	cells := make([]*cell, 0, len(e.reread))
	for c := range e.reread {
		if e.cells[c.id] == c {
			cells = append(cells, c)
		}
	}
	clear(e.reread)
	return ids(inPageOrder(cells))
}

// Edge says that a cell reads names that another defines, or deletes what it reads.
type Edge struct {
	From, To string
	Names    []string // sorted
}

// Edges returns the whole graph in page order, edges of a cell to itself left out.
func (e *Engine) Edges() []Edge {
	edges := []Edge{}
	for _, c := range e.page {
		names := map[*cell][]string{}
		e.names.children(c, func(child *cell, name string) {
			if !slices.Contains(names[child], name) {
				names[child] = append(names[child], name)
			}
		})
		children := make([]*cell, 0, len(names))
		for child := range names {
			children = append(children, child)
		}
		for _, child := range inPageOrder(children) {
			slices.Sort(names[child])
			edges = append(edges, Edge{c.id, child.id, names[child]})
		}
	}
	return edges
}

// sorted returns cells so that none stands before one that it depends on, as
// far as they are no cycle, ties by page order; cycles and what is below them
// come last.
func (e *Engine) sorted(set map[*cell]struct{}) []*cell {
	waits := make(map[*cell]int, len(set))
	var ready readyHeap
	for c := range set {
		parents := map[*cell]struct{}{}
		e.names.parents(c, func(p *cell, _ string) {
			if _, in := set[p]; in {
				parents[p] = struct{}{}
			}
		})
		if waits[c] = len(parents); waits[c] == 0 {
			ready = append(ready, c)
		}
	}
	heap.Init(&ready)
	order := make([]*cell, 0, len(set))
	for len(ready) > 0 {
		c := heap.Pop(&ready).(*cell)
		order = append(order, c)
		seen := map[*cell]bool{}
		e.names.children(c, func(d *cell, _ string) {
			if _, in := set[d]; !in || seen[d] {
				return
			}
			seen[d] = true
			if waits[d]--; waits[d] == 0 {
				heap.Push(&ready, d)
			}
		})
	}
	if len(order) < len(set) { // the rest is on cycles or below them
		placed := make(map[*cell]bool, len(order))
		for _, c := range order {
			placed[c] = true
		}
		var rest []*cell
		for c := range set {
			if !placed[c] {
				rest = append(rest, c)
			}
		}
		for _, component := range e.components(inPageOrder(rest)) {
			for _, c := range inPageOrder(component) {
				if _, in := set[c]; in && !placed[c] {
					order = append(order, c)
				}
			}
		}
	}
	return order
}

// readyHeap is cells by page order.
type readyHeap []*cell

func (h readyHeap) Len() int           { return len(h) }
func (h readyHeap) Less(i, j int) bool { return h[i].pos < h[j].pos }
func (h readyHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *readyHeap) Push(c any)        { *h = append(*h, c.(*cell)) }
func (h *readyHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	*h = (*h)[:last]
	return c
}
