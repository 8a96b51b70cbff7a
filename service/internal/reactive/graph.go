// Package reactive decides what runs when: which cells depend on which, which
// can't run and why, which run next, and which no longer show the truth.
//
// It is a pure state machine: it does no input or output, starts no goroutine,
// holds no outputs and knows no kernel; whoever owns an Engine tells it what
// happened and carries out what it answers. It is not safe for concurrent use.
//
// Invariant: no cell is handed out to run before all queued cells that it
// depends on have finished, and none that is in a graph error, below a failed
// cell, or disabled is handed out at all.
package reactive

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Analysis is what a cell's source says of names.
type Analysis struct {
	Defines    []string // public names bound at the top level, sorted
	References []string // public names read before the cell binds them, sorted, builtins included
	Deletes    []string // names deleted without being bound here; they are references, too
	LoopNames  []string // those of Defines that are nothing but loop variables
	Code       string   // equal for sources that compile to the same code
	Error      *notebook.CellError
}

func (a *Analysis) sameNames(b *Analysis) bool {
	return slices.Equal(a.Defines, b.Defines) && slices.Equal(a.References, b.References) &&
		slices.Equal(a.Deletes, b.Deletes) && (a.Error == nil) == (b.Error == nil)
}

// cell is a node of the graph, with how its last run went.
type cell struct {
	id       string
	pos      int  // on the page
	runs     bool // its kind can run
	disabled bool // switched off itself
	analysis Analysis

	// What the graph says.
	graphError *notebook.CellError // multiple definition or cycle
	circle     *circle             // that it is on, or nil: then it is not below itself
	blockers   []*cell             // the failed cells above, in page order
	disablers  []*cell             // the disabled cells above, in page order

	// What runs say.
	outcome    outcome
	err        *notebook.CellError // of the last run
	ranCode    string              // Analysis.Code of the last run
	inputStale bool                // an input changed since the last run
	spread     uint64              // the Engine.edges by which that made stale what is below
	bound      []string            // the names that the last run was to bind
	deletes    []string            // the names of other cells that the last run deletes
	took       []*cell             // the cells whose names the last run deleted
	live       bool                // the last run was in this kernel, and what it bound is still there
	wantedCode string              // the code that was to run but couldn't; it runs as soon as it can
	queued     bool
	running    bool

	shown  View // what was last reported
	dirty  bool // may differ from shown
	marked bool // may belong to other sets

	visit visit // of the graph search under way
}

// maxNamed is how many cells an error or a state names, and names of variables:
// there may be thousands, and each would name all others.
const maxNamed = 50

// circle is cells that need each other.
type circle struct {
	members []*cell  // in page order
	names   []string // through which they do, sorted, at most maxNamed
	more    int      // how many names there are besides
	// The nearest disabled cells above any of them, if none of them is disabled
	// itself; found once, when the first one asks.
	disablers []*cell
	known     bool
}

// visit is what a search notes of a cell; it counts for one search only.
type visit struct {
	search     uint64 // the search that it belongs to
	index, low int
	onStack    bool
}

type outcome uint8

const (
	never outcome = iota
	succeeded
	failed
)

// View is what people see of a cell's state.
type View struct {
	Status    notebook.Status
	Error     *notebook.CellError
	BlockedBy []string
}

func (v View) equal(w View) bool {
	return v.Status == w.Status && v.Error == w.Error && slices.Equal(v.BlockedBy, w.BlockedBy)
}

// nameIndex is who binds, reads and deletes each name. The edges of the graph
// are not stored: they are read off it, so an edit costs what it touches.
type nameIndex struct {
	definers map[string]map[*cell]struct{}
	readers  map[string]map[*cell]struct{}
	deleters map[string]map[*cell]struct{}
}

func newNameIndex() nameIndex {
	return nameIndex{map[string]map[*cell]struct{}{}, map[string]map[*cell]struct{}{}, map[string]map[*cell]struct{}{}}
}

