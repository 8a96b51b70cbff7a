package convert_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/convert"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

func FuzzImportScript(f *testing.F) {
	file, err := convert.Export(sample(), convert.Script)
	require.NoError(f, err)
	f.Add(file.Body)
	for _, seed := range []string{
		"", "x = 1\n", "# %%\na\n# %% [markdown]\n# text\n", "# %% {\"kind\": \"sql\"}\n", "\ufeff# -*- coding: utf-8 -*-\n", "\xff", "# %%\r\n'''\r\n# %%\r\n'''\r\n", "\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := convert.Import("text/x-python", body, "Name")
		if err != nil {
			var format *convert.FormatError
			var field *notebook.FieldError
			require.True(t, errors.As(err, &format) || errors.As(err, &field), "%T: %v", err, err)
			return
		}
		n := notebook.New(got.Name, got.Mode)
		for _, c := range got.Cells {
			require.NoError(t, notebook.CheckKind(c.Kind))
			require.NoError(t, notebook.CheckSource(c.Source))
			cell := notebook.NewCell(c.Kind, c.Source)
			cell.Disabled, cell.Connection, cell.Result = c.Disabled, c.Connection, c.Result
			n.Cells = append(n.Cells, cell)
		}
		file, err := convert.Export(n, convert.Script)
		require.NoError(t, err)
		again, err := convert.Import(file.ContentType, file.Body, "")
		require.NoError(t, err)
		require.Equal(t, got.Cells, again.Cells)
	})
}
