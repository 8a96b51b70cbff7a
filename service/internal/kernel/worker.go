package kernel

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"golang.org/x/sys/unix"
)

const (
	// interruptGrace is how long an interrupted cell may go on.
	interruptGrace = 5 * time.Second
	// tickPeriod is how often a running cell's buffered text is fetched.
	tickPeriod = 10 * time.Millisecond
	// chunkSize is the payload of one packet to a worker.
	chunkSize = 60_000

	tokenSize  = 8
	headerSize = tokenSize + 6

	// Flags of a packet, see worker.py.
	flagMore  = 1
	flagPipes = 2

	// The worker's own exit codes, see worker.py.
	exitFault   = 113
	exitChannel = 114
	exitOrphan  = 115
)

// errBusy is the error of a call that needs an idle kernel.
var errBusy = errors.New("a cell is running in this kernel")

// Kernel is one Python process that runs the cells of one notebook. Its
// methods may be called from any goroutine.
type Kernel struct {
	host  *Host
	dir   string
	uid   *int
	token [tokenSize]byte
	pid   int
	pidfd *os.File
	conn  *net.UnixConn
	tick  int // descriptor: a byte here has the worker send what it has buffered

	events  chan Event
	abandon chan struct{} // closed when nobody wants events any more
	ready   chan struct{} // closed when the worker is ready
	gone    chan struct{} // closed when the process has ended
	cleaned chan struct{} // closed when all that it started is gone, too
	ended   chan int      // its wait status

	closing   sync.Once
	greeted   sync.Once
	foreign   atomic.Int64 // packets that were not the worker's
	emitMu    sync.Mutex   // order of events
	drained   [4096]byte   // what drain reads at a time; guarded by emitMu
	requestMu sync.Mutex   // a request's packets stay together

	readMu sync.Mutex // a packet is read and handled in one step
	buffer []byte
	parts  []byte // of a payload that comes in several packets
	deaf   bool   // nothing more comes

	mu       sync.Mutex
	dead     bool
	killed   string // why we killed it
	killedBy Cause
	cause    string // how it ended
	count    uint32
	run      *run            // the one under way
	runs     map[uint32]*run // it, and finished ones whose pipes are open
	order    []uint32        // of runs
	last     *run
	replies  map[uint32]chan []byte
}

func newKernel(h *Host, place reply) (k *Kernel, control, tick *os.File, err error) {
	k = &Kernel{
		host: h, dir: place.Dir, uid: place.UID,
		events:  make(chan Event, 64),
		abandon: make(chan struct{}), ready: make(chan struct{}),
		gone: make(chan struct{}), cleaned: make(chan struct{}), ended: make(chan int, 1),
		runs: map[uint32]*run{}, replies: map[uint32]chan []byte{},
	}
	rand.Read(k.token[:])
	if k.conn, control, err = socketPair(); err != nil {
		return nil, nil, nil, err
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		k.conn.Close()
		control.Close()
		return nil, nil, nil, fmt.Errorf("open a pipe: %w", err)
	}
	unix.SetNonblock(fds[1], true) // a tick that finds the pipe full is not needed
	k.tick = fds[1]
	return k, control, os.NewFile(uintptr(fds[0]), "tick"), nil
}

func (k *Kernel) tokenText() string { return hex.EncodeToString(k.token[:]) }

// discard frees a kernel that never had a process.
func (k *Kernel) discard() {
	k.conn.Close()
	unix.Close(k.tick)
}

// PID returns the id of the worker's process.
func (k *Kernel) PID() int { return k.pid }

// Events returns what the kernel reports, in order. It is closed after Died.
// Whoever runs cells must read it: a kernel whose events nobody takes waits.
func (k *Kernel) Events() <-chan Event { return k.events }

// alive tells whether the kernel can still be handed out.
func (k *Kernel) alive() bool {
	k.mu.Lock()
	killed := k.killed != ""
	k.mu.Unlock()
	if killed {
		return false // though its end may take a moment to be known
	}
	select {
	case <-k.gone:
		return false
	default:
		return true
	}
}

func (k *Kernel) reason() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cause
}

