package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/process"
	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/tasks"
)

// State is what a local stack writes about itself, for the other commands. It
// holds no secret.
type State struct {
	Environment string            `json:"environment"`
	Supervisor  process.Identity  `json:"supervisor"` // the `up` that runs it
	Started     time.Time         `json:"started"`
	Phase       string            `json:"phase"`             // starting, ready, stopping
	Address     string            `json:"address,omitempty"` // http://HOST:PORT of the edge
	Endpoint    string            `json:"endpoint,omitempty"`
	Region      string            `json:"region,omitempty"`
	Outputs     map[string]string `json:"outputs,omitempty"` // of the environment's root, none of them secret
	Tasks       []tasks.Status    `json:"tasks"`
}

// workspace is the folder of one local stack.
type workspace struct{ dir string }

func (w workspace) path(elements ...string) string {
	return filepath.Join(append([]string{w.dir}, elements...)...)
}

// temporary is the variable by which what a killed `up` leaves is found.
func (w workspace) temporary() string { return "TMPDIR=" + w.path("tmp") }

// log is beside the folder, so that it is there when a failed start has been
// cleaned away.
func (w workspace) log() string { return w.dir + ".log" }

func (w workspace) read() (*State, error) {
	data, err := os.ReadFile(w.path("state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the stack's state: %w", err)
	}
	var state State
	if err := json.Unmarshal(data, &state); err != nil {
		return nil, fmt.Errorf("read the stack's state %s: %w", w.path("state.json"), err)
	}
	return &state, nil
}

func (w workspace) write(state *State) error {
	data, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	temporary := w.path("state.json.new")
	if err := os.WriteFile(temporary, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the stack's state: %w", err)
	}
	return os.Rename(temporary, w.path("state.json"))
}

// lock makes sure that one `up` at a time works in the folder. The lock goes
// with the process that holds it; the file says which one that is.
func (w workspace) lock() (release func(), holder process.Identity, err error) {
	path := w.dir + ".lock"
	for {
		if err := os.MkdirAll(filepath.Dir(w.dir), 0o755); err != nil {
			return nil, holder, fmt.Errorf("make the work folder: %w", err)
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the folder went in between
		}
		if err != nil {
			return nil, holder, fmt.Errorf("lock the work folder: %w", err)
		}
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			decodeErr := json.NewDecoder(file).Decode(&holder)
			_ = file.Close()
			if decodeErr != nil {
				time.Sleep(20 * time.Millisecond) // it was locked a moment ago and is being written
				continue
			}
			return nil, holder, nil
		}
		if err != nil {
			_ = file.Close()
			return nil, holder, fmt.Errorf("lock the work folder: %w", err)
		}
		// The file may have been removed by the one who held it before: then
		// the lock is on a file that nobody else will find.
		opened, openedErr := file.Stat()
		named, namedErr := os.Stat(path)
		if openedErr != nil || namedErr != nil || !os.SameFile(opened, named) {
			_ = file.Close()
			continue
		}
		if err := errors.Join(file.Truncate(0), json.NewEncoder(file).Encode(process.Self())); err != nil {
			_ = file.Close()
			return nil, holder, fmt.Errorf("lock the work folder: %w", err)
		}
		return func() {
			_ = os.Remove(path)
			_ = os.Remove(filepath.Dir(path)) // only when it is empty
			_ = file.Close()
		}, holder, nil
	}
}

// clean kills what a stack that died has left and removes its folder.
func (w workspace) clean() (killed int, err error) {
	if state, _ := w.read(); state != nil {
		for _, task := range state.Tasks {
			if task.Process.Alive() {
				task.Process.KillGroup()
				killed++
			}
		}
	}
	killed += process.Sweep(w.dir)
	if err := os.RemoveAll(w.dir); err != nil {
		return killed, fmt.Errorf("remove the work folder: %w", err)
	}
	return killed, nil
}
