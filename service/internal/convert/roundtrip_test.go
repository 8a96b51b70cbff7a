package convert_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/reactive-notebook/reactive-notebook/service/internal/convert"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// pieces are what breaks formats: everything that looks like a part of them,
// line ends of all systems, and what Python can't read.
var pieces = []string{
	"# %%", "# %% [markdown]", "# %%%", "# %%%%", "%%", "%%%", "#%%", "# %% [sql] connection=\"x\"", "# %% commented=\"x\"",
	"# Reactive Notebook script, format 1.", "# Reactive Notebook script, format 9", "# name: \"no\"", "# mode: lazy",
	`# A line that starts with "# %%%" begins a cell.`, "# ", "#", "#= ", "#= \"a\"", "#=", " ", "\t", "\f", "\v", "\n", "\n\n", "\n\n\n", "\r\n", "\r",
	"\"\"\"", "'''", "```", "````", "~~~", "\\", "\\\n", "\u2028", "\u2029", "\u0085", "\u00a0", "\ufeff", "\x00", "\x1a", "\x7f", "😀", "é", "\ufffd",
	"x = 1", "def f():", "    return 1", "await x", "global x", "from __future__ import annotations", "%matplotlib inline", "!ls", "x?",
	"<!--", "-->", "$$", "attachment:a.png", "![a](attachment:a.png)", "[", "(", "{", "\"", "'", "f\"{", "</script>", "coding: latin-1", "# -*- coding: utf-16 -*-",
	"\\ud800", "NaN", "select {x}", "# ---\n# jupyter:\n# ---",
}

func sources() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12), func(parts []string) string { return strings.Join(parts, "") }),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12), func(parts []string) string { return strings.Join(parts, "\n") }),
		rapid.String(),
	)
}

func notebooks() *rapid.Generator[*notebook.Notebook] {
	return rapid.Custom(func(t *rapid.T) *notebook.Notebook {
		n := notebook.New("x", rapid.SampledFrom([]notebook.Mode{notebook.Auto, notebook.Lazy}).Draw(t, "mode"))
		name, err := notebook.CheckName(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"coding: utf-16", "-*- coding: latin-1 -*-", "a\u2028b", `"quoted" \ name`, "名前", "../../etc/passwd", "# %%",
		})).Draw(t, "name"))
		if err == nil {
			n.Name = name
		}
		kind := rapid.SampledFrom([]notebook.Kind{notebook.Python, notebook.Markdown, notebook.SQL})
		for range rapid.IntRange(0, 6).Draw(t, "cells") {
			c := notebook.NewCell(kind.Draw(t, "kind"), sources().Draw(t, "source"))
			c.Disabled = rapid.Bool().Draw(t, "disabled")
			if c.Kind == notebook.SQL {
				c.Connection = rapid.Ptr(sources(), true).Draw(t, "connection")
				c.Result = rapid.Ptr(sources(), true).Draw(t, "result")
			}
			if c.Kind == notebook.Python && rapid.Bool().Draw(t, "bad") {
				c.Error = notebook.NewError(notebook.ErrSyntax, "SyntaxError", "invalid syntax")
			}
			n.Cells = append(n.Cells, c)
		}
		return n
	})
}

func requireSame(t require.TestingT, n *notebook.Notebook, got convert.Imported) {
	want := []convert.Cell{}
	for _, c := range n.Cells {
		want = append(want, convert.Cell{Kind: c.Kind, Source: c.Source, Disabled: c.Disabled, Connection: c.Connection, Result: c.Result})
	}
	require.Equal(t, want, got.Cells)
	require.Equal(t, n.Name, got.Name)
	require.Equal(t, n.Mode, got.Mode)
}

func TestWhatIsExportedAsPyOrIpynbComesBackExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := notebooks().Draw(t, "notebook")
		for _, format := range []convert.Format{convert.Script, convert.IPYNB} {
			file, err := convert.Export(n, format)
			require.NoError(t, err)
			got, err := convert.Import(file.ContentType, file.Body, "")
			require.NoError(t, err, "%s", file.Body)
			requireSame(t, n, got)
			for _, lost := range got.Lost {
				require.Regexp(t, "IPython commands|outputs were left out", lost, "what people wrote is kept")
			}
			again, err := convert.Export(n, format)
			require.NoError(t, err)
			require.Equal(t, file, again, "an export is deterministic")
		}
	})
}

// compile asks the Python that runs cells whether it takes the scripts.
func compile(t *testing.T, scripts ...[]byte) {
	t.Helper()
	texts := make([]string, len(scripts))
	for i, s := range scripts {
		texts[i] = string(s)
	}
	input, err := json.Marshal(texts)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), "python3", "-W", "ignore", "-c", `
import json, sys
for text in json.load(sys.stdin):
    try:
        compile(text.encode(), "export.py", "exec", dont_inherit=True)
    except Exception as fault:
        sys.exit(f"{fault!r} in:\n{text}")
`)
	command.Stdin = bytes.NewReader(input)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// requireValid asks Python whether sources are cells as kernels take them.
func requireValid(t *testing.T, sources []string) {
	t.Helper()
	input, err := json.Marshal(sources)
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), "python3", "-c", `
import ast, json, sys
for text in json.load(sys.stdin):
    text = text.replace("=\N{NO-BREAK SPACE}", "= ").replace("\N{NO-BREAK SPACE}=", " =")
    compile(text, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
`)
	command.Stdin = bytes.NewReader(input)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// validCells compile in a notebook.
