package kernel

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/stretchr/testify/require"
)

const otherCell = "0193aaaa-0000-7000-8000-00000000beef"

func TestOnlyTheLastExpressionIsShownUnlessASemicolonHidesIt(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	for source, shown := range map[string]int{
		"1": 1, "1;": 0, "1 ; # why": 0, "(1\n);": 0, "'a;'": 1, "x = 1": 0, "None": 0, "1\nx = 2": 0,
		"# nothing": 0, "": 0, "1 # ;": 1, "for x in [1]: x": 0, "x = [1]; x": 1, "'ü'; ": 0,
	} {
		require.Len(t, b.run(source).ok().rich(), shown, source)
	}
}

func TestTopLevelAwaitWorks(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	require.Equal(t, "3", b.run("import asyncio\nawait asyncio.sleep(0.01)\nx = 1\nawait asyncio.sleep(0, 3)").ok().value())
	require.Equal(t, "[0, 1]", b.run("async def g():\n    for i in range(2): yield i\n[i async for i in g()]").ok().value())
	for _, source := range []string{
		"print('go', flush=True)\nawait asyncio.sleep(1000)",
		"await asyncio.sleep(0)\nprint('go', flush=True)\nwhile True: pass",
	} {
		b.start(source, "go")
		b.Interrupt()
		r := b.finish(testCell)
		require.NotNil(t, r.fault, "%+v", r.died)
		require.Equal(t, notebook.ErrInterrupted, r.fault.Kind)
	}
	require.Equal(t, "4", b.run("await asyncio.sleep(0, 4)").ok().value())
}

func TestANoBreakSpaceIsReadAsASpace(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	require.Equal(t, `'a\xa0b'`, b.run("if\u00a01:\n\u00a0\u00a0x = 'a\u00a0b'\nx").ok().value())
	for source, value := range map[string]string{
		"if 1:\n\u00a0\u00a0\u00a0\u00a0x = 1\n\u00a0\u00a0\u00a0\u00a0y = x + 1\ny":                              "2",
		"def f(a):\n \u00a0 \u00a0if a:\n    \u00a0\u00a0\u00a0\u00a0return 3\n\u00a0\u00a0\u00a0 return 4\nf(0)": "4",
		"x = 5\n\u00a0\u00a0\nx\u00a0\n\u00a0":                                                                    "5",
		"x = \"\"\"\n\u00a0\u00a0\"\"\"\nif 1:\n\u00a0\u00a0x += '\u2028\x0c'\n\u00a0\u00a0x += '\u00a0'\nlen(x)": "6",
		"x\u00a0=\u00a06;\u00a0x": "6",
		"x = 125\u00a0+\u00a00x1f\u00a0\u00a0; [x, 1.5\u00a0, 2j\u00a0]": "[156, 1.5, 2j]",
	} {
		require.Equal(t, value, b.run(source).ok().value(), "%q", source)
	}
	require.Equal(t, notebook.ErrSyntax, b.run("\u00a0\u00a0x = 1").fault.Kind, "as with spaces")
}

func TestNamesLeaveBeforeARunAndAfterAnException(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.run("x = 1; y = 2").ok()
	r := b.runRequest(Request{CellID: testCell, Source: "y\nz = 3\nx", Remove: []string{"x"}, Defines: []string{"z"}})
	require.Equal(t, "NameError", r.fault.Name)
	require.Equal(t, "name 'x' is not defined", r.fault.Message)
	require.Equal(t, "NameError", b.run("z").fault.Name)
	require.Equal(t, "2", b.run("y").ok().value())
	require.NoError(t, b.Remove([]string{"y", "never"}))
	require.Equal(t, "NameError", b.run("y").fault.Name)
}

func TestPrivateNamesBelongToTheirCell(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.run("_x = 1\n__ = 2\nimport os as _os, os.path\nimport _thread\ndef f(): return _x, __, _os.name, _thread.get_ident() > 0").ok()
	require.Equal(t, "(1, 2, 'posix', True)", b.runRequest(Request{CellID: otherCell, Source: "_x = 5\nf()"}).ok().value())
	require.Equal(t, "5", b.runRequest(Request{CellID: otherCell, Source: "_x = 5\n_x"}).ok().value())

	r := b.runRequest(Request{CellID: "0193aaaa-0000-7000-8000-000000000003", Source: "_x"})
	require.Equal(t, "name '_x' is not defined", r.fault.Message)

	r = b.run("_x = 1\ndel _x\n_x")
	require.Equal(t, "name '_x' is not defined", r.fault.Message)
	require.NotContains(t, strings.Join(r.fault.Traceback, "\n"), "‹")
}

