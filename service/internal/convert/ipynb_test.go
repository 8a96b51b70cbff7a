package convert_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/reactive-notebook/reactive-notebook/service/internal/convert"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

func importNotebook(t *testing.T, body string) convert.Imported {
	t.Helper()
	got, err := convert.Import("application/x-ipynb+json", []byte(body), "")
	require.NoError(t, err)
	return got
}

// withCells returns a notebook of nbformat 4 with the given cells.
func withCells(cells ...string) string {
	return `{"cells":[` + strings.Join(cells, ",") + `],"metadata":{"kernelspec":{"name":"python3","language":"python","display_name":"Python 3"}},"nbformat":4,"nbformat_minor":5}`
}

func sample() *notebook.Notebook {
	n := notebook.New("Sales & <others>", notebook.Lazy)
	python := notebook.NewCell(notebook.Python, "print('<b>')\nx\n")
	python.ExecutionCount = 3
	python.Outputs = []notebook.Output{
		{Kind: notebook.OutputStream, Stream: "stdout", Text: "<b>\nend"},
		{Kind: notebook.OutputDisplay, Data: map[string]json.RawMessage{
			"text/plain": json.RawMessage(`"a figure"`), "image/png": json.RawMessage(`"iVBORw0KGgo="`),
			"image/svg+xml": json.RawMessage(`"<svg>\n</svg>"`), "application/vnd.plotly.v1+json": json.RawMessage(`{"data":[{"x":[1,2]}]}`),
		}, Metadata: map[string]json.RawMessage{"image/png": json.RawMessage(`{"width":3}`)}},
		{Kind: notebook.OutputResult, Data: map[string]json.RawMessage{"text/plain": json.RawMessage(`"1\n2"`), "application/json": json.RawMessage(`{"a":[1]}`)}},
	}
	failed := notebook.NewCell(notebook.Python, "1/0")
	failed.Error = notebook.NewError(notebook.ErrException, "ZeroDivisionError", "division by zero")
	failed.Outputs = []notebook.Output{{Kind: notebook.OutputError, Name: "ZeroDivisionError", Message: "division by zero", Traceback: []string{"line 1", "line 2"}}}
	blocked := notebook.NewCell(notebook.Python, "y = x")
	blocked.Error = notebook.NewError(notebook.ErrMultipleDefinition, "MultipleDefinitionError", "y is defined twice")
	query := notebook.NewCell(notebook.SQL, "select *\nfrom t")
	connection, result := "warehouse", "rows"
	query.Connection, query.Result = &connection, &result
	off := notebook.NewCell(notebook.Python, "z = 1")
	off.Disabled = true
	n.Cells = append(n.Cells, notebook.NewCell(notebook.Markdown, "# Title\n\n"), python, failed, blocked, query, off)
	return n
}

