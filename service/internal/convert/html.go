package convert

import (
	"bytes"
	_ "embed" // for the page
	"fmt"
	"html/template"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

//go:embed page.gohtml
var pageTemplate string

// maxHTMLRows is how many rows of a table the page shows.
const maxHTMLRows = 1000

type (
	pageData struct {
		Name    string
		Updated string
		Cells   []pageCell
	}
	pageCell struct {
		Number   int
		Kind     notebook.Kind
		Rendered template.HTML
		Source   string
		Notes    []string
		Outputs  []pageOutput
	}
	pageOutput struct {
		Text     string
		Error    bool
		Stderr   bool
		Image    template.URL
		Frame    string // a document of the notebook's, for a sandbox
		Height   int    // of the frame, in rem
		Table    *pageTable
		Rendered template.HTML
		Note     string
	}
	pageTable struct {
		Columns []string
		Types   []string
		Rows    [][]string
		Size    string
	}
)

// exportHTML makes a page that shows what the notebook shows, and runs nothing:
// its policy allows no script, no request and no form, and HTML that cells made
// stands in frames with an origin of their own, whose sandbox allows nothing.
func exportHTML(n *notebook.Notebook) ([]byte, error) {
	m := newCommonMark()
	page := pageData{Name: n.Name, Updated: n.UpdatedAt.UTC().Format("2006-01-02 15:04 MST")}
	for i, c := range n.Cells {
		cell := pageCell{Number: i + 1, Kind: c.Kind, Source: c.Source, Notes: cellNotes(c)}
		if c.Kind == notebook.Markdown {
			if rendered, ok := m.render(c.Source); ok {
				cell.Source = ""
				cell.Rendered = template.HTML(rendered) //nolint:gosec // render returns safe HTML
			}
			page.Cells = append(page.Cells, cell)
			continue
		}
		for _, o := range outputsOf(c) {
			cell.Outputs = append(cell.Outputs, m.pageOutput(o))
		}
		page.Cells = append(page.Cells, cell)
	}
	parsed, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	var b bytes.Buffer
	if err := parsed.Execute(&b, page); err != nil {
		return nil, fmt.Errorf("fill template: %w", err)
	}
	return b.Bytes(), nil
}

func (m *commonMark) pageOutput(o notebook.Output) pageOutput {
	switch o.Kind {
	case notebook.OutputStream:
		return pageOutput{Text: terminalText(o.Text), Stderr: o.Stream == "stderr"}
	case notebook.OutputError:
		return pageOutput{Text: errorText(o), Error: true}
	}
	v := viewOf(o, typeTable, typeHTML, typeSVG, "image/png", "image/jpeg", "image/gif", "image/webp", typeText, TypeJSON)
	out := pageOutput{Note: v.note}
	switch {
	case v.table != nil:
		out.Table = newPageTable(v.table)
	case v.image != "":
		out.Image = template.URL(v.image) //nolint:gosec // a data: address of a picture
	case v.mime == typeHTML:
		out.Frame, out.Height = frame(v.text)
		if strings.Contains(strings.ToLower(v.text), "<script") {
			out.Note = "Scripts of this output don't run here."
			out.Text = terminalText(asString(o.Data[typePlain]))
		}
	case v.mime == typeText:
		if rendered, ok := m.render(v.text); ok {
			out.Rendered = template.HTML(rendered) //nolint:gosec // render returns safe HTML
		} else {
			out.Text = v.text
		}
	default:
		out.Text = v.text
	}
	return out
}

// frame returns a document around HTML that a cell made, and a height that is
// likely to do: the page can't measure it without a script.
func frame(html string) (document string, height int) {
	lower := strings.ToLower(html)
	lines := 0
	for _, tag := range []string{"<tr", "<p", "<br", "<li", "<div", "<h1", "<h2", "<h3", "<pre"} {
		lines += strings.Count(lower, tag)
	}
	height = min(6+2*lines, 30)
	if strings.Contains(lower, "<img") || strings.Contains(lower, "<svg") {
		height = 30
	}
	return `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">` +
		`<style>body{margin:0;font:14px/1.5 system-ui,sans-serif}table{border-collapse:collapse}` +
		`td,th{padding:2px 8px;text-align:start}img,svg{max-width:100%}</style>` + html, height
}

func newPageTable(t *tableData) *pageTable {
	shown := min(len(t.Rows), maxHTMLRows)
	table := &pageTable{Size: t.size(shown)}
	for _, column := range t.Columns {
		table.Columns = append(table.Columns, column.Name)
		table.Types = append(table.Types, column.Type)
	}
	for i := range shown {
		table.Rows = append(table.Rows, t.row(i))
	}
	return table
}
