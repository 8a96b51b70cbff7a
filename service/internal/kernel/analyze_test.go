package kernel

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func analyze(t *testing.T, sources ...string) []Analysis {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	found, err := sharedHost(t).Analyze(ctx, sources)
	require.NoError(t, err)
	require.Len(t, found, len(sources))
	return found
}

func words(text string) []string { return append([]string{}, strings.Fields(text)...) }

func TestNamesThatACellDefinesAndReferences(t *testing.T) {
	for _, c := range []struct{ source, defines, references string }{
		{"x = 1", "x", ""},
		{"", "", ""},
		{"x += 1", "x", "x"},
		{"x, (y, *z) = v", "x y z", "v"},
		{"x: int = 1", "x", "int"},
		{"x: int", "", "int"},
		{"a[0] = b.c = 1", "", "a b"},
		{"(w := y)", "w", "y"},
		{"import a.b, c as d\nfrom e import f as g, h", "a d g h", ""},
		{"with open(p) as f: pass", "f", "open p"},
		{"for i, j in pairs: pass", "i j", "pairs"},
		{"def f(a, b=c, *d, **e): return a + b + g", "f", "c g"},
		{"@decorate\nclass K(Base, metaclass=Meta): pass", "K", "Base Meta decorate"},
		{"lambda a: a + b", "", "b"},
		{"match v:\n    case {'k': a, **r} | [a, *r]: pass\n    case Point(x=b): pass", "a b r", "Point v"},

		// Reads before and after the cell's own binding.
		{"x = 1\nprint(x)", "x", "print"},
		{"print(x)\nx = 1", "x", "print x"},
		{"x = x", "x", "x"},
		{"def f(): return x\nx = 1", "f x", ""},
		{"x = 1\ndef f(): return x", "f x", ""},
		{"def f(): print(x); x = 1", "f", "print"},
		{"def f():\n    global g\n    g = 1", "f g", ""},
		{"def f():\n    global g\n    g += h", "f g", "g h"},
		{"def f():\n    global m\n    import m", "f m", ""},
		{"def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y", "f", "y"},
		{"if c: x = 1\nprint(x)", "x", "c print"},
		{"if c: print(x)\nelse: x = 1", "x", "c print x"},
		{"while p: p = q", "p", "p q"},
		{"for i in range(n): total = total + i", "i total", "n range total"},
		{"try: import fast\nexcept ImportError: fast = None\nfast", "fast", "ImportError"},
		{"try: pass\nfinally: y\nelse_ = 1", "else_", "y"},
		{"if 0: x = y", "x", "y"},
		{"assert a, b", "", "a b"},
		{"raise E from c\nx = 1", "x", "E c"},

		// Scopes of their own.
		{"[x for x in y if z]", "", "y z"},
		{"{k: v for k, v in p.items()}", "", "p"},
		{"[(last := x) for x in y]", "last", "y"},
		{"list(a for a in b)", "", "b list"},
		{"class A:\n    x = 1\n    def m(self): return x", "A", "x"},
		{"class A:\n    x = 1\n    y = x", "A", ""},
		{"class A:\n    x = x", "A", "x"},
		{"class A:\n    y = x\nx = 1", "A x", "x"},
		{"class A:\n    n: T = D", "A", "D T"},
		{"def f():\n    class B:\n        y = y", "f", "y"},
		{"try: pass\nexcept E as e: print(e)", "", "E print"},
		{"try: pass\nexcept E as e: f = lambda: e", "f", "E"},
		{"e = 1\ntry: pass\nexcept E as e: pass", "e", "E"},
		{"print(e)\ntry: pass\nexcept E as e: pass", "", "E e print"},
		{"try: pass\nexcept E as e: print(e)\nprint(e)", "", "E e print"},
		{"def f(): return e\ntry: pass\nexcept E as e: print(e)", "f", "E e print"},
		{"def f():\n    try: pass\n    except E as e: return e\ne", "f", "E e"},
		{"try: pass\nexcept E as e:\n    del e", "", "E"},
		{"try: pass\nexcept E as e:\n    e = e.args", "e", "E"},
		{"try: pass\nexcept E as e:\n    try: pass\n    except F as g: print(e, g)\n    print(e, g)", "", "E F g print"},
		{"max = 3", "max", ""},
		{"'no __doc__'\nx = 1", "x", ""},
		{"print(max(a))", "", "a max print"},

		// Private and public underscores.
		{"_x = 1\n__ = 2\n_ = 3\ny = _x + _z", "y", ""},
		{"__x = 1\n__all__ = __y", "__all__ __x", "__y"},
		{"for _ in range(3): pass", "", "range"},

		// Deletions.
		{"del x", "", "x"},
		{"x = 1\ndel x", "x", ""},
		{"def f():\n    global x\n    del x", "f", "x"},

		// Asynchronous code at the top level, and odd spaces.
		{"r = await get(u)", "r", "get u"},
		{"async with a as b: pass\nasync for c in d: pass", "b c", "a d"},
		{"[x async for x in y]", "", "y"},
		{"x\u00a0=\u00a0y", "x", "y"},
		{"from __future__ import annotations\ndef f(a: T) -> R: pass", "annotations f", ""},
		{"f'{a!r:>{w}}'", "", "a w"},
	} {
		a := analyze(t, c.source)[0]
		require.Nil(t, a.Error, c.source)
		require.Equal(t, words(c.defines), a.Defines, "defines of %q", c.source)
		require.Equal(t, words(c.references), a.References, "references of %q", c.source)
	}
}

