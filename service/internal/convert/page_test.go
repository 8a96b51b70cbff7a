package convert_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/reactive-notebook/reactive-notebook/service/internal/convert"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// hostile breaks out of every place that isn't escaped for where it stands.
const hostile = `</title></style></pre></code></textarea><script>alert(1)</script><img src=x onerror=alert(1)>"'><iframe src="https://evil.example"></iframe><svg onload=alert(1)>` + "\x00`${alert(1)}` {{.}} javascript:alert(1)"

func quoted(s string) json.RawMessage {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return raw
}

func rich(data map[string]json.RawMessage) notebook.Output {
	return notebook.Output{Kind: notebook.OutputDisplay, Data: data}
}

// hostileNotebook has hostile text everywhere that text can be.
func hostileNotebook() *notebook.Notebook {
	n := notebook.New(hostile, notebook.Auto)
	for _, kind := range []notebook.Kind{notebook.Python, notebook.Markdown, notebook.SQL} {
		c := notebook.NewCell(kind, hostile)
		text := hostile
		c.Connection, c.Result = &text, &text
		c.Error = notebook.NewError(notebook.ErrException, hostile, hostile)
		n.Cells = append(n.Cells, c)
	}
	n.Cells = append(n.Cells,
		notebook.NewCell(notebook.Markdown, "[a](javascript:alert(1)) <javascript:alert(1)> ![b](javascript:alert(1)) [c](vbscript:x) [d](data:text/html,<script>) [e]: \n\n[f][g]\n\n[g]: javascript:alert(1) \"x\\\" onclick=alert(1)\"\n\n<a onclick=alert(1)>x</a>\n\n<script>\nalert(1)\n</script>\n\n![t](x \"\\\"onerror=alert(1)\")\n\n# h {onclick=alert(1)}\n\n```\"onclick=alert(1)\nx\n```\n"),
	)
	c := notebook.NewCell(notebook.Python, "x")
	table, err := json.Marshal(map[string]any{"columns": []any{map[string]any{"name": hostile, "type": hostile}}, "rows": []any{[]any{hostile}, []any{map[string]any{"a": hostile}}, []any{}}, "total_rows": 9})
	if err != nil {
		panic(err)
	}
	c.Outputs = []notebook.Output{
		{Kind: notebook.OutputStream, Stream: hostile, Text: hostile},
		{Kind: notebook.OutputError, Name: hostile, Message: hostile, Traceback: []string{hostile}},
		rich(map[string]json.RawMessage{"text/plain": quoted(hostile)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("html"), "text/html": quoted(hostile)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("md"), "text/markdown": quoted(hostile)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("svg"), "image/svg+xml": quoted(hostile)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("png"), "image/png": quoted(hostile)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("png"), "image/png": quoted("AAAA"), hostile: quoted(hostile)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("json"), "application/json": quoted(hostile)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("table"), "application/vnd.notebook.table+json": table}),
		rich(map[string]json.RawMessage{"text/plain": quoted("figure"), "text/html": quoted("<div>plotly</div>"), "application/vnd.plotly.v1+json": table}),
	}
	n.Cells = append(n.Cells, c)
	return n
}

func exportText(t *testing.T, n *notebook.Notebook, f convert.Format) string {
	t.Helper()
	file, err := convert.Export(n, f)
	require.NoError(t, err)
	return string(file.Body)
}

// elements parses a page as browsers do, and calls visit for each element.
func elements(t *testing.T, page string, visit func(tag string, attributes map[string]string)) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for node := range root.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		attributes := map[string]string{}
		for _, a := range node.Attr {
			attributes[a.Key] = a.Val
		}
		visit(node.Data, attributes)
	}
}

func TestAnHTMLExportRunsAndLoadsNothingWhateverCellsHold(t *testing.T) {
	page := exportText(t, hostileNotebook(), convert.HTML)
	allowed := strings.Fields("html head meta title style body header h1 p main section div pre code span table thead tbody tr th td img iframe a br strong em del ul ol li blockquote hr input h2 h3 h4 h5 h6")
	frames, policies := 0, 0
	elements(t, page, func(tag string, attributes map[string]string) {
		require.Contains(t, allowed, tag)
		for name, value := range attributes {
			require.False(t, strings.HasPrefix(name, "on"), "%s has %s", tag, name)
			require.NotRegexp(t, `(?i)^\s*(javascript|vbscript|data:text)`, value)
		}
		switch tag {
		case "iframe":
			frames++
			sandbox, ok := attributes["sandbox"]
			require.True(t, ok)
			require.Empty(t, sandbox, "the sandbox allows nothing")
			require.Contains(t, attributes["srcdoc"], "<script>alert(1)</script>", "the frame shows what the cell made")
			require.NotContains(t, attributes, "src")
		case "meta":
			if attributes["http-equiv"] != "" {
				policies++
				require.Contains(t, attributes["content"], "default-src 'none'; script-src 'none'")
			}
		case "img":
			if !strings.HasPrefix(attributes["src"], "data:image/") {
				require.NotContains(t, attributes["src"], ":", "only Markdown's relative addresses are left, which the policy blocks")
			}
		}
	})
	require.Equal(t, 1, frames)
	require.Equal(t, 1, policies)
	require.Less(t, strings.Index(page, "Content-Security-Policy"), strings.Index(page, "<title>"), "the policy holds before anything of the notebook's")
}

