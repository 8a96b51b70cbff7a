package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// errGone is the error of calls to a process that has ended.
var errGone = errors.New("the process has ended")

// socketPair returns our end of a packet socket and the other as a file.
func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a socket pair: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "kernel")
	theirs := os.NewFile(uintptr(fds[1]), "kernel")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("open a socket pair: %w", err)
	}
	return conn.(*net.UnixConn), theirs, nil
}

// reply is an answer, or an event, of the keeper or the parent.
type reply struct {
	ID    uint64 `json:"id"`
	Error string `json:"error"`

	PID   int    `json:"pid"`   // of spawn and fork
	Dir   string `json:"dir"`   // of reserve
	UID   *int   `json:"uid"`   // of reserve
	Tasks int    `json:"tasks"` // of reserve

	Exit   int `json:"exit"` // event: a process that has ended
	Status int `json:"status"`

	Ready     bool              `json:"ready"` // first event
	Expose    *string           `json:"expose"`
	Version   string            `json:"version"`
	Preloaded []string          `json:"preloaded"`
	Missing   map[string]string `json:"missing"`
	Builtins  []string          `json:"builtins"`
	Threads   int               `json:"threads"`

	fd *os.File // the pidfd of spawn and fork
}

// link is a conversation with the keeper or the warm parent: requests that are
// answered, and events that come unasked.
type link struct {
	conn  *net.UnixConn
	event func(reply)
	ready chan reply    // gets the first event
	done  chan struct{} // closed when the other side is gone

	mu      sync.Mutex
	next    uint64
	pending map[uint64]chan reply
}

func newLink(conn *net.UnixConn, event func(reply)) *link {
	l := &link{conn: conn, event: event, ready: make(chan reply, 1), done: make(chan struct{}), pending: map[uint64]chan reply{}}
	go l.read()
	return l
}

func (l *link) read() {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, answer := range l.pending {
			close(answer)
		}
		l.pending = nil
		close(l.done)
	}()
	data, oob := make([]byte, 1<<17), make([]byte, 128)
	for {
		n, oobn, _, _, err := l.conn.ReadMsgUnix(data, oob)
		if err != nil || n == 0 {
			return
		}
		r, err := decode[reply](data[:n])
		if fds := receivedFiles(oob[:oobn]); len(fds) > 0 {
			r.fd = fds[0]
		}
		switch {
		case err != nil:
			return // never ours
		case r.ID != 0:
			l.mu.Lock()
			answer := l.pending[r.ID]
			delete(l.pending, r.ID)
			l.mu.Unlock()
			if answer != nil {
				answer <- r
			} else if r.fd != nil {
				r.fd.Close()
			}
		case r.Ready:
			l.ready <- r
		default:
			l.event(r)
		}
	}
}

func receivedFiles(oob []byte) []*os.File {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files
}

// call sends a request with files and waits for its answer.
func (l *link) call(ctx context.Context, request object, files ...*os.File) (reply, error) {
	answer := make(chan reply, 1)
	l.mu.Lock()
	if l.pending == nil {
		l.mu.Unlock()
		return reply{}, errGone
	}
	l.next++
	id := l.next
	request["id"] = id
	l.pending[id] = answer
	l.mu.Unlock()

	data, err := json.Marshal(request)
	if err != nil {
		return reply{}, err
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, file := range files {
			fds[i] = int(file.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := l.conn.WriteMsgUnix(data, rights, nil); err != nil {
		return reply{}, fmt.Errorf("%w: %w", errGone, err)
	}
	select {
	case r, ok := <-answer:
		if !ok {
			return reply{}, errGone
		}
		if r.Error != "" {
			return reply{}, errors.New(r.Error)
		}
		return r, nil
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.pending, id)
		l.mu.Unlock()
		select { // it may have come at the same moment, with a descriptor
		case r := <-answer:
			if r.fd != nil {
				r.fd.Close()
			}
		default:
		}
		return reply{}, ctx.Err()
	}
}

func (l *link) close() { l.conn.Close(); <-l.done }
