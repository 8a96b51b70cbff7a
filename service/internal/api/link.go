package api

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
)

// link is the connection under a socket. Whole frames are written to it, by the
// goroutine that writes events and by gorilla, which answers pings and closes;
// they are never mixed, and none follows a close.
type link struct {
	net.Conn
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
	return l.write(p)
}

// write is called with the lock held.
func (l *link) write(p []byte) (int, error) {
	if l.closed {
		return 0, websocket.ErrCloseSent
	}
	if err := l.Conn.SetWriteDeadline(time.Now().Add(l.timing.write + time.Duration(len(p)/slowest)*time.Second)); err != nil {
		return 0, err
	}
	l.closed = p[0] == closeHeader
	return l.Conn.Write(p)
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

func newBatch() *batch { return &batch{buffer: make([]byte, 0, joined)} }

// reset lets go of the frames and tells whether the rest is worth keeping.
func (b *batch) reset() bool {
	clear(b.frames[:cap(b.frames)])
	return cap(b.frames) <= keptFrames
}

// send writes frames, as many as fit into the buffer with one system call.
func (l *link) send(b *batch) error {
	for frames := b.frames; len(frames) > 0; {
		out, n := []byte(frames[0]), 1
		if len(frames) > 1 && len(frames[0])+len(frames[1]) <= joined {
			out = append(b.buffer[:0], frames[0]...)
			for n < len(frames) && len(out)+len(frames[n]) <= joined {
				out = append(out, frames[n]...)
				n++
			}
		}
		if _, err := l.Write(out); err != nil {
			return err
		}
		frames = frames[n:]
	}
	return nil
}
