package kernel

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// hostile starts a kernel for a hostile cell, and has another one answer again
// and again whatever that cell does.
func hostile(t *testing.T) *bench {
	t.Helper()
	return hostileOn(t, sharedHost(t))
}

func hostileOn(t *testing.T, h *Host) *bench {
	t.Helper()
	other := startKernel(t, h)
	other.run("answer = 41").ok()
	stop, answered := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			if err := other.answers(); err != nil {
				answered <- err
				return
			}
			select {
			case <-stop:
				answered <- nil
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		require.NoError(t, <-answered, "another notebook's kernel")
		require.Equal(t, "42", other.run("answer + 1").ok().value())
	})
	return startKernel(t, h)
}

// answers tells why the kernel did not run a cell, if it didn't.
func (b *bench) answers() error {
	if err := b.Run(Request{CellID: otherCell, Source: "assert answer == 41"}); err != nil {
		return err
	}
	patient := time.After(patience)
	for {
		select {
		case e, open := <-b.Events():
			switch e := e.(type) {
			case Finished:
				if e.Error != nil {
					return fmt.Errorf("%s: %s", e.Error.Name, e.Error.Message)
				}
				return nil
			case Died:
				return errors.New(e.Reason)
			}
			if !open {
				return errors.New("its events ended")
			}
		case <-patient:
			return fmt.Errorf("no answer within %v", patience)
		}
	}
}

// start runs a cell up to the first text that it prints.
func (b *bench) start(source, text string) {
	b.t.Helper()
	require.NoError(b.t, b.Run(Request{CellID: testCell, Source: source}))
	b.untilText(text)
}

func (b *bench) untilText(text string) string {
	b.t.Helper()
	var seen strings.Builder
	b.until(func(e Event) bool {
		if o, ok := e.(Output); ok && o.Output.Kind == notebook.OutputStream {
			seen.WriteString(o.Output.Text)
		}
		return strings.Contains(seen.String(), text)
	})
	return seen.String()
}

func TestOSExitEndsOnlyItsKernelAndNamesTheCode(t *testing.T) {
	b := hostile(t)
	r := b.run("import os\nprint('before', flush=True)\nos._exit(7)")
	require.NotNil(t, r.died)
	require.Equal(t, "the process exited with code 7", r.died.Reason)
	require.Equal(t, CauseExit, r.died.Cause)
	require.Equal(t, testCell, r.died.CellID)
	require.Equal(t, notebook.ErrKernelDied, r.died.Kind)
	require.Equal(t, "before\n", r.text("stdout"))
	_, open := <-b.Events()
	require.False(t, open)
	require.Error(t, b.Run(Request{CellID: testCell, Source: "1"}))
	r = hostile(t).run("import os\nos._exit(0)")
	require.NotNil(t, r.died)
	require.Equal(t, "the process exited with code 0", r.died.Reason)
}

func TestACellThatKillsItselfIsNamedWithItsSignal(t *testing.T) {
	r := hostile(t).run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
	require.NotNil(t, r.died)
	require.Contains(t, r.died.Reason, "SIGKILL")
	require.Equal(t, CauseMemory, r.died.Cause)
	r = hostile(t).run("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
	require.NotNil(t, r.died)
	require.Contains(t, r.died.Reason, "SIGSEGV")
	require.Equal(t, CauseSignal, r.died.Cause)
}

func TestSysExitIsAnOrdinaryException(t *testing.T) {
	b := hostile(t)
	r := b.run("import sys\nsys.exit(3)")
	require.NotNil(t, r.fault)
	require.Equal(t, "SystemExit", r.fault.Name)
	require.Equal(t, notebook.ErrException, r.fault.Kind)
	require.Equal(t, "2", b.run("1 + 1").ok().value())
}

func TestAnInterruptEndsABusyLoop(t *testing.T) {
	b := hostile(t)
	b.start("print('go', flush=True)\nwhile True:\n    pass", "go")
	b.Interrupt()
	r := b.finish(testCell)
	require.NotNil(t, r.fault)
	require.Equal(t, notebook.ErrInterrupted, r.fault.Kind)
	require.Equal(t, "KeyboardInterrupt", r.fault.Name)
	require.Equal(t, "2", b.run("1 + 1").ok().value())
}

func TestAnInterruptEndsASleepAndIsNotSwallowedByExceptException(t *testing.T) {
	b := hostile(t)
	b.start("import time\nwhile True:\n    try:\n        print('go', flush=True)\n        time.sleep(1000)\n    except Exception:\n        pass", "go")
	began := time.Now()
	b.Interrupt()
	r := b.finish(testCell)
	require.Equal(t, notebook.ErrInterrupted, r.fault.Kind)
	require.Less(t, time.Since(began), interruptGrace, "the kernel was not needed to end it")
}

func TestAnInterruptWithNothingRunningDisturbsNothing(t *testing.T) {
	b := hostile(t)
	b.Interrupt()
	b.run("x = 1").ok()
	b.Interrupt()
	require.Equal(t, "1", b.run("x").ok().value())
}

func TestACellThatSwallowsInterruptsIsKilledWithItsKernel(t *testing.T) {
	for name, source := range map[string]string{
		"except BaseException": "import time\nwhile True:\n    try:\n        while True:\n            print('go', flush=True)\n            time.sleep(0.01)\n    except BaseException:\n        pass",
		"ignored SIGINT":       "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('go', flush=True)\nwhile True:\n    time.sleep(1)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := hostile(t)
			b.start(source, "go")
			b.Interrupt()
			r := b.finish(testCell)
			require.NotNil(t, r.died)
			require.Equal(t, notebook.ErrInterrupted, r.died.Kind)
			require.Equal(t, testCell, r.died.CellID)
			require.Contains(t, r.died.Reason, "was interrupted and did not stop")
			require.Equal(t, CauseInterrupt, r.died.Cause)
		})
	}
}

