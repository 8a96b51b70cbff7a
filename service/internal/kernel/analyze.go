package kernel

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"golang.org/x/sys/unix"
)

const (
	// analysisTime is the processor time for one source, and as much for each
	// megabyte of it: on a busy machine, no cell is refused for it.
	analysisTime = 10 * time.Second
	// analysisTimeout is the same by the clock, for an analyzer that hangs.
	analysisTimeout = time.Minute
	maxAnalysis     = 64 << 20 // bytes of one answer
	cachedBytes     = 32 << 20 // about as much as the cache may hold
	inFlight        = 64       // requests sent ahead of their answers
)

// Analysis is what a cell's source says of its names. Lists are sorted.
type Analysis struct {
	Defines    []string            // public names bound at the top level, or by `global` in functions
	References []string            // public global names read before they are bound, builtins included
	Deletes    []string            // names deleted without being bound here; they are in References, too
	LoopNames  []string            // those of Defines that only loops bind
	Code       string              // equal for sources that compile to the same code
	Error      *notebook.CellError // syntax or import-star; then the rest is empty
}

type analysisAnswer struct {
	Defines    []string            `json:"defines"`
	References []string            `json:"references"`
	Deletes    []string            `json:"deletes"`
	Loops      []string            `json:"loops"`
	Code       string              `json:"code"`
	Error      *notebook.CellError `json:"error"`
}

// Analyze tells what sources define and reference. No source can make it fail:
// the error is that of the analyzer itself, or of ctx.
func (h *Host) Analyze(ctx context.Context, sources []string) ([]Analysis, error) {
	found, err := h.analyzer.analyze(ctx, sources)
	if err != nil {
		return nil, fmt.Errorf("analyze sources: %w", err)
	}
	return found, nil
}

// analyzer is the process that reads sources, and a cache of what it said. One
// caller at a time talks to it.
type analyzer struct {
	host  *Host
	cache *cache
	turn  chan struct{} // holds one value: whoever takes it may talk
	time  time.Duration // see analysisTime

	conn  net.Conn
	pidfd *os.File
}

func newAnalyzer(h *Host) *analyzer {
	a := &analyzer{host: h, cache: newCache(cachedBytes), turn: make(chan struct{}, 1), time: analysisTime}
	a.turn <- struct{}{}
	return a
}

