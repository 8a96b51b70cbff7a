package convert_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/convert"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

func importScript(t *testing.T, body string) convert.Imported {
	t.Helper()
	got, err := convert.Import("text/x-python", []byte(body), "")
	require.NoError(t, err)
	return got
}

func TestAPlainScriptBecomesOneCellAsItIs(t *testing.T) {
	for _, source := range []string{"x = 1", "\n\nx = 1\r\n# %not a cell\n#%%%\n\n", "# %%time is a comment\n"} {
		got := importScript(t, source)
		require.Equal(t, []convert.Cell{{Kind: notebook.Python, Source: source}}, got.Cells)
		require.Empty(t, got.Lost)
		require.Equal(t, "Imported notebook", got.Name)
	}
	require.Empty(t, importScript(t, "").Cells)
}

func TestAScriptInPercentStyleOfAnotherToolBecomesItsCells(t *testing.T) {
	got := importScript(t, `# ---
# jupyter:
#   jupytext:
#     format_name: percent
# ---

import os

# %% [markdown]
# # Title
#
# text

# %% Load the data
x = 1


#%%
y = 2
# %% [markdown] slideshow={"type": "x"}
"""
as text
"""
# %% [raw]
# raw text
# %% [rust]
let x;
# %% [sql]
# select 1`)
	require.Equal(t, []convert.Cell{
		{Kind: notebook.Python, Source: "import os"},
		{Kind: notebook.Markdown, Source: "# Title\n\ntext"},
		{Kind: notebook.Python, Source: "# Load the data\nx = 1"},
		{Kind: notebook.Python, Source: "y = 2"},
		{Kind: notebook.Markdown, Source: "as text"},
		{Kind: notebook.Markdown, Source: "```\nraw text\n```"},
		{Kind: notebook.Python, Source: "let x;"},
		{Kind: notebook.SQL, Source: "select 1"},
	}, got.Cells)
	require.Equal(t, []string{
		"The settings for Jupytext at the beginning of the script were left out.",
		`Cells 5 and 7: titles or options on the line that begins the cell were left out (slideshow={"type": "x"}, [rust]).`,
		"Cell 6: raw cells were turned into Markdown cells that show the text as it was.",
	}, got.Lost)
}

func TestAScriptOfANewerFormatIsRefusedWithAWayOut(t *testing.T) {
	_, err := convert.Import("text/x-python", []byte("# Reactive Notebook script, format 2. Import it.\n"), "")
	var field *notebook.FieldError
	require.ErrorAs(t, err, &field)
	require.Contains(t, field.Message, "newer version")
}

func TestWhatPeopleAddToAnExportedScriptIsKept(t *testing.T) {
	got := importScript(t, `# Reactive Notebook script, format 1. Import it to get the notebook back.
# A line that starts with "# %%" begins a cell.
# name: "x\ny"
# mode: eager

import os

# %% [markdown] color="red" more words
# text
and this

# %% a title
x = 1

# %% [sql] connection=7 result="rows" disabled=true
#select 1
`)
	rows := "rows"
	require.Equal(t, []convert.Cell{
		{Kind: notebook.Python, Source: "import os"},
		{Kind: notebook.Markdown, Source: "text\nand this"},
		{Kind: notebook.Python, Source: "# a title\nx = 1"},
		{Kind: notebook.SQL, Source: "select 1", Result: &rows, Disabled: true},
	}, got.Cells)
	require.Equal(t, "x y", got.Name)
	require.Equal(t, notebook.Auto, got.Mode)
	require.Equal(t, []string{
		"The notebook's name in the file can't be used as it is, and was changed.",
		"The notebook's mode in the file is unknown; it is auto now.",
		"Cells 2 and 4: titles or options on the line that begins the cell were left out (color, more words, connection).",
	}, got.Lost)
}

func TestAScriptBeyondTheLimitsOfANotebookIsRefused(t *testing.T) {
	for name, body := range map[string]string{
		"too many cells":   strings.Repeat("# %%\n", notebook.MaxCells+1),
		"too large cell":   strings.Repeat("x", notebook.MaxSource+1),
		"too large file":   strings.Repeat("\n", convert.MaxImport+1),
		"too many of ours": "# Reactive Notebook script, format 1.\n" + strings.Repeat("# %%\n", notebook.MaxCells+1),
	} {
		_, err := convert.Import("text/x-python", []byte(body), "")
		var field *notebook.FieldError
		require.ErrorAs(t, err, &field, name)
		require.Equal(t, "body", field.Field, name)
	}
}