func TestAnHTMLExportShowsEveryKindOfOutput(t *testing.T) {
	n := notebook.New("Sales", notebook.Auto)
	c := notebook.NewCell(notebook.Python, "\nx < 1")
	c.Outputs = []notebook.Output{
		{Kind: notebook.OutputStream, Stream: "stdout", Text: "10%\r20%\r30%\n\x1b[31mred\x1b[0m"},
		rich(map[string]json.RawMessage{"text/plain": quoted("frame"), "text/html": quoted("<table>"), "application/vnd.notebook.table+json": json.RawMessage(
			`{"columns":[{"name":"a","type":"int64"},{"name":"b","type":"object"}],"rows":[[1,"<x>"],[2.5,null]],"total_rows":1000000,"index_columns":1}`)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("picture"), "image/png": quoted("iVBO\nRw==")}),
		rich(map[string]json.RawMessage{"text/plain": quoted("svg"), "image/svg+xml": quoted("<svg/>")}),
		rich(map[string]json.RawMessage{"text/plain": quoted("Figure with 1 trace"), "application/vnd.plotly.v1+json": json.RawMessage(`{}`)}),
		rich(map[string]json.RawMessage{"text/plain": quoted("bold"), "text/markdown": quoted("**bold**")}),
		rich(map[string]json.RawMessage{"text/plain": quoted("json"), "application/json": json.RawMessage(`{"a":[1]}`)}),
		{Kind: notebook.OutputError, Name: "ValueError", Message: "no", Traceback: []string{}},
	}
	blocked := notebook.NewCell(notebook.Python, "y")
	blocked.Error = notebook.NewError(notebook.ErrCycle, "CycleError", "a cycle")
	n.Cells = append(n.Cells, notebook.NewCell(notebook.Markdown, "# Head\n\n|a|b|\n|-|-|\n|1|2|\n\na<br>b <u>c</u> <!-- unseen -->\n"), c, blocked)
	page := exportText(t, n, convert.HTML)
	for _, want := range []string{
		"<h1>Head</h1>", "<th>a</th>", "a<br>b &lt;u&gt;c&lt;/u&gt; ", "<code>\nx &lt; 1</code>", "<code>30%\nred</code>",
		"<td>1</td><td>&lt;x&gt;</td>", "<td>2.5</td><td>–</td>", "1000000 rows × 1 column, the first 2 shown",
		`src="data:image/png;base64,iVBORw=="`, `src="data:image/svg&#43;xml;base64,PHN2Zy8&#43;"`, "<code>Figure with 1 trace</code>", "interactive Plotly figure",
		"<strong>bold</strong>", "&#34;a&#34;: [", "ValueError: no", "CycleError: a cycle",
	} {
		require.Contains(t, page, want)
	}
	require.NotContains(t, page, "unseen")
	require.NotContains(t, page, "ZgotmplZ")
}

func TestMarkdownMadeToBeExpensiveIsShownAsText(t *testing.T) {
	n := notebook.New("x", notebook.Auto)
	for _, source := range []string{
		strings.Repeat("|a", 5000) + "|\n" + strings.Repeat("|-", 5000) + "|\n" + strings.Repeat("a\n", 10000), // asks for 50 million cells
		strings.Repeat("*a_ ", 1<<18),
		strings.Repeat(">", 1<<20),
		strings.Repeat("[a](", 1<<18),
	} {
		n.Cells = append(n.Cells, notebook.NewCell(notebook.Markdown, source))
	}
	deep := notebook.NewCell(notebook.Python, "x")
	deep.Outputs = []notebook.Output{rich(map[string]json.RawMessage{
		"text/plain": quoted("deep"), "application/json": json.RawMessage(strings.Repeat("[", 9000) + strings.Repeat("0,", 100_000) + "0" + strings.Repeat("]", 9000)),
	})}
	n.Cells = append(n.Cells, deep)
	size := 0
	for _, c := range n.Cells {
		size += len(c.Source)
	}
	for _, format := range []convert.Format{convert.HTML, convert.Markdown, convert.IPYNB, convert.Script} {
		began := time.Now()
		require.Less(t, len(exportText(t, n, format)), 10*size, format)
		require.Less(t, time.Since(began), time.Minute, format)
	}
}

func TestAPictureInMarkdownDoesNotMakeItExpensive(t *testing.T) {
	n := notebook.New("x", notebook.Auto)
	n.Cells = append(n.Cells, notebook.NewCell(notebook.Markdown, "# Map\n\n![map](data:image/png;base64,"+strings.Repeat("AAAA", 1<<18)+")\n"))
	page := exportText(t, n, convert.HTML)
	require.Contains(t, page, "<h1>Map</h1>")
	require.Contains(t, page, `<img src="data:image/png;base64,AAAA`)
}
