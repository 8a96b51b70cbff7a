package kernel

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// serviceMode has the test binary play a service that can be killed.
const serviceMode = "KERNEL_TEST_SERVICE"

// playService starts a kernel, has it run a cell that never ends and that has
// started a process which left its session, and prints their process ids.
func playService() {
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
	const source = `
import os, signal, subprocess
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
child = subprocess.Popen(["setsid", "-f", "sh", "-c", "echo $$; exec sleep 1000"], stdout=subprocess.PIPE, text=True)
print("pids", os.getpid(), child.stdout.readline().strip(), flush=True)
while True: pass`
	if err := k.Run(Request{CellID: testCell, Source: source}); err != nil {
		fmt.Println("fault:", err)
		os.Exit(1)
	}
	for e := range k.Events() {
		if o, ok := e.(Output); ok {
			fmt.Print(o.Output.Text)
		}
	}
}

func TestNoKernelOutlivesTheServiceHoweverItEnds(t *testing.T) {
	service := exec.Command(os.Args[0], "-test.run=^$")
	service.Env = append(os.Environ(), serviceMode+"=1", "KERNEL_PYTHON="+testPython())
	service.Stderr = os.Stderr
	out, err := service.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, service.Start())
	lines := bufio.NewScanner(out)
	var folder string
	var pids []string
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		require.NotEmpty(t, fields)
		require.NotEqual(t, "fault:", fields[0], lines.Text())
		if fields[0] == "folder" {
			folder = fields[1]
		}
		if fields[0] == "pids" {
			pids = fields[1:]
			break
		}
	}
	require.Len(t, pids, 2)
	for _, pid := range pids {
		require.True(t, alive(pid))
	}
	require.NoError(t, service.Process.Kill())
	service.Wait()
	for _, pid := range pids {
		requireGone(t, pid)
	}
	require.Eventually(t, func() bool { _, err := os.Stat(folder); return os.IsNotExist(err) }, patience, patience/1000)
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
