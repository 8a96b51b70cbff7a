// Package emulator starts the AWS API that a local stack is applied to: moto, the
// AWS emulator in Python, with the project's own plug-in for what moto lacks.
//
// It is not a cloud: it keeps the description of resources, as the API's callers
// made them, in the memory of one process. No container runs, no request is
// balanced, cached or served, no policy is enforced. What it makes up beyond
// that is listed in README.md beside this file and proves nothing.
//
// Invariant: an Emulator's process, its children and its port are gone once Stop
// has returned or the process that called Start has ended, however it ended.
package emulator

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed python/*.py
var plugin embed.FS

// startTimeout bounds the time until the emulator answers: importing moto takes
// seconds on a quiet machine and many times that on a busy one.
const startTimeout = 2 * time.Minute

// stopGrace is how long the process has to end by itself. It keeps nothing, so
// that being killed costs nothing either.
const stopGrace = 3 * time.Second

// Options say how to start an emulator.
type Options struct {
	// Python is the interpreter to run, one that can import moto with its server
	// (moto[server]). Required.
	Python string
	// Addr is the HOST:PORT to listen on; port 0 takes a free one. "127.0.0.1:0"
	// if empty. The host must be an IP address: AWS clients address buckets by
	// path, not by host name, only there.
	Addr string
	// Dir is where the launcher's files and the log, emulator.log, are written. It
	// is made if need be and never removed. Required.
	Dir string
	// Log gets what concerns the process, not each request. Discarded if nil.
	Log *slog.Logger
}

// Emulator is a running emulator. Its methods may be called from any goroutine.
type Emulator struct {
	endpoint string
	cmd      *exec.Cmd
	stdin    io.Closer
	done     chan struct{} // closed when the process has ended
	stop     sync.Once
	log      *slog.Logger
}

// Start starts an emulator with nothing in it and returns when it answers. The
// caller must Stop it. ctx bounds the start alone.
//
// Errors name what is missing (the interpreter, moto) or end with the last lines
// of the emulator's log.
func Start(ctx context.Context, o Options) (*Emulator, error) {
	if o.Python == "" || o.Dir == "" {
		return nil, errors.New("start emulator: Options.Python and Options.Dir are required")
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	python, err := interpreter(o.Python)
	if err != nil {
		return nil, fmt.Errorf("start emulator: %w", err)
	}
	launcher, err := unpack(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("start emulator: %w", err)
	}
	logPath := filepath.Join(o.Dir, "emulator.log")
	logFile, err := os.Create(logPath)
	if err != nil {
		return nil, fmt.Errorf("start emulator: make its log: %w", err)
	}
	defer logFile.Close() // the process has its own handle

	e := &Emulator{done: make(chan struct{}), log: o.Log}
	// Not CommandContext: ctx bounds the start, not the life.
	e.cmd = exec.Command(python, "-u", launcher, o.Addr)
	e.cmd.Dir = o.Dir
	e.cmd.Env = environment(os.Environ())
	e.cmd.Stderr = logFile
	// A group of its own: Ctrl-C in a terminal goes to the whole foreground group,
	// and the emulator must outlive the destroy that follows it.
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The process watches this pipe and ends with it, so that it can't outlive us.
	if e.stdin, err = e.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start emulator: %w", err)
	}
	stdout, err := e.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start emulator: %w", err)
	}
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start emulator with %s: %w", o.Python, err)
	}

	addresses := make(chan string, 1)
	go func() {
		defer close(e.done)
		addresses <- readAddress(stdout)
		// Standard output is read to its end: Wait closes it.
		_, _ = io.Copy(io.Discard, stdout)
		err := e.cmd.Wait()
		e.log.Debug("emulator ended", "pid", e.cmd.Process.Pid, "status", fmt.Sprint(err))
	}()

	if err := e.awaitReady(ctx, addresses); err != nil {
		e.Stop()
		return nil, fmt.Errorf("start emulator with %s: %w%s", o.Python, err, lastLines(logPath))
	}
	e.log.Debug("emulator ready", "endpoint", e.endpoint, "pid", e.cmd.Process.Pid, "log", logPath)
	return e, nil
}

// Endpoint is the base URL of every AWS service, such as http://127.0.0.1:43121.
func (e *Emulator) Endpoint() string { return e.endpoint }

// Env is what AWS clients and Terraform's AWS provider need in their environment
// to use the emulator, as KEY=VALUE. The region is the caller's choice and not in
// it.
func (e *Emulator) Env() []string { return Env(e.endpoint) }

// Env is the environment for an emulator that another program has started.
func Env(endpoint string) []string {
	return []string{
		"AWS_ENDPOINT_URL=" + endpoint,
		"AWS_ACCESS_KEY_ID=emulator",
		"AWS_SECRET_ACCESS_KEY=emulator",
		// What a developer's own shell may hold must not win over the keys.
		"AWS_SESSION_TOKEN=",
		"AWS_PROFILE=",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
		"MOTO_IAM_LOAD_MANAGED_POLICIES=true",
	}
}

// Done is closed when the process has ended, by Stop or by itself.
func (e *Emulator) Done() <-chan struct{} { return e.done }

// Stop ends the emulator and forgets all that was in it. It returns when the
// process is gone and may be called again.
func (e *Emulator) Stop() {
	e.stop.Do(func() {
		_ = e.stdin.Close() // the launcher ends with its standard input
		select {
		case <-e.done:
		case <-time.After(stopGrace):
			e.log.Warn("emulator didn't end by itself and is killed", "pid", e.cmd.Process.Pid)
			_ = syscall.Kill(-e.cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	<-e.done
}

func (e *Emulator) awaitReady(ctx context.Context, addresses <-chan string) error {
	select {
	case address := <-addresses:
		if address == "" {
			return errors.New("it ended before it listened")
		}
		e.endpoint = "http://" + address
	case <-ctx.Done():
		return fmt.Errorf("it didn't listen in time: %w", ctx.Err())
	}
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for {
		err := probe(ctx, client, e.endpoint+"/emulator/ready")
		if err == nil {
			return nil
		}
		select {
		case <-e.done:
			return fmt.Errorf("it ended before it answered: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("it didn't answer in time: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func probe(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	return nil
}

// interpreter is the absolute path of python: the process runs in another folder.
func interpreter(python string) (string, error) {
	found, err := exec.LookPath(python)
	if err != nil {
		return "", fmt.Errorf("find the Python interpreter: %w", err)
	}
	return filepath.Abs(found)
}

// unpack writes the launcher and the plug-in into dir and returns the launcher's
// path.
func unpack(dir string) (string, error) {
	into := filepath.Join(dir, "python")
	if err := os.MkdirAll(into, 0o755); err != nil {
		return "", fmt.Errorf("make its folder: %w", err)
	}
	files, err := plugin.ReadDir("python")
	if err != nil {
		return "", fmt.Errorf("read the embedded plug-in: %w", err)
	}
	for _, f := range files {
		content, err := plugin.ReadFile("python/" + f.Name())
		if err != nil {
			return "", fmt.Errorf("read the embedded plug-in: %w", err)
		}
		if err := os.WriteFile(filepath.Join(into, f.Name()), content, 0o644); err != nil {
			return "", fmt.Errorf("write the plug-in: %w", err)
		}
	}
	return filepath.Abs(filepath.Join(into, "launcher.py"))
}

// environment is ours without what would make moto call AWS or another emulator
// when it uses its own AWS client.
func environment(ours []string) []string {
	kept := make([]string, 0, len(ours)+2)
	for _, entry := range ours {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "MOTO_") || strings.HasPrefix(name, "PYTHON") {
			continue
		}
		kept = append(kept, entry)
	}
	return append(kept, "AWS_EC2_METADATA_DISABLED=true", "PYTHONDONTWRITEBYTECODE=1")
}

// readAddress returns the address from the launcher's one line, "" if it ended
// without.
func readAddress(r io.Reader) string {
	var ready struct {
		Address string `json:"address"`
	}
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &ready) != nil {
		return ""
	}
	return ready.Address
}

// lastLines is the end of the log for an error message: Python's own says best
// what is wrong.
func lastLines(path string) string {
	const count = 3
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	if len(lines) > count {
		lines = lines[len(lines)-count:]
	}
	if text := strings.TrimSpace(strings.Join(lines, " / ")); text != "" {
		return ": " + text
	}
	return ""
}
