package kernel

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/stretchr/testify/require"
)

// patience bounds every wait of these tests. It is long, so that a very busy
// machine fails none of them.
const patience = 90 * time.Second

// testPython is the interpreter of the tests: KERNEL_PYTHON, else that of the
// repository's virtual environment, else the one on PATH.
func testPython() string {
	if python := os.Getenv("KERNEL_PYTHON"); python != "" {
		return python
	}
	if python, err := filepath.Abs("../../../.venv/bin/python"); err == nil {
		if _, err := os.Stat(python); err == nil {
			return python
		}
	}
	return "python3"
}

func newTestHost(t testing.TB, change func(*Options)) *Host {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	o := Options{
		Python: testPython(),
		Limits: Limits{Memory: 1 << 30, Processes: 64, Files: 256, FileSize: 1 << 30},
		Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&o)
	}
	h, err := NewHost(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

// shared is a host for the tests that don't need one of their own.
var shared struct {
	sync.Mutex
	host *Host
}

func sharedHost(t testing.TB) *Host {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.host == nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		h, err := NewHost(ctx, Options{
			Python:  testPython(),
			Preload: []string{"numpy", "pandas", "matplotlib.pyplot", "plotly"},
			Limits:  Limits{Memory: 512 << 20, Processes: 32, Files: 256, FileSize: 64 << 20},
			Spares:  1,
			Log:     slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
		require.NoError(t, err)
		shared.host = h
	}
	return shared.host
}

// bench is a kernel under test with all that it has reported.
type bench struct {
	t testing.TB
	*Kernel
	events []Event
}

func startKernel(t testing.TB, h *Host) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	k, err := h.Start(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return &bench{t: t, Kernel: k}
}

func (b *bench) next() Event {
	b.t.Helper()
	select {
	case e, ok := <-b.Events():
		require.True(b.t, ok, "the kernel's events ended: %+v", b.events)
		b.events = append(b.events, e)
		return e
	case <-time.After(patience):
		require.FailNow(b.t, "no event in time", "%+v", b.events)
		return nil
	}
}

// until takes events up to one that fits.
func (b *bench) until(fits func(Event) bool) []Event {
	b.t.Helper()
	start := len(b.events)
	for {
		e := b.next()
		if fits(e) {
			return b.events[start:]
		}
		if d, ok := e.(Died); ok {
			require.FailNow(b.t, "the kernel died", "%+v", d)
		}
	}
}

// result is what one run of a cell led to.
type result struct {
	t       testing.TB
	outputs []notebook.Output
	fault   *notebook.CellError
	died    *Died
}

const testCell = "0193aaaa-0000-7000-8000-3fa9c1d2e4f5"

func (b *bench) run(source string) result {
	b.t.Helper()
	return b.runRequest(Request{CellID: testCell, Source: source})
}

func (b *bench) runRequest(r Request) result {
	b.t.Helper()
	require.NoError(b.t, b.Run(r))
	return b.finish(r.CellID)
}

// finish waits for the end of a run.
func (b *bench) finish(cell string) result {
	b.t.Helper()
	found := result{t: b.t}
	for _, e := range b.until(func(e Event) bool {
		switch e := e.(type) {
		case Finished:
			return e.CellID == cell
		case Died:
			return true
		}
		return false
	}) {
		switch e := e.(type) {
		case Output:
			if e.CellID == cell {
				found.outputs = append(found.outputs, e.Output)
			}
		case Finished:
			found.fault = e.Error
		case Died:
			found.died = &e
		}
	}
	return found
}

func (r result) ok() result {
	r.t.Helper()
	require.Nil(r.t, r.died)
	require.Nil(r.t, r.fault)
	return r
}

// text returns what was printed to a stream.
func (r result) text(stream string) string {
	var b strings.Builder
	for _, o := range r.outputs {
		if o.Kind == notebook.OutputStream && o.Stream == stream {
			b.WriteString(o.Text)
		}
	}
	return b.String()
}

// rich returns the displays and results.
func (r result) rich() []notebook.Output {
	var found []notebook.Output
	for _, o := range r.outputs {
		if o.Kind == notebook.OutputDisplay || o.Kind == notebook.OutputResult {
			found = append(found, o)
		}
	}
	return found
}

// value returns the plain text of the shown value.
func (r result) value() string {
	r.t.Helper()
	for _, o := range r.outputs {
		if o.Kind == notebook.OutputResult {
			return mimeText(r.t, o, "text/plain")
		}
	}
	require.FailNow(r.t, "no value is shown", "%+v", r)
	return ""
}

func mimeText(t testing.TB, o notebook.Output, mime string) string {
	t.Helper()
	require.Contains(t, o.Data, mime)
	var text string
	require.NoError(t, json.Unmarshal(o.Data[mime], &text))
	return text
}

func TestACellPrintsShowsItsValueAndFinishes(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	r := b.run("x = 6\nprint('printed')\nx * 7").ok()
	require.Equal(t, "printed\n", r.text("stdout"))
	require.Equal(t, "42", r.value())
	require.Equal(t, "6", b.run("x").ok().value())
}

func TestAnExceptionIsAnOutputAndTheRunsError(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	r := b.run("def f():\n    return 1 / 0\n\nf()")
	require.NotNil(t, r.fault)
	require.Equal(t, notebook.ErrException, r.fault.Kind)
	require.Equal(t, "ZeroDivisionError", r.fault.Name)
	require.Equal(t, "division by zero", r.fault.Message)
	last := r.outputs[len(r.outputs)-1]
	require.Equal(t, notebook.OutputError, last.Kind)
	require.Equal(t, []string{
		"Traceback (most recent call last):",
		`  File "<cell 3fa9c1d2e4f5>", line 4, in <module>`,
		"    f()",
		`  File "<cell 3fa9c1d2e4f5>", line 2, in f`,
		"    return 1 / 0",
		"           ~~^~~",
		"ZeroDivisionError: division by zero",
	}, last.Traceback)
}
