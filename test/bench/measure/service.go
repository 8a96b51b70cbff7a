package measure

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Service is the service as it is shipped, in a process and a directory of its
// own, on a free port of loopback.
type Service struct {
	URL string // http://127.0.0.1:PORT
	PID int

	cmd   *exec.Cmd
	dir   string
	ended chan struct{}
	logs  []string // the last lines, whole once ended is closed
}

// Start starts the binary that NOTEBOOK names, with the interpreter that
// KERNEL_PYTHON names and every setting at its default but those given as
// NAME=VALUE. It returns once the service serves.
func Start(ctx context.Context, env ...string) (*Service, error) {
	binary := os.Getenv("NOTEBOOK")
	if binary == "" {
		return nil, fmt.Errorf("NOTEBOOK names no binary of the service: run this by `make bench`")
	}
	dir, err := os.MkdirTemp("", "bench-service-")
	if err != nil {
		return nil, err
	}
	s := &Service{cmd: exec.Command(binary, "serve"), dir: dir, ended: make(chan struct{})}
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), append([]string{"ADDR=127.0.0.1:0", "LOG_FORMAT=json"}, env...)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("start the service: %w", err)
	}
	s.PID = s.cmd.Process.Pid
	serving := make(chan string, 1)
	go func() {
		defer close(s.ended)
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			s.logs = append(s.logs, lines.Text())
			if len(s.logs) > 200 {
				s.logs = s.logs[100:]
			}
			var line struct{ Msg, URL string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				serving <- line.URL
			}
		}
		_ = s.cmd.Wait()
	}()
	select {
	case s.URL = <-serving:
		return s, nil
	case <-s.ended:
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("the service ended before it served:\n%s", strings.Join(s.logs, "\n"))
	case <-ctx.Done():
	case <-time.After(time.Minute):
	}
	s.Stop()
	return nil, fmt.Errorf("the service did not serve within a minute:\n%s", strings.Join(s.logs, "\n"))
}

// Stop ends the service and removes its files.
func (s *Service) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(40 * time.Second): // longer than its grace
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	_ = os.RemoveAll(s.dir)
}