func TestWhereVisitorsAndTheCompilerDisagreeTheCompilerIsRight(t *testing.T) {
	for why, c := range map[string]struct{ source, defines, references string }{
		"a method reads the global, not what the class body sets": {"class A:\n    x = 1\n    def m(self): return x", "A", "x"},
		"a name that a function binds later is its own":           {"def f(): print(x); x = 1", "f", "print"},
		"an augmented assignment reads and binds":                 {"x += 1", "x", "x"},
		"a class body reads the global before it binds":           {"class A:\n    x = x", "A", "x"},
		"a comprehension's first iterable is read outside of it":  {"class A:\n    xs = [1]\n    ys = [x for x in xs]", "A", ""},
		"a walrus in a comprehension binds outside of it":         {"[(last := x) for x in y]", "last", "y"},
		"a nonlocal is not the module's":                          {"def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = y", "f", "y"},
		"a lambda's default is read at once, its body later":      {"f = lambda a=b: c\nb = c = 1", "b c f", "b"},
		"a decorator is read before its function is bound":        {"@f\ndef f(): pass", "f", "f"},
		"what the optimizer drops is bound and read all the same": {"if 0: x = y", "x", "y"},
	} {
		a := analyze(t, c.source)[0]
		require.Nil(t, a.Error, why)
		require.Equal(t, words(c.defines), a.Defines, why)
		require.Equal(t, words(c.references), a.References, why)
	}
}

