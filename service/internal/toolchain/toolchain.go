// Package toolchain puts right what a machine may lack before the project's
// commands can work: Python packages, moto, Terraform and its AWS provider,
// npm packages, the built page, Chromium.
//
// It is not a package manager: it asks the ordinary clients (pip, npm, apt-get,
// hc-install) and keeps everything it makes in ignored directories of the
// repository. Its invariant: a step that has succeeded once and whose inputs
// have not changed does nothing and needs no network.
package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/process"
)

// Toolchain makes the tools of one checkout ready. Its methods may be called
// at the same time, also by several programs.
type Toolchain struct {
	root   string
	say    func(string)
	output io.Writer
	env    []string
	apt    sync.Mutex // apt-get refuses to run twice at a time
	// noSystem keeps off what is installed outside PATH and apt-get, for tests
	// of a machine that has neither.
	noSystem bool
}

// New returns the toolchain of the checkout at root. say gets one line for
// each thing that is really done; output gets all that the tools print; env is
// added to this program's own environment for them.
func New(root string, say func(string), output io.Writer, env ...string) *Toolchain {
	return &Toolchain{root: root, say: say, output: &lockedWriter{w: output}, env: append(os.Environ(), env...)}
}

// lockedWriter lets steps that run at the same time share one log.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (t *Toolchain) path(elements ...string) string {
	return filepath.Join(append([]string{t.root}, elements...)...)
}

// run runs a tool to its end, its output going to the log. The error carries
// the last line the tool printed, which is where tools say what is wrong.
func (t *Toolchain) run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	program, err := t.look(name)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.output, "+ %s %s\n", name, strings.Join(args, " "))
	tail := &tailWriter{}
	err = process.Run(ctx, process.Spec{
		Path: program, Args: args, Dir: dir, Env: append(append([]string{}, t.env...), env...),
		Stdout: io.MultiWriter(t.output, tail), Stderr: io.MultiWriter(t.output, tail),
	})
	if err != nil && ctx.Err() == nil && tail.last() != "" {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, tail.last())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

// capture runs a tool and returns what it prints on standard output.
func (t *Toolchain) capture(ctx context.Context, dir, name string, args ...string) (string, error) {
	program, err := t.look(name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = process.Run(ctx, process.Spec{Path: program, Args: args, Dir: dir, Env: t.env, Stdout: &out, Stderr: t.output})
	return strings.TrimSpace(out.String()), err
}

func (t *Toolchain) look(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not on PATH", name)
	}
	return path, nil
}

// tailWriter keeps the end of what is written to it.
type tailWriter struct {
	mu  sync.Mutex
	buf []byte
}

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	if len(w.buf) > 8192 {
		w.buf = append([]byte{}, w.buf[len(w.buf)-4096:]...)
	}
	return len(p), nil
}

// last returns the line that most likely says what went wrong: the last that
// begins like an error, else the last that is not empty.
func (w *tailWriter) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(w.buf)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); strings.HasPrefix(strings.ToLower(line), "error") || strings.HasPrefix(line, "E: ") {
			return line
		}
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

// stamp says whether a step was done with these very inputs.
type stamp struct{ file, key string }

func (t *Toolchain) stamp(name string, inputs ...string) stamp {
	sum := sha256.New()
	for _, input := range inputs {
		fmt.Fprintf(sum, "%d:%s", len(input), input)
	}
	return stamp{file: t.path(".tools", "stamps", name), key: hex.EncodeToString(sum.Sum(nil))}
}

// valid returns what was noted with the stamp.
func (s stamp) valid() (note string, ok bool) {
	data, err := os.ReadFile(s.file)
	if err != nil {
		return "", false
	}
	key, note, _ := strings.Cut(strings.TrimSuffix(string(data), "\n"), "\n")
	return note, key == s.key
}

func (s stamp) set(note string) error {
	if err := os.MkdirAll(filepath.Dir(s.file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(s.file, []byte(s.key+"\n"+note+"\n"), 0o644)
}

// lock keeps other programs out of one step until the returned function is called.
func (t *Toolchain) lock(ctx context.Context, name string) (func(), error) {
	dir := t.path(".tools", "locks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return lockFile(ctx, filepath.Join(dir, name))
}

// hashTree hashes names and contents of the regular files below dir, but for
// those skip names (paths relative to dir, with slashes).
func hashTree(dir string, skip func(path string, directory bool) bool) (string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if relative != "." && skip(filepath.ToSlash(relative), entry.IsDir()) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.Type().IsRegular() {
			files = append(files, relative)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	sort.Strings(files)
	sum := sha256.New()
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s\n%d\n", filepath.ToSlash(name), len(data))
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Go checks that the go command is there and new enough.
func (t *Toolchain) Go(ctx context.Context) error {
	return t.need(ctx, "go", "Go", "1.26", "https://go.dev/dl", "env", "GOVERSION")
}

// Node checks that Node.js and npm are there and new enough.
func (t *Toolchain) Node(ctx context.Context) error {
	if err := t.need(ctx, "node", "Node.js", "20.19", "https://nodejs.org", "--version"); err != nil {
		return err
	}
	if _, err := t.look("npm"); err != nil {
		return errors.New("npm is missing: install Node.js 20.19 or newer with npm, https://nodejs.org")
	}
	return nil
}

var versionPattern = regexp.MustCompile(`\d+(\.\d+)+|\d+`)

func (t *Toolchain) need(ctx context.Context, command, title, minimum, where string, args ...string) error {
	if _, err := t.look(command); err != nil {
		return fmt.Errorf("%s is missing: install %s %s or newer, %s", command, title, minimum, where)
	}
	out, err := t.capture(ctx, t.root, command, args...)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	version := versionPattern.FindString(out)
	if err != nil || version == "" {
		return fmt.Errorf("%s on PATH does not tell its version: install %s %s or newer, %s", command, title, minimum, where)
	}
	if !atLeast(version, minimum) {
		return fmt.Errorf("%s on PATH is version %s: install %s %s or newer, %s", command, version, title, minimum, where)
	}
	return nil
}

// atLeast compares dotted version numbers.
func atLeast(version, minimum string) bool {
	have, want := strings.Split(version, "."), strings.Split(minimum, ".")
	for i, part := range want {
		wanted, _ := strconv.Atoi(part)
		got := 0
		if i < len(have) {
			got, _ = strconv.Atoi(have[i])
		}
		if got != wanted {
			return got > wanted
		}
	}
	return true
}

// aptGet installs Debian packages where that is possible: as root, with apt-get.
func (t *Toolchain) aptGet(ctx context.Context, packages ...string) error {
	if os.Geteuid() != 0 || t.noSystem {
		return errors.New("installing Debian packages needs root")
	}
	if _, err := t.look("apt-get"); err != nil {
		return err
	}
	t.apt.Lock()
	defer t.apt.Unlock()
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	options := []string{"-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30", "-o", "Acquire::https::Timeout=30"}
	// A machine's package lists may be old or absent; when they can't be
	// renewed, those that are there may still do.
	updateErr := t.run(ctx, "/", env, "apt-get", append(options, "update")...)
	if err := t.run(ctx, "/", env, "apt-get", append(append(options, "install", "-y", "--no-install-recommends"), packages...)...); err != nil {
		return errors.Join(err, updateErr)
	}
	return nil
}