func (x *nameIndex) add(c *cell) {
	put := func(index map[string]map[*cell]struct{}, names []string) {
		for _, name := range names {
			if index[name] == nil {
				index[name] = map[*cell]struct{}{}
			}
			index[name][c] = struct{}{}
		}
	}
	put(x.definers, c.analysis.Defines)
	put(x.readers, c.analysis.References)
	put(x.deleters, c.analysis.Deletes)
}

func (x *nameIndex) remove(c *cell) {
	take := func(index map[string]map[*cell]struct{}, names []string) {
		for _, name := range names {
			delete(index[name], c)
			if len(index[name]) == 0 {
				delete(index, name)
			}
		}
	}
	take(x.definers, c.analysis.Defines)
	take(x.readers, c.analysis.References)
	take(x.deleters, c.analysis.Deletes)
}

// definedElsewhere tells whether a cell other than c defines the name.
func (x *nameIndex) definedElsewhere(name string, c *cell) bool {
	definers := x.definers[name]
	if _, itself := definers[c]; itself {
		return len(definers) > 1
	}
	return len(definers) > 0
}

// children calls f for every edge from c, once for each name that makes it.
// Readers of a name are parents of the cells that delete it: they need it
// before it is gone.
func (x *nameIndex) children(c *cell, f func(child *cell, name string)) {
	for _, name := range c.analysis.Defines {
		for child := range x.readers[name] {
			if child != c {
				f(child, name)
			}
		}
	}
	if len(x.deleters) == 0 {
		return
	}
	for _, name := range c.analysis.References {
		for deleter := range x.deleters[name] {
			if deleter != c && x.definedElsewhere(name, deleter) && !defines(c, name) {
				f(deleter, name)
			}
		}
	}
}

// parents calls f for every edge to c, once for each name that makes it.
func (x *nameIndex) parents(c *cell, f func(parent *cell, name string)) {
	for _, name := range c.analysis.References {
		for parent := range x.definers[name] {
			if parent != c {
				f(parent, name)
			}
		}
	}
	for _, name := range c.analysis.Deletes {
		if !x.definedElsewhere(name, c) {
			continue
		}
		for reader := range x.readers[name] {
			if reader != c && !defines(reader, name) { // a definer is a parent already
				f(reader, name)
			}
		}
	}
}

func defines(c *cell, name string) bool {
	_, found := slices.BinarySearch(c.analysis.Defines, name)
	return found
}

// below returns the cells that depend on any of the given ones, directly or
// not, without the given ones unless they are below another.
func (x *nameIndex) below(seeds ...*cell) map[*cell]struct{} {
	reached := map[*cell]struct{}{}
	stack := slices.Clone(seeds)
	for len(stack) > 0 {
		c := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		x.children(c, func(child *cell, _ string) {
			if _, seen := reached[child]; !seen {
				reached[child] = struct{}{}
				stack = append(stack, child)
			}
		})
	}
	return reached
}