func TestAnIpynbExportIsNbformat45WithOutputs(t *testing.T) {
	n := sample()
	file, err := convert.Export(n, convert.IPYNB)
	require.NoError(t, err)
	require.Equal(t, "application/x-ipynb+json", file.ContentType)

	var got struct {
		Cells []struct {
			CellType string           `json:"cell_type"`
			ID       string           `json:"id"`
			Source   []string         `json:"source"`
			Count    *int             `json:"execution_count"`
			Outputs  []map[string]any `json:"outputs"`
			Metadata map[string]any   `json:"metadata"`
		} `json:"cells"`
		NBFormat      int `json:"nbformat"`
		NBFormatMinor int `json:"nbformat_minor"`
	}
	require.NoError(t, json.Unmarshal(file.Body, &got))
	require.Equal(t, []int{4, 5}, []int{got.NBFormat, got.NBFormatMinor})
	require.Len(t, got.Cells, len(n.Cells))
	for i, c := range got.Cells {
		require.Equal(t, n.Cells[i].ID, c.ID)
		require.Equal(t, n.Cells[i].Source, strings.Join(c.Source, ""))
	}
	require.Equal(t, "markdown", got.Cells[0].CellType)
	require.Nil(t, got.Cells[0].Outputs)
	require.NotContains(t, string(file.Body[:strings.Index(string(file.Body), `"code"`)]), `"outputs"`, "Markdown cells have no outputs")

	require.Equal(t, 3, *got.Cells[1].Count)
	outputs := got.Cells[1].Outputs
	require.Equal(t, map[string]any{"output_type": "stream", "name": "stdout", "text": []any{"<b>\n", "end"}}, outputs[0])
	require.Equal(t, "display_data", outputs[1]["output_type"])
	require.Equal(t, map[string]any{
		"text/plain": []any{"a figure"}, "image/png": "iVBORw0KGgo=", "image/svg+xml": []any{"<svg>\n", "</svg>"},
		"application/vnd.plotly.v1+json": map[string]any{"data": []any{map[string]any{"x": []any{1.0, 2.0}}}},
	}, outputs[1]["data"])
	require.Equal(t, map[string]any{"image/png": map[string]any{"width": 3.0}}, outputs[1]["metadata"])
	require.Equal(t, "execute_result", outputs[2]["output_type"])
	require.Equal(t, 3.0, outputs[2]["execution_count"])

	require.Len(t, got.Cells[2].Outputs, 1, "an error that outputs tell is not told twice")
	require.Equal(t, map[string]any{
		"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero", "traceback": []any{"line 1", "line 2"},
	}, got.Cells[2].Outputs[0])
	require.Equal(t, "MultipleDefinitionError", got.Cells[3].Outputs[0]["ename"])
	require.Nil(t, got.Cells[3].Count)
	require.Equal(t, "code", got.Cells[4].CellType)
	require.Equal(t, map[string]any{"kind": "sql", "connection": "warehouse", "result": "rows"}, got.Cells[4].Metadata["reactive_notebook"])
}

func TestAnIpynbExportWritesIdsThatTheFormatAllows(t *testing.T) {
	n := notebook.New("x", notebook.Auto)
	for _, id := range []string{"same", "same", "no spaces", strings.Repeat("a", 65), ""} {
		c := notebook.NewCell(notebook.Python, "")
		c.ID = id
		n.Cells = append(n.Cells, c)
	}
	file, err := convert.Export(n, convert.IPYNB)
	require.NoError(t, err)
	var got struct{ Cells []struct{ ID string } }
	require.NoError(t, json.Unmarshal(file.Body, &got))
	ids := map[string]bool{}
	for _, c := range got.Cells {
		require.Regexp(t, `^[a-zA-Z0-9_-]{1,64}$`, c.ID)
		ids[c.ID] = true
	}
	require.Len(t, ids, 5)
}

