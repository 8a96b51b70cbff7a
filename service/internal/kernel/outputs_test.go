package kernel

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"strings"
	"testing"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/stretchr/testify/require"
)

// library starts a kernel that has a Python package, or fails with the way out.
func library(t *testing.T, name string) *bench {
	t.Helper()
	h := sharedHost(t)
	require.Contains(t, h.Info().Preloaded, name,
		"this test needs the Python package %s: run it through `make test`, or set KERNEL_PYTHON to a Python that has it (%s)", name, h.Info().Missing[name])
	return startKernel(t, h)
}

type table struct {
	Columns []struct{ Name, Type string }
	Rows    [][]any
	Total   int `json:"total_rows"`
	Index   int `json:"index_columns"`
}

func tableOf(t *testing.T, o notebook.Output) table {
	t.Helper()
	require.Contains(t, o.Data, "application/vnd.notebook.table+json")
	var found table
	decoder := json.NewDecoder(bytes.NewReader(o.Data["application/vnd.notebook.table+json"]))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&found))
	return found
}

func TestAFramesIndexIsCountedApart(t *testing.T) {
	b := library(t, "pandas")
	for source, want := range map[string]int{
		"pd.DataFrame({'n': [1]}, index=['Oslo'])":                              1,
		"pd.DataFrame({'n': [1]}, index=pd.MultiIndex.from_tuples([(1, 'b')]))": 2,
		"pd.DataFrame({'n': [1]})":                                              0,
	} {
		found := tableOf(t, b.run("import pandas as pd\n" + source).ok().rich()[0])
		require.Equal(t, want, found.Index, source)
		require.Len(t, found.Columns, want+1, source)
	}
}

func TestAFrameIsATable(t *testing.T) {
	b := library(t, "pandas")
	r := b.run(`
import pandas as pd, numpy as np, datetime as dt, decimal
pd.DataFrame({
    "number": [1.5, np.nan], "whole": [2**60, 1], "text": ["<b>&", None],
    "when": pd.to_datetime(["2024-01-02T03:04:05", None]), "flag": [True, False],
    "infinite": [np.inf, -np.inf], "money": [decimal.Decimal("1.10"), None], "thing": [[1, 2], {"a": 1}],
})`).ok()
	o := r.rich()[0]
	require.Equal(t, notebook.OutputResult, o.Kind)
	found := tableOf(t, o)
	require.Equal(t, 2, found.Total)
	require.NotContains(t, string(o.Data["application/vnd.notebook.table+json"]), "index_columns", "it has none")
	require.Equal(t, "number", found.Columns[0].Name)
	require.Equal(t, "float64", found.Columns[0].Type)
	require.Equal(t, []any{json.Number("1.5"), "1152921504606846976", "<b>&", "2024-01-02T03:04:05", true, "inf", "1.10", "[1, 2]"}, found.Rows[0])
	require.Equal(t, []any{nil, json.Number("1"), nil, nil, false, "-inf", nil, "{'a': 1}"}, found.Rows[1])
	require.Contains(t, mimeText(t, o, "text/html"), "&lt;b&gt;&amp;")
	require.Contains(t, mimeText(t, o, "text/plain"), "number")
}

func TestAFrameOfAMillionRowsSendsItsFirstPage(t *testing.T) {
	b := library(t, "pandas")
	o := b.run("import pandas as pd\npd.DataFrame({'a': range(1_000_000), 'b': 'x'})").ok().rich()[0]
	found := tableOf(t, o)
	require.Equal(t, 1_000_000, found.Total)
	require.Len(t, found.Rows, 500)
	require.Less(t, o.Size(), 200_000)
}

func TestOddFramesAreTables(t *testing.T) {
	b := library(t, "pandas")
	found := tableOf(t, b.run("import pandas as pd\npd.DataFrame([[1, 2]], columns=['a', 'a'])").ok().rich()[0])
	require.Equal(t, []any{json.Number("1"), json.Number("2")}, found.Rows[0])
	found = tableOf(t, b.run("pd.DataFrame({'k': ['x', 'y', 'x'], 'v': [1, 2, 3]}).groupby('k').sum()").ok().rich()[0])
	require.Equal(t, "k", found.Columns[0].Name)
	require.Equal(t, []any{"x", json.Number("4")}, found.Rows[0])
	found = tableOf(t, b.run("pd.DataFrame()").ok().rich()[0])
	require.Zero(t, found.Total)
	require.Empty(t, found.Rows)
	found = tableOf(t, b.run("import numpy as np\npd.DataFrame(np.zeros((2000, 2000)))").ok().rich()[0])
	require.LessOrEqual(t, len(found.Rows)*len(found.Columns), 50_000)
	found = tableOf(t, b.run("pd.DataFrame({('a', 1): [1], ('b', 2): ['y' * 10_000]})").ok().rich()[0])
	require.Equal(t, "a / 1", found.Columns[0].Name)
	require.Less(t, len(found.Rows[0][1].(string)), 2000)
}

