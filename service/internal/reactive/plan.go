package reactive

import (
	"slices"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Because says why a cell is in a run.
type Because string

const (
	BecauseRequested Because = "requested" // somebody asked for it, or it is stale and a cell that was asked for needs it
	BecauseInput     Because = "input"     // a cell above it runs, or a name it reads left
	BecauseHealed    Because = "healed"    // it was to run before, and now it can
)

// Reason is why a cell is in a run. CellID and Names say, of an input, where
// it comes from.
type Reason struct {
	Because Because  `json:"because"`
	CellID  string   `json:"cell_id,omitempty"`
	Names   []string `json:"names,omitempty"`
}

// Plan is what a change or a request queued.
type Plan struct {
	Cells   []string          // queued, in the order in which they will start
	Reasons map[string]Reason // of each of them
	Failed  bool              // something that should run can't
}

// Empty tells whether there is nothing to run and nothing to report.
func (p Plan) Empty() bool { return len(p.Cells) == 0 && !p.Failed }

// planner collects the cells of a plan.
type planner struct {
	e       *Engine
	asked   map[*cell]bool
	reasons map[*cell]Reason
	order   []*cell // in which they were added: what a reason refers to comes first

	// Of graph errors, what is in the plan with all its cells.
	circles map[*circle]bool
	shared  map[string]bool // names that several cells define
}

func (e *Engine) newPlan() *planner {
	return &planner{e: e, asked: map[*cell]bool{}, reasons: map[*cell]Reason{}, circles: map[*circle]bool{}, shared: map[string]bool{}}
}

// add puts a cell into the plan, unless it is there already or can't ever run.
func (p *planner) add(c *cell, why Reason) {
	if _, in := p.reasons[c]; in || !c.runs || c.disabled || len(c.disablers) > 0 {
		return
	}
	p.reasons[c] = why
	p.order = append(p.order, c)
}

// heal adds the cells that were to run before and now can. One that was edited
// since then waits until somebody asks for it.
func (p *planner) heal() {
	var wanted []*cell
	for c := range p.e.those().wanted {
		wanted = append(wanted, c)
	}
	for _, c := range inPageOrder(wanted) {
		if c.wantedCode == c.analysis.Code && !c.queued && c.graphError == nil && !p.e.hindered(c) {
			p.add(c, Reason{Because: BecauseHealed})
		}
	}
}

// queue completes the plan by what its cells need and what needs them, takes
// out what can't run, and queues the rest.
func (p *planner) queue() Plan {
	e := p.e
	for {
		before := len(p.order)
		p.addConflicting()
		p.addNeeded()
		p.addBelow()
		madeStale := p.addReadersOfLeaving()
		for i := 0; i < len(p.order); i++ {
			p.giveBack(p.order[i])
		}
		if len(p.order) == before && !madeStale {
			break
		}
	}
	plan := Plan{Reasons: map[string]Reason{}}
	stopped := map[*cell]bool{}
	stop := func(c *cell) {
		stopped[c] = true
		plan.Failed = true
		e.giveUp(c)
	}
	set := make(map[*cell]struct{}, len(p.order))
	for _, c := range p.order {
		if c.analysis.Error != nil || c.graphError != nil {
			stop(c)
		} else {
			set[c] = struct{}{}
		}
	}
	for _, c := range e.sorted(set) { // there is no cycle left in it
		if p.blocked(c, stopped) {
			stop(c)
			continue
		}
		plan.Cells = append(plan.Cells, c.id)
		plan.Reasons[c.id] = p.reasons[c]
		e.enqueue(c)
	}
	return plan
}

// blocked tells whether something above a planned cell won't run before it and
// has left nothing to go on with.
func (p *planner) blocked(c *cell, stopped map[*cell]bool) bool {
	blocked := false
	p.e.names.parents(c, func(parent *cell, _ string) {
		_, planned := p.reasons[parent]
		switch {
		case stopped[parent]:
			blocked = true
		case planned || parent.queued || parent.running:
		case parent.failing() || len(parent.blockers) > 0:
			blocked = true
		}
	})
	return blocked
}

// addConflicting adds, for each planned cell in a graph error, the others that
// are in it: as none of them may run, what they left in the kernel has to go.
func (p *planner) addConflicting() {
	for i := 0; i < len(p.order); i++ {
		c := p.order[i]
		if c.graphError == nil {
			continue
		}
		why := Reason{Because: BecauseInput, CellID: c.id, Names: c.graphError.Names}
		if c.graphError.Kind == notebook.ErrCycle {
			if !p.circles[c.circle] {
				p.circles[c.circle] = true
				p.addAll(c.circle.members, why)
			}
			continue
		}
		for _, name := range c.graphError.Names {
			if !p.shared[name] {
				p.shared[name] = true
				p.addAll(p.e.definers(name), why)
			}
		}
	}
}

func (p *planner) addAll(cells []*cell, why Reason) {
	for _, c := range cells {
		p.add(c, why)
	}
}

// addNeeded adds what is above the planned cells and stale, never ran, or is
// not in the kernel any more, and what stands between such a cell and a
// planned one.
func (p *planner) addNeeded() {
	e := p.e
	if !p.mayNeed() {
		return
	}
	type frame struct {
		c       *cell
		parents []*cell
	}
	e.searches++
	var stack []frame
	enter := func(c *cell) {
		c.visit.search = e.searches
		stack = append(stack, frame{c, p.parents(c)})
	}
	for i := 0; i < len(p.order); i++ {
		if p.order[i].visit.search == e.searches {
			continue
		}
		enter(p.order[i])
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if n := len(top.parents); n > 0 {
				parent := top.parents[n-1]
				top.parents = top.parents[:n-1]
				if parent.visit.search != e.searches {
					enter(parent)
				}
				continue
			}
			c := top.c
			stack = stack[:len(stack)-1]
			if _, planned := p.reasons[c]; planned || c.running {
				continue
			}
			needed := c.needy()
			for _, parent := range p.parents(c) {
				if _, planned := p.reasons[parent]; planned {
					needed = true
				}
			}
			if needed {
				p.add(c, Reason{Because: BecauseRequested})
			}
		}
	}
}