func TestPrivateNamesAreRenamedWhereTheyAreVariablesAndNowhereElse(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	require.Equal(t, "'ok'", b.run(`
_a = 1
class C:
    _a = 2
    def __init__(self, _a=_a): self._b = _a
    def m(self): return _a
def f(_a): return _a
def g(): _a = 4; return _a
def h():
    global _a
    _a = 6
    return lambda: [_a for _ in range(1)][0]
def outer():
    _a = 8
    def inner():
        nonlocal _a
        _a += 1
        return _a
    return inner
assert (C._a, C()._b, C().m()) == (2, 2, 1)
assert f(_a=3) == 3 and g() == 4
assert outer()() == 9
assert h()() == 6 and _a == 6
assert dict(_a=7)["_a"] == 7
assert [_a for _a in (10, 11)] == [10, 11] and _a == 6
assert (lambda _a: _a)(12) == 12
assert [(lambda: _a)(), (lambda _a: _a)(1)] == [6, 1]
assert {_k: (lambda: _k + _a)() for _k in (1,)} == {1: 7}
try:
    raise ValueError("x")
except ValueError as _e:
    assert str(_e) == "x"
match {"k": 1, "r": 2}:
    case {"k": _v, **_rest}: assert (_v, _rest) == (1, {"r": 2})
for _i in range(3): pass
assert _i == 2
if (_w := 5) == 5: assert _w == 5
with open("/dev/null") as _f: _f.read()
async def _co(): return _a
assert await _co() == 6
def _named(): pass
class _Klass: pass
assert _named.__name__ == "_named" and _Klass.__qualname__ == "_Klass" and "_named" in repr(_named)
_a += 1
assert _a == 7
f"{_a} {_a!r:>{_a}}"
import os.path as _p, collections.abc
from os import sep as _sep
assert _p.sep == _sep
"ok"`).ok().value())
	vars := b.run("print(sorted(n for n in globals() if n.startswith('_') and not n.startswith('__') and '‹' not in n))").ok()
	require.Equal(t, "[]\n", vars.text("stdout"))
}

func TestACaughtExceptionIsItsHandlersAlone(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.runRequest(Request{CellID: otherCell, Source: "e = 'kept'\nk = 0", Defines: []string{"e", "k"}}).ok()
	require.Equal(t, "'ok'", b.runRequest(Request{CellID: testCell, Defines: []string{"k", "f", "C"}, Source: `
assert e == 'kept'
try:
    raise ValueError("x", [1])
except ValueError as e:
    assert str(e) == "('x', [1])" and f"{e=}" == "e=ValueError('x', [1])"
    assert [str(e) for _ in range(2)] == [(lambda: str(e))()] * 2 and (lambda e: e)(3) == 3
    class C:
        caught = e
        def m(self, e=e): return e
    def f(): return e
    assert f() is e and C.caught is C().m() is e
    try: 1/0
    except ZeroDivisionError as inner: assert inner.__context__ is e
    for k in e.args[1]: pass
except (TypeError, KeyError) as e: pass
assert e == 'kept' and k == 1
def g():
    try: 1/0
    except ZeroDivisionError as e: return str(e)
assert g() == "division by zero" and e == 'kept'
class K:
    try: 1/0
    except ZeroDivisionError as e: said = str(e)
assert e == 'kept' and not hasattr(K, "e")
try: f()
except NameError as e: assert "is not defined" in str(e)
k = None
try: 1/0
except ZeroDivisionError as k: pass
try: k
except NameError: "ok"
else: "as ever, where the cell binds the name otherwise, too"
"ok"`}).ok().value())
	require.Equal(t, "'kept'", b.runRequest(Request{CellID: otherCell, Source: "e"}).ok().value())
	require.Equal(t, "0", b.runRequest(Request{CellID: otherCell, Source: "sum('‹cell ' in n for n in globals())"}).ok().value())
}

func TestPrivateNamesLeaveWithTheirCell(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.run("_big = 'private'").ok()
	count := "sum('‹cell ' in n for n in globals())"
	require.Equal(t, "1", b.runRequest(Request{CellID: otherCell, Source: count}).ok().value())
	require.NoError(t, b.Forget(nil, []string{testCell}))
	require.Equal(t, "0", b.runRequest(Request{CellID: otherCell, Source: count}).ok().value())
	b.run("_big = 1\n1/0")
	require.Equal(t, "0", b.runRequest(Request{CellID: otherCell, Source: count}).ok().value())
}

