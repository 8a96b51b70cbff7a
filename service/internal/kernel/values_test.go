package kernel

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// codec is a module that carries values as plain JSON, but for what it is told
// to do otherwise.
const codec = `
import json

def encode_parameters(values):
    return json.dumps(values, default=lambda value: value.carried())

def decode_result(text, pandas=None):
    value = json.loads(text)
    if value == "pandas":
        return pandas is not None
    if value == "loop":
        while True: pass
    return value
`

func carryingKernel(t *testing.T) *bench {
	h := newTestHost(t, func(o *Options) { o.Modules = map[string]string{"sqlvalues.py": codec} })
	return startKernel(t, h)
}

func TestValuesAreCollectedAndBoundWhateverTheirSize(t *testing.T) {
	b := carryingKernel(t)
	b.run("a = 1; long = 'ä' * 2_000_000").ok()
	data, err := b.Collect(t.Context(), []string{"a", "missing", "long"})
	require.NoError(t, err)
	var values map[string]any
	require.NoError(t, json.Unmarshal(data, &values))
	require.Len(t, values, 2)
	require.EqualValues(t, 1, values["a"])
	require.Len(t, []rune(values["long"].(string)), 2_000_000)

	large := `"` + strings.Repeat("x", 70<<20) + `"`
	require.NoError(t, b.Bind(t.Context(), "rows", []byte(large)))
	require.Equal(t, "73400320 False\n", b.run("print(len(rows), 'sqlvalues' in __import__('sys').modules)").ok().text("stdout"))
	data, err = b.Collect(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, "{}", string(data))
}

func TestWhatCanNotBeCarriedIsNamedAndTheKernelGoesOn(t *testing.T) {
	b := carryingKernel(t)
	b.run("class Odd:\n    def carried(self): raise TypeError('too odd')\nok, odd = 1, Odd()\nhuge = 'x' * (65 << 20)")
	var fault *ValueError
	_, err := b.Collect(t.Context(), []string{"ok", "odd"})
	require.ErrorAs(t, err, &fault)
	require.Equal(t, ValueError{"odd", "TypeError", "too odd"}, *fault)
	_, err = b.Collect(t.Context(), []string{"huge"})
	require.ErrorAs(t, err, &fault)
	require.Equal(t, "huge", fault.Variable)
	require.Contains(t, fault.Message, "64 MiB")
	err = b.Bind(t.Context(), "ok", []byte("{"))
	require.ErrorAs(t, err, &fault)
	require.Equal(t, "JSONDecodeError", fault.Name)
	require.Equal(t, "1", b.run("ok").ok().value(), "a failed binding changes nothing")
}

func TestTheEndOfItsContextInterruptsAConversion(t *testing.T) {
	b := carryingKernel(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, b.Bind(ctx, "rows", []byte(`"loop"`)), context.DeadlineExceeded)
	r := b.run("rows")
	require.Nil(t, r.died, "the kernel lives")
	require.Equal(t, "NameError", r.fault.Name, "and nothing was bound")
}

func TestAConversionThatIgnoresInterruptsEndsWithItsKernel(t *testing.T) {
	b := carryingKernel(t)
	b.run("import signal\nclass Deaf:\n    def carried(self):\n        signal.signal(signal.SIGINT, signal.SIG_IGN)\n        while True: pass\ndeaf = Deaf()").ok()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := b.Collect(ctx, []string{"deaf"})
	require.ErrorContains(t, err, "its kernel was killed")
}

func TestValuesAreNotCarriedWhileACellRuns(t *testing.T) {
	b := carryingKernel(t)
	require.NoError(t, b.Run(Request{CellID: testCell, Source: "import time; time.sleep(60)"}))
	_, err := b.Collect(t.Context(), []string{"a"})
	require.ErrorIs(t, err, errBusy)
	require.ErrorIs(t, b.Bind(t.Context(), "a", []byte("1")), errBusy)
}
