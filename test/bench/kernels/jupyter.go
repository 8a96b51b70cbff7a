package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

//go:embed jupyter.py
var jupyterSource string

// jupyter is the program that drives Jupyter kernels, jupyter.py.
type jupyter struct {
	cmd *exec.Cmd
	in  *json.Encoder
	out *bufio.Reader
	end func() error
}

func startJupyter(ctx context.Context) (*jupyter, error) {
	python := os.Getenv("BENCH_PYTHON")
	if python == "" {
		return nil, errors.New("BENCH_PYTHON names no interpreter that has jupyter-client: run this by `make bench`")
	}
	j := &jupyter{cmd: exec.CommandContext(ctx, python, "-c", jupyterSource)}
	j.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // interrupted once, by Cancel, it ends its kernels
	j.cmd.Cancel = func() error { return j.cmd.Process.Signal(os.Interrupt) }
	j.cmd.WaitDelay = 20 * time.Second
	j.cmd.Stderr = os.Stderr
	stdin, err := j.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := j.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	j.in, j.out, j.end = json.NewEncoder(stdin), bufio.NewReader(stdout), stdin.Close
	return j, j.cmd.Start()
}

// do has a command done and reads its result.
func (j *jupyter) do(into any, command ...any) error {
	if err := j.in.Encode(command); err != nil {
		return fmt.Errorf("ask jupyter.py: %w", err)
	}
	line, err := j.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("jupyter.py ended: %w", err)
	}
	var fault struct{ Fault string }
	if json.Unmarshal(line, &fault) == nil && fault.Fault != "" {
		return fmt.Errorf("jupyter.py: %s", fault.Fault)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(line, into)
}

// seconds has a command done that answers with how long it took.
func (j *jupyter) seconds(command ...any) (float64, error) {
	var s float64
	err := j.do(&s, command...)
	return s, err
}

// each has a command done that answers with several times, in seconds.
func (j *jupyter) each(command ...any) ([]float64, error) {
	var s []float64
	err := j.do(&s, command...)
	return s, err
}

func (j *jupyter) close() {
	_ = j.end() // the kernels end with the program
	_ = j.cmd.Wait()
}