func TestAnIgnoredSIGINTIsHeededAgainByTheNextCell(t *testing.T) {
	b := hostile(t)
	b.run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)").ok()
	b.start("print('go', flush=True)\nwhile True: pass", "go")
	b.Interrupt()
	require.Equal(t, notebook.ErrInterrupted, b.finish(testCell).fault.Kind)
}

func TestACellThatRunsTooLongIsStopped(t *testing.T) {
	b := hostile(t)
	r := b.runRequest(Request{CellID: testCell, Source: "while True: pass", Timeout: 300 * time.Millisecond})
	require.NotNil(t, r.fault)
	require.Equal(t, notebook.ErrTimeout, r.fault.Kind)
	require.Contains(t, r.fault.Message, "300ms")
	require.Equal(t, "2", b.run("1 + 1").ok().value())
}

func TestACellThatTakesTooMuchMemoryGetsAMemoryError(t *testing.T) {
	b := hostile(t)
	r := b.run("hoard = []\nwhile True:\n    hoard.append(bytearray(10_000_000))")
	if r.died != nil {
		require.Contains(t, r.died.Reason, "memory")
		return
	}
	require.NotNil(t, r.fault)
	require.Equal(t, "MemoryError", r.fault.Name)
	r = b.runRequest(Request{CellID: testCell, Source: "x = bytearray(10**13)"})
	require.Equal(t, "MemoryError", r.fault.Name)
}

func TestSharedMappingsAreLimitedToo(t *testing.T) {
	r := hostile(t).run("import mmap\nm = [mmap.mmap(-1, 1 << 32) for _ in range(3)]")
	require.NotNil(t, r.fault)
	require.Contains(t, []string{"OSError", "MemoryError"}, r.fault.Name)
}

func TestAForkBombStopsAtTheLimitAndIsGoneOnClose(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only with a user of its own is the number of a kernel's processes its own")
	}
	b := hostile(t)
	r := b.run(`
import os, time
count = 0
for _ in range(100):
    try:
        pid = os.fork()
    except BlockingIOError:
        break
    if pid == 0:
        time.sleep(1000)
        os._exit(0)
    count += 1
count`).ok()
	count, err := strconv.Atoi(r.value())
	require.NoError(t, err)
	require.Less(t, count, 32)
	require.Greater(t, count, 8)
	uid := b.uid
	require.NoError(t, b.Close())
	require.Empty(t, processesOf(t, *uid))
}

// processesOf lists the living processes of a user.
func processesOf(t *testing.T, uid int) []string {
	t.Helper()
	var found []string
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, entry := range entries {
		var status unix.Stat_t
		if _, err := strconv.Atoi(entry.Name()); err != nil || unix.Stat("/proc/"+entry.Name(), &status) != nil {
			continue
		}
		if int(status.Uid) == uid && alive(entry.Name()) {
			found = append(found, entry.Name())
		}
	}
	return found
}