// Modules are cells that somebody else wrote: what they hold after they were
// imported is what the analysis says that they define.
func TestTheNamesOfRealModulesAreThoseThatTheyHave(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	var modules map[string]struct {
		Source string
		Names  []string
	}
	b.run(`
import importlib, inspect, json
found = {}
for name in """argparse ast bisect calendar cmd code codeop colorsys configparser contextlib copy csv dataclasses difflib
    doctest fractions ftplib functools gettext glob graphlib gzip hashlib heapq html imaplib inspect ipaddress keyword
    linecache mimetypes numbers opcode optparse pathlib pickletools plistlib pprint queue quopri random reprlib sched
    shelve shlex shutil smtplib statistics string tarfile tempfile textwrap timeit traceback uuid warnings
    weakref zipapp""".split():
    module = importlib.import_module(name)
    if "import *" in inspect.getsource(module) or "globals()" in inspect.getsource(module):
        continue
    given = {"__name__", "__doc__", "__package__", "__loader__", "__spec__", "__file__", "__cached__", "__builtins__", "__path__", "__annotations__"}
    given |= {n for n in vars(module) if f"{name}.{n}" in __import__("sys").modules}  # a package's submodules
    names = [n for n in vars(module) if n not in given and not (n.startswith("_") and not n.startswith("__"))]
    found[name] = {"Source": inspect.getsource(module), "Names": names}
with open("modules.json", "w") as file:
    json.dump(found, file)`).ok()
	text, err := os.ReadFile(filepath.Join(b.dir, "work", "modules.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &modules))
	require.Greater(t, len(modules), 30)
	for name, module := range modules {
		a := analyze(t, module.Source)[0]
		require.Nil(t, a.Error, name)
		require.Subset(t, a.Defines, module.Names, name)
		for _, defined := range a.Defines {
			// Else it is in a branch that was not taken, or deleted again.
			there := slices.Contains(module.Names, defined) || strings.Contains(module.Source, defined)
			require.True(t, there, "%s in %s", defined, name)
		}
	}
}

func TestDeletionsAndLoopVariablesAreToldApart(t *testing.T) {
	require.Equal(t, words("x"), analyze(t, "del x")[0].Deletes)
	require.Equal(t, words(""), analyze(t, "x = 1\ndel x")[0].Deletes)
	require.Equal(t, words("g"), analyze(t, "def f():\n    global g\n    del g")[0].Deletes)
	require.Equal(t, words("i"), analyze(t, "for i in a:\n    for j in b: j = 1")[0].LoopNames)
	require.Equal(t, words(""), analyze(t, "for i in a: pass\ni = 0")[0].LoopNames)
}

func TestTheFingerprintIsThatOfTheCode(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"x=1", "# why\n\nx  =  1  # so", true},
		{"if a: b()", "if a:\n\n    b()\n", true},
		{"f(1,\n  2)", "f(1, 2)", true},
		{"x = 2 * 3", "x = 6", true},
		{"'a'", "\"a\"", true},
		{"1", "2", false},
		{"x", "x;", false},
		{"x = 1", "x = 1.0", false},
		{"x = 1", "x = True", false},
		{"x = 0.0", "x = -0.0", false},
		{"def f(): 'doc'", "def f(): 'other'", false},
		{"a.b", "a.c", false},
		{"def f(x): return x", "def f(y): return y", false},
		{"x in {1, 2}", "x in {1, 3}", false},
	} {
		found := analyze(t, c.a, c.b)
		require.Len(t, found[0].Code, 64)
		require.Equal(t, c.same, found[0].Code == found[1].Code, "%q and %q", c.a, c.b)
	}
}

func TestWhatPythonRefusesIsASyntaxError(t *testing.T) {
	for source, name := range map[string]string{
		"x = = 1": "SyntaxError", "if 1:\nx": "IndentationError", "return 1": "SyntaxError", "x = yield": "SyntaxError",
		"def f(): nonlocal x": "SyntaxError", "break": "SyntaxError", "1 = x": "SyntaxError",
		strings.Repeat("(", 300) + strings.Repeat(")", 300): "SyntaxError",
		"a\x00b": "SyntaxError", "x = '\xed\xb2\x80'": "SyntaxError", "x = '\xff'": "SyntaxError",
		"x = " + strings.Repeat("-", 100_000) + "1": "SyntaxError",
		"x" + strings.Repeat(".a", 100_000):         "SyntaxError",
		"x = 1" + strings.Repeat("+1", 200_000):     "SyntaxError",
	} {
		a := analyze(t, source)[0]
		require.NotNil(t, a.Error, "%.80q", source)
		require.Equal(t, notebook.ErrSyntax, a.Error.Kind)
		require.Equal(t, name, a.Error.Name)
		require.NotEmpty(t, a.Error.Message)
		require.NotEmpty(t, a.Error.Traceback)
		require.Empty(t, a.Defines)
	}
	require.Equal(t, []string{`  File "<cell>", line 2`, "    y = = 2", "        ^", "SyntaxError: invalid syntax"}, analyze(t, "x = 1\ny = = 2")[0].Error.Traceback)
}