func TestANotebookFromTheWildComesInWithAnAccount(t *testing.T) {
	picture := base64.StdEncoding.EncodeToString([]byte("picture"))
	huge := strings.Repeat("x", 1<<20)
	body := "\ufeff" + `{
 "nbformat": 4, "nbformat_minor": 2,
 "metadata": {
  "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
  "language_info": {"name": "python", "version": "3.8.5"},
  "colab": {"name": "Exploration.ipynb", "provenance": []},
  "toc": {"base_numbering": 1},
  "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {"a": {"model": NaN}}, "version_major": 2}}
 },
 "cells": [
  {"cell_type": "markdown", "metadata": {}, "source": ["# Plan\n", "![map](attachment:my%20map.png) and ![gone](attachment:gone.png)"],
   "attachments": {"my map.png": {"image/png": ["` + picture[:4] + `\n", "` + picture[4:] + `"]}, "unused.png": {"image/png": "` + picture + `"}, "doc.pdf": {"application/pdf": "AAAA"}}},
  {"cell_type": "raw", "metadata": {"format": "text/latex"}, "source": "\\alpha ` + "```" + `"},
  {"cell_type": "code", "execution_count": 7, "metadata": {"tags": ["parameters"], "collapsed": true, "slideshow": {}}, "id": "twice", "source": "%matplotlib inline\nimport pandas as pd\n!pip install x\n", "outputs": [
    {"output_type": "stream", "name": "stdout", "text": "` + huge + `"},
    {"output_type": "display_data", "data": {"text/plain": "nan", "application/json": {"v": [NaN, -Infinity, Infinity]}}, "metadata": {}}]},
  {"cell_type": "code", "execution_count": null, "metadata": {}, "id": "twice", "source": ["%%bash\n", "ls 'it\n"], "outputs": []},
  {"cell_type": "code", "metadata": {"vscode": {"languageId": "sql"}}, "source": "select 1", "outputs": []},
  {"cell_type": "code", "metadata": {"vscode": {"languageId": "javascript"}}, "source": "let a = 1", "outputs": []},
  {"cell_type": "heading", "level": 2, "metadata": {}, "source": "Old"},
  {"cell_type": "code", "metadata": {}, "source": 7, "outputs": []},
  {"cell_type": "code", "metadata": {}, "source": "s = 'a\ud83d'"},
  {"cell_type": "code", "source": "NaN = 'NaN, Infinity'\r\n"}
 ]
}`
	got := importNotebook(t, body)
	require.Equal(t, "Exploration", got.Name)
	require.Equal(t, notebook.Auto, got.Mode)
	require.Equal(t, []convert.Cell{
		{Kind: notebook.Markdown, Source: "# Plan\n![map](data:image/png;base64," + picture + ") and ![gone](attachment:gone.png)"},
		{Kind: notebook.Markdown, Source: "````latex\n\\alpha ```\n````"},
		{Kind: notebook.Python, Source: "%matplotlib inline\nimport pandas as pd\n!pip install x\n"},
		{Kind: notebook.Python, Source: "%%bash\nls 'it\n"},
		{Kind: notebook.SQL, Source: "select 1"},
		{Kind: notebook.Python, Source: "let a = 1", Disabled: true},
		{Kind: notebook.Markdown, Source: "```\nOld\n```"},
		{Kind: notebook.Python},
		{Kind: notebook.Python, Source: "s = 'a\ufffd'"},
		{Kind: notebook.Python, Source: "NaN = 'NaN, Infinity'\r\n"},
	}, got.Cells)
	require.ElementsMatch(t, []string{
		"Metadata that has no place in a notebook here was left out (toc).",
		"The state of interactive widgets was left out; widgets don't run here.",
		"Cell 1: attachments that could not be embedded were left out (doc.pdf, unused.png).",
		"Cell 2: raw cells were turned into Markdown cells that show the text as it was.",
		"Cell 3: outputs were left out; running the notebook makes them anew.",
		"Cell 6: written in javascript, which can't run here; the source is kept in a disabled cell.",
		"Cell 7: cells of an unknown type (heading) were turned into Markdown cells that show the text as it was.",
		"Cells 3 and 7: metadata that has no place in a cell here was left out (slideshow, tags, level).",
		"Cell 8: a source that is not text was left out.",
		"Cell 9: halves of characters (unpaired surrogates) were replaced by U+FFFD.",
		"Cells 3 and 4: IPython commands don't run outside IPython (%matplotlib, !pip, %%bash); the source is kept as it was, replace them by Python.",
	}, got.Lost)
}

func TestANotebookOfAnotherLanguageKeepsItsSourcesInDisabledCells(t *testing.T) {
	got := importNotebook(t, `{"cells":[{"cell_type":"code","source":"x <- 1","metadata":{},"outputs":[]},{"cell_type":"markdown","source":"# Title #","metadata":{}}],
	 "metadata":{"kernelspec":{"name":"ir","display_name":"R","language":"R"}},"nbformat":4,"nbformat_minor":4}`)
	require.Equal(t, []convert.Cell{{Kind: notebook.Python, Source: "x <- 1", Disabled: true}, {Kind: notebook.Markdown, Source: "# Title #"}}, got.Cells)
	require.Equal(t, "Title", got.Name)
	require.Equal(t, []string{
		"The notebook was written for the kernel R, not for Python.",
		"Cell 1: written in r, which can't run here; the source is kept in a disabled cell.",
	}, got.Lost)
}

