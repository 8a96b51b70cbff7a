package kernel

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"golang.org/x/sys/unix"
)

const (
	// mergePeriod is the shortest time between two pieces of a cell's text.
	mergePeriod = 10 * time.Millisecond
	// pipeSize is what a pipe holds, so what a run can have written at its end.
	pipeSize = 1 << 16
	// maxAhead bounds the packets that are handled before a pipe is read; it is
	// more than a socket holds.
	maxAhead = 1000
	// maxRuns bounds the finished runs whose pipes stay open for late text.
	maxRuns = 32
)

// source is where text comes from. Each is decoded on its own: a character
// may be cut by the end of a read.
type source int

const (
	sourceStdout     source = iota // sys.stdout, through the control socket
	sourceStderr                   // sys.stderr
	sourceStdoutPipe               // descriptor 1: C code and child processes
	sourceStderrPipe               // descriptor 2
	sourceCount
)

func (s source) stream() string {
	if s == sourceStdout || s == sourceStdoutPipe {
		return "stdout"
	}
	return "stderr"
}

// pipe is the reading end of a run's descriptor 1 or 2. It belongs to the last
// run that was given it.
type pipe struct {
	k      *Kernel
	source source
	file   *os.File
	fd     int

	mu     sync.Mutex
	owner  *run
	closed bool
}

// run is one run of a cell: what it prints, until nobody can print any more.
type run struct {
	k    *Kernel
	id   uint32
	cell string

	// Guarded by the kernel's mu.
	pipes    []*pipe
	clean    bool // its pipes are nobody else's
	why      notebook.ErrorKind
	after    time.Duration
	tick     *time.Timer
	grace    *time.Timer
	deadline *time.Timer

	// Guarded by the kernel's emitMu.
	decoders [sourceCount][]byte // bytes of an incomplete character
	segments []segment           // text to be sent
	flushing *time.Timer
	sentAt   time.Time
	kept     int // bytes of text, sent or in segments
	tail     []segment
	tailSize int
	dropped  int64
	over     bool // the run has finished
	late     int  // bytes that came after the end
}

type segment struct {
	stream string
	text   []byte
}

func newRun(k *Kernel, id uint32, cell string) *run {
	return &run{k: k, id: id, cell: cell}
}

func (r *run) stopReason() string {
	if r.why == notebook.ErrTimeout {
		return fmt.Sprintf("ran longer than its time limit of %v", r.after)
	}
	return "was interrupted"
}

func (r *run) stopTimers() {
	r.k.mu.Lock()
	defer r.k.mu.Unlock()
	for _, timer := range []*time.Timer{r.tick, r.grace, r.deadline} {
		if timer != nil {
			timer.Stop()
		}
	}
}

// openPipes gives the run the pipes of the last one, when nobody else has
// them; else new ones, whose writing ends it returns. Called with k.mu held.
func (r *run) openPipes(last *run) ([]*os.File, error) {
	if last != nil && last.clean {
		r.pipes = last.pipes
		for _, p := range r.pipes {
			p.mu.Lock()
			if p.closed {
				p.mu.Unlock()
				r.pipes = nil
				break
			}
			p.owner = r
			p.mu.Unlock()
		}
		if r.pipes != nil {
			last.pipes = nil
			return nil, nil
		}
	}
	var files []*os.File
	for _, source := range []source{sourceStdoutPipe, sourceStderrPipe} {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			for _, file := range files {
				file.Close()
			}
			return nil, fmt.Errorf("open a pipe: %w", err)
		}
		unix.SetNonblock(fds[0], true)
		p := &pipe{k: r.k, source: source, fd: fds[0], file: os.NewFile(uintptr(fds[0]), "output"), owner: r}
		files = append(files, os.NewFile(uintptr(fds[1]), "output"))
		r.pipes = append(r.pipes, p)
	}
	for _, p := range r.pipes {
		r.k.host.work.Go(p.read)
	}
	return files, nil
}

// limitRuns closes the pipes of the oldest runs. Called with k.mu held.
func (k *Kernel) limitRuns() {
	open := k.order[:0]
	for _, id := range k.order {
		r := k.runs[id]
		if r != k.run && len(k.order)-len(open) > maxRuns {
			delete(k.runs, id)
			for _, p := range r.pipes {
				p.stop()
			}
			continue
		}
		open = append(open, id)
	}
	k.order = open
}