// needy tells whether c has to run before what depends on it can.
func (c *cell) needy() bool {
	return c.outcome == never || !c.live || c.inputStale || c.outdated()
}

// mayNeed tells whether looking upwards could add anything: in auto mode, what
// stands between two planned cells is added from above.
func (p *planner) mayNeed() bool {
	if p.e.mode == notebook.Lazy && len(p.order) > 1 {
		return true
	}
	for c := range p.e.those().needy {
		if _, planned := p.reasons[c]; !planned && !c.running {
			return true
		}
	}
	return false
}

func (p *planner) parents(c *cell) []*cell {
	var parents []*cell
	p.e.names.parents(c, func(parent *cell, _ string) { parents = append(parents, parent) })
	return parents
}

// addBelow adds, in auto mode, all that depends on the planned cells.
func (p *planner) addBelow() {
	if p.e.mode != notebook.Auto {
		return
	}
	for i := 0; i < len(p.order); i++ {
		c := p.order[i]
		through := map[*cell][]string{}
		var order []*cell
		p.e.names.children(c, func(child *cell, name string) {
			if through[child] == nil {
				order = append(order, child)
			}
			if !slices.Contains(through[child], name) {
				through[child] = append(through[child], name)
			}
		})
		for _, child := range inPageOrder(order) {
			slices.Sort(through[child])
			p.add(child, Reason{Because: BecauseInput, CellID: c.id, Names: through[child]})
		}
	}
}

// giveBack adds, in auto mode, the cells whose names c's last run deleted: if it
// doesn't do so again, they have to be there again. One that was edited since
// waits until somebody asks for it.
func (p *planner) giveBack(c *cell) {
	if p.e.mode != notebook.Auto {
		return
	}
	if c.running { // it is about to delete them, if it hasn't yet
		p.e.noteDeletions(c)
	}
	for _, owner := range c.took {
		if p.e.cells[owner.id] != owner || owner.live || owner.ranCode != owner.analysis.Code {
			continue
		}
		names := slices.DeleteFunc(slices.Clone(c.deletes), func(name string) bool { return !defines(owner, name) })
		p.add(owner, Reason{Because: BecauseInput, CellID: c.id, Names: names})
	}
}

// addReadersOfLeaving lets the names go that planned cells bound at their last
// run and define no more, at once, so that no cell of this run still sees them,
// and adds those who read them. In lazy mode the readers become stale, so that
// more may have to run before what is planned; it tells whether any did.
func (p *planner) addReadersOfLeaving() (madeStale bool) {
	e := p.e
	for i := 0; i < len(p.order); i++ {
		c := p.order[i]
		leaving := e.unbind(c, func(name string) bool { return !defines(c, name) })
		for _, name := range leaving {
			if e.mode == notebook.Lazy {
				e.makeReadersStale(name)
				madeStale = true
				continue
			}
			readers := make([]*cell, 0, len(e.names.readers[name]))
			for reader := range e.names.readers[name] {
				readers = append(readers, reader)
			}
			for _, reader := range inPageOrder(readers) {
				p.add(reader, Reason{Because: BecauseInput, CellID: c.id, Names: []string{name}})
			}
		}
	}
	return madeStale
}
