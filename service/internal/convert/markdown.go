package convert

import (
	"fmt"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

const (
	maxMarkdownImage = 1 << 20 // bytes of a data: address; editors choke on more
	maxMarkdownRows  = 100     // of a table
)

func exportMarkdown(n *notebook.Notebook) []byte {
	m := newCommonMark()
	blocks := []string{"# " + escapeMarkdown(n.Name)}
	for i, c := range n.Cells {
		switch c.Kind {
		case notebook.Markdown:
			if strings.TrimSpace(c.Source) == "" {
				continue
			}
			source, ok := m.closed(c.Source)
			if !ok {
				source = fenced(c.Source, "markdown")
			}
			blocks = append(blocks, source)
			continue
		case notebook.SQL:
			blocks = append(blocks, fenced(c.Source, "sql"))
		default:
			blocks = append(blocks, fenced(c.Source, "python"))
		}
		for _, note := range cellNotes(c) {
			blocks = append(blocks, "*"+escapeMarkdown(note)+"*")
		}
		for _, o := range outputsOf(c) {
			blocks = append(blocks, m.output(o, i+1)...)
		}
	}
	return []byte(strings.Join(blocks, "\n\n") + "\n")
}

// cellNotes says of a cell what its source doesn't.
func cellNotes(c *notebook.Cell) []string {
	var notes []string
	if c.Kind == notebook.SQL {
		if c.Connection != nil {
			notes = append(notes, "Connection: "+*c.Connection)
		}
		if c.Result != nil {
			notes = append(notes, "The rows become "+*c.Result)
		}
	}
	switch {
	case c.Disabled:
		notes = append(notes, "This cell is disabled")
	case c.Status == notebook.StatusDisabled:
		notes = append(notes, "This cell is below a disabled one")
	case c.Status == notebook.StatusStale:
		notes = append(notes, "This cell is stale: its outputs are of an earlier run")
	case c.Status == notebook.StatusBlocked:
		notes = append(notes, "This cell is blocked: another cell must be put right first")
	}
	return notes
}

// output returns the blocks that show an output.
func (m *commonMark) output(o notebook.Output, cell int) []string {
	switch o.Kind {
	case notebook.OutputStream:
		return []string{fenced(terminalText(o.Text), "text")}
	case notebook.OutputError:
		return []string{fenced(errorText(o), "text")}
	}
	var blocks []string
	switch v := viewOf(o, typeTable, "image/png", "image/jpeg", typeSVG, typeText, TypeJSON); {
	case v.table != nil:
		blocks = append(blocks, markdownTable(v.table))
	case len(v.image) > maxMarkdownImage:
		blocks = append(blocks, fmt.Sprintf("*A picture (%s) of %d KiB was left out here; the notebook and its HTML export show it.*", v.mime, len(v.image)*3/4>>10))
	case v.image != "":
		blocks = append(blocks, fmt.Sprintf("![Output of cell %d](%s)", cell, v.image))
	case v.mime == typeText:
		source, ok := m.closed(v.text)
		if !ok {
			source = fenced(v.text, "markdown")
		}
		blocks = append(blocks, source)
	case v.mime == TypeJSON:
		blocks = append(blocks, fenced(v.text, "json"))
	case v.text != "":
		blocks = append(blocks, fenced(v.text, "text"))
	}
	if v := viewOf(o); v.note != "" {
		blocks = append(blocks, "*"+v.note+"*")
	}
	return blocks
}

func markdownTable(t *tableData) string {
	var b strings.Builder
	for _, column := range t.Columns {
		b.WriteString("| " + escapeMarkdown(column.Name) + " ")
	}
	b.WriteString("|\n" + strings.Repeat("| --- ", len(t.Columns)) + "|\n")
	shown := min(len(t.Rows), maxMarkdownRows)
	for i := range shown {
		for _, value := range t.row(i) {
			b.WriteString("| " + escapeMarkdown(value) + " ")
		}
		b.WriteString("|\n")
	}
	return b.String() + "\n*" + t.size(shown) + "*"
}

// escapeMarkdown writes one line of text that means nothing but itself.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r':
			b.WriteByte(' ')
			continue
		case strings.ContainsRune("\\`*_{}[]<>#|~!&$^", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