func TestOpenFiguresAreShownOnceAtTheEnd(t *testing.T) {
	b := library(t, "matplotlib.pyplot")
	r := b.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.figure()\nplt.plot([3, 4])\nprint('drawn');").ok()
	require.Len(t, r.rich(), 2)
	image, err := base64.StdEncoding.DecodeString(mimeText(t, r.rich()[0], "image/png"))
	require.NoError(t, err)
	_, err = png.Decode(bytes.NewReader(image))
	require.NoError(t, err)
	require.Contains(t, mimeText(t, r.rich()[0], "text/plain"), "Figure")
	require.Empty(t, b.run("1;").ok().rich())
	require.Len(t, b.run("fig, ax = plt.subplots()\nax.plot([1])\nfig").ok().rich(), 1)
	r = b.run("plt.plot([1])\nplt.show()\nprint('after');").ok()
	require.Equal(t, notebook.OutputDisplay, r.outputs[0].Kind)
	require.Equal(t, "after\n", r.outputs[1].Text)
	b.run("plt.plot([1])\n1/0")
	require.Empty(t, b.run("1;").ok().rich(), "a failed cell's figure is not the next one's")
}

func TestAPlotlyFigureIsPlotlyJSON(t *testing.T) {
	b := library(t, "plotly")
	o := b.run("import plotly.graph_objects as go\ngo.Figure(go.Bar(y=[1, float('nan'), 3]))").ok().rich()[0]
	var figure struct{ Data []struct{ Type string } }
	require.NoError(t, json.Unmarshal(o.Data["application/vnd.plotly.v1+json"], &figure))
	require.Equal(t, "bar", figure.Data[0].Type)
	require.Equal(t, "Figure with 1 trace", mimeText(t, o, "text/plain"))
	o = b.run("import plotly.express as px\npx.line(x=[1, 2], y=[3, 4])").ok().rich()[0]
	require.Contains(t, o.Data, "application/vnd.plotly.v1+json")
}

func TestRepresentationsOfACellsOwnClasses(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	o := b.run(`
class Rich:
    def __repr__(self): return "plain"
    def _repr_html_(self): return "<b>html</b>"
    def _repr_markdown_(self): return "**md**"
    def _repr_svg_(self): return "<svg/>"
    def _repr_png_(self): return b"\x89PNG"
    def _repr_json_(self): return {"a": [1, None]}
Rich()`).ok().rich()[0]
	require.Equal(t, "plain", mimeText(t, o, "text/plain"))
	require.Equal(t, "<b>html</b>", mimeText(t, o, "text/html"))
	require.Equal(t, "**md**", mimeText(t, o, "text/markdown"))
	require.Equal(t, "<svg/>", mimeText(t, o, "image/svg+xml"))
	require.Equal(t, "iVBORw==", strings.TrimSpace(mimeText(t, o, "image/png")))
	require.JSONEq(t, `{"a":[1,null]}`, string(o.Data["application/json"]))

	o = b.run("class Bundle:\n    def _repr_mimebundle_(self, include=None, exclude=None): return {'text/plain': 'p', 'text/html': 'h'}, {'text/html': {'isolated': True}}\nBundle()").ok().rich()[0]
	require.Equal(t, "p", mimeText(t, o, "text/plain"))
	require.Equal(t, "h", mimeText(t, o, "text/html"))
	require.JSONEq(t, `{"isolated":true}`, string(o.Metadata["text/html"]))
	require.Empty(t, b.run("class Rich2:\n    def _repr_html_(self): return 'x'\nRich2").ok().rich()[0].Data["text/html"], "a class is not its instance")
}

