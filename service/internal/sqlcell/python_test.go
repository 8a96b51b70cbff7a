package sqlcell_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// python is the interpreter of the tests: that of the repository's
// environment, which has pandas, where it is there.
func python(t testing.TB) string {
	t.Helper()
	if chosen := os.Getenv("KERNEL_PYTHON"); chosen != "" {
		return chosen
	}
	if own, err := filepath.Abs("../../../.venv/bin/python"); err == nil {
		if _, err := os.Stat(own); err == nil {
			return own
		}
	}
	path, err := exec.LookPath("python3")
	require.NoError(t, err, "the tests of the kernel's side need python3 on PATH, or its path in KERNEL_PYTHON")
	return path
}

func runPython(t testing.TB, input []byte, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, python(t), append([]string{"-B"}, args...)...)
	command.Stdin = bytes.NewReader(input)
	var out, report bytes.Buffer
	command.Stdout, command.Stderr = &out, &report
	require.NoError(t, command.Run(), "%s", report.String())
	return out.Bytes()
}

func TestKernelsSideReadsAndWritesEveryType(t *testing.T) {
	t.Run("with the standard library alone", func(t *testing.T) {
		runPython(t, nil, "-S", "sqlvalues_test.py")
	})
	t.Run("with pandas", func(t *testing.T) {
		if exec.Command(python(t), "-c", "import pandas").Run() != nil {
			t.Skipf("%s has no pandas: name an interpreter that has in KERNEL_PYTHON", python(t))
		}
		runPython(t, nil, "sqlvalues_test.py")
	})
}

// What Python reads of a result and passes on as parameters comes back as it
// was.
func TestValuesGoThroughPythonAndBack(t *testing.T) {
	s := startServer(t)
	c := open(t, s.settings())
	const values = `true AS b, 9223372036854775807 AS i, 0.1::float8 AS f, 1.50 AS d, 'ü"\' AS t, date '2024-02-29' AS da,
		time '01:02:03.5' AS ti, timestamp '2024-02-29 01:02:03.000001' AS ts, timestamptz '2024-02-29 01:02:03+05' AS tz,
		interval '-1 day 1 second' AS iv, '\x00ff'::bytea AS r, '{"a":[1,null]}'::jsonb AS j,
		'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, array[1,null,3] AS a`
	first := run(t, c, "SELECT "+values)
	program := filepath.Join(t.TempDir(), "through.py")
	require.NoError(t, os.WriteFile(program, []byte(sqlcell.PythonSource()+`
import sys
print(encode_parameters(decode_result(sys.stdin.read())[0]))
`), 0o600))
	params, err := sqlcell.DecodeParams(runPython(t, first.Encode(), program))
	require.NoError(t, err)
	second, fault := c.Run(context.Background(), sqlcell.Query{Params: params, Source: `SELECT {b} AS b, {i} AS i, {f} AS f, {d} AS d,
		{t} AS t, {da} AS da, {ti} AS ti, {ts} AS ts, {tz} AS tz, {iv} AS iv, {r} AS r, {j} AS j, {u} AS u, {a} AS a`})
	require.Nil(t, fault, "%+v", fault)
	require.JSONEq(t, string(first.Encode()), string(second.Encode()))
	require.True(t, json.Valid(second.Output().Data["application/vnd.notebook.table+json"]))
}