func TestWhatIsNoNotebookIsRefusedWithAWayOut(t *testing.T) {
	for name, test := range map[string]struct{ body, says string }{
		"nbformat 3":        {`{"nbformat":3,"nbformat_minor":0,"worksheets":[{"cells":[]}],"metadata":{}}`, "nbconvert"},
		"worksheets alone":  {`{"worksheets":[]}`, "nbconvert"},
		"nbformat 5":        {`{"nbformat":5,"cells":[]}`, "save it as nbformat 4"},
		"no nbformat":       {`{"name":"x","cells":[]}`, "nbformat is missing"},
		"odd nbformat":      {`{"nbformat":"4","cells":[]}`, "nbformat is"},
		"no cells":          {`{"nbformat":4}`, "no list of cells"},
		"cells no list":     {`{"nbformat":4,"cells":{}}`, "no list of cells"},
		"a cell no object":  {`{"nbformat":4,"cells":[[]]}`, "number 1"},
		"a list":            {`[]`, "not a Jupyter notebook"},
		"null":              {`null`, "not a Jupyter notebook"},
		"too many cells":    {`{"nbformat":4,"cells":[` + strings.Repeat(`{},`, notebook.MaxCells) + `{}]}`, "split it"},
		"a source too long": {`{"nbformat":4,"cells":[{"cell_type":"code","source":"` + strings.Repeat("x", notebook.MaxSource+1) + `"}]}`, "number 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := convert.Import("application/json", []byte(test.body), "")
			var field *notebook.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, "body", field.Field)
			require.Contains(t, field.Message, test.says)
		})
	}
}

func TestMalformedFilesAreToldWithLineAndColumn(t *testing.T) {
	for name, test := range map[string]struct {
		kind, body   string
		line, column int
	}{
		"a comma too much":  {"application/json", "{\n \"é\": 1,}", 2, 9},
		"cut off":           {"application/json", "{\"cells\": [\n", 2, 1},
		"empty":             {"application/x-ipynb+json", "", 1, 1},
		"not UTF-8":         {"application/json", "{\n\"a\xff", 2, 3},
		"UTF-16":            {"application/json", "\xff\xfe{\x00}\x00", 1, 1},
		"UTF-16 script":     {"text/x-python", "\xfe\xff\x00a", 1, 1},
		"a NUL in a script": {"text/x-python", "a\nb\x00", 2, 2},
		"nested too deeply": {"application/json", strings.Repeat("[", 1<<20), 1, 10001},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := convert.Import(test.kind, []byte(test.body), "")
			var format *convert.FormatError
			require.ErrorAs(t, err, &format)
			require.Equal(t, []int{test.line, test.column}, []int{format.Line, format.Column}, format.Message)
		})
	}
}

func TestOtherMediaTypesAreRefusedByName(t *testing.T) {
	for _, kind := range []string{"", "text/html", "application/json; charset=latin-1", "text/x-python; charset=utf-16", ";"} {
		_, err := convert.Import(kind, []byte("{}"), "")
		var media *convert.MediaTypeError
		require.ErrorAs(t, err, &media, kind)
	}
	_, err := convert.Import("Text/X-Python; charset=UTF-8", []byte("x"), "")
	require.NoError(t, err)
}

func TestAGivenNameTakesPrecedenceAndIsChecked(t *testing.T) {
	got, err := convert.Import("text/x-python", []byte("x"), " mine ")
	require.NoError(t, err)
	require.Equal(t, "mine", got.Name)
	_, err = convert.Import("text/x-python", []byte("x"), "a\nb")
	var field *notebook.FieldError
	require.True(t, errors.As(err, &field) && field.Field == "name")
}

func TestANameInTheFileThatCannotBeUsedIsMadeUsable(t *testing.T) {
	for name, want := range map[string]string{
		"a\nb": "a b", "   ": "Imported notebook", strings.Repeat("é", 300): strings.Repeat("é", 200), "fine": "fine",
	} {
		raw, err := json.Marshal(name)
		require.NoError(t, err)
		got := importNotebook(t, `{"nbformat":4,"cells":[],"metadata":{"title":`+string(raw)+`}}`)
		require.Equal(t, want, got.Name)
	}
}

func TestFieldNamesAreReadExactly(t *testing.T) {
	got := importNotebook(t, withCells(`{"cell_type":"code","Source":"no","source":"yes","SOURCE":"no"}`))
	require.Equal(t, "yes", got.Cells[0].Source)
}