type runRequest struct {
	Op      string   `json:"op"`
	Run     uint32   `json:"run"`
	Cell    string   `json:"cell"`
	Source  string   `json:"source"`
	Names   []string `json:"names"`
	Forget  []string `json:"forget"`
	Defines []string `json:"defines"`
}

// Run hands one cell to the kernel; its events arrive on Events. One cell at a
// time: Run while another is unfinished is an error.
func (k *Kernel) Run(r Request) error {
	k.mu.Lock()
	if k.dead {
		defer k.mu.Unlock()
		return fmt.Errorf("run a cell: %s", k.cause)
	}
	if k.run != nil {
		k.mu.Unlock()
		return errBusy
	}
	k.count++
	now := newRun(k, k.count, r.CellID)
	files, err := now.openPipes(k.last)
	if err != nil {
		k.mu.Unlock()
		return fmt.Errorf("run a cell: %w", err)
	}
	k.run, k.last = now, now
	k.runs[now.id] = now
	k.order = append(k.order, now.id)
	now.tick = time.AfterFunc(tickPeriod, func() { k.tickRun(now) })
	if r.Timeout > 0 {
		now.deadline = time.AfterFunc(r.Timeout, func() { k.stop(now, notebook.ErrTimeout, r.Timeout) })
	}
	k.limitRuns()
	k.mu.Unlock()

	err = k.request(runRequest{
		Op: "run", Run: now.id, Cell: r.CellID, Source: r.Source,
		Names: stringList(r.Remove), Forget: stringList(r.Forget), Defines: stringList(r.Defines),
	}, files)
	for _, file := range files {
		file.Close()
	}
	if err != nil {
		// The worker is gone: Died follows, and names this cell.
		k.kill(CauseUnknown, "")
	}
	return nil
}

