package session_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/property"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// shapes are cells of few names, in many ways to bind, read and delete them:
// X and Y stand for names, N for a number.
var shapes = []string{
	"X = N", "X = N", "X = Y + 1", "X = Y + N\nprint(X)", "X += N", "X, _x = Y, N", "Y", "print(Y, N)",
	"def X(): return Y", "def X():\n    global Y\n    Y = N\nX()", "class X:\n    a = Y", "X = [Y for _ in range(2)]",
	"for X in range(N): pass", "import math as X", "_p = N\nX = _p * 2", "_p = Y\ndef X(): return _p",
	"X = N\ndel X", "del X", "X = N\n1 / 0", "del X\n1 / 0", "if Y: X = N", "try: X = Y\nexcept NameError as e: X = N",
	"X = max(N, 2)", "max = N", "X: int = N", "X = (", "from math import *", "# X\nN", "X = 'N'; Y", "await Y", "X = N\nX.a",
	"with open('/dev/null') as X: pass\nX = X.closed", "if (X := N) > 2: print(X)", "lambda: X", "print('N')",
}

func anySource(t *rapid.T) string {
	shape := rapid.SampledFrom(shapes).Draw(t, "shape")
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	return strings.NewReplacer(
		"X", name.Draw(t, "X"), "Y", name.Draw(t, "Y"), "N", fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "N")),
	).Replace(shape)
}

var address = regexp.MustCompile(`at 0x[0-9a-f]+`) // of an object in memory

// truth is what a notebook shows and what its kernel holds.
type truth struct {
	Cells     []string // source, status, error and outputs
	Variables []string // name, type and value
}

func (f fixture) truth(id string) truth {
	f.t.Helper()
	n := f.eventually(id, func(n *notebook.Notebook) bool {
		return n.Kernel.Status == notebook.KernelNone || n.Kernel.Status == notebook.KernelIdle
	})
	found := truth{Cells: []string{}, Variables: []string{}}
	for _, c := range n.Cells {
		line := fmt.Sprintf("%q %s", c.Source, c.Status)
		if c.Error != nil {
			line += fmt.Sprintf(" %s: %s", c.Error.Name, c.Error.Message)
		}
		for _, by := range c.BlockedBy {
			line += fmt.Sprintf(" by %d", slices.IndexFunc(n.Cells, func(c *notebook.Cell) bool { return c.ID == by }))
		}
		found.Cells = append(found.Cells, line+" "+address.ReplaceAllString(text(c), "at …"))
	}
	variables, err := f.Variables(f.ctx, id)
	require.NoError(f.t, err)
	for _, v := range variables {
		found.Variables = append(found.Variables, v.Name+" "+v.Type+" "+v.Summary)
	}
	slices.Sort(found.Variables)
	return found
}

// Whatever is edited, in auto mode the page and the kernel are in the end as if
// the page had been run from top to bottom in a new kernel.
func TestWhatIsOnThePageIsWhatIsInTheKernelThereIsNoHiddenState(t *testing.T) {
	f := newFixture(t)
	f.ctx = context.Background() // however many cases are asked for
	property.Check(t, 25, func(t *rapid.T) {
		n := f.notebook(notebook.Auto, anySource(t), anySource(t))
		f.runs(n.ID)
		var log []string
		defer func() {
			require.NoError(f.t, f.Delete(f.ctx, n.ID, session.AnyVersion))
			if t.Failed() {
				t.Logf("what happened:\n%s", strings.Join(log, "\n"))
			}
		}()
		for range rapid.IntRange(2, 12).Draw(t, "edits") {
			n = f.get(n.ID)
			at := func() int { return rapid.IntRange(0, len(n.Cells)-1).Draw(t, "cell") }
			op := rapid.IntRange(0, 9).Draw(t, "op")
			if len(n.Cells) == 0 {
				op = 0
			}
			switch {
			case op <= 2:
				source, place := anySource(t), notebook.Place{Given: true}
				if len(n.Cells) > 0 && rapid.Bool().Draw(t, "below") {
					place.After = n.Cells[at()].ID
				}
				log = append(log, fmt.Sprintf("insert %q below %s", source, place.After))
				c, _, err := f.CreateCell(f.ctx, n.ID, session.AnyVersion, session.NewCell{Source: source, At: place})
				require.NoError(t, err)
				f.runs(n.ID, c.ID)
			case op <= 6:
				c, source := n.Cells[at()], anySource(t)
				log = append(log, fmt.Sprintf("edit %q to %q", c.Source, source))
				f.edit(n.ID, c.ID, source)
				if op == 6 { // asked for twice, the second time perhaps while it runs
					_, err := f.Run(f.ctx, n.ID, session.RunRequest{Cells: []string{c.ID}})
					require.NoError(t, err)
				}
				f.runs(n.ID, c.ID)
			case op == 7:
				c := n.Cells[at()]
				log = append(log, fmt.Sprintf("delete %q", c.Source))
				_, err := f.DeleteCell(f.ctx, n.ID, c.ID, session.AnyVersion)
				require.NoError(t, err)
			case op == 8:
				c, place := n.Cells[at()], notebook.Place{Given: true}
				if after := n.Cells[at()]; after != c {
					place.After = after.ID
				}
				log = append(log, fmt.Sprintf("move %q below %s", c.Source, place.After))
				_, _, err := f.UpdateCell(f.ctx, n.ID, c.ID, session.AnyVersion, session.CellPatch{At: place})
				require.NoError(t, err)
			default:
				c := n.Cells[at()]
				log = append(log, fmt.Sprintf("run %q", c.Source))
				f.runs(n.ID, c.ID)
			}
		}
		got := f.truth(n.ID)
		sources := []string{}
		for _, c := range f.get(n.ID).Cells {
			sources = append(sources, c.Source)
		}
		fresh := f.notebook(notebook.Auto, sources...)
		defer func() { require.NoError(f.t, f.Delete(f.ctx, fresh.ID, session.AnyVersion)) }()
		f.runs(fresh.ID)
		require.Equal(t, f.truth(fresh.ID), got)
	})
}
