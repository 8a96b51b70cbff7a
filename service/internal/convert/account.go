package convert

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// loss is a kind of thing that an import can't keep, as a sentence with the
// cells (%[1]s) and the names (%[2]s) involved.
type loss string

const (
	lostMagic       loss = "%[1]s: IPython commands don't run outside IPython (%[2]s); the source is kept as it was, replace them by Python"
	lostOutputs     loss = "%[1]s: outputs were left out; running the notebook makes them anew"
	lostRaw         loss = "%[1]s: raw cells were turned into Markdown cells that show the text as it was"
	lostUnknownCell loss = "%[1]s: cells of an unknown type (%[2]s) were turned into Markdown cells that show the text as it was"
	lostLanguage    loss = "%[1]s: written in %[2]s, which can't run here; the source is kept in a disabled cell"
	lostAttachment  loss = "%[1]s: attachments that could not be embedded were left out (%[2]s)"
	lostSource      loss = "%[1]s: a source that is not text was left out"
	lostSurrogates  loss = "%[1]s: halves of characters (unpaired surrogates) were replaced by U+FFFD"
	lostCellMeta    loss = "%[1]s: metadata that has no place in a cell here was left out (%[2]s)"
	lostMeta        loss = "metadata that has no place in a notebook here was left out (%[2]s)"
	lostWidgets     loss = "the state of interactive widgets was left out; widgets don't run here"
	lostKernel      loss = "the notebook was written for the kernel %[2]s, not for Python"
	lostTitle       loss = "%[1]s: titles or options on the line that begins the cell were left out (%[2]s)"
	lostJupytext    loss = "the settings for Jupytext at the beginning of the script were left out"
	lostName        loss = "the notebook's name in the file can't be used as it is, and was changed"
	lostMode        loss = "the notebook's mode in the file is unknown; it is auto now"
	lostExtra       loss = "%[1]s: settings of this product that can't be read were left out (%[2]s)"
)

// How much of the details an account names.
const (
	maxLostCells = 12
	maxLostNames = 8
	maxLostText  = 40 // runes of one name
)

// account collects what an import can't keep. It stays small whatever is
// reported to it.
type account struct {
	entries []*lostEntry // in the order of their first report
}

type lostEntry struct {
	kind  loss
	cells []int // the first maxLostCells
	last  int   // the last cell reported
	count int   // of cells
	names []string
	more  bool // more names than are kept
}

func (a *account) entry(kind loss) *lostEntry {
	for _, e := range a.entries {
		if e.kind == kind {
			return e
		}
	}
	e := &lostEntry{kind: kind}
	a.entries = append(a.entries, e)
	return e
}

// whole reports a loss that concerns the whole file.
func (a *account) whole(kind loss, names ...string) {
	e := a.entry(kind)
	for _, name := range names {
		e.name(name)
	}
}

// inCell reports a loss in the cell with a number, from 1. Cells are reported
// in page order.
func (a *account) inCell(kind loss, cell int, names ...string) {
	e := a.entry(kind)
	if e.last != cell {
		e.last = cell
		e.count++
		if len(e.cells) < maxLostCells {
			e.cells = append(e.cells, cell)
		}
	}
	for _, name := range names {
		e.name(name)
	}
}

func (e *lostEntry) name(name string) {
	runes := []rune(name[:min(len(name), 8*maxLostText)])
	if len(runes) > maxLostText {
		runes = append(runes[:maxLostText], '…')
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '�'
		}
		return r
	}, string(runes))
	switch {
	case name == "" || slices.Contains(e.names, name):
	case len(e.names) == maxLostNames:
		e.more = true
	default:
		e.names = append(e.names, name)
	}
}

func (a *account) sentences() []string {
	lines := make([]string, 0, len(a.entries))
	for _, e := range a.entries {
		var where strings.Builder
		if len(e.cells) > 0 {
			where.WriteString("Cell ")
			if e.count > 1 {
				where.Reset()
				where.WriteString("Cells ")
			}
			for i, cell := range e.cells {
				switch {
				case i == 0:
				case i == len(e.cells)-1 && e.count == len(e.cells):
					where.WriteString(" and ")
				default:
					where.WriteString(", ")
				}
				fmt.Fprintf(&where, "%d", cell)
			}
			if further := e.count - len(e.cells); further > 0 {
				fmt.Fprintf(&where, " and %d more", further)
			}
		}
		names := strings.Join(e.names, ", ")
		if e.more {
			names += ", …"
		}
		text := []rune(fmt.Sprintf(string(e.kind)+"%[3]s", where.String(), names, "."))
		text[0] = unicode.ToUpper(text[0])
		lines = append(lines, string(text))
	}
	return lines
}
