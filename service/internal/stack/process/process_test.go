//go:build linux

package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary be the program that is killed.
func TestMain(m *testing.M) {
	if os.Getenv("PROCESS_TEST_PARENT") != "" {
		p, err := Start(Spec{Path: "/bin/sleep", Args: []string{"300"}, Env: os.Environ()})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.Identity().PID)
		select {}
	}
	os.Exit(m.Run())
}

func shell(t *testing.T, script string, stdout *os.File) *Process {
	t.Helper()
	p, err := Start(Spec{Path: "/bin/sh", Args: []string{"-c", script}, Env: os.Environ(), Stdout: stdout})
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p
}

func gone(t *testing.T, id Identity) {
	t.Helper()
	require.Eventually(t, func() bool { return !id.Alive() }, 20*time.Second, 10*time.Millisecond)
}

func TestStopAsksFirst(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "asked")
	p := shell(t, "trap 'touch "+marker+"; exit 0' TERM; echo up; while :; do sleep 0.05; done", nil)
	time.Sleep(300 * time.Millisecond) // for the trap to be set
	require.True(t, p.Stop(20*time.Second))
	require.FileExists(t, marker)
	require.False(t, p.Identity().Alive())
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	p := shell(t, "trap '' TERM; while :; do sleep 0.05; done", nil)
	time.Sleep(300 * time.Millisecond)
	require.False(t, p.Stop(200*time.Millisecond))
	require.False(t, p.Identity().Alive())
	require.Equal(t, -1, p.ExitCode())
}

func TestStopTakesTheGroupAway(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	p := shell(t, "sleep 300 & echo $!; wait", write)
	_ = write.Close()
	line, err := bufio.NewReader(read).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	grandchild := Identify(pid)
	require.True(t, grandchild.Alive())
	p.Stop(5 * time.Second)
	gone(t, grandchild)
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	begin := time.Now()
	err := Run(ctx, Spec{Path: "/bin/sleep", Args: []string{"300"}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(begin), 60*time.Second)
}

func TestChildDiesWithAKilledParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "PROCESS_TEST_PARENT=1")
	stdout, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	child := Identify(pid)
	require.True(t, child.Alive())

	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	gone(t, child)
}

func TestIdentityIsNotFooledByAReusedID(t *testing.T) {
	self := Self()
	require.True(t, self.Alive())
	self.Started++ // another process that had the same id
	require.False(t, self.Alive())
	require.ErrorIs(t, self.Signal(syscall.SIGTERM), os.ErrProcessDone)
}

func TestSweepFindsProcessesByTheirTemporaryDirectory(t *testing.T) {
	dir := t.TempDir()
	p, err := Start(Spec{Path: "/bin/sleep", Args: []string{"300"}, Env: []string{"TMPDIR=" + filepath.Join(dir, "tmp")}})
	require.NoError(t, err)
	defer p.Kill()
	other, err := Start(Spec{Path: "/bin/sleep", Args: []string{"300"}, Env: []string{"TMPDIR=" + dir + "-other"}})
	require.NoError(t, err)
	defer other.Kill()

	require.Equal(t, 1, Sweep(dir))
	gone(t, p.Identity())
	require.True(t, other.Identity().Alive())
}