func TestAStarImportIsRefused(t *testing.T) {
	a := analyze(t, "x = 1\nif x:\n    from os.path import *")[0]
	require.Equal(t, notebook.ErrImportStar, a.Error.Kind)
	require.Contains(t, a.Error.Message, "from os.path import *")
	require.Empty(t, a.Defines)
}

func TestAMegabyteOfCodeIsAnalyzed(t *testing.T) {
	source := strings.Repeat("value = compute(value, 1)\n", 40_000)
	require.Equal(t, words("compute value"), analyze(t, source)[0].References)
}

func TestAnAnalyzerThatDiesCostsOnlyTheSourceOnWhichItDid(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Spares = -1 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, h.Check(ctx))
	h.analyzer.end()
	found, err := h.Analyze(ctx, []string{"a = 1", "b = a"})
	require.NoError(t, err)
	require.Equal(t, words("a"), found[1].References)
}

func TestAnAnalyzerThatEndedWhileNobodyAskedCostsNoSource(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Spares = -1 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, h.Check(ctx))
	require.False(t, h.analyzer.ended())
	require.NoError(t, unix.PidfdSendSignal(int(h.analyzer.pidfd.Fd()), unix.SIGKILL, nil, 0))
	require.Eventually(t, h.analyzer.ended, patience, time.Millisecond)
	found, err := h.Analyze(ctx, []string{"a = 1"})
	require.NoError(t, err)
	require.Nil(t, found[0].Error)
	require.Equal(t, words("a"), found[0].Defines)
}

// nextIsRead sees that after a source on which it failed, the analyzer reads others.
func nextIsRead(t *testing.T, h *Host, source string) Analysis {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	found, err := h.Analyze(ctx, []string{"a = 1", source, "b = a"})
	require.NoError(t, err)
	require.Equal(t, words("a"), found[0].Defines)
	require.Equal(t, words("a"), found[2].References)
	require.NotNil(t, found[1].Error)
	require.Equal(t, notebook.ErrSyntax, found[1].Error.Kind)
	return found[1]
}

func TestASourceThatTakesTooMuchMemoryToReadIsRefusedAndTheNextIsRead(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Spares, o.Limits.Memory = -1, 64<<20 })
	a := nextIsRead(t, h, strings.Repeat("value = compute(value, 1)\n", 40_000))
	require.Contains(t, a.Error.Message, "too large")
}

func TestASourceThatTakesTooLongToReadIsRefusedAndTheNextIsRead(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Spares = -1 })
	h.analyzer.end()
	h.analyzer.time = 200 * time.Millisecond
	a := nextIsRead(t, h, strings.Repeat("value = compute(value, 1)\n", 40_000))
	require.Contains(t, a.Error.Message, "took too long")
}

func TestTheAnalyzerRunsNoCodeOfCells(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made")
	require.NoError(t, os.Chmod(filepath.Dir(file), 0o777))
	act := fmt.Sprintf("open('%s', 'w').close() or __import__('os')._exit(1)", file)
	for _, a := range analyze(t,
		act, "@("+act+")\ndef f(): pass", "class K(metaclass="+act+"): x = "+act, "def f(a: "+act+" = "+act+"): pass",
		"f\"{"+act+"}\"", "[x for x in "+act+"]", "import antigravity, this", "# -*- coding: unknown -*-\n"+act, "await "+act,
	) {
		require.Nil(t, a.Error)
	}
	require.NoFileExists(t, file)
}

func TestManySourcesAtOnceComeBackInOrder(t *testing.T) {
	var sources []string
	for i := range 500 {
		sources = append(sources, "v"+strings.Repeat("x", i%50)+" = "+strings.Repeat("y + ", i/50)+"1\n# "+strings.Repeat("long ", 1000))
	}
	for i, a := range analyze(t, sources...) {
		require.Equal(t, []string{"v" + strings.Repeat("x", i%50)}, a.Defines)
	}
}

func TestBuiltinsAreThoseOfTheInterpreter(t *testing.T) {
	names := sharedHost(t).Builtins()
	for _, name := range []string{"print", "max", "display", "ExceptionGroup", "__import__"} {
		require.True(t, names[name], name)
	}
	require.False(t, names["np"])
}