func TestClassesAndFunctionsOfCellsCanBePickledAndShowTheirSource(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.run("class P:\n    def m(self): return 1\n\nclass Q: pass\n\ndef f(): return 2\ndef _g(x): return x + 1\nimport multiprocessing as mp, pickle, inspect").ok()
	require.Equal(t, "True", b.runRequest(Request{CellID: otherCell, Source: "type(pickle.loads(pickle.dumps(P()))) is P"}).ok().value())
	require.Equal(t, `'def f(): return 2\n'`, b.runRequest(Request{CellID: otherCell, Source: "inspect.getsource(f)"}).ok().value())
	require.Equal(t, `'class P:\n    def m(self): return 1\n'`, b.runRequest(Request{CellID: otherCell, Source: "inspect.getsource(P)"}).ok().value())
	require.Equal(t, `'class Q: pass\n'`, b.runRequest(Request{CellID: otherCell, Source: "inspect.getsource(Q)"}).ok().value())
	require.Equal(t, "[2, 3]", b.run("import multiprocessing as mp\ndef _g(x): return x + 1\nwith mp.get_context('fork').Pool(2) as pool: out = pool.map(_g, [1, 2])\nout").ok().value())
	require.Equal(t, "'__main__'", b.run("__name__").ok().value())
}

func TestASyntaxErrorSaysWhere(t *testing.T) {
	r := startKernel(t, sharedHost(t)).run("x = 1\ny = = 2")
	require.Equal(t, notebook.ErrSyntax, r.fault.Kind)
	require.Equal(t, []string{
		`  File "<cell 3fa9c1d2e4f5>", line 2`, "    y = = 2", "        ^", "SyntaxError: invalid syntax",
	}, r.fault.Traceback)
}

func TestChainedExceptionsShowNoFrameOfOurs(t *testing.T) {
	r := startKernel(t, sharedHost(t)).run("def f():\n    try: 1/0\n    except Exception as e: raise KeyError('k') from e\nf()")
	text := strings.Join(r.fault.Traceback, "\n")
	require.Equal(t, `  File "<cell 3fa9c1d2e4f5>", line 1, in <module>`, startKernel(t, sharedHost(t)).run("await 1").fault.Traceback[1])
	require.Contains(t, text, "direct cause")
	require.NotContains(t, text, "worker.py")
	require.Equal(t, "'k'", r.fault.Message)
}

func TestEveryInterruptIsNoticed(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	for range 100 {
		b.start("import select\nprint('go', flush=True)\nselect.select([], [], [], 1000)", "go")
		b.Interrupt()
		r := b.finish(testCell)
		require.Nil(t, r.died)
		require.Equal(t, notebook.ErrInterrupted, r.fault.Kind, "%+v", r.fault)
	}
}

func TestAnInterruptThatComesBeforeTheCellHasBegunIsNoticed(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	source := strings.Repeat("x = 1\n", 20_000) + "while True: pass" // it takes a while to compile
	for i := range 8 {
		require.NoError(t, b.Run(Request{CellID: testCell, Source: source}))
		time.Sleep(time.Duration(i) * 15 * time.Millisecond) // somewhere in its beginning
		b.Interrupt()
		r := b.finish(testCell)
		require.NotNil(t, r.fault, "%+v", r.died)
		require.Equal(t, notebook.ErrInterrupted, r.fault.Kind)
		source += "\n" // compiled anew
	}
}

func TestOneCellRunsAtATime(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.start("print('go', flush=True)\nimport time\ntime.sleep(1000)", "go")
	require.ErrorIs(t, b.Run(Request{CellID: otherCell, Source: "1"}), errBusy)
	require.ErrorIs(t, b.Remove([]string{"x"}), errBusy)
	b.Interrupt()
	b.finish(testCell)
}

func TestKernelsShareNothing(t *testing.T) {
	h := sharedHost(t)
	a, b := startKernel(t, h), startKernel(t, h)
	one := a.run("import random, numpy as np, os\nx = 1\nprint(random.random(), np.random.rand(), os.getcwd(), os.getuid())").ok().text("stdout")
	two := b.run("import random, numpy as np, os\nprint(random.random(), np.random.rand(), os.getcwd(), os.getuid())").ok().text("stdout")
	for i := range 3 {
		require.NotEqual(t, strings.Fields(one)[i], strings.Fields(two)[i])
	}
	require.Equal(t, "NameError", b.run("x").fault.Name)
	if os.Geteuid() == 0 {
		require.NotEqual(t, strings.Fields(one)[3], strings.Fields(two)[3])
		r := b.run(fmt.Sprintf("import os\nos.listdir(%s)", strconv.Quote(filepath.Join(a.dir, "work"))))
		require.Equal(t, "PermissionError", r.fault.Name)
	}
}

