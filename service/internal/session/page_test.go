package session

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// TestSnapshotsNeverChangeWhateverHappensToThePage makes random changes, as a
// session does, and holds every snapshot against what the page said then.
func TestSnapshotsNeverChangeWhateverHappensToThePage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := notebook.New("x", notebook.Auto)
		p := newPage(doc.Cells)
		type taken struct {
			cells []*notebook.Cell
			said  []string
		}
		var snapshots []taken
		said := func(cells []*notebook.Cell) []string {
			lines := make([]string, len(cells))
			for i, c := range cells {
				lines[i] = fmt.Sprint(c.ID, c.Source, c.ExecutionCount, len(c.Outputs))
			}
			return lines
		}
		commit := func(cells []*notebook.Cell) {
			copies := p.snapshot(cells)
			p = p.follow(cells, copies)
			doc.Cells = cells
			snapshots = append(snapshots, taken{copies, said(cells)})
		}
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			draft := slices.Clone(doc.Cells)
			at := 0
			if len(draft) > 0 {
				at = rapid.IntRange(0, len(draft)-1).Draw(t, "at")
			}
			change := rapid.SampledFrom([]string{"insert", "insert", "remove", "move", "edit", "run", "run", "look", "fail"}).Draw(t, "change")
			switch {
			case change == "insert":
				commit(slices.Insert(draft, at, notebook.NewCell(notebook.Python, fmt.Sprint("new ", step))))
			case len(draft) == 0:
			case change == "remove":
				commit(slices.Delete(draft, at, at+1))
			case change == "move":
				cell := draft[at]
				commit(append(slices.Delete(draft, at, at+1), cell))
			case change == "edit", change == "fail":
				draft[at] = draft[at].Clone()
				draft[at].Source = fmt.Sprint("edited ", step)
				if change == "edit" {
					commit(draft)
				} else { // the store didn't take it
					p.snapshot(draft)
				}
			case change == "run":
				cell := p.thaw(p.cell(draft[at].ID))
				cell.ExecutionCount++
				cell.Outputs = append(cell.Outputs, notebook.Output{Kind: notebook.OutputStream})
			case change == "look":
				require.Same(t, p.frozen(draft[at]), p.frozen(draft[at]), "a cell that hasn't changed is copied once")
			}
			snapshots = append(snapshots, taken{p.snapshot(doc.Cells), said(doc.Cells)})
			for i, c := range doc.Cells {
				require.Same(t, c, p.cell(c.ID))
				require.Equal(t, i, p.index(c.ID))
			}
		}
		require.Nil(t, p.cell("gone"))
		for _, s := range snapshots {
			require.Equal(t, s.said, said(s.cells))
		}
	})
}