// components returns the strongly connected components of the whole graph, a
// component after those it depends on. (R. Tarjan, Depth-first search and
// linear graph algorithms, SIAM J. Comput. 1 (1972); iterative, as a chain of
// cells can be longer than a stack is deep.)
func (e *Engine) components(cells []*cell) [][]*cell {
	type frame struct {
		c    *cell
		rest int // of the parents still to visit, where their part of pending begins
	}
	e.searches++
	var (
		found   [][]*cell
		members = make([]*cell, 0, len(cells)) // what found is cut from
		stack   []*cell
		calls   []frame
		pending []*cell
		count   int
	)
	enter := func(c *cell) {
		count++
		c.visit = visit{e.searches, count, count, true}
		stack = append(stack, c)
		calls = append(calls, frame{c, len(pending)})
		e.names.parents(c, func(p *cell, _ string) { pending = append(pending, p) })
	}
	for _, root := range cells {
		if root.visit.search == e.searches {
			continue
		}
		enter(root)
		for len(calls) > 0 {
			top := calls[len(calls)-1]
			c := top.c
			if last := len(pending) - 1; last >= top.rest {
				p := pending[last]
				pending = pending[:last]
				if p.visit.search != e.searches {
					enter(p)
				} else if p.visit.onStack {
					c.visit.low = min(c.visit.low, p.visit.index)
				}
				continue
			}
			calls = calls[:len(calls)-1]
			if len(calls) > 0 {
				above := calls[len(calls)-1].c
				above.visit.low = min(above.visit.low, c.visit.low)
			}
			if c.visit.low != c.visit.index {
				continue
			}
			at := len(stack) - 1
			for stack[at] != c {
				at--
			}
			first := len(members)
			for _, member := range stack[at:] {
				member.visit.onStack = false
				members = append(members, member)
			}
			stack = stack[:at]
			found = append(found, members[first:len(members):len(members)])
		}
	}
	return found
}

// survey finds the graph errors and hands failures and switched-off cells down
// to what is below them. Walking edges upwards makes the components come out
// with parents first, so one pass is enough.
func (e *Engine) survey() {
	rivals := map[string][]*cell{}
	for _, component := range e.components(e.page) {
		circle := e.circleOf(component)
		for _, c := range component {
			c.circle = circle
			graphError := e.graphErrorOf(c, rivals)
			if !sameError(graphError, c.graphError) {
				c.graphError = graphError
				e.touch(c)
			}
		}
		for _, c := range component {
			e.inherit(c)
		}
	}
}

func sameError(a, b *notebook.CellError) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Kind == b.Kind && a.Message == b.Message && slices.Equal(a.Names, b.Names) && slices.Equal(a.Cells, b.Cells)
}

// inherit takes over from the parents which cells block c and which disable it.
func (e *Engine) inherit(c *cell) {
	var blockers, disablers []*cell
	if c.runs {
		e.names.parents(c, func(p *cell, _ string) {
			if p.failing() {
				blockers = append(blockers, p)
			} else {
				blockers = append(blockers, p.blockers...)
			}
			switch {
			case c.circle != nil: // what is handed round in a circle never ends
			case p.disabled:
				disablers = append(disablers, p)
			default:
				disablers = append(disablers, p.disablers...)
			}
		})
	}
	if c.circle != nil {
		disablers = e.disabledAbove(c)
	}
	if len(blockers)+len(disablers) > 0 {
		blockers, disablers = firstOf(inPageOrder(blockers)), firstOf(inPageOrder(disablers))
	}
	if !slices.Equal(blockers, c.blockers) || !slices.Equal(disablers, c.disablers) {
		c.blockers, c.disablers = blockers, disablers
		e.touch(c)
	}
}

// disabledAbove finds the nearest disabled cells above one on a circle, other
// than itself.
func (e *Engine) disabledAbove(c *cell) []*cell {
	if c.circle.known {
		return c.circle.disablers
	}
	var found []*cell
	e.searches++
	c.visit.search = e.searches
	stack := []*cell{c}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		e.names.parents(top, func(p *cell, _ string) {
			switch {
			case p.visit.search == e.searches:
				return
			case p.disabled:
				found = append(found, p)
			default:
				stack = append(stack, p)
			}
			p.visit.search = e.searches
		})
	}
	if !slices.ContainsFunc(c.circle.members, func(member *cell) bool { return member.disabled }) {
		found = firstOf(inPageOrder(found))
		c.circle.disablers, c.circle.known = found, true
	}
	return found
}

// inheritBelow hands c's failure or success down to what depends on it.
func (e *Engine) inheritBelow(c *cell) {
	for _, d := range e.sorted(e.names.below(c)) {
		e.inherit(d)
	}
}