func TestVariablesAreListedWithoutTrustingThem(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.run("import math, numpy as np\nn = 1\ns = 'x' * 10_000\ndef f(a, *b, c, **d): pass\nclass K:\n    def __repr__(self): raise ValueError\nclass L:\n    def __repr__(self):\n        while True: pass\nk, l = K(), L()\na = np.zeros((2, 3))\n_p = 1").ok()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	vars, err := b.Variables(ctx)
	require.NoError(t, err)
	byName := map[string]Variable{}
	for _, v := range vars {
		byName[v.Name] = v
		require.LessOrEqual(t, utf8.RuneCountInString(v.Summary), 200)
	}
	require.Equal(t, Variable{"n", "int", "1"}, byName["n"])
	require.Equal(t, "(a, *b, c, **d)", byName["f"].Summary)
	require.Equal(t, "2 × 3 float64", byName["a"].Summary)
	require.Contains(t, byName["k"].Summary, "K instance")
	require.Contains(t, byName["l"].Summary, "too long")
	require.Equal(t, "math", byName["math"].Summary)
	require.NotContains(t, byName, "_p")
}

func TestCompletionsComeFromTheLiveNamespace(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.run("import math, xml\nclass K:\n    field = 1\n    def method(self, a): pass\n    @property\n    def danger(self): print('ran')\n    def __getattr__(self, n): print('ran')\nvalue = K()\nvalue.own = 2\nvalley = 1").ok()
	complete := func(source string) map[string]Match {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		units := 0
		for _, r := range source {
			units++
			if r > 0xffff {
				units++
			}
		}
		c, err := b.Complete(ctx, source, units)
		require.NoError(t, err)
		require.Equal(t, units, c.End)
		found := map[string]Match{}
		for _, m := range c.Matches {
			found[m.Text] = m
		}
		return found
	}
	require.Equal(t, []string{"valley", "value"}, keys(complete("'😀'; val")))
	require.Equal(t, Match{"method", "function", "(self, a)"}, complete("value.me")["method"])
	require.Contains(t, complete("value."), "own")
	require.Equal(t, "property", complete("value.dan")["danger"].Type)
	require.Empty(t, complete("value.danger."))
	require.Contains(t, complete("x = math.sq"), "sqrt")
	require.Contains(t, complete("import ma"), "math")
	require.Contains(t, complete("import os.pa"), "path")
	require.Contains(t, complete("import json, xml.et"), "etree")
	require.Equal(t, "function", complete("from math import pi, sq")["sqrt"].Type)
	require.Contains(t, complete("from json import (JSONDecoder as d, dec"), "decoder")
	require.Contains(t, complete("from json.dec"), "decoder")
	require.Empty(t, complete("from nosuch.thing import a"))
	require.Contains(t, complete("whi"), "while")
	require.Contains(t, complete("prin"), "print")
	require.Empty(t, complete("f().x"))
	require.Empty(t, complete("1."))
	require.Empty(t, b.run("1;").ok().text("stdout"), "no code of the cell ran")
}

func keys[V any](m map[string]V) []string {
	var found []string
	for _, k := range []string{"valley", "value"} {
		if _, ok := m[k]; ok {
			found = append(found, k)
		}
	}
	if len(found) != len(m) {
		return nil
	}
	return found
}

func TestTextKeepsItsOrderWithDisplaysAndStderr(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	r := b.run("import sys, os\nprint('a')\ndisplay(1)\nprint('b')\nprint('c', file=sys.stderr)\nprint('d')\nos.system('echo e')\ndisplay(2)\nprint('f', end='')\n3").ok()
	var order []string
	for _, o := range r.outputs {
		if o.Kind == notebook.OutputStream {
			order = append(order, o.Text)
		} else {
			order = append(order, mimeText(t, o, "text/plain"))
		}
	}
	require.Equal(t, "a\n1b\nc\nd\ne\n2f3", strings.Join(order, ""))
	require.Equal(t, "c\n", r.text("stderr"))
}

func TestTextAppearsWhileTheCellRuns(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.start("import time\nprint('early', end='')\ntime.sleep(1000)", "early")
	b.Interrupt()
	b.finish(testCell)
}