// request sends a request to the worker, in as many packets as it needs.
func (k *Kernel) request(value any, files []*os.File) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, file := range files {
			fds[i] = int(file.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	k.requestMu.Lock()
	defer k.requestMu.Unlock()
	packet := make([]byte, 0, min(len(data), chunkSize)+1)
	for {
		chunk := data[:min(len(data), chunkSize)]
		data = data[len(chunk):]
		more := byte(0)
		if len(data) > 0 {
			more = 1
		}
		packet = append(append(packet[:0], more), chunk...)
		if _, _, err := k.conn.WriteMsgUnix(packet, rights, nil); err != nil {
			return err
		}
		rights = nil
		if more == 0 {
			return nil
		}
	}
}

// ask sends a request that is answered, when no cell runs.
func (k *Kernel) ask(ctx context.Context, request object, files ...*os.File) ([]byte, error) {
	answer := make(chan []byte, 1)
	k.mu.Lock()
	if k.dead {
		defer k.mu.Unlock()
		return nil, errors.New(k.cause)
	}
	k.count++
	id := k.count
	k.replies[id] = answer
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.replies, id)
	}()
	request["run"] = id
	if err := k.request(request, files); err != nil {
		return nil, err
	}
	select {
	case data := <-answer:
		return data, nil
	case <-k.gone:
		return nil, errors.New(k.reason())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Remove takes names out of the globals. It returns when they are gone; while
// a cell runs it is an error.
func (k *Kernel) Remove(names []string) error { return k.Forget(names, nil) }

// Forget takes names out of the globals, and the private names of cells that
// are no more.
func (k *Kernel) Forget(names, cells []string) error {
	k.mu.Lock()
	busy := k.run != nil
	k.mu.Unlock()
	if busy {
		return fmt.Errorf("remove names: %w", errBusy)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := k.ask(ctx, object{"op": "remove", "names": stringList(names), "forget": stringList(cells)}); err != nil {
		return fmt.Errorf("remove names: %w", err)
	}
	return nil
}

// Variables lists the public globals. While a cell runs it waits for its end.
func (k *Kernel) Variables(ctx context.Context) ([]Variable, error) {
	data, err := k.ask(ctx, object{"op": "variables"})
	if err != nil {
		return nil, fmt.Errorf("list variables: %w", err)
	}
	answer, err := decode[struct{ Variables []Variable }](data)
	if err != nil {
		return nil, fmt.Errorf("list variables: %w", err)
	}
	return answer.Variables, nil
}

// Complete tells what may stand before the cursor, a number of UTF-16 units
// into source. While a cell runs it waits for its end.
func (k *Kernel) Complete(ctx context.Context, source string, cursor int) (Completion, error) {
	data, err := k.ask(ctx, object{"op": "complete", "source": source, "cursor": cursor})
	if err != nil {
		return Completion{}, fmt.Errorf("complete: %w", err)
	}
	answer, err := decode[Completion](data)
	if err != nil {
		return Completion{}, fmt.Errorf("complete: %w", err)
	}
	if answer.Matches == nil {
		answer = Completion{Start: cursor, End: cursor, Matches: []Match{}}
	}
	return answer, nil
}

// tryImport proves that the worker can read Python's own modules.
func (k *Kernel) tryImport(ctx context.Context) error {
	data, err := k.ask(ctx, object{"op": "import"})
	if err != nil {
		return fmt.Errorf("start a kernel: %w", err)
	}
	answer, err := decode[struct{ Error string }](data)
	if err != nil {
		return fmt.Errorf("start a kernel: %w", err)
	}
	if answer.Error != "" {
		return fmt.Errorf("kernels run as users of their own, and those can't read the Python in %s (%s): make its folders readable for all, set KERNEL_PYTHON to a Python that is, or run the service as an ordinary user", k.host.probe.Base, answer.Error)
	}
	return nil
}

// Interrupt stops the running cell, if there is one: as Ctrl-C does, and if
// that doesn't help within five seconds, together with its kernel.
func (k *Kernel) Interrupt() {
	k.mu.Lock()
	now := k.run
	k.mu.Unlock()
	if now != nil {
		k.stop(now, notebook.ErrInterrupted, 0)
	}
}

// stop interrupts a run for a reason.
func (k *Kernel) stop(now *run, why notebook.ErrorKind, after time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.run != now || k.dead {
		return
	}
	if now.why == "" {
		now.why, now.after = why, after
		now.grace = time.AfterFunc(interruptGrace, func() {
			k.mu.Lock()
			running := k.run == now
			k.mu.Unlock()
			if running {
				cause := CauseInterrupt
				if why == notebook.ErrTimeout {
					cause = CauseTimeout
				}
				k.kill(cause, fmt.Sprintf("the cell %s and did not stop within %v; its kernel was killed", now.stopReason(), interruptGrace))
			}
		})
	}
	// Under the lock, so that it can't reach the next run.
	k.signal(unix.SIGINT)
}

// signal reaches the process as long as it is not reaped. Called with mu held.
func (k *Kernel) signal(number unix.Signal) {
	if k.pidfd != nil {
		unix.PidfdSendSignal(int(k.pidfd.Fd()), number, nil, 0)
	}
}

// tickRun fetches buffered text, again and again until the run has ended.
func (k *Kernel) tickRun(now *run) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.run != now || k.dead {
		return
	}
	tick := byte('t')
	if now.why != "" {
		tick = 0x80 | byte(now.id&0x7f) // see to it that this run notices its interrupt
	}
	unix.Write(k.tick, []byte{tick})
	now.tick.Reset(tickPeriod)
}

// kill ends the process; reason is "" when something else explains it.
func (k *Kernel) kill(cause Cause, reason string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.killed == "" {
		k.killed, k.killedBy = reason, cause
	}
	k.signal(unix.SIGKILL)
}

// Close kills the kernel with all that it started, and returns when that is
// done. Events that nobody has taken by then are lost.
func (k *Kernel) Close() error {
	k.closing.Do(func() { close(k.abandon) })
	k.kill(CauseUnknown, "it was closed")
	<-k.cleaned
	return nil
}

// exited is told the process's wait status.
func (k *Kernel) exited(status int) {
	select {
	case k.ended <- status:
	default:
	}
	// A child may hold the socket open; what the worker sent is there already.
	k.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
}

// emit reports an event. Callers hold emitMu or are the only ones left.
func (k *Kernel) emit(e Event) {
	select {
	case k.events <- e:
	case <-k.abandon:
	}
}

// read takes the worker's packets until it ends.
func (k *Kernel) read() {
	raw, err := k.conn.SyscallConn()
	if err == nil {
		// It ends with an error when the read deadline passes.
		_ = raw.Read(func(fd uintptr) bool {
			for {
				k.readMu.Lock()
				took := k.take(int(fd))
				k.readMu.Unlock()
				switch took {
				case tookNothing:
					return false
				case tookEnd:
					return true
				}
			}
		})
	}
	k.finish()
}

// taking is what take found.
type taking int

const (
	tookPacket taking = iota
	tookNothing
	tookEnd
)

// take handles one packet of the worker, if one is there. To read it and to
// handle it is one step: whoever finds none knows that all that came is handled.
// Called with readMu held.
func (k *Kernel) take(fd int) taking {
	if k.deaf {
		return tookEnd
	}
	if k.buffer == nil {
		k.buffer = make([]byte, 1<<17)
	}
	n, err := unix.Read(fd, k.buffer)
	switch {
	case err == unix.EINTR:
		return tookPacket // none, but there may be one
	case err == unix.EAGAIN:
		return tookNothing
	case err != nil, n == 0 && hungUp(fd):
		k.deaf = true
		return tookEnd
	}
	var whole bool
	if k.parts, whole = k.packet(k.buffer[:n], k.parts); !whole {
		k.deaf = true
		return tookEnd
	}
	return tookPacket
}

// hungUp tells the end of a socket from an empty packet, which a cell can write.
func hungUp(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	_, err := unix.Poll(poll, 0)
	return err != nil || poll[0].Revents != 0
}

// packet takes one packet, with the parts of a message that came before it, and
// returns those that wait for more. It returns false when the kernel is killed
// for what it sent. Cells run in the worker, so nothing is sure but the form
// that is checked here.
func (k *Kernel) packet(packet, parts []byte) (rest []byte, whole bool) {
	if len(packet) < headerSize || !bytes.Equal(packet[:tokenSize], k.token[:]) {
		// Not the worker's: user code wrote to descriptors that it found.
		if k.foreign.Add(1) == 1 {
			k.host.log.Info("a cell writes to its kernel's socket", "pid", k.pid)
		}
		return parts, true
	}
	kind, flags := packet[tokenSize], packet[tokenSize+1]
	more := flags & flagMore
	id := binary.BigEndian.Uint32(packet[tokenSize+2:])
	payload := packet[headerSize:]
	if more == 1 || len(parts) > 0 {
		if len(parts)+len(payload) > k.host.o.OutputLimit+1<<20 {
			k.kill(CauseDamaged, "it sent more than an output may hold")
			return nil, false
		}
		parts = append(parts, payload...)
		if more == 1 {
			return parts, true
		}
		payload, parts = parts, nil
	}
	k.handle(kind, id, flags&flagPipes != 0, payload)
	return parts, true
}

// inOrder has a pipe read when all is handled that the worker sent before what
// the pipe holds: it calls measure, and, unless packets came since, read, with
// nothing handled in between.
func (k *Kernel) inOrder(measure, read func()) {
	k.readMu.Lock()
	defer k.readMu.Unlock()
	measure()
	if raw, err := k.conn.SyscallConn(); err == nil {
		// An error says that the socket is closed; then nothing comes before.
		_ = raw.Control(func(fd uintptr) {
			for range maxAhead {
				if k.take(int(fd)) != tookPacket {
					return
				}
				measure()
			}
		})
	}
	read()
}

func (k *Kernel) handle(kind byte, id uint32, pipesFirst bool, payload []byte) {
	switch kind {
	case 'h':
		k.greeted.Do(func() { close(k.ready) })
		return
	case 'x':
		k.host.log.Warn("a worker failed", "pid", k.pid, "traceback", string(payload))
		return
	case 'r':
		k.mu.Lock()
		answer := k.replies[id]
		k.mu.Unlock()
		if answer != nil {
			select {
			case answer <- bytes.Clone(payload):
			default: // it was answered already
			}
		}
		return
	}
	k.mu.Lock()
	now := k.runs[id]
	k.mu.Unlock()
	if now == nil {
		return // so late that its cell is forgotten
	}
	var before pipesHeld
	if pipesFirst {
		if len(payload) < len(before)*4 {
			k.kill(CauseDamaged, "it sent a frame that is too short")
			return
		}
		for i := range before {
			before[i] = int(min(binary.NativeEndian.Uint32(payload), pipeSize))
			payload = payload[4:]
		}
	}
	switch kind {
	case 'o':
		now.text(sourceStdout, before, payload)
	case 'e':
		now.text(sourceStderr, before, payload)
	case 'd':
		output, err := decode[notebook.Output](payload)
		if err != nil {
			k.host.log.Warn("read an output", "error", err)
			return
		}
		now.rich(before, output)
	case 'f':
		k.finished(now, payload)
	}
}

// finished ends a run.
func (k *Kernel) finished(now *run, payload []byte) {
	answer, err := decode[struct {
		MS    float64             `json:"ms"`
		Clean bool                `json:"clean"`
		Error *notebook.CellError `json:"error"`
	}](payload)
	if err != nil {
		k.kill(CauseDamaged, "its worker sent what can't be read: "+err.Error())
		return
	}
	k.mu.Lock()
	if k.run != now {
		k.mu.Unlock()
		return
	}
	k.run = nil
	now.clean = answer.Clean
	why, reason := now.why, now.stopReason()
	k.mu.Unlock()
	now.stopTimers()
	if answer.Error != nil {
		answer.Error.Names, answer.Error.Cells = []string{}, []string{}
		if why != "" && answer.Error.Name == "KeyboardInterrupt" {
			answer.Error.Kind = why
			answer.Error.Message = "The cell " + reason + "."
		}
	}
	now.finish(answer.Error, time.Duration(answer.MS*float64(time.Millisecond)))
}

// finish reports the end of the process and cleans up after it.
func (k *Kernel) finish() {
	// The socket has ended, so the process has, or lost it.
	status := exitStatus{}
	wait := time.NewTimer(200 * time.Millisecond)
	select {
	case s := <-k.ended:
		status = exitStatus{true, s}
	case <-wait.C:
		k.kill(CauseDamaged, "a cell closed the kernel's channel to the service")
		wait.Reset(2 * time.Second)
		select {
		case s := <-k.ended:
			status = exitStatus{true, s}
		case <-wait.C:
		}
	}
	wait.Stop()

	k.mu.Lock()
	k.dead = true
	now := k.run
	k.run = nil
	reason, cause := k.describe(status)
	k.cause = reason
	died := Died{Reason: reason, Cause: cause, Kind: notebook.ErrKernelDied}
	if now != nil {
		died.CellID = now.cell
		if now.why != "" {
			died.Kind = now.why
		}
	}
	runs := make([]*run, 0, len(k.runs))
	for _, id := range k.order {
		if r := k.runs[id]; r != nil {
			runs = append(runs, r)
		}
	}
	k.mu.Unlock()
	if now != nil {
		now.stopTimers()
	}
	close(k.gone)
	for _, r := range runs {
		r.end()
	}
	pid := k.pid
	if status.known {
		pid = 0
	}
	k.host.lost(k)
	k.conn.Close()
	k.mu.Lock()
	unix.Close(k.tick)
	k.pidfd.Close()
	k.pidfd = nil
	k.mu.Unlock()
	k.host.release(k.dir, k.uid, pid)
	close(k.cleaned)
	k.emitMu.Lock()
	defer k.emitMu.Unlock()
	k.emit(died)
	close(k.events)
	k.host.forget(k)
}

// describe tells why the process ended.
func (k *Kernel) describe(s exitStatus) (string, Cause) {
	status := syscall.WaitStatus(s.status)
	switch {
	case k.killed != "":
		return k.killed, k.killedBy
	case !s.known:
		return "its process ended", CauseUnknown
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return "killed by signal SIGKILL, most likely because memory ran out", CauseMemory
	case status.Signaled():
		return "killed by signal " + unix.SignalName(status.Signal()), CauseSignal
	case status.ExitStatus() == exitChannel:
		return "a cell closed the kernel's channel to the service", CauseDamaged
	case status.ExitStatus() == exitFault:
		return "the worker failed: a cell damaged what it needs to run", CauseDamaged
	case status.ExitStatus() == exitOrphan:
		return "it lost its service", CauseService
	}
	return fmt.Sprintf("the process exited with code %d", status.ExitStatus()), CauseExit
}