// read takes what arrives until no writer is left.
func (p *pipe) read() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	buffer := make([]byte, pipeSize)
	raw.Read(func(uintptr) bool {
		for {
			switch p.next(buffer) {
			case tookNothing:
				return false
			case tookEnd:
				return true
			}
		}
	})
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.file.Close()
}

// stop has the reader close the pipe. It doesn't wait, so that it can be called
// with any lock held.
func (p *pipe) stop() { p.file.SetReadDeadline(time.Unix(1, 0)) }

// next reads what the pipe holds now, after all that was sent before it.
func (p *pipe) next(buffer []byte) (took taking) {
	held := 0
	measure := func() { held, _ = unix.IoctlGetInt(p.fd, unix.TIOCINQ) }
	p.k.inOrder(measure, func() {
		took = tookNothing
		switch {
		case held > 0:
			if n, again := p.take(buffer[:min(held, len(buffer))]); n > 0 || again {
				took = tookPacket
			} else {
				took = tookEnd
			}
		case hungUp(p.fd):
			// Nobody can write any more, but somebody may have, just before.
			if measure(); held == 0 {
				took = tookEnd
			} else {
				took = tookPacket
			}
		}
	})
	return took
}

// take reads once and hands the bytes on, in one step: whoever drains the pipe
// at the same time finds either the bytes in it or their text handed on.
func (p *pipe) take(buffer []byte) (n int, again bool) {
	p.k.emitMu.Lock()
	defer p.k.emitMu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.takeLocked(buffer)
}

func (p *pipe) takeLocked(buffer []byte) (n int, again bool) {
	for {
		n, err := unix.Read(p.fd, buffer)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, true
		case err != nil || n == 0:
			return 0, false
		}
		p.owner.add(p.source, buffer[:n])
		return n, true
	}
}

// pipesHeld is how many bytes the pipes held at a moment: what was written to
// stdout and stderr before.
type pipesHeld [2]int

// all is more than the pipes can hold.
var all = pipesHeld{pipeSize, pipeSize}

// drain takes from the run's pipes as much as is given. Called with emitMu held.
func (r *run) drain(held pipesHeld) {
	if held == (pipesHeld{}) {
		return
	}
	r.k.mu.Lock()
	pipes := r.pipes
	r.k.mu.Unlock()
	for i, p := range pipes {
		p.mu.Lock()
		if !p.closed {
			for rest := held[i]; rest > 0; {
				n, _ := p.takeLocked(r.k.drained[:min(rest, len(r.k.drained))])
				if n == 0 {
					break
				}
				rest -= n
			}
		}
		p.mu.Unlock()
	}
}

// text adds what came through the control socket, after what the pipes held.
func (r *run) text(s source, before pipesHeld, data []byte) {
	r.k.emitMu.Lock()
	defer r.k.emitMu.Unlock()
	r.drain(before)
	r.add(s, data)
}

// rich sends an output after all text that came before it.
func (r *run) rich(before pipesHeld, output notebook.Output) {
	r.k.emitMu.Lock()
	defer r.k.emitMu.Unlock()
	r.drain(before)
	r.flush()
	r.k.emit(Output{r.cell, output})
}

// finish sends what is left, the error, and the end.
func (r *run) finish(fault *notebook.CellError, took time.Duration) {
	r.k.emitMu.Lock()
	defer r.k.emitMu.Unlock()
	r.drain(all)
	r.close()
	if fault != nil {
		r.k.emit(Output{r.cell, notebook.Output{
			Kind: notebook.OutputError, Name: fault.Name, Message: fault.Message, Traceback: fault.Traceback,
		}})
	}
	r.k.emit(Finished{r.cell, fault, took})
}

// end sends what is left of a run whose process has ended.
func (r *run) end() {
	r.k.emitMu.Lock()
	defer r.k.emitMu.Unlock()
	r.drain(all)
	r.close()
	r.k.mu.Lock()
	defer r.k.mu.Unlock()
	for _, p := range r.pipes {
		p.stop()
	}
}

// close flushes the decoders and the tail. Called with emitMu held.
func (r *run) close() {
	for s := range sourceCount {
		if len(r.decoders[s]) > 0 {
			r.decoders[s] = nil
			r.put(s.stream(), []byte(string(utf8.RuneError)))
		}
	}
	if r.dropped > 0 {
		notice := fmt.Sprintf("\n[%d bytes of output were dropped here]\n", r.dropped)
		r.segments = append(r.segments, segment{r.tail[0].stream, []byte(notice)})
		r.dropped = 0
	}
	r.segments = append(r.segments, r.tail...)
	r.tail, r.tailSize = nil, 0
	r.flush()
	r.over = true
}

