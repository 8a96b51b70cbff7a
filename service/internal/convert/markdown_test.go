package convert_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
	"pgregory.net/rapid"

	"github.com/reactive-notebook/reactive-notebook/service/internal/convert"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// codeBlocks returns the fenced code at the top level of a Markdown text.
func codeBlocks(source []byte) []string {
	var blocks []string
	root := goldmark.New().Parser().Parse(text.NewReader(source))
	for node := root.FirstChild(); node != nil; node = node.NextSibling() {
		if block, ok := node.(*ast.FencedCodeBlock); ok && block.Info != nil {
			blocks = append(blocks, string(block.Info.Value(source))+":"+string(block.Lines().Value(source)))
		}
	}
	return blocks
}

func TestCodeInAMarkdownExportSurvivesFencesInCodeAndText(t *testing.T) {
	ticks := rapid.SampledFrom([]string{"```", "````", "~~~", "`", "\n", "x", "    ", "> ", "- ", "<!--", "<pre>", "<script>", "<?", "<![CDATA[", "[a]: b", "|a|\n|-|\n", "# %%"})
	sources := rapid.Map(rapid.SliceOfN(ticks, 0, 8), func(parts []string) string { return strings.Join(parts, "") })
	rapid.Check(t, func(t *rapid.T) {
		n := notebook.New("x", notebook.Auto)
		var want []string
		for range rapid.IntRange(1, 4).Draw(t, "cells") {
			n.Cells = append(n.Cells, notebook.NewCell(notebook.Markdown, sources.Draw(t, "text")))
			source := sources.Draw(t, "code")
			n.Cells = append(n.Cells, notebook.NewCell(notebook.Python, source))
			if source != "" && !strings.HasSuffix(source, "\n") {
				source += "\n"
			}
			want = append(want, "python:"+source)
		}
		file, err := convert.Export(n, convert.Markdown)
		require.NoError(t, err)
		var got []string
		for _, block := range codeBlocks(file.Body) {
			if strings.HasPrefix(block, "python:") {
				got = append(got, block)
			}
		}
		require.Equal(t, want, got, "%s", file.Body)
	})
}

func TestAMarkdownExportShowsCellsAndOutputs(t *testing.T) {
	n := notebook.New("Sales *2026*", notebook.Auto)
	c := notebook.NewCell(notebook.Python, "x")
	c.Disabled = true
	c.Outputs = []notebook.Output{
		{Kind: notebook.OutputStream, Stream: "stdout", Text: "```\n"},
		rich(map[string]json.RawMessage{"text/plain": quoted("frame"), "application/vnd.notebook.table+json": json.RawMessage(
			`{"columns":[{"name":"a|b","type":"int64"}],"rows":[["x\n|y"]],"total_rows":1}`)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("picture"), "image/png": quoted("iVBORw==")}),
		rich(map[string]json.RawMessage{"text/plain": quoted("large"), "image/png": quoted(strings.Repeat("AAAA", 1<<19))}),
		rich(map[string]json.RawMessage{"text/plain": quoted("Figure"), "application/vnd.plotly.v1+json": json.RawMessage(`{}`)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("page"), "text/html": quoted("<script>")}),
		{Kind: notebook.OutputError, Name: "ValueError", Message: "no"},
	}
	query := notebook.NewCell(notebook.SQL, "select 1")
	connection := "ware_house"
	query.Connection = &connection
	n.Cells = append(n.Cells, notebook.NewCell(notebook.Markdown, "Some *text*.\n\n"), c, query)
	require.Equal(t, `# Sales \*2026\*

Some *text*.

`+"```python\nx\n```"+`

*This cell is disabled*

`+"````text\n```\n````"+`

| a\|b |
| --- |
| x \|y |

*1 row × 1 column*

![Output of cell 2](data:image/png;base64,iVBORw==)

*A picture (image/png) of 1536 KiB was left out here; the notebook and its HTML export show it.*

`+"```text\nFigure\n```"+`

*An interactive Plotly figure, which needs the notebook to be shown.*

`+"```text\npage\n```\n\n```text\nValueError: no\n```\n\n```sql\nselect 1\n```"+`

*Connection: ware\_house*
`, exportText(t, n, convert.Markdown))
}

func TestFileNamesAreSafeInEveryFileSystemAndHeader(t *testing.T) {
	for name, want := range map[string][2]string{
		"Sales 2026":             {"Sales 2026.md", "Sales 2026.md"},
		"../../etc/passwd":       {"_.._etc_passwd.md", "_.._etc_passwd.md"},
		"C:\\x\"; filename=\"y*": {"C__x_; filename=_y_.md", "C__x_; filename=_y_.md"},
		"Zürich – 名前":            {"Zürich – 名前.md", "Z_rich _ _.md"},
		"名前":                     {"名前.md", "notebook.md"},
		"...":                    {"notebook.md", "notebook.md"},
		"":                       {"notebook.md", "notebook.md"},
		"con":                    {"_con.md", "_con.md"},
		"-rf x. ":                {"rf x.md", "rf x.md"},
		"evil\u202etxt.exe":      {"eviltxt.exe.md", "evil_txt.exe.md"},
		"100%41":                 {"100%41.md", "100_41.md"},
	} {
		file, err := convert.Export(notebook.New(name, notebook.Auto), convert.Markdown)
		require.NoError(t, err)
		require.Equal(t, want, [2]string{file.Name, file.ASCIIName}, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		file, err := convert.Export(notebook.New(rapid.String().Draw(t, "name"), notebook.Auto), convert.Script)
		require.NoError(t, err)
		for _, name := range []string{file.Name, file.ASCIIName} {
			require.True(t, utf8.ValidString(name))
			require.Less(t, len(name), 200)
			require.NotRegexp(t, `[/\\:*?"<>|\x00-\x1f\x7f]|^[ .~-]`, name)
			require.True(t, strings.HasSuffix(name, ".py"))
		}
		require.Regexp(t, `^[ -~]+$`, file.ASCIIName)
	})
}

func TestAnUnknownFormatIsRefused(t *testing.T) {
	_, err := convert.Export(notebook.New("x", notebook.Auto), "pdf")
	var field *notebook.FieldError
	require.ErrorAs(t, err, &field)
	require.Equal(t, "format", field.Field)
}
