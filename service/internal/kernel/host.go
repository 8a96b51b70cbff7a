package kernel

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed python/*.py
var programs embed.FS

const (
	startTimeout = 2 * time.Minute  // of the warm parent: imports may read a lot from a cold disk
	forkTimeout  = 30 * time.Second // of a worker
	sparePause   = 50 * time.Millisecond
	cleanTimeout = 90 * time.Second // of what a kernel leaves behind
)

// Host starts kernels. It owns a keeper, which is the root of all processes
// below; a warm parent, which workers are forked from; and an analyzer.
type Host struct {
	o        Options
	log      *slog.Logger
	probe    probed
	dir      string // ours below Options.Dir
	users    *[2]int
	lifeline *os.File // while it is open, kernels may live
	liferead *os.File
	stderr   *os.File // of the Python processes: into the log
	analyzer *analyzer

	stop    context.CancelFunc
	context context.Context
	wake    chan struct{} // there are too few spares
	work    sync.WaitGroup

	mu      sync.Mutex
	info    Info
	names   map[string]bool
	keeper  *link
	parent  *link
	changed chan struct{}    // closed and replaced when keeper or parent change
	kernels map[int]*Kernel  // by process id, while the process lives
	open    map[*Kernel]bool // until the last event is taken
	early   map[int]int      // exits of processes that are not known yet
	spares  []*Kernel
	// generation counts the warm parents that there were.
	generation int
}

// probed is what an interpreter says of itself.
type probed struct {
	Version    []int  `json:"version"`
	Executable string `json:"executable"`
	Prefix     string `json:"prefix"`
	Base       string `json:"base"`
}

// NewHost starts the warm parent and the analyzer and returns when both
// answer. The error names what is missing and the way out.
func NewHost(ctx context.Context, o Options) (_ *Host, err error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("kernels need Linux: they rely on its process control")
	}
	o.Python = cmp.Or(o.Python, "python3")
	o.StreamLimit = cmp.Or(o.StreamLimit, 1<<20)
	o.OutputLimit = cmp.Or(o.OutputLimit, 8<<20)
	o.Spares = max(cmp.Or(o.Spares, 2), 0)
	if o.UserIDs[1] == 0 {
		o.UserIDs = DefaultUserIDs
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	probe, err := probePython(ctx, o.Python)
	if err != nil {
		return nil, err
	}
	h := &Host{
		o: o, log: o.Log, probe: probe,
		wake:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		kernels: map[int]*Kernel{}, open: map[*Kernel]bool{}, early: map[int]int{},
	}
	h.context, h.stop = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if os.Geteuid() == 0 {
		h.users = &o.UserIDs
	} else if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		// Kernels are the same user then: what is in our memory and our
		// environment must be closed to them.
		return nil, fmt.Errorf("make the service undumpable: %w", err)
	}
	if err := h.makeFolder(); err != nil {
		return nil, fmt.Errorf("make the kernels' folder: %w", err)
	}
	if h.liferead, h.lifeline, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("open the lifeline: %w", err)
	}
	if err := h.openLog(); err != nil {
		return nil, err
	}
	started, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := h.startKeeper(started); err != nil {
		return nil, fmt.Errorf("start the kernels' keeper: %w", err)
	}
	h.analyzer = newAnalyzer(h)
	if err := h.startParent(started); err != nil {
		return nil, fmt.Errorf("start the warm parent: %w", err)
	}
	// One worker proves that kernels can start before anybody needs one.
	k, err := h.fork(started)
	if err != nil {
		return nil, fmt.Errorf("start a kernel: %w", err)
	}
	if err := k.tryImport(started); err != nil {
		k.Close()
		return nil, err
	}
	if err := h.analyzer.check(started); err != nil {
		k.Close()
		return nil, fmt.Errorf("start the analyzer: %w", err)
	}
	if o.Spares > 0 {
		h.spares = append(h.spares, k)
	} else {
		k.Close()
	}
	h.work.Go(h.supervise)
	h.work.Go(h.refill)
	h.wantSpares()
	return h, nil
}

func probePython(ctx context.Context, python string) (probed, error) {
	path, err := exec.LookPath(python)
	if err != nil {
		return probed{}, fmt.Errorf("Python is missing: %q is not a program on PATH; install Python 3.11 or later, or set KERNEL_PYTHON to its path", python)
	}
	const question = `import json, sys; print(json.dumps({"version": list(sys.version_info[:3]), "executable": sys.executable, "prefix": sys.prefix, "base": sys.base_prefix}))`
	cmd := exec.CommandContext(ctx, path, "-I", "-c", question)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return probed{}, fmt.Errorf("ask %s for its version: %w: %s; set KERNEL_PYTHON to a working Python 3.11 or later", path, err, strings.TrimSpace(stderr.String()))
	}
	p, err := decode[probed](out)
	if err != nil || len(p.Version) != 3 || p.Executable == "" {
		return probed{}, fmt.Errorf("%s is not a Python interpreter: it answered %q; set KERNEL_PYTHON to Python 3.11 or later", path, out)
	}
	if slices.Compare(p.Version, []int{3, 11, 0}) < 0 {
		return probed{}, fmt.Errorf("%s is Python %s; kernels need 3.11 or later: install it, or set KERNEL_PYTHON to its path", path, p.version())
	}
	return p, nil
}

func (p probed) version() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(p.Version), " ", "."), "[]")
}

// makeFolder makes the folder of this host, with our programs in it. Kernels
// of other users pass through it, so it can be entered but not listed.
func (h *Host) makeFolder() error {
	if h.o.Dir != "" {
		if err := os.MkdirAll(h.o.Dir, 0o755); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(h.o.Dir, "notebook-kernels-")
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	h.dir = dir
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "matplotlib"), 0o700); err != nil {
		return err
	}
	sub, err := fs.Sub(programs, "python")
	if err != nil {
		return err
	}
	if err := os.CopyFS(h.lib(), sub); err != nil {
		return err
	}
	for name, source := range h.o.Modules {
		// Not over one of ours.
		file, err := os.OpenFile(filepath.Join(h.lib(), filepath.Base(name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("write the module %s: %w", name, err)
		}
		_, err = file.WriteString(source)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("write the module %s: %w", name, err)
		}
	}
	// Readable for the analyzer, whatever our umask is.
	return filepath.WalkDir(h.lib(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if entry.IsDir() {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
}

func (h *Host) lib() string { return filepath.Join(h.dir, "lib") }

// openLog makes what the Python processes complain of part of the log.
func (h *Host) openLog() error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("open a pipe: %w", err)
	}
	h.stderr = write
	h.work.Go(func() {
		defer read.Close()
		lines := bufio.NewReaderSize(read, 4096)
		for {
			line, err := lines.ReadSlice('\n')
			if text := strings.TrimSpace(string(line)); text != "" {
				h.log.Warn("kernel process: " + text)
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return
			}
		}
	})
	return nil
}

// environment is all that Python processes get of ours.
func (h *Host) environment() map[string]string {
	env := map[string]string{
		"PATH":         cmp.Or(os.Getenv("PATH"), "/usr/local/bin:/usr/bin:/bin"),
		"LANG":         "C.UTF-8",
		"MPLBACKEND":   "module://notebook_figures",
		"PYTHONUTF8":   "1",
		"HOME":         h.dir,
		"MPLCONFIGDIR": filepath.Join(h.dir, "matplotlib"),
	}
	if zone, ok := os.LookupEnv("TZ"); ok {
		env["TZ"] = zone
	}
	// A numerical library with threads of its own could not be forked.
	for _, name := range []string{"OPENBLAS", "OMP", "MKL", "NUMEXPR", "VECLIB"} {
		env[name+"_NUM_THREADS"] = "1"
	}
	return env
}

func (h *Host) workerEnvironment() map[string]string {
	env := h.environment()
	delete(env, "HOME")
	delete(env, "MPLCONFIGDIR")
	return env
}

func (h *Host) startKeeper(ctx context.Context) error {
	conn, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	config, err := json.Marshal(object{
		"dir": h.dir, "users": h.users,
		"expose": []string{h.probe.Base, h.probe.Prefix, filepath.Dir(h.probe.Executable), h.dir},
	})
	if err != nil {
		return err
	}
	cmd := exec.Command(h.probe.Executable, "-I", "-S", "-B", filepath.Join(h.lib(), "keeper.py"), "3", string(config))
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "PYTHONUTF8=1"}
	cmd.Stderr = h.stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return err
	}
	theirs.Close()
	keeper := newLink(conn, h.exited)
	h.work.Go(func() {
		err := cmd.Wait()
		keeper.close()
		if h.context.Err() == nil {
			h.log.Error("the kernels' keeper ended; all kernels with it", "error", err)
		}
	})
	select {
	case ready := <-keeper.ready:
		if ready.Expose != nil {
			h.log.Info("the folders of Python can't be shown to kernels' users", "reason", *ready.Expose)
		}
	case <-keeper.done:
		return errGone
	case <-ctx.Done():
		keeper.conn.Close()
		return ctx.Err()
	}
	h.mu.Lock()
	h.keeper = keeper
	h.mu.Unlock()
	return nil
}

func (h *Host) startParent(ctx context.Context) error {
	conn, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	config, err := json.Marshal(object{
		"preload": stringList(h.o.Preload), "env": h.workerEnvironment(),
		"modules": stringList(slices.Sorted(maps.Keys(h.o.Modules))),
		"memory":  h.o.Limits.Memory, "processes": h.o.Limits.Processes, "files": h.o.Limits.Files,
		"file_size": h.o.Limits.FileSize, "output_limit": h.o.OutputLimit,
	})
	if err != nil {
		return err
	}
	parent := newLink(conn, h.exited)
	spawned, err := h.keeperCall(ctx, object{
		"op": "spawn", "env": h.environment(),
		"argv": []string{h.probe.Executable, "-I", "-B", filepath.Join(h.lib(), "parent.py"), string(config)},
	}, theirs, h.liferead)
	if err != nil {
		parent.close()
		return err
	}
	spawned.fd.Close()
	theirs.Close()
	select {
	case ready := <-parent.ready:
		names := make(map[string]bool, len(ready.Builtins))
		for _, name := range ready.Builtins {
			names[name] = true
		}
		if ready.Threads != 1 {
			h.log.Warn("a preloaded module started threads; kernels forked from it may hang", "threads", ready.Threads)
		}
		h.mu.Lock()
		h.info = Info{Version: ready.Version, Python: h.probe.Executable, Preloaded: ready.Preloaded, Missing: ready.Missing}
		h.names = names
		h.parent = parent
		h.generation++
		close(h.changed)
		h.changed = make(chan struct{})
		h.mu.Unlock()
		return nil
	case <-parent.done:
		return fmt.Errorf("it ended while it imported %s", strings.Join(h.o.Preload, ", "))
	case <-ctx.Done():
		parent.close()
		return ctx.Err()
	}
}

func (h *Host) keeperCall(ctx context.Context, request object, files ...*os.File) (reply, error) {
	h.mu.Lock()
	keeper := h.keeper
	h.mu.Unlock()
	if keeper == nil {
		return reply{}, errGone
	}
	return keeper.call(ctx, request, files...)
}

// supervise replaces the parent, and the keeper, when they end.
func (h *Host) supervise() {
	const shortest, longest = 100 * time.Millisecond, 30 * time.Second
	delay := shortest
	for {
		h.mu.Lock()
		keeper, parent := h.keeper, h.parent
		h.mu.Unlock()
		since := time.Now()
		select {
		case <-h.context.Done():
			return
		case <-keeper.done:
		case <-parent.done:
		}
		if time.Since(since) > time.Minute {
			delay = shortest
		}
		for {
			if h.context.Err() != nil {
				return
			}
			h.log.Warn("the kernels' warm parent ended; starting another")
			ctx, cancel := context.WithTimeout(h.context, startTimeout)
			err := h.restart(ctx)
			cancel()
			if err == nil {
				break
			}
			h.log.Error("restart the kernels' warm parent", "error", err, "retry", delay.String())
			select {
			case <-h.context.Done():
			case <-time.After(delay):
			}
			delay = min(delay*2, longest)
		}
		h.wantSpares()
	}
}

// restart starts another parent, and before it another keeper if that ended.
func (h *Host) restart(ctx context.Context) error {
	h.mu.Lock()
	h.parent = nil
	keeper := h.keeper
	h.mu.Unlock()
	select {
	case <-keeper.done:
		h.lostKeeper()
		if err := h.startKeeper(ctx); err != nil {
			return err
		}
	default:
	}
	return h.startParent(ctx)
}

// lostKeeper ends all kernels: without the keeper nobody could end what they
// start.
func (h *Host) lostKeeper() {
	h.mu.Lock()
	kernels := slices.Collect(maps.Values(h.kernels))
	h.mu.Unlock()
	for _, k := range kernels {
		k.kill(CauseService, "the kernels' keeper ended")
	}
}

// exited takes note of the end of a process.
func (h *Host) exited(r reply) {
	if r.Exit == 0 {
		return
	}
	h.mu.Lock()
	k := h.kernels[r.Exit]
	if k == nil {
		if len(h.early) < 1000 {
			h.early[r.Exit] = r.Status
		}
	}
	h.mu.Unlock()
	if k != nil {
		k.exited(r.Status)
	}
}

// Info describes the Python that kernels run.
func (h *Host) Info() Info {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.info
}

// Builtins returns the names that every cell can read without a definition.
// The map is shared: don't change it.
func (h *Host) Builtins() map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.names
}

// Check tells whether kernels can start and sources be analyzed now.
func (h *Host) Check(ctx context.Context) error {
	if _, err := h.keeperCall(ctx, object{"op": "ping"}); err != nil {
		return fmt.Errorf("ask the kernels' keeper: %w", err)
	}
	h.mu.Lock()
	parent := h.parent
	h.mu.Unlock()
	if parent == nil {
		return errors.New("the kernels' warm parent is being restarted")
	}
	if _, err := parent.call(ctx, object{"op": "ping"}); err != nil {
		return fmt.Errorf("ask the kernels' warm parent: %w", err)
	}
	if err := h.analyzer.check(ctx); err != nil {
		return fmt.Errorf("ask the analyzer: %w", err)
	}
	return nil
}

// Close kills every kernel with all that it started, and removes their files.
func (h *Host) Close() error {
	h.stop()
	h.mu.Lock()
	kernels := slices.Collect(maps.Keys(h.open))
	keeper := h.keeper
	h.mu.Unlock()
	var closing sync.WaitGroup
	for _, k := range kernels {
		closing.Go(func() { k.Close() })
	}
	closing.Wait()
	if h.analyzer != nil {
		h.analyzer.close()
	}
	if keeper != nil {
		keeper.conn.Close() // it ends all that is left, and itself
	}
	for _, file := range []*os.File{h.stderr, h.lifeline, h.liferead} {
		if file != nil {
			file.Close()
		}
	}
	h.work.Wait()
	if h.dir != "" {
		if err := os.RemoveAll(h.dir); err != nil {
			return fmt.Errorf("remove the kernels' folder: %w", err)
		}
	}
	return nil
}

// wantSpares has the spares refilled.
func (h *Host) wantSpares() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *Host) refill() {
	for {
		select {
		case <-h.context.Done():
			return
		case <-h.wake:
		}
		for h.context.Err() == nil {
			h.mu.Lock()
			enough := len(h.spares) >= h.o.Spares
			h.mu.Unlock()
			if enough {
				break
			}
			// Whoever took a spare has work for it: that goes first.
			select {
			case <-h.context.Done():
				return
			case <-time.After(sparePause):
			}
			ctx, cancel := context.WithTimeout(h.context, forkTimeout)
			k, err := h.fork(ctx)
			cancel()
			if err != nil {
				if h.context.Err() == nil {
					h.log.Warn("start a spare kernel", "error", err)
				}
				time.AfterFunc(2*time.Second, h.wantSpares)
				break
			}
			h.keep(k)
		}
	}
}

// keep makes a kernel that nobody uses a spare.
func (h *Host) keep(k *Kernel) {
	h.mu.Lock()
	keep := h.context.Err() == nil && len(h.spares) < h.o.Spares
	if keep {
		h.spares = append(h.spares, k)
	}
	h.mu.Unlock()
	if !keep {
		k.Close()
	}
}

// Start returns a kernel in which nothing ran yet: a spare one, or a new one.
func (h *Host) Start(ctx context.Context) (*Kernel, error) {
	h.mu.Lock()
	for len(h.spares) > 0 {
		k := h.spares[0]
		h.spares = h.spares[1:]
		if k.alive() {
			h.mu.Unlock()
			h.wantSpares()
			return k, nil
		}
	}
	h.mu.Unlock()
	h.wantSpares()
	type result struct {
		k   *Kernel
		err error
	}
	forked := make(chan result)
	h.work.Go(func() {
		fork, cancel := context.WithTimeout(h.context, forkTimeout)
		defer cancel()
		k, err := h.fork(fork)
		select {
		case forked <- result{k, err}:
		case <-ctx.Done():
			if k != nil {
				h.keep(k)
			}
		}
	})
	select {
	case r := <-forked:
		if r.err != nil {
			return nil, fmt.Errorf("start a kernel: %w", r.err)
		}
		return r.k, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("start a kernel: %w", ctx.Err())
	}
}

// waitParent returns the warm parent, once there is one.
func (h *Host) waitParent(ctx context.Context) (*link, error) {
	for {
		h.mu.Lock()
		parent, changed := h.parent, h.changed
		h.mu.Unlock()
		if parent != nil {
			return parent, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the warm parent: %w", ctx.Err())
		case <-h.context.Done():
			return nil, errors.New("the kernel host is closed")
		}
	}
}

// fork makes a kernel and waits until it can run cells.
func (h *Host) fork(ctx context.Context) (_ *Kernel, err error) {
	parent, err := h.waitParent(ctx)
	if err != nil {
		return nil, err
	}
	place, err := h.keeperCall(ctx, object{"op": "reserve"})
	if err != nil {
		return nil, fmt.Errorf("reserve a folder and a user: %w", err)
	}
	k, control, tick, err := newKernel(h, place)
	if err != nil {
		h.release(place.Dir, place.UID, 0)
		return nil, err
	}
	forked, err := parent.call(ctx, object{
		"op": "fork", "dir": place.Dir, "uid": place.UID, "tasks": place.Tasks, "token": k.tokenText(),
	}, control, tick)
	control.Close()
	tick.Close()
	if err != nil {
		k.discard()
		h.release(place.Dir, place.UID, 0)
		return nil, fmt.Errorf("fork from the warm parent: %w", err)
	}
	k.pid, k.pidfd = forked.PID, forked.fd
	if place.UID == nil {
		if _, err := h.keeperCall(ctx, object{"op": "adopt", "pid": k.pid}); err != nil {
			k.kill(CauseUnknown, "")
		}
	}
	h.mu.Lock()
	h.kernels[k.pid] = k
	h.open[k] = true
	status, early := h.early[k.pid]
	delete(h.early, k.pid)
	h.mu.Unlock()
	h.work.Go(k.read)
	if early {
		k.exited(status)
	}
	select {
	case <-k.ready:
		return k, nil
	case <-k.gone:
		return nil, fmt.Errorf("the worker ended: %s", k.reason())
	case <-ctx.Done():
		k.Close()
		return nil, ctx.Err()
	}
}

// forget takes a kernel off the books once its last event is taken.
func (h *Host) forget(k *Kernel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, k)
}

// lost takes note that a kernel's process has ended.
func (h *Host) lost(k *Kernel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.kernels, k.pid)
	before := len(h.spares)
	h.spares = slices.DeleteFunc(h.spares, func(spare *Kernel) bool { return spare == k })
	if len(h.spares) < before {
		h.wantSpares()
	}
}

const releaseRetry = 50 * time.Millisecond

// release ends what is left of a kernel. The process id is 0 when it is known
// to have ended.
func (h *Host) release(dir string, uid *int, pid int) {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	for {
		_, err := h.keeperCall(ctx, object{"op": "release", "dir": dir, "uid": uid, "pid": pid})
		if err == nil || h.context.Err() != nil {
			return
		}
		select { // a keeper that has just died is replaced
		case <-time.After(releaseRetry):
		case <-ctx.Done():
			h.log.Warn("clean up after a kernel", "folder", dir, "error", err)
			return
		}
	}
}

var _ io.Closer = (*Host)(nil)