// add decodes and keeps text. Called with emitMu held.
func (r *run) add(s source, data []byte) {
	if held := r.decoders[s]; len(held) > 0 {
		data = append(bytes.Clone(held), data...)
		r.decoders[s] = nil
	}
	if rest := incomplete(data); rest > 0 {
		r.decoders[s] = bytes.Clone(data[len(data)-rest:])
		data = data[:len(data)-rest]
	}
	if len(data) == 0 {
		return
	}
	if !utf8.Valid(data) {
		data = bytes.ToValidUTF8(data, []byte(string(utf8.RuneError)))
	}
	r.put(s.stream(), data)
}

// incomplete returns how many bytes at the end begin a character.
func incomplete(data []byte) int {
	for i := 1; i <= min(len(data), utf8.UTFMax-1); i++ {
		b := data[len(data)-i]
		if utf8.RuneStart(b) {
			if !utf8.FullRune(data[len(data)-i:]) {
				return i
			}
			return 0
		}
	}
	return 0
}

// put keeps text within the limit: its head is sent soon, its last part when
// the run ends. Called with emitMu held.
func (r *run) put(stream string, text []byte) {
	limit := r.k.host.o.StreamLimit
	tail := min(limit/4, 1<<16)
	if r.over {
		// Late text: as much again as the tail, then no more.
		if r.late += len(text); r.late > max(tail, 1) {
			return
		}
	} else if room := limit - tail - r.kept; len(text) > room {
		head := text[:cut(text, room)]
		text = text[len(head):]
		r.kept = limit // all that follows goes to the tail
		if len(head) > 0 {
			r.queue(stream, head)
		}
		r.putTail(stream, text, tail)
		return
	}
	r.kept += len(text)
	r.queue(stream, text)
}

// cut returns the largest length up to n that splits no character.
func cut(text []byte, n int) int {
	if n <= 0 {
		return 0
	}
	for n < len(text) && n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return min(n, len(text))
}

func (r *run) putTail(stream string, text []byte, limit int) {
	if n := len(r.tail); n > 0 && r.tail[n-1].stream == stream {
		r.tail[n-1].text = append(r.tail[n-1].text, text...)
	} else {
		r.tail = append(r.tail, segment{stream, bytes.Clone(text)})
	}
	r.tailSize += len(text)
	if r.tailSize <= 2*limit {
		return // trimmed in large steps
	}
	r.trimTail(limit)
}

func (r *run) trimTail(limit int) {
	for excess := r.tailSize - limit; excess > 0; excess = r.tailSize - limit {
		first := &r.tail[0]
		n := len(first.text)
		if n > excess {
			for n = excess; n < len(first.text) && !utf8.RuneStart(first.text[n]); {
				n++
			}
		}
		r.dropped += int64(n)
		r.tailSize -= n
		if n == len(first.text) && len(r.tail) > 1 {
			r.tail = r.tail[1:]
		} else {
			first.text = bytes.Clone(first.text[n:])
			return
		}
	}
}

// queue sends text, at once if none was sent lately. Called with emitMu held.
func (r *run) queue(stream string, text []byte) {
	if n := len(r.segments); n > 0 && r.segments[n-1].stream == stream {
		r.segments[n-1].text = append(r.segments[n-1].text, text...)
	} else {
		r.segments = append(r.segments, segment{stream, bytes.Clone(text)})
	}
	if r.flushing != nil {
		return
	}
	since := time.Since(r.sentAt)
	if since >= mergePeriod {
		r.flush()
		return
	}
	r.flushing = time.AfterFunc(mergePeriod-since, func() {
		r.k.emitMu.Lock()
		defer r.k.emitMu.Unlock()
		r.flushing = nil
		r.flush()
	})
}

// flush sends the queued text. Called with emitMu held.
func (r *run) flush() {
	if r.flushing != nil {
		r.flushing.Stop()
		r.flushing = nil
	}
	if len(r.segments) == 0 {
		return
	}
	segments := r.segments
	r.segments = nil
	r.sentAt = time.Now()
	for _, s := range segments {
		r.k.emit(Output{r.cell, notebook.Output{Kind: notebook.OutputStream, Stream: s.stream, Text: string(s.text)}})
	}
}