// alive tells whether a process exists and is not merely waiting to be reaped.
func alive(pid string) bool {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func requireGone(t *testing.T, pid string) {
	t.Helper()
	require.Eventually(t, func() bool { return !alive(pid) }, patience, 10*time.Millisecond, "process %s lives", pid)
}

func TestClosedStdoutCostsOnlyTheText(t *testing.T) {
	b := hostile(t)
	for _, shut := range []string{
		"sys.stdout.close()", "sys.stdout.detach()", "sys.stdout.buffer.close()", "sys.stderr.close()",
		"with sys.stdout: print('here')", "sys.stdout = open('log', 'w')\nsys.stdout.close()",
	} {
		b.run("import sys\n" + shut)
		require.Equal(t, "2", b.run("1 + 1").ok().value(), shut)
		r := b.run("print('out')\nprint('err', file=sys.stderr)").ok()
		require.Equal(t, "out\n", r.text("stdout"), shut)
		require.Equal(t, "err\n", r.text("stderr"), shut)
	}
}

func TestClosedDescriptors0To20DisturbNothing(t *testing.T) {
	b := hostile(t)
	r := b.run("import os\nfor fd in range(21):\n    try: os.close(fd)\n    except OSError: pass\nprint('still here')").ok()
	require.Equal(t, "still here\n", r.text("stdout"))
	require.Equal(t, "2", b.run("1 + 1").ok().value())
	require.Equal(t, "child\n", b.run("import subprocess\nsubprocess.run(['echo', 'child']);").ok().text("stdout"))
}

func TestWritesToEveryOpenDescriptorAreNotMistakenForTheWorkers(t *testing.T) {
	b := hostile(t)
	r := b.run(`
import os
count = 0
for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
    for junk in (b"", b"x", b"{}", b"\0" * 100, b'{"op":"run"}', os.urandom(5000)):
        try:
            os.write(fd, junk)
            count += 1
        except OSError:
            pass
print(count > 4)`).ok()
	require.Contains(t, r.text("stdout"), "True\n")
	require.Equal(t, "2", b.run("1 + 1").ok().value())
	require.Positive(t, b.foreign.Load(), "the socket was among them")
}

func TestAKernelWhoseChannelIsClosedDiesAndSaysSo(t *testing.T) {
	for name, then := range map[string]string{"and goes on": "while True: pass", "and ends": "1"} {
		t.Run(name, func(t *testing.T) {
			r := hostile(t).run("import os\nfor name in os.listdir('/proc/self/fd'):\n    try: os.close(int(name))\n    except OSError: pass\n" + then)
			require.NotNil(t, r.died)
			require.Contains(t, r.died.Reason, "closed the kernel's channel")
			require.Equal(t, CauseDamaged, r.died.Cause)
		})
	}
}

func TestHugeAndEndlessRepresentationsCostOnlyThemselves(t *testing.T) {
	b := hostile(t)
	require.Contains(t, b.run("'a' * 50_000_000").ok().value(), "larger than the limit")
	r := b.run("class Endless:\n    def __repr__(self):\n        while True: pass\nEndless()").ok()
	require.Contains(t, r.value(), "took longer than")
	r = b.run("class Stubborn:\n    def __repr__(self):\n        while True:\n            try:\n                while True: pass\n            except Exception: pass\nStubborn()").ok()
	require.Contains(t, r.value(), "took longer than")
	r = b.run("class Failing:\n    def __repr__(self): raise ValueError('no')\nFailing()").ok()
	require.Contains(t, r.value(), "ValueError: no")
	require.Equal(t, "2", b.run("1 + 1").ok().value())
}

func TestDeepRecursionIsFoldedInItsTraceback(t *testing.T) {
	b := hostile(t)
	r := b.run("def f(): return f()\nf()")
	require.Equal(t, "RecursionError", r.fault.Name)
	require.Less(t, len(r.fault.Traceback), 30)
	require.Contains(t, strings.Join(r.fault.Traceback, "\n"), "[Previous line repeated")
	require.Equal(t, "2", b.run("1 + 1").ok().value())
}

func TestDeletedBuiltinsCostAtMostTheKernel(t *testing.T) {
	b := hostile(t)
	b.run("del __builtins__")
	require.Equal(t, "2", b.run("1 + 1").ok().value())
	r := b.run("import builtins\nbuiltins.__dict__.clear()")
	require.True(t, r.died != nil || r.fault != nil)
	if r.died == nil {
		r = b.run("print(1)")
		require.True(t, r.died != nil || r.fault != nil)
	}
}

func TestInputRaisesAClearError(t *testing.T) {
	b := hostile(t)
	r := b.run("input('name? ')")
	require.NotNil(t, r.fault)
	require.Equal(t, "EOFError", b.run("import sys\nif not sys.stdin.read(): raise EOFError").fault.Name, "nor does reading standard input wait")
	require.Contains(t, r.fault.Message, "input() can't ask here")
}

func TestTheServicesSecretsAreOutOfReach(t *testing.T) {
	t.Setenv("NOTEBOOK_TOKEN", "secret-of-the-service")
	b := hostileOn(t, newTestHost(t, func(o *Options) { o.Spares = -1 }))
	r := b.run("import os\nprint(dict(os.environ))\ntry: print(open('/proc/self/environ').read())\nexcept OSError: pass").ok()
	require.NotContains(t, r.text("stdout"), "secret-of-the-service")
	r = b.run(fmt.Sprintf(`
import os
opened = []
for pid in (%d, os.getppid(), 1):
    for name in ("environ", "mem", "maps", "fd/0", "cwd/."):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                opened.append((pid, name))
        except OSError:
            pass
opened`, os.Getpid())).ok()
	require.Equal(t, "[]", r.value())
}

func TestWhatCalledSetsidIsGoneOnClose(t *testing.T) {
	b := hostile(t)
	pid := strings.TrimSpace(b.run(`
import subprocess
child = subprocess.Popen(["setsid", "-f", "sh", "-c", "setsid sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip())`).ok().text("stdout"))
	require.NotEmpty(t, pid)
	require.True(t, alive(pid))
	require.NoError(t, b.Close())
	requireGone(t, pid)
}

func TestWhatAKernelLeftIsGoneWhenItEndsByItself(t *testing.T) {
	b := hostile(t)
	pid := strings.TrimSpace(b.run("import subprocess\nprint(subprocess.Popen(['setsid', 'sleep', '1000']).pid)").ok().text("stdout"))
	folder := b.dir
	require.NotNil(t, b.run("import os\nos._exit(0)").died)
	requireGone(t, pid)
	require.Eventually(t, func() bool { _, err := os.Stat(folder); return os.IsNotExist(err) }, patience, 10*time.Millisecond)
}

func TestFilesOfAKernelAreGoneOnClose(t *testing.T) {
	b := hostile(t)
	r := b.run(`
import os, tempfile
open("mine.txt", "w").write("x")
os.makedirs("a/b/c"); open("a/b/c/f", "w").close(); os.chmod("a/b/c", 0); os.chmod("a", 0)
here = os.getcwd()
for _ in range(1500):
    os.mkdir("d"); os.chdir("d")
os.chdir(here)
tempfile.mkdtemp()
os.symlink("/etc", "etc")
here`).ok()
	folder := strings.Trim(r.value(), "'")
	require.DirExists(t, folder)
	require.NoError(t, b.Close())
	require.NoDirExists(t, folder)
	require.NoDirExists(t, b.dir)
	require.DirExists(t, "/etc")
}

func TestLimitsOnFilesHold(t *testing.T) {
	b := hostile(t)
	r := b.run("files = [open('/dev/null') for _ in range(1000)]")
	require.NotNil(t, r.fault, "%+v", r)
	require.Equal(t, "OSError", r.fault.Name)
	require.Equal(t, "2", b.run("print('x')\n1 + 1").ok().value())
	r = b.run("with open('large', 'wb') as f:\n    for _ in range(100): f.write(bytes(1 << 20))")
	require.NotNil(t, r.fault, "%+v", r)
	require.Equal(t, "OSError", r.fault.Name)
}

func TestAParentThatDiesIsReplacedAndKernelsGoOn(t *testing.T) {
	h := newTestHost(t, nil)
	b := startKernel(t, h)
	b.run("x = 1").ok()
	parent := parentOf(t, b.PID())
	require.NoError(t, unix.Kill(parent, unix.SIGKILL))
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.parent != nil && h.generation > 1
	}, patience, 10*time.Millisecond)
	require.Equal(t, "1", b.run("x").ok().value())
	for range 4 { // more than there are spares
		require.Equal(t, "2", startKernel(t, h).run("1 + 1").ok().value())
	}
	require.NoError(t, h.Check(t.Context()))
	r := b.run("import os\nos._exit(5)")
	require.Equal(t, "the process exited with code 5", r.died.Reason)
}

func TestAKeeperThatDiesTakesTheKernelsAndIsReplaced(t *testing.T) {
	h := newTestHost(t, nil)
	b := startKernel(t, h)
	b.run("x = 1").ok()
	keeper := parentOf(t, parentOf(t, b.PID()))
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.spares) > 0
	}, patience, time.Millisecond)
	require.NoError(t, unix.Kill(keeper, unix.SIGKILL))
	require.Eventually(t, func() bool { return h.Check(t.Context()) == nil }, patience, time.Millisecond)
	require.Equal(t, "2", startKernel(t, h).run("1 + 1").ok().value(), "no spare of the keeper that died is handed out")
	require.NotNil(t, b.finish("").died)
	require.Eventually(t, func() bool {
		_, err := os.Stat(b.dir)
		return os.IsNotExist(err)
	}, patience, 20*time.Millisecond, "its folder goes, by the keeper that died or the next")
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(data), ") ")
	parent, err := strconv.Atoi(strings.Fields(rest)[1])
	require.NoError(t, err)
	return parent
}
