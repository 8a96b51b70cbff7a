package kernel

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serviceMode has the test binary play a service that can be killed. Its value
// is the Python source that a cell of it runs.
const serviceMode = "KERNEL_TEST_SERVICE"

// playService starts a kernel, has it run a cell, and prints what that prints,
// after the kernels' folder.
func playService(source string) {
	h, err := NewHost(context.Background(), Options{Python: testPython(), Limits: Limits{Processes: 32}})
	if err != nil {
		fmt.Println("fault:", err)
		os.Exit(1)
	}
	fmt.Println("folder", h.dir)
	k, err := h.Start(context.Background())
	if err != nil {
		fmt.Println("fault:", err)
		os.Exit(1)
	}
	if err := k.Run(Request{CellID: testCell, Source: source}); err != nil {
		fmt.Println("fault:", err)
		os.Exit(1)
	}
	for e := range k.Events() {
		switch e := e.(type) {
		case Output:
			fmt.Print(e.Output.Text, e.Output.Message)
		case Finished:
			fmt.Println("finished")
		}
	}
}

// service is a process that plays the service.
type service struct {
	*exec.Cmd
	lines  *bufio.Scanner
	folder string
}

// startService starts one, as an ordinary user if asked to and root can.
func startService(t *testing.T, ordinary bool, source string) service {
	t.Helper()
	s := service{Cmd: exec.Command(os.Args[0], "-test.run=^$")}
	python := testPython()
	s.Env = append(os.Environ(), serviceMode+"="+source, "NOTEBOOK_TOKEN=secret-of-the-service")
	s.Stderr = t.Output()
	if ordinary && os.Geteuid() == 0 {
		user := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		readable := func(python string) bool {
			try := exec.Command(python, "-c", "import asyncio")
			try.SysProcAttr, try.Dir = user, "/"
			return try.Run() == nil
		}
		if !readable(python) {
			python = "/usr/bin/python3"
		}
		if !readable(python) {
			t.Skip("ordinary users can read no Python here: the one of the tests is below a folder of root's, and there is none in /usr/bin")
		}
		// The test's own program is in a folder of root's, too.
		dir, err := os.MkdirTemp("", "ordinary-service-")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
		program, err := os.ReadFile(os.Args[0])
		require.NoError(t, err)
		s.Path = filepath.Join(dir, "service")
		require.NoError(t, os.WriteFile(s.Path, program, 0o755))
		require.NoError(t, os.Chown(dir, 65534, 65534))
		s.Env = append(s.Env, "TMPDIR="+dir, "HOME="+dir)
		s.SysProcAttr, s.Dir = user, dir
	}
	s.Env = append(s.Env, "KERNEL_PYTHON="+python)
	out, err := s.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.Start())
	t.Cleanup(func() {
		_ = s.Process.Kill() // if it lives
		_ = s.Wait()
	})
	s.lines = bufio.NewScanner(out)
	s.folder = s.next(t, "folder")[0]
	return s
}

// next returns the words of the next line that begins with a word.
func (s service) next(t *testing.T, word string) []string {
	t.Helper()
	for s.lines.Scan() {
		fields := strings.Fields(s.lines.Text())
		if len(fields) > 0 && fields[0] == word {
			return fields[1:]
		}
		require.False(t, len(fields) > 0 && fields[0] == "fault:", s.lines.Text())
	}
	require.FailNow(t, "the service ended", "before it said %q", word)
	return nil
}