func TestAnAttachmentReferredToOftenDoesNotMultiplyWithoutBound(t *testing.T) {
	picture := base64.StdEncoding.EncodeToString(make([]byte, 60_000))
	cell := `{"cell_type":"markdown","source":"` + strings.Repeat("![](attachment:a)", 60) + `","attachments":{"a":{"image/png":"` + picture + `"}}}`
	cells := make([]string, 20)
	for i := range cells {
		cells[i] = cell
	}
	body := withCells(cells...)
	got := importNotebook(t, body)
	total := 0
	for _, c := range got.Cells {
		require.LessOrEqual(t, len(c.Source), notebook.MaxSource)
		total += len(c.Source)
	}
	require.Less(t, total, 3*len(body)+2<<20)
	require.Contains(t, got.Cells[0].Source, "data:image/png;base64,")
}

func TestAnAccountStaysShortWhateverIsLost(t *testing.T) {
	cells := make([]string, 5000)
	for i := range cells {
		cells[i] = `{"cell_type":"raw","source":"","metadata":{"` + strings.Repeat("k", i) + `":1,"a\u0000\u202e":2}}`
	}
	got := importNotebook(t, withCells(cells...))
	require.Len(t, got.Cells, 5000)
	require.LessOrEqual(t, len(got.Lost), 3)
	for _, line := range got.Lost {
		require.Less(t, len(line), 1000)
		require.NotContains(t, line, "\x00")
		require.NotContains(t, line, "\u202e")
	}
	require.Contains(t, got.Lost[1], "Cells 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 4988 more: raw cells")
}

func TestAMagicInAStringOrAnExpressionIsNone(t *testing.T) {
	for source, magics := range map[string]string{
		"s = '''\n%magic\n!ls\n'''":      "",
		"x = (1\n  %y)":                  "",
		"x = a %b":                       "",
		"x != y\nx %= 2":                 "",
		"# !ls\n# %time":                 "",
		"print('what?')":                 "",
		"f'{x!r}'":                       "",
		"if x:\n    !ls":                 "!ls",
		"files = !ls -l":                 "!ls",
		"t = %timeit x":                  "%timeit",
		"x?":                             "?",
		"?x":                             "?",
		"!!ls":                           "!!ls",
		"%%html\n<b>it's</b>\n!no":       "%%html",
		"x = 1\n%%time":                  "%%time",
		"'a' + \\\n '''b\n%c''' \n%load": "%load",
	} {
		raw, err := json.Marshal(source)
		require.NoError(t, err)
		lost := importNotebook(t, withCells(`{"cell_type":"code","source":`+string(raw)+`}`)).Lost
		if magics == "" {
			require.Empty(t, lost, source)
			continue
		}
		require.Len(t, lost, 1, source)
		require.Contains(t, lost[0], "("+magics+")", source)
	}
}

// foreign is a cell as another tool may have written it, and what becomes of it.
type foreign struct {
	Type    string `json:"cell_type"`
	Source  any    `json:"source"`
	Meta    any    `json:"metadata"`
	Outputs any    `json:"outputs,omitempty"`
	text    string
}

func foreignCells() *rapid.Generator[foreign] {
	return rapid.Custom(func(t *rapid.T) foreign {
		c := foreign{Type: rapid.SampledFrom([]string{"code", "code", "markdown", "raw"}).Draw(t, "type"), text: sources().Draw(t, "source")}
		c.Source = c.text
		if rapid.Bool().Draw(t, "as lines") {
			c.Source = strings.SplitAfter(c.text, "\n")
		}
		c.Meta = rapid.SampledFrom([]any{map[string]any{}, map[string]any{"tags": []string{"a"}}, map[string]any{"jupyter": nil}, nil, "odd", []int{1}}).Draw(t, "metadata")
		if c.Type == "code" {
			c.Outputs = rapid.SampledFrom([]any{
				[]any{}, nil, map[string]any{}, []any{map[string]any{"output_type": "stream", "text": strings.Repeat("x", 100_000)}},
				[]any{map[string]any{"output_type": "display_data", "data": map[string]any{"application/vnd.jupyter.widget-view+json": map[string]any{"model_id": "a"}}}},
			}).Draw(t, "outputs")
		}
		return c
	})
}

