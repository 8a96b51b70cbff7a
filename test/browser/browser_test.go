//go:build linux

// Package browser_test runs the scenarios of this directory, which drive the
// page in Chromium as a person would, against a whole local stack: through the
// edge, to the tasks, as what was applied says. It raises that stack with the
// operator's tool and takes it down again, unless NOTEBOOK_URL already names
// one that stands, as `make up` prints it.
package browser_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// startLimit is for a whole stack on a busy machine that has the tools.
	startLimit = 10 * time.Minute
	// stopLimit is for the stack to go down before it is killed.
	stopLimit = 2 * time.Minute
	// scenariosLimit is for all scenarios; each has limits of its own.
	scenariosLimit = 15 * time.Minute
)

func TestPageInABrowserThroughTheWholeStack(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	stack := filepath.Join(t.TempDir(), "stack")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", stack, "../../service/cmd/stack").CombinedOutput()
	require.NoError(t, err, "build the stack program: %s", out)

	env := append(os.Environ(), setUp(t, stack, root)...)
	if os.Getenv("NOTEBOOK_URL") == "" {
		env = append(env, raise(t, stack, root)...)
	}

	ctx, cancel := context.WithTimeout(t.Context(), scenariosLimit)
	defer cancel()
	scenarios := exec.CommandContext(ctx, "npm", "test", "--silent")
	scenarios.Env = env
	// npm hands no signal on: the whole group is ended.
	scenarios.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	scenarios.Cancel = func() error { return syscall.Kill(-scenarios.Process.Pid, syscall.SIGTERM) }
	scenarios.WaitDelay = 20 * time.Second
	report, err := scenarios.CombinedOutput()
	if err != nil {
		t.Fatalf("the scenarios: %v; pictures of what failed are in test/artifacts\n%s", errors.Join(err, ctx.Err()), report)
	}
	t.Logf("%s", report)
}

// setUp makes the npm packages and the browser ready and returns what the
// scenarios' environment needs to know of them.
func setUp(t *testing.T, stack, root string) []string {
	t.Helper()
	command := exec.Command(stack, "setup", "browser", "chromium")
	command.Dir = root
	var errs bytes.Buffer
	command.Stderr = &errs
	out, err := command.Output()
	require.NoError(t, err, errs.String())
	var env []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "CHROMIUM=") {
			env = append(env, strings.TrimSpace(line))
		}
	}
	return env
}

// raise starts a stack of the test's own on a free port, in a work folder of
// its own, and returns the environment that leads to it.
func raise(t *testing.T, stack, root string) []string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	env := []string{"STACK_DIR=" + filepath.Join(t.TempDir(), "stack"), "EDGE_ADDR=localhost:" + port}

	command := func(args ...string) *exec.Cmd {
		c := exec.Command(stack, args...)
		c.Dir = root
		c.Env = append(os.Environ(), env...)
		return c
	}
	read, write, err := os.Pipe()
	require.NoError(t, err)
	up := command("up", "dev", "--local")
	up.Stdout, up.Stderr = write, write
	require.NoError(t, up.Start())
	require.NoError(t, write.Close())

	var lines bytes.Buffer // read after ended is closed, or after address was sent
	address, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		scanner := bufio.NewScanner(read)
		for scanner.Scan() {
			if found, ok := strings.CutPrefix(scanner.Text(), "open "); ok {
				address <- found
				break
			}
			lines.WriteString(scanner.Text() + "\n")
		}
		_, _ = io.Copy(io.Discard, read)
		_ = up.Wait()
	}()
	t.Cleanup(func() {
		_ = up.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(stopLimit):
			_ = up.Process.Kill()
			<-ended
			t.Errorf("the stack did not go down within %s", stopLimit)
		}
		// Nothing to do after an orderly end; otherwise it clears up.
		out, err := command("down", "dev", "--local").CombinedOutput()
		if err != nil {
			t.Errorf("take down what is left of the stack: %v: %s", err, out)
		}
	})

	select {
	case found := <-address:
		return append(env, "NOTEBOOK_URL="+found, "NOTEBOOK_STACK="+stack)
	case <-ended:
		t.Fatalf("stack up ended before the stack stood:\n%s", lines.String())
	case <-time.After(startLimit):
		_ = up.Process.Kill()
		<-ended
		t.Fatalf("the stack did not stand within %s:\n%s", startLimit, lines.String())
	}
	return nil
}