func TestTextOfCCodeAndChildrenIsTheCells(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	r := b.run("import os, ctypes, subprocess, sys\nctypes.CDLL(None).printf(b'from C\\n')\nos.write(1, 'bytes ü\\n'.encode())\nprint('python')\nsubprocess.run(['sh', '-c', 'echo child; echo bad >&2']);\nif os.fork() == 0:\n    print('forked')\nelse:\n    os.wait()").ok()
	for _, line := range []string{"from C\n", "bytes ü\n", "python\n", "child\n", "forked\n"} {
		require.Equal(t, 1, strings.Count(r.text("stdout"), line), "%s in %s", line, r.text("stdout"))
	}
	require.Equal(t, "bad\n", r.text("stderr"))
	require.Less(t, strings.Index(r.text("stdout"), "python"), strings.Index(r.text("stdout"), "child"))
}

func TestLateTextReachesTheCellThatStartedItsWriter(t *testing.T) {
	b := hostile(t)
	b.run(`
import threading, subprocess, time
go = threading.Event()
def late():
    go.wait()
    print("late thread")
threading.Thread(target=late).start()
subprocess.Popen(["sh", "-c", "while [ ! -e stop ]; do sleep 0.01; done; echo late child"])
1;`).ok()
	require.NoError(t, b.Run(Request{CellID: otherCell, Source: "go.set()\nopen('stop', 'w').close()\ntime.sleep(0.3)\nprint('mine')"}))
	byCell := map[string]string{}
	finished := false
	b.until(func(e Event) bool {
		switch e := e.(type) {
		case Output:
			byCell[e.CellID] += e.Output.Text
		case Finished:
			finished = true
		}
		return finished && strings.Contains(byCell[testCell], "late child")
	})
	require.Equal(t, "mine\n", byCell[otherCell])
	require.Contains(t, byCell[testCell], "late thread\n")
	require.Contains(t, byCell[testCell], "late child\n")
}

func TestAllTextIsThereWhenTheCellHasFinished(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	for i := range 50 {
		r := b.run(fmt.Sprintf("import os\nos.write(1, b'%d ' * 2000)\nprint('end')", i)).ok()
		require.Equal(t, strings.Repeat(fmt.Sprintf("%d ", i), 2000)+"end\n", r.text("stdout"))
	}
}

func TestAMillionLinesAreBoundedWithHeadNoticeAndTail(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	r := b.run("for i in range(1_000_000): print(i)").ok()
	text := r.text("stdout")
	require.LessOrEqual(t, len(text), 1<<20+1<<17)
	require.True(t, strings.HasPrefix(text, "0\n1\n2\n"))
	require.True(t, strings.HasSuffix(text, "999998\n999999\n"))
	require.Regexp(t, `\[\d+ bytes of output were dropped here\]`, text)
	require.Less(t, len(r.outputs), 1000)
	var head, dropped int
	_, err := fmt.Sscanf(text[strings.Index(text, "["):], "[%d bytes", &dropped)
	require.NoError(t, err)
	head = strings.Index(text, "\n[")
	tail := len(text) - strings.Index(text, "here]\n") - len("here]\n")
	require.Equal(t, 6_888_890, head+dropped+tail, "nothing is lost uncounted")
}

func TestTextThatIsNotUTF8IsReplacedAndCutCharactersAreJoined(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	r := b.run("import os, time\nos.write(1, b'a\\xc3')\ntime.sleep(0.1)\nos.write(1, b'\\xbcz\\xff!\\xe2\\x82')\nprint('\\udc80', end='')").ok()
	require.Equal(t, "aüz\ufffd!", strings.TrimSuffix(strings.ReplaceAll(r.text("stdout"), `\udc80`, ""), "\ufffd"))
	require.True(t, utf8.ValidString(r.text("stdout")))
}

func TestACellWithManyBackgroundWritersLeavesNoDescriptors(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Limits.Processes, o.Spares = 300, -1 })
	b := startKernel(t, h)
	before := descriptors(t)
	for range 3 * maxRuns {
		b.run("import subprocess\nsubprocess.Popen(['sleep', '1000']);").ok()
	}
	require.Less(t, descriptors(t)-before, 2*(maxRuns+4))
	require.NoError(t, b.Close())
	require.Eventually(t, func() bool { return descriptors(t) <= before+8 }, patience, 10*time.Millisecond)
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

