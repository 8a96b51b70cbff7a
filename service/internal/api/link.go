package api

import (
	"bufio"
	"net"
	"net/http"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
)

// link is the connection under a socket. Events are written to it as far as it
// takes them at once, and gorilla writes to it, which answers pings and closes:
// whole frames that are never mixed, and none after a close.
type link struct {
	net.Conn
	raw    syscall.RawConn // of the same connection, or nil if it has none
	timing timing

	mu     sync.Mutex // held for a write
	closed bool       // a close was sent
}

// hijacker puts a link between gorilla and the connection that it takes over.
type hijacker struct {
	http.ResponseWriter
	link *link
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.link.Conn = conn
	if tcp, ok := conn.(syscall.Conn); ok {
		if h.link.raw, err = tcp.SyscallConn(); err != nil {
			return nil, nil, err
		}
	}
	return h.link, buffers, nil
}

// Headers of control frames (RFC 6455, 5.2), which can't be those of a
// handshake, as no text begins with them.
const (
	closeHeader = 0x88
	pingHeader  = 0x89
)

// slowest is the rate at which what is written must at least leave, in bytes a
// second.
const slowest = 64 << 10

// Write writes what gorilla has to send: the handshake or a whole control frame.
func (l *link) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.write(p)
	l.closed = l.closed || p[0] == closeHeader
	return n, err
}

// write is called with the lock held.
func (l *link) write(p []byte) (int, error) {
	if l.closed {
		return 0, websocket.ErrCloseSent
	}
	if err := l.Conn.SetWriteDeadline(time.Now().Add(l.timing.write + time.Duration(len(p)/slowest)*time.Second)); err != nil {
		return 0, err
	}
	n, err := l.Conn.Write(p)
	if err == nil {
		err = l.Conn.SetWriteDeadline(time.Time{}) // it is not to hold for try
	}
	return n, err
}

// try writes as much as the connection takes at once. It is called with the lock
// held.
func (l *link) try(p []byte) (n int, err error) {
	if l.closed {
		return 0, websocket.ErrCloseSent
	}
	if l.raw == nil {
		return 0, nil // whoever has time writes it
	}
	var failed error
	err = l.raw.Write(func(fd uintptr) bool {
		n, failed = unix.Write(int(fd), p)
		return true
	})
	switch {
	case err != nil:
		return 0, err
	case failed == unix.EAGAIN || failed == unix.EINTR:
		return 0, nil
	}
	return max(n, 0), failed
}

// SetWriteDeadline does nothing: each write has a deadline of its own, and one
// that gorilla sets for a pong must not cut an event that is on its way.
func (l *link) SetWriteDeadline(time.Time) error { return nil }

// ping sends a ping, unless something is on its way: then it is known soon
// enough whether the peer is there.
func (l *link) ping() error {
	if !l.mu.TryLock() {
		return nil
	}
	defer l.mu.Unlock()
	_, err := l.write([]byte{pingHeader, 0})
	return err
}

const (
	joined     = 16 << 10 // bytes of frames that are written at once
	keptFrames = 1 << 10  // of a batch that is used again
)

// batch is what a socket writes in one go, with the memory that it takes.
type batch struct {
	frames []events.Frame
	buffer []byte
}

// batches are used again: a writer is done after few events, and their memory
// would be most of what it costs.
type batches struct{ pool sync.Pool }

func (p *batches) get() *batch {
	if b, ok := p.pool.Get().(*batch); ok {
		return b
	}
	return &batch{buffer: make([]byte, 0, joined)}
}

// put takes back a batch that nobody uses any more.
func (p *batches) put(b *batch) {
	b.forget()
	p.pool.Put(b)
}

// join returns the frames that are written next with one system call, as many
// as fit into the buffer, and how many they are.
func (b *batch) join(frames []events.Frame) (out []byte, n int) {
	if len(frames) == 1 || len(frames[0])+len(frames[1]) > joined {
		return frames[0], 1
	}
	out = b.buffer[:0]
	for n < len(frames) && len(out)+len(frames[n]) <= joined {
		out = append(out, frames[n]...)
		n++
	}
	return out, n
}

// forget lets go of the frames, and of the memory if it was for very many.
func (b *batch) forget() {
	clear(b.frames[:cap(b.frames)])
	if b.frames = b.frames[:0]; cap(b.frames) > keptFrames {
		b.frames = nil
	}
}

// send writes the frames of the batch and waits for the peer to take them.
func (l *link) send(b *batch) error {
	for frames := b.frames; len(frames) > 0; {
		out, n := b.join(frames)
		if _, err := l.Write(out); err != nil {
			return err
		}
		frames = frames[n:]
	}
	return nil
}

// trySend writes what the connection takes at once, and returns the rest: what
// begins within a frame, with the lock still held if there is such, then whole
// frames.
func (l *link) trySend(b *batch) (cut []byte, rest []events.Frame, err error) {
	if !l.mu.TryLock() {
		return nil, b.frames, nil // something else is on its way
	}
	for frames := b.frames; len(frames) > 0; {
		out, n := b.join(frames)
		written, err := l.try(out)
		if err != nil {
			l.mu.Unlock()
			return nil, nil, err
		}
		frames = frames[n:]
		if written < len(out) {
			return out[written:], frames, nil
		}
	}
	l.mu.Unlock()
	return nil, nil, nil
}

// finish writes what trySend has cut, waits for the peer to take it, and gives
// the lock back.
func (l *link) finish(cut []byte) error {
	defer l.mu.Unlock()
	_, err := l.write(cut)
	return err
}

// writers are the goroutines that write events to sockets: a few, however many
// sockets there are. They wait for no peer; a socket whose peer is behind gets
// a goroutine of its own for as long.
type writers struct {
	batches batches

	mu      sync.Mutex
	ready   []*socket // that have something to write
	running int
}

// add has a socket's events written. It does not wait.
func (w *writers) add(s *socket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = append(w.ready, s)
	if w.running < runtime.GOMAXPROCS(0) {
		w.running++
		go w.run()
	}
}

func (w *writers) run() {
	b := w.batches.get()
	defer w.batches.put(b)
	for {
		w.mu.Lock()
		if len(w.ready) == 0 {
			w.ready = nil
			w.running--
			w.mu.Unlock()
			return
		}
		s := w.ready[0]
		w.ready[0] = nil
		w.ready = w.ready[1:]
		w.mu.Unlock()
		s.flush(b)
		b.forget()
	}
}