func TestEverySourceOfAForeignNotebookComesInUnchangedAndInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := rapid.SliceOfN(foreignCells(), 0, 8).Draw(t, "cells")
		body, err := json.Marshal(map[string]any{"cells": append([]foreign{}, cells...), "metadata": map[string]any{"language_info": map[string]any{"name": "python"}}, "nbformat": 4, "nbformat_minor": 5})
		require.NoError(t, err)
		got, err := convert.Import("application/x-ipynb+json", body, "")
		require.NoError(t, err)
		require.Len(t, got.Cells, len(cells))
		lost := strings.Join(got.Lost, "\n")
		for i, c := range cells {
			switch c.Type {
			case "raw": // it is shown as it was, in a fence that it can't end
				require.Equal(t, notebook.Markdown, got.Cells[i].Kind)
				fence, rest, _ := strings.Cut(got.Cells[i].Source, "\n")
				require.Regexp(t, "^`{3,}$", fence)
				require.Equal(t, strings.TrimSuffix(c.text, "\n"), strings.TrimSuffix(strings.TrimSuffix(rest, fence), "\n"))
				require.NotContains(t, c.text, fence)
				require.Contains(t, lost, "raw cells were turned into Markdown")
			case "markdown":
				require.Equal(t, convert.Cell{Kind: notebook.Markdown, Source: c.text}, got.Cells[i])
			default:
				require.Equal(t, convert.Cell{Kind: notebook.Python, Source: c.text}, got.Cells[i])
				if outputs, ok := c.Outputs.([]any); ok && len(outputs) > 0 {
					require.Contains(t, lost, "outputs were left out")
				}
			}
		}
	})
}

func FuzzImportIPYNB(f *testing.F) {
	file, err := convert.Export(sample(), convert.IPYNB)
	require.NoError(f, err)
	f.Add(file.Body)
	for _, seed := range []string{
		"", "{}", "[]", "null", `{"nbformat":4,"cells":[]}`, `{"nbformat":3,"worksheets":[]}`, "\ufeff{\"nbformat\":4.0,\"cells\":[{}]}",
		withCells(`{"cell_type":"code","source":["a\n","b"],"metadata":{"x":NaN},"outputs":[{"data":{"a":-Infinity}}]}`),
		withCells(`{"cell_type":"markdown","source":"![](attachment:a%20b)","attachments":{"a b":{"image/png":["AAAA"]}}}`),
		withCells(`{"cell_type":"raw","source":"\ud800","metadata":{"raw_mimetype":"text/html"}}`, `{"cell_type":"code","source":"%%bash\n!x"}`),
		`{"nbformat":4,"metadata":{"kernelspec":7,"widgets":[],"reactive_notebook":{"mode":"no","name":"\n"}},"cells":[{"metadata":{"reactive_notebook":{"kind":"sql","connection":null}}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := convert.Import("application/x-ipynb+json", body, "")
		if err != nil {
			var format *convert.FormatError
			var field *notebook.FieldError
			require.True(t, errors.As(err, &format) || errors.As(err, &field), "%T: %v", err, err)
			return
		}
		name, err := notebook.CheckName(got.Name)
		require.NoError(t, err)
		require.Equal(t, got.Name, name)
		require.NoError(t, notebook.CheckMode(got.Mode))
		n := notebook.New(got.Name, got.Mode)
		for _, c := range got.Cells {
			require.NoError(t, notebook.CheckKind(c.Kind))
			require.NoError(t, notebook.CheckSource(c.Source))
			cell := notebook.NewCell(c.Kind, c.Source)
			cell.Disabled, cell.Connection, cell.Result = c.Disabled, c.Connection, c.Result
			n.Cells = append(n.Cells, cell)
		}
		for _, format := range []convert.Format{convert.IPYNB, convert.Script} {
			file, err := convert.Export(n, format)
			require.NoError(t, err)
			again, err := convert.Import(file.ContentType, file.Body, "")
			require.NoError(t, err)
			require.Equal(t, got.Cells, again.Cells)
		}
	})
}
