package session

import "github.com/reactive-notebook/reactive-notebook/service/internal/notebook"

// page finds the cells of the document by id, and keeps a copy of each that
// never changes, for those who read it at their own pace. It is there so that
// an edit costs what it touches and not what the notebook is long; all that
// goes over every cell compares pointers.
type page struct {
	cells  []*notebook.Cell // the document's, in page order
	copies []*notebook.Cell // of each; nil: it changed since
	places map[string]int   // by id
}

func newPage(cells []*notebook.Cell) *page {
	p := &page{cells: cells, copies: make([]*notebook.Cell, len(cells)), places: make(map[string]int, len(cells))}
	for i, c := range cells {
		p.places[c.ID] = i
	}
	return p
}

// index returns the place of a cell, or -1.
func (p *page) index(id string) int {
	if i, ok := p.places[id]; ok {
		return i
	}
	return -1
}

// cell returns the cell with that id, or nil.
func (p *page) cell(id string) *notebook.Cell {
	if i := p.index(id); i >= 0 {
		return p.cells[i]
	}
	return nil
}

// frozen returns a copy of the cell that never changes.
func (p *page) frozen(c *notebook.Cell) *notebook.Cell {
	i := p.index(c.ID)
	if i < 0 || p.cells[i] != c {
		return c.Clone() // of a draft
	}
	if p.copies[i] == nil {
		p.copies[i] = c.Clone()
	}
	return p.copies[i]
}

// thaw returns the cell, to be changed.
func (p *page) thaw(c *notebook.Cell) *notebook.Cell {
	if i := p.index(c.ID); i >= 0 && p.cells[i] == c {
		p.copies[i] = nil
	}
	return c
}

// snapshot returns copies of these cells, most or all of which are on the page.
func (p *page) snapshot(cells []*notebook.Cell) []*notebook.Cell {
	copies := make([]*notebook.Cell, len(cells))
	for i, c := range cells {
		if i < len(p.cells) && p.cells[i] == c && p.copies[i] != nil {
			copies[i] = p.copies[i]
		} else {
			copies[i] = p.frozen(c)
		}
	}
	return copies
}

// follow makes these cells the page. Copies are what snapshot returned of them.
func (p *page) follow(cells, copies []*notebook.Cell) *page {
	if len(cells) != len(p.cells) {
		return newPageWith(cells, copies)
	}
	for i, c := range cells {
		if c != p.cells[i] && c.ID != p.cells[i].ID {
			return newPageWith(cells, copies)
		}
	}
	for i, c := range cells {
		if c != p.cells[i] {
			p.copies[i] = copies[i]
		}
	}
	p.cells = cells
	return p
}

func newPageWith(cells, copies []*notebook.Cell) *page {
	p := newPage(cells)
	copy(p.copies, copies)
	return p
}
