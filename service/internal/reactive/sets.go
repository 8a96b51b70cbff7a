package reactive

// sets are the cells of a kind that is looked for in every plan, so that a plan
// costs what it touches and not what the page is long.
type sets struct {
	queued map[*cell]struct{}
	wanted map[*cell]struct{} // they were to run but couldn't
	needy  map[*cell]struct{} // they have to run before what depends on them can

	marked []*cell // that may belong to others than they are in
}

func newSets() sets {
	return sets{map[*cell]struct{}{}, map[*cell]struct{}{}, map[*cell]struct{}{}, nil}
}

// mark has the cell looked at again before the sets are used. Whoever changes
// a cell calls it, before or after.
func (s *sets) mark(c *cell) {
	if !c.marked {
		c.marked = true
		s.marked = append(s.marked, c)
	}
}

// those returns the sets as they are now. They are not to be changed, and hold
// until a cell is.
func (e *Engine) those() *sets {
	s := &e.sets
	for _, c := range s.marked {
		c.marked = false
		here := e.cells[c.id] == c
		put(s.queued, c, here && c.queued)
		put(s.wanted, c, here && c.wantedCode != "")
		put(s.needy, c, here && c.runs && c.needy())
	}
	clear(s.marked)
	s.marked = s.marked[:0]
	return s
}

func put(set map[*cell]struct{}, c *cell, in bool) {
	if in {
		set[c] = struct{}{}
	} else {
		delete(set, c)
	}
}