func (a *analyzer) check(ctx context.Context) error {
	select {
	case <-a.turn:
		defer func() { a.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	_, failed, err := a.exchange(ctx, []string{"x = 1"})
	if err == nil && failed >= 0 {
		err = errGone
	}
	return err
}

func (a *analyzer) analyze(ctx context.Context, sources []string) ([]Analysis, error) {
	found := make([]Analysis, len(sources))
	keys := make([][sha256.Size]byte, len(sources))
	var missing []int
	for i, source := range sources {
		keys[i] = sha256.Sum256([]byte(source))
		known, ok := a.cache.get(keys[i])
		if !ok {
			missing = append(missing, i)
			continue
		}
		found[i] = known
	}
	if len(missing) == 0 {
		return found, nil
	}
	select {
	case <-a.turn:
		defer func() { a.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for len(missing) > 0 {
		batch := make([]string, len(missing))
		for i, at := range missing {
			batch[i] = sources[at]
		}
		answers, failed, err := a.exchange(ctx, batch)
		if err != nil {
			return nil, err
		}
		for i, answer := range answers {
			found[missing[i]] = answer
			a.cache.put(keys[missing[i]], answer)
		}
		missing = missing[len(answers):]
		if failed >= 0 {
			// This one ended the analyzer. It isn't asked about again.
			at := missing[0]
			const message = "this cell can't be analyzed: Python's own compiler failed on it, or took too long"
			fault := notebook.NewError(notebook.ErrSyntax, "SyntaxError", message)
			fault.Traceback = []string{"SyntaxError: " + message}
			found[at] = Analysis{Error: fault, Defines: []string{}, References: []string{}, Deletes: []string{}, LoopNames: []string{}}
			a.cache.put(keys[at], found[at])
			missing = missing[1:]
		}
	}
	return found, nil
}

// exchange asks about sources. It returns the answers that came, and if not
// all did the index of the source on which the analyzer failed, else -1.
func (a *analyzer) exchange(ctx context.Context, sources []string) (answers []Analysis, failed int, err error) {
	if a.conn != nil && a.ended() {
		a.end() // it ended while nobody asked: no source is to blame for it
	}
	if a.conn == nil {
		if err := a.start(ctx); err != nil {
			return nil, -1, fmt.Errorf("start the analyzer: %w", err)
		}
	}
	// Requests run ahead of their answers, but not so far that both sides
	// wait for the other to read.
	window := make(chan struct{}, inFlight)
	stop := make(chan struct{})
	var sending sync.WaitGroup
	conn := a.conn
	sending.Go(func() {
		for _, source := range sources {
			select {
			case window <- struct{}{}:
			case <-stop:
				return
			}
			frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(source)), uint32(len(source)))
			if _, err := conn.Write(append(frame, source...)); err != nil {
				return
			}
		}
	})
	cancelled := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer func() {
		close(stop)
		if len(answers) < len(sources) {
			a.end()
		}
		sending.Wait()
		cancelled()
	}()
	for i, source := range sources {
		conn.SetReadDeadline(time.Now().Add(analysisTimeout * time.Duration(1+(len(source)+1<<20-1)>>20)))
		if ctx.Err() != nil {
			return answers, -1, ctx.Err()
		}
		answer, err := readAnswer(conn)
		if err != nil {
			if ctx.Err() != nil {
				return answers, -1, ctx.Err()
			}
			if a.host.context.Err() != nil {
				return answers, -1, errors.New("the kernel host is closed")
			}
			return answers, i, nil
		}
		<-window
		answers = append(answers, answer)
	}
	return answers, -1, nil
}

func readAnswer(conn net.Conn) (Analysis, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return Analysis{}, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxAnalysis {
		return Analysis{}, fmt.Errorf("an answer of %d bytes", size)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(conn, data); err != nil {
		return Analysis{}, err
	}
	var answer analysisAnswer
	if err := json.Unmarshal(data, &answer); err != nil {
		return Analysis{}, err
	}
	found := Analysis{
		Defines: stringList(answer.Defines), References: stringList(answer.References),
		Deletes: stringList(answer.Deletes), LoopNames: stringList(answer.Loops),
		Code: answer.Code, Error: answer.Error,
	}
	if found.Error != nil {
		found.Error.Names, found.Error.Cells = []string{}, []string{}
		found.Error.Traceback = stringList(found.Error.Traceback)
	}
	return found, nil
}

func stringList(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

func (a *analyzer) start(ctx context.Context) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "analyzer"), os.NewFile(uintptr(fds[1]), "analyzer")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return fmt.Errorf("open a socket pair: %w", err)
	}
	request := object{
		"op": "spawn", "env": a.host.environment(),
		"argv": []string{
			a.host.probe.Executable, "-I", "-B", filepath.Join(a.host.lib(), "analysis.py"),
			strconv.FormatInt(a.host.o.Limits.Memory, 10), strconv.FormatFloat(a.time.Seconds(), 'f', -1, 64),
		},
	}
	if a.host.users != nil {
		request["user"] = a.host.users[0] + a.host.users[1] // the one after the kernels' own
	}
	spawned, err := a.host.keeperCall(ctx, request, theirs)
	if err != nil {
		conn.Close()
		return err
	}
	a.conn, a.pidfd = conn, spawned.fd
	return nil
}

// ended tells whether the process is no more.
func (a *analyzer) ended() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(a.pidfd.Fd()), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// end kills the process; the next request starts another.
func (a *analyzer) end() {
	if a.conn == nil {
		return
	}
	unix.PidfdSendSignal(int(a.pidfd.Fd()), unix.SIGKILL, nil, 0)
	a.pidfd.Close()
	a.conn.Close()
	a.conn, a.pidfd = nil, nil
}

func (a *analyzer) close() {
	<-a.turn
	a.end()
	a.turn <- struct{}{}
}

// cache keeps the analyses that were asked for last, bounded by size.
type cache struct {
	mu    sync.Mutex
	room  int
	order *list.List // of *cached, the last used first
	items map[[sha256.Size]byte]*list.Element
}

type cached struct {
	key   [sha256.Size]byte
	value Analysis
	size  int
}

func newCache(room int) *cache {
	return &cache{room: room, order: list.New(), items: map[[sha256.Size]byte]*list.Element{}}
}

func (c *cache) get(key [sha256.Size]byte) (Analysis, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	item, ok := c.items[key]
	if !ok {
		return Analysis{}, false
	}
	c.order.MoveToFront(item)
	return item.Value.(*cached).value, true
}

func (c *cache) put(key [sha256.Size]byte, value Analysis) {
	size := 512
	for _, names := range [][]string{value.Defines, value.References, value.Deletes, value.LoopNames} {
		for _, name := range names {
			size += 16 + len(name)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; ok || size > c.room/4 {
		return
	}
	c.items[key] = c.order.PushFront(&cached{key, value, size})
	c.room -= size
	for c.room < 0 {
		last := c.order.Remove(c.order.Back()).(*cached)
		delete(c.items, last.key)
		c.room += last.size
	}
}
