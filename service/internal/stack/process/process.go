// Package process starts child processes that cannot outlive this program and
// stops them with everything they started.
//
// It is not a supervisor: it restarts nothing and knows nothing of what runs.
// Its invariant: a process it started is either running in a process group of
// its own, or has been waited for; when this program dies, by SIGKILL too, the
// kernel kills the process (on Linux; elsewhere Sweep does so later).
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Spec says what to start. Args excludes the program's own name. Env is the
// whole environment of the child.
type Spec struct {
	Path   string
	Args   []string
	Dir    string
	Env    []string
	Stdout io.Writer
	Stderr io.Writer
}

// Process is a started child.
type Process struct {
	cmd  *exec.Cmd
	id   Identity
	done chan struct{}
	err  error
}

// Identity names one process for as long as the machine is up: ids are reused,
// an id together with its start time is not.
type Identity struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // clock ticks since boot; 0 where the system does not tell
}

// Start starts the child. The call returns as soon as it runs.
func Start(spec Spec) (*Process, error) {
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir, cmd.Env = spec.Dir, spec.Env
	cmd.Stdout, cmd.Stderr = spec.Stdout, spec.Stderr
	cmd.SysProcAttr = attributes()
	// What a child leaves behind may hold the output pipes open; it must not
	// hold up the news that the child itself has ended.
	cmd.WaitDelay = time.Second

	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The parent-death signal fires when the thread that forked ends, so
		// the thread is held for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.id = Identify(cmd.Process.Pid)
		}
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		if errors.Is(p.err, exec.ErrWaitDelay) {
			p.err = nil
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	return p, nil
}

// Identity returns the child's process id and start time.
func (p *Process) Identity() Identity { return p.id }

// Done is closed when the child has ended and has been waited for.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the child ended: nil for exit status 0, otherwise what
// exec.Cmd.Wait returned. It is to be called after Done is closed.
func (p *Process) Err() error { return p.err }

// ExitCode returns the exit status after Done is closed; -1 when a signal
// ended the child.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Stop asks the child to end with SIGTERM, waits for at most grace, then kills
// its whole process group, and returns when the child is gone. It reports
// whether the child ended by itself within the grace period.
func (p *Process) Stop(grace time.Duration) bool {
	graceful := true
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
			graceful = false
		}
	}
	p.Kill()
	return graceful
}

// Kill kills the child's process group at once and waits until the child is gone.
func (p *Process) Kill() {
	// The group outlives its leader, so it is killed even when the child has
	// ended: that is what takes away the child's own children.
	_ = syscall.Kill(-p.id.PID, syscall.SIGKILL)
	<-p.done
}

// Run starts the child, waits for it, and kills its group when ctx ends first.
func Run(ctx context.Context, spec Spec) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := Start(spec)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
		p.Kill()
		return p.err
	case <-ctx.Done():
		p.Stop(5 * time.Second)
		return ctx.Err()
	}
}

// Self identifies this program.
func Self() Identity { return Identify(os.Getpid()) }

// Alive reports whether the very process still runs; a process that has ended
// and was not yet waited for by its parent does not.
func (id Identity) Alive() bool {
	if id.PID <= 0 {
		return false
	}
	if err := syscall.Kill(id.PID, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	now := Identify(id.PID)
	return now.Started == id.Started && !zombie(id.PID)
}

// Signal sends the signal if the very process still runs.
func (id Identity) Signal(signal syscall.Signal) error {
	if !id.Alive() {
		return os.ErrProcessDone
	}
	return syscall.Kill(id.PID, signal)
}

// KillGroup kills the process and its group if the very process still runs.
func (id Identity) KillGroup() {
	if id.Alive() {
		_ = syscall.Kill(-id.PID, syscall.SIGKILL)
		_ = syscall.Kill(id.PID, syscall.SIGKILL)
	}
}