func TestNoKernelOutlivesTheServiceHoweverItEnds(t *testing.T) {
	// A cell that never ends, ignores signals, and has started a process that
	// left its session.
	const source = `
import os, signal, subprocess
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
child = subprocess.Popen(["setsid", "-f", "sh", "-c", "echo $$; exec sleep 1000"], stdout=subprocess.PIPE, text=True)
print("pids", os.getpid(), child.stdout.readline().strip(), flush=True)
while True: pass`
	for name, end := range map[string]struct {
		ordinary bool
		signal   syscall.Signal
	}{
		"killed":                   {false, syscall.SIGKILL},
		"terminated":               {false, syscall.SIGTERM},
		"killed, as ordinary user": {true, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			s := startService(t, end.ordinary, source)
			pids := s.next(t, "pids")
			require.Len(t, pids, 2)
			for _, pid := range pids {
				require.True(t, alive(pid))
			}
			require.NoError(t, s.Process.Signal(end.signal))
			for _, pid := range pids {
				requireGone(t, pid)
			}
			require.Eventually(t, func() bool { _, err := os.Stat(s.folder); return os.IsNotExist(err) }, patience, 10*time.Millisecond)
		})
	}
}

func TestWhereTheServiceIsNotRootItsProcIsClosedToKernelsOfTheSameUser(t *testing.T) {
	s := startService(t, true, `
import os
service, opened, pid = None, [], os.getppid()
while pid > 1:  # parent, keeper, service
    chain = pid
    for name in ("environ", "mem", "maps", "fd", "cwd", "exe"):
        try:
            path = f"/proc/{pid}/{name}"
            os.readlink(path) if name in ("cwd", "exe") else os.listdir(path) if name == "fd" else open(path, "rb").read(1)
            opened.append(f"{name}:{open(f'/proc/{pid}/comm').read().strip()}")
        except OSError:
            pass
    status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    if status["Name"].strip().startswith("service") or "kernel.test" in status["Name"]:
        service = int(status["Uid"].split()[0])
        break
    pid = int(status["PPid"])
print("uid", os.getuid(), service)
print("opened", *opened)
print("secret", "secret-of-the-service" in str(os.environ))`)
	uids := s.next(t, "uid")
	require.Len(t, uids, 2)
	require.Equal(t, uids[0], uids[1], "the kernel is of the service's user")
	require.NotEqual(t, "0", uids[0])
	require.Empty(t, s.next(t, "opened"))
	require.Equal(t, []string{"False"}, s.next(t, "secret"))
}

func TestAMissingOrUnfitPythonIsNamedWithTheWayOut(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := NewHost(ctx, Options{Python: "no-such-python"})
	require.ErrorContains(t, err, "no-such-python")
	require.ErrorContains(t, err, "KERNEL_PYTHON")
	_, err = NewHost(ctx, Options{Python: "/bin/false"})
	require.ErrorContains(t, err, "KERNEL_PYTHON")
	old := t.TempDir() + "/python"
	require.NoError(t, os.WriteFile(old, []byte("#!/bin/sh\necho '{\"version\": [3, 9, 1], \"executable\": \"/usr/bin/python3.9\"}'\n"), 0o755))
	_, err = NewHost(ctx, Options{Python: old})
	require.ErrorContains(t, err, "is Python 3.9.1; kernels need 3.11 or later")
}

func TestMissingPreloadedModulesAreReported(t *testing.T) {
	h := newTestHost(t, func(o *Options) { o.Preload, o.Spares = []string{"json", "no_such_module"}, -1 })
	require.Equal(t, []string{"json"}, h.Info().Preloaded)
	require.Contains(t, h.Info().Missing["no_such_module"], "No module named")
	require.Regexp(t, `^3\.\d+\.\d+`, h.Info().Version)
}

func TestACellsFolderCanNotStandInForTheStandardLibraryOfTheWorker(t *testing.T) {
	b := startKernel(t, sharedHost(t))
	b.run("for name in ('json', 'cells', 'outputs', 'traceback', 'notebook_figures', 'linecache'):\n    open(name + '.py', 'w').write('raise SystemExit(1)')").ok()
	require.Equal(t, "2", b.run("1 + 1").ok().value())
	require.Equal(t, "ZeroDivisionError", b.run("1 / 0").fault.Name)
	b.run("open('helper.py', 'w').write('value = 5')\nimport helper").ok()
	require.Equal(t, "5", b.run("helper.value").ok().value())
}