func TestALargeSourceRuns(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	source := "x = 1\n" + strings.Repeat("# "+strings.Repeat("x", 98)+"\n", 30_000) + "x"
	require.Equal(t, "1", b.run(source).ok().value())
}

func TestKernelsShareTheMemoryOfWhatTheirParentImported(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	figures := b.run(`kib = {line.split(":")[0]: int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.endswith("kB\n")}
[kib["Private_Dirty"], kib["Rss"]]`).ok().value()
	var private, resident int
	_, err := fmt.Sscanf(figures, "[%d, %d]", &private, &resident)
	require.NoError(t, err, figures)
	require.Positive(t, private)
	require.Less(t, private, resident/2, "a worker has copies of its own of most that it shares at first: KiB %s", figures)
}

func TestAnInterruptStopsCCallsThatReleaseToSignals(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.run("import ctypes, os, queue, select, socket, subprocess, threading, time\nread, write = os.pipe()\none, other = socket.socketpair()\nlock = threading.Lock()\nlock.acquire()\ndef taken(): queue.Queue().get()").ok()
	for _, call := range []string{
		"time.sleep(1000)", "select.select([read], [], [], 1000)", "select.poll().poll(1_000_000)", "os.read(read, 1)",
		"one.recv(1)", "lock.acquire()", "taken()", "threading.Event().wait()", "subprocess.run(['sleep', '1000'])",
		"max(x for x in iter(int, 1))", "[x for x in iter(int, 1) if x]", "import re; re.match('(a+)+b', 'a' * 60)",
	} {
		b.start("print('go', flush=True)\n"+call, "go")
		b.Interrupt()
		r := b.finish(testCell)
		require.Nil(t, r.died, "%s: %+v", call, r.died)
		require.NotNil(t, r.fault, call)
		require.Equal(t, notebook.ErrInterrupted, r.fault.Kind, call)
	}
	require.Equal(t, "2", b.run("1 + 1").ok().value())
}

func TestAKernelHasAProcessGroupFoldersAndLimitsOfItsOwn(t *testing.T) {
	h := newTestHost(t, func(o *Options) {
		o.Spares, o.Limits = -1, Limits{Memory: 300 << 20, Processes: 20, Files: 100, FileSize: 5 << 20}
	})
	b, other := startKernel(t, h), startKernel(t, h)
	var is, others struct {
		PID, Group, Session, User int
		Cwd, Tmp, Home            string
		Files, Size, Processes    [2]int64
		Memory                    int64
		Core                      int64
	}
	const source = `
import json, os, resource, tempfile
with open("/proc/self/status") as status:
    data = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
limit = resource.getrlimit
print(json.dumps({
    "PID": os.getpid(), "Group": os.getpgrp(), "Session": os.getsid(0), "User": os.getuid(),
    "Cwd": os.getcwd(), "Tmp": tempfile.gettempdir(), "Home": os.environ["HOME"],
    "Files": limit(resource.RLIMIT_NOFILE), "Size": limit(resource.RLIMIT_FSIZE), "Processes": limit(resource.RLIMIT_NPROC),
    "Memory": limit(resource.RLIMIT_DATA)[1] - data, "Core": limit(resource.RLIMIT_CORE)[1],
}))`
	require.NoError(t, json.Unmarshal([]byte(b.run(source).ok().text("stdout")), &is))
	require.NoError(t, json.Unmarshal([]byte(other.run(source).ok().text("stdout")), &others))
	require.Equal(t, b.PID(), is.PID)
	require.Equal(t, is.PID, is.Group)
	require.Equal(t, is.PID, is.Session)
	require.Equal(t, filepath.Join(b.dir, "work"), is.Cwd)
	require.Equal(t, filepath.Join(b.dir, "tmp"), is.Tmp)
	require.Equal(t, is.Cwd, is.Home)
	require.NotEqual(t, is.Cwd, others.Cwd)
	require.Equal(t, [2]int64{100, 100}, is.Files)
	require.Equal(t, [2]int64{5 << 20, 5 << 20}, is.Size)
	require.LessOrEqual(t, is.Memory, int64(300<<20))
	require.Positive(t, is.Memory)
	require.Zero(t, is.Core)
	if os.Geteuid() == 0 {
		require.Equal(t, [2]int64{20, 20}, is.Processes)
		require.Equal(t, *b.uid, is.User)
		require.NotZero(t, is.User)
		require.NotEqual(t, is.User, others.User)
	} else { // counted with all others of the service's user
		require.GreaterOrEqual(t, is.Processes[0], int64(20))
	}
}
