package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parts makes a directory of parts, each a shell script.
func parts(t *testing.T, scripts map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, script := range scripts {
		require.NoError(t, os.MkdirAll(filepath.Join(root, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name, "run"), []byte("#!/bin/sh\n"+script), 0o755))
	}
	return root
}

const (
	faster = `echo '{"what":"round trip","unit":"ms","ours":0.174,"theirs":5.9,"beside":"Jupyter kernel","goal":{"ratio":25}}'` + "\n"
	slower = `echo '{"what":"memory","unit":"MiB","ours":14,"goal":{"ours":10},"note":"20 kernels"}'` + "\n"
	more   = `echo '{"what":"health","unit":"requests/s","ours":90000,"theirs":3000,"beside":"FastAPI","more":true,"goal":{"ratio":25,"ours":10000}}'` + "\n"
)

func TestPartsBecomeOneTable(t *testing.T) {
	root := parts(t, map[string]string{"a": faster + slower, "b": more})
	var out strings.Builder
	require.NoError(t, run(t.Context(), root, nil, &out))
	require.Contains(t, out.String(), "| round trip | **0.174 ms** | Jupyter kernel: 5.90 ms | 33.9× | ≥ 25.0×: reached |\n")
	require.Contains(t, out.String(), "| memory (20 kernels) | **14.0 MiB** |  |  | ≤ 10.0 MiB: **not reached** |\n")
	require.Contains(t, out.String(), "| health | **90000 requests/s** | FastAPI: 3000 requests/s | 30.0× | ≥ 25.0×, ≥ 10000 requests/s: reached |\n")
	require.Contains(t, out.String(), "Measured on ")

	out.Reset()
	require.NoError(t, run(t.Context(), root, []string{"b"}, &out))
	require.NotContains(t, out.String(), "round trip")
	require.ErrorContains(t, run(t.Context(), root, []string{"c"}, &out), `there is no part "c": there are a, b`)
}

func TestPartThatFailsIsNamedAndTheOthersStillRun(t *testing.T) {
	root := parts(t, map[string]string{
		"a": faster + "exit 3",
		"b": `echo '{"what":"nothing measured","unit":"ms","ours":0}'; echo '{"wat":1}'; echo words`,
		"c": "true",
		"d": more,
	})
	var out strings.Builder
	err := run(t.Context(), root, nil, &out)
	require.ErrorContains(t, err, "a: exit status 3")
	require.ErrorContains(t, err, "ours is 0, not a figure above zero")
	require.ErrorContains(t, err, `unknown field "wat"`)
	require.ErrorContains(t, err, `line "words"`)
	require.ErrorContains(t, err, "c: it printed no result")
	require.Contains(t, out.String(), "round trip")
	require.Contains(t, out.String(), "health")
}

func TestTableGoesBetweenTheMarksOfAFile(t *testing.T) {
	root := parts(t, map[string]string{"a": faster})
	file := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(file, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o644))
	var out strings.Builder
	require.NoError(t, run(t.Context(), root, []string{"-write", file}, &out))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "before\n"+begin+out.String()+end+"after\n", string(text))

	require.NoError(t, os.WriteFile(file, []byte("no marks\n"), 0o644))
	require.ErrorContains(t, run(t.Context(), root, []string{"-write", file}, &out), "has no lines")
}