func inPageOrder(cells []*cell) []*cell {
	slices.SortFunc(cells, func(a, b *cell) int { return a.pos - b.pos })
	return slices.Compact(cells)
}

// firstOf returns the cells that are named.
func firstOf(cells []*cell) []*cell { return cells[:min(len(cells), maxNamed)] }

// othersThan returns the cells that are named beside c.
func othersThan(c *cell, cells []*cell) []*cell {
	others := make([]*cell, 0, min(len(cells), maxNamed))
	for _, d := range cells {
		if len(others) == maxNamed {
			break
		}
		if d != c {
			others = append(others, d)
		}
	}
	return others
}

// failing tells whether what depends on c can't run because of c itself. A cell
// that failed and is blocked since then hands down what blocks it.
func (c *cell) failing() bool {
	return c.graphError != nil || c.outcome == failed && len(c.blockers) == 0
}

// graphErrorOf returns what keeps c from running, or nil. Rivals are who defines
// a name in page order, as far as they were found already.
func (e *Engine) graphErrorOf(c *cell, rivals map[string][]*cell) *notebook.CellError {
	if others, names := e.codefiners(c, rivals); len(names) > 0 {
		err := notebook.NewError(notebook.ErrMultipleDefinition, "MultipleDefinitionError", "")
		err.Names, err.Cells = names, ids(others)
		var loops []string
		for _, name := range names {
			if slices.Contains(c.analysis.LoopNames, name) {
				loops = append(loops, "_"+name)
			}
		}
		err.Message = list(names, 0) + verb(names, " is", " are") + " defined in other cells, too: a name belongs to one cell; rename it or put both into one cell"
		if len(loops) > 0 {
			err.Message += ", or call the loop variable " + list(loops, 0) + ", which stays private to its cell"
		}
		return err
	}
	if c.circle == nil {
		return nil
	}
	err := notebook.NewError(notebook.ErrCycle, "CycleError", "")
	err.Names, err.Cells = c.circle.names, ids(othersThan(c, c.circle.members))
	err.Message = "these cells need each other through " + list(err.Names, c.circle.more) + ": none can run first; merge them, or break the circle by another name"
	return err
}

// circleOf returns the circle that a component is, or nil if it is none.
func (e *Engine) circleOf(component []*cell) *circle {
	if len(component) < 2 {
		return nil
	}
	members := make(map[*cell]struct{}, len(component))
	for _, m := range component {
		members[m] = struct{}{}
	}
	names := map[string]struct{}{}
	for _, m := range component {
		e.names.children(m, func(child *cell, name string) {
			if _, on := members[child]; on {
				names[name] = struct{}{}
			}
		})
	}
	found := &circle{members: inPageOrder(slices.Clone(component)), names: slices.Sorted(maps.Keys(names))}
	if n := len(found.names); n > maxNamed {
		found.names, found.more = found.names[:maxNamed], n-maxNamed
	}
	return found
}

// codefiners returns the other cells that define a name of c's, and the names.
func (e *Engine) codefiners(c *cell, rivals map[string][]*cell) (others []*cell, names []string) {
	for _, name := range c.analysis.Defines {
		if len(e.names.definers[name]) < 2 {
			continue
		}
		names = append(names, name)
		if rivals[name] == nil {
			rivals[name] = e.definers(name)
		}
		others = append(others, othersThan(c, rivals[name])...)
	}
	return firstOf(inPageOrder(others)), names
}

// definers returns the cells that define a name, in page order.
func (e *Engine) definers(name string) []*cell {
	return inPageOrder(slices.Collect(maps.Keys(e.names.definers[name])))
}

func ids(cells []*cell) []string {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = c.id
	}
	return out
}

// list puts names into a sentence; more is how many there are besides.
func list(names []string, more int) string {
	switch {
	case more > 0:
		return strings.Join(names, ", ") + " and " + strconv.Itoa(more) + " more"
	case len(names) < 2:
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func verb(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}