var validCells = []string{
	"", "\n\n", "# only a comment", "x = 1", "x = 1\n\n\n", "def f(a):\n    return a", "@cache\ndef g():\n\tpass\n", "if x:\n  y = 1\nelse:\n  y = 2",
	"s = \"\"\"\n# %% [markdown]\n# %%\n\"\"\"", "s = '''\n# %%%\n'''\n", "a = 1\r\nb = 2\r\n", "a = 1\rb = 2", "x = (\n 1,\n # %%\n)", "x = 1 + \\\n  2",
	"await sleep(1)", "async with a as b:\n    pass", "async for i in a:\n    pass", "[i async for i in a]", "print(f\"{await x}\")", "x = [await y for y in z]",
	"async def f():\n    await g()\n    async with a:\n        pass\nx = 1", "class A:\n    async def f(self):\n        await g()",
	"global x\nx = 1", "def f():\n    global x\n    x = 2", "from __future__ import annotations\nx: int = 1", "\"\"\"doc\"\"\"\nfrom __future__ import division",
	"x\u00a0=\u00a01", "s = '\u00a0'", "\fx = 1", "# -*- coding: latin-1 -*-\ns = 'é'", "s = '\u2028'", "s = 'it''s' # don't", "x = a % b\ny = 5 %c", "x != y", "x;", "s = r'\\\\'\nt = 1",
	"for i in range(3):\n    pass", "x = {'a': 1,\n     'b': 2}", "lambda: 0", "print('!ls %time ?')", "# !ls\nx = 1", "s = rb'a' b'''c\n!x'''", "x = '\\\r\n'", "match x:\n  case 1: pass",
}

func TestAnExportedScriptOfValidCellsCompiles(t *testing.T) {
	requireValid(t, validCells)
	var scripts [][]byte
	rapid.Check(t, func(t *rapid.T) {
		n := notebook.New("coding: utf-16", notebook.Auto)
		for _, source := range rapid.SliceOfN(rapid.SampledFrom(validCells), 1, 8).Draw(t, "cells") {
			n.Cells = append(n.Cells, notebook.NewCell(notebook.Python, source),
				notebook.NewCell(rapid.SampledFrom([]notebook.Kind{notebook.Markdown, notebook.SQL}).Draw(t, "kind"), sources().Draw(t, "text")))
		}
		broken := notebook.NewCell(notebook.Python, sources().Draw(t, "broken"))
		broken.Error = notebook.NewError(notebook.ErrSyntax, "SyntaxError", "invalid syntax")
		n.Cells = append(n.Cells, broken)
		file, err := convert.Export(n, convert.Script)
		require.NoError(t, err)
		scripts = append(scripts, file.Body)
	})
	for _, source := range validCells {
		n := notebook.New("x", notebook.Auto)
		n.Cells = append(n.Cells, notebook.NewCell(notebook.Python, source))
		file, err := convert.Export(n, convert.Script)
		require.NoError(t, err)
		scripts = append(scripts, file.Body)
	}
	compile(t, scripts...)
}

func TestAnExportedScriptRunsWhatTheNotebookRuns(t *testing.T) {
	n := notebook.New("Sums", notebook.Lazy)
	n.Cells = append(n.Cells,
		notebook.NewCell(notebook.Markdown, "# Sums\n\nSome *text*.\n"),
		notebook.NewCell(notebook.Python, "x = 20\n"),
		notebook.NewCell(notebook.Python, "x = 0"),
		notebook.NewCell(notebook.Python, "!rm x"),
		notebook.NewCell(notebook.SQL, "select {x}"),
		notebook.NewCell(notebook.Python, "print(x + 1)"),
	)
	n.Cells[2].Disabled = true
	connection, result := "warehouse", "rows"
	n.Cells[4].Connection, n.Cells[4].Result = &connection, &result
	file, err := convert.Export(n, convert.Script)
	require.NoError(t, err)
	require.Equal(t, `# Reactive Notebook script, format 1. Import it to get the notebook back.
# A line that starts with "# %%" begins a cell.
# name: "Sums"
# mode: lazy

# %% [markdown]
# # Sums
#
# Some *text*.
#

# %%
x = 20


# %% disabled=true commented="disabled"
# x = 0

# %% commented="IPython command"
# !rm x

# %% [sql] connection="warehouse" result="rows"
# select {x}

# %%
print(x + 1)
`, string(file.Body))
	command := exec.CommandContext(t.Context(), "python3", "-")
	command.Stdin = bytes.NewReader(file.Body)
	out, err := command.Output()
	require.NoError(t, err)
	require.Equal(t, "21\n", string(out))
}

func TestAScriptThatToolsHaveReformattedStillComesBack(t *testing.T) {
	n := notebook.New("Sums", notebook.Auto)
	n.Cells = append(n.Cells, notebook.NewCell(notebook.Markdown, "text"), notebook.NewCell(notebook.Python, "x = 1"), notebook.NewCell(notebook.Markdown, "end"))
	file, err := convert.Export(n, convert.Script)
	require.NoError(t, err)
	for name, edited := range map[string]string{
		"line ends of Windows":    strings.ReplaceAll(string(file.Body), "\n", "\r\n"),
		"byte order mark":         "\ufeff" + string(file.Body),
		"no final line end":       strings.TrimRight(string(file.Body), "\n"),
		"further empty lines":     strings.ReplaceAll(string(file.Body), "# text\n", "# text\n\n"),
		"no empty lines in front": strings.ReplaceAll(string(file.Body), "\n\n# %%", "\n# %%"),
		"a shebang":               "#!/usr/bin/env python3\n" + string(file.Body),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := convert.Import("text/x-python", []byte(edited), "")
			require.NoError(t, err)
			if name == "a shebang" {
				require.Equal(t, "#!/usr/bin/env python3", got.Cells[0].Source, "what people add is kept")
				got.Cells = got.Cells[1:]
			}
			requireSame(t, n, got)
			require.Empty(t, got.Lost)
		})
	}
}
