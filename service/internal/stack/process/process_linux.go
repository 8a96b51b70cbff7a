package process

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// Identify returns the identity of the process that has the id now.
func Identify(pid int) Identity {
	id := Identity{PID: pid}
	if fields := stat(pid); len(fields) > 19 {
		id.Started, _ = strconv.ParseUint(fields[19], 10, 64)
	}
	return id
}

// stat returns the fields of /proc/PID/stat from the state on; the name before
// it may itself contain spaces and parentheses.
func stat(pid int) []string {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
}

func zombie(pid int) bool {
	fields := stat(pid)
	return len(fields) == 0 || fields[0] == "Z" || fields[0] == "X"
}

// Sweep kills every process whose temporary directory (TMPDIR) lies in dir,
// or that works in dir and has lost its parent, and returns how many there
// were. It finds what a killed program's grandchildren left, whatever process
// group or session they moved to.
func Sweep(dir string) int {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0
	}
	self, killed := os.Getpid(), 0
	for round := 0; round < 20; round++ {
		found := 0
		entries, _ := os.ReadDir("/proc")
		for _, entry := range entries {
			pid, err := strconv.Atoi(entry.Name())
			if err != nil || pid == self || !belongs(pid, dir) || zombie(pid) {
				continue
			}
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				found++
			}
		}
		if round == 0 {
			killed = found
		}
		if found == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return killed
}

func belongs(pid int, dir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	environ, _ := os.ReadFile(filepath.Join(proc, "environ"))
	for _, variable := range bytes.Split(environ, []byte{0}) {
		if value, ok := bytes.CutPrefix(variable, []byte("TMPDIR=")); ok && inside(string(value), dir) {
			return true
		}
	}
	cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
	if err != nil || !inside(strings.TrimSuffix(cwd, " (deleted)"), dir) {
		return false
	}
	fields := stat(pid)
	return len(fields) > 1 && fields[1] == "1"
}

func inside(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+string(filepath.Separator))
}