func TestWhateverARepresentationRaisesCostsOnlyThatOutput(t *testing.T) {
	b := hostile(t)
	for _, raised := range []string{"SystemExit(3)", "KeyboardInterrupt", "GeneratorExit", "MemoryError", "RecursionError", "BaseException"} {
		for _, method := range []string{"__repr__", "_repr_html_", "_repr_mimebundle_"} {
			r := b.run(fmt.Sprintf("class A:\n    def %s(self, **options): raise %s\ndisplay(A())\nprint('on')", method, raised)).ok()
			name, _, _ := strings.Cut(raised, "(")
			require.Contains(t, mimeText(t, r.rich()[0], "text/plain"), name)
			require.Equal(t, "on\n", r.text("stdout"))
		}
	}
	for source, says := range map[string]string{
		"class A:\n    def __repr__(self): return repr(self)\nA()":                                    "RecursionError",
		"class A:\n    def __repr__(self): return 5\nA()":                                             "non-string",
		"class A:\n    def _repr_mimebundle_(self, **o): return {'text/plain': 5}\nA()":               "must be text",
		"class A:\n    @property\n    def __class__(self): raise ValueError\nA()":                     "ValueError",
		"class A:\n    def __getattribute__(self, name): raise SystemExit\nA()":                       "SystemExit",
		"class M(type):\n    @property\n    def __name__(cls): raise ValueError\nM('A', (), {})()":    "object",
		"type('X' * 10_000_000, (), {})()":                                                            "XXX…",
		"class Q(str):\n    def __repr__(self): return 'x' * 50_000_000\nQ()":                         "larger than the limit",
		"class A:\n    def _repr_mimebundle_(self, **o): return {'text/html': 'x' * 20_000_000}\nA()": "larger than the limit",
	} {
		require.Contains(t, b.run(source).ok().value(), says, source)
	}
	r := b.run("raise type('E' * 1_000_000, (Exception,), {'__str__': lambda self: 'x' * 50_000_000})")
	require.NotNil(t, r.fault)
	require.LessOrEqual(t, len(r.fault.Name), 200)
	require.Less(t, len(r.fault.Message), 100_000)
}

func TestHostileFramesAndFiguresCostOnlyThemselves(t *testing.T) {
	b := library(t, "pandas")
	library(t, "plotly")
	library(t, "matplotlib.pyplot")
	b.run("import pandas as pd, numpy as np, plotly.graph_objects as go, matplotlib.pyplot as plt").ok()
	for source, says := range map[string]string{
		"class A(pd.DataFrame):\n    @property\n    def shape(self): raise ValueError('odd')\nA({'a': [1]})": "ValueError: odd",
		"class S:\n    def __str__(self): raise ValueError('odd')\npd.DataFrame({'a': [S()]})":               "ValueError: odd",
		"class S:\n    def __repr__(self):\n        while True: pass\npd.DataFrame({'a': [S()]})":            "took longer than",
		"go.Figure(go.Scatter(y=['x' * 1000] * 20_000))":                                                     "larger than the limit",
		"plt.figure(figsize=(2000, 2000)).gca().plot([1])\nplt.gcf()":                                        "is not shown", // for want of memory, or by Matplotlib's own limit
	} {
		require.Contains(t, b.run(source).ok().value(), says, source)
	}
	o := b.run("pd.DataFrame(np.zeros((3, 200_000)))").ok().rich()[0]
	require.Less(t, o.Size(), 1<<20)
	o = b.run("pd.DataFrame({'a': ['x' * 50_000_000]})").ok().rich()[0]
	require.Less(t, o.Size(), 1<<20)
	o = b.run("pd.Series(range(1_000_000))").ok().rich()[0]
	require.Less(t, o.Size(), 10_000)
}

func TestFailingAndFakeRepresentationsCostOnlyThemselves(t *testing.T) {
	b := hostile(t)
	o := b.run("class Bad:\n    def __repr__(self): return 'plain'\n    def _repr_html_(self): raise ValueError('no')\n    def _repr_markdown_(self): return 5\n    _repr_svg_ = 7\n    def _repr_json_(self): return {'n': float('nan')}\nBad()").ok().rich()[0]
	require.Len(t, o.Data, 1)
	require.Contains(t, mimeText(t, o, "text/plain"), "plain")
	require.Contains(t, mimeText(t, o, "text/plain"), "ValueError: no")
	o = b.run("class Any:\n    def __getattr__(self, name): return lambda *a, **k: 'fake'\nAny()").ok().rich()[0]
	require.Len(t, o.Data, 1)
	o = b.run("class Wide:\n    def _repr_html_(self): return 'x' * 20_000_000\nWide()").ok().rich()[0]
	require.Len(t, o.Data, 1)
	require.Contains(t, mimeText(t, o, "text/plain"), "larger than the limit")
	o = b.run("10 ** 5000").ok().rich()[0]
	require.Contains(t, mimeText(t, o, "text/plain"), "not shown")
	require.Equal(t, "1", b.run("1").ok().value())
}

func TestDisplayCanBeReplaced(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	r := b.run("display(1, 'two')\ndisplay()").ok()
	require.Len(t, r.rich(), 2)
	require.Equal(t, notebook.OutputDisplay, r.rich()[0].Kind)
	require.Empty(t, b.run("display = print\ndisplay(3)").ok().rich())
}

func TestAnInterruptedRepresentationIsAnInterruptedCell(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.start("class Slow:\n    def __repr__(self):\n        print('go', flush=True)\n        while True: pass\nSlow()", "go")
	b.Interrupt()
	require.Equal(t, notebook.ErrInterrupted, b.finish(testCell).fault.Kind)
}
