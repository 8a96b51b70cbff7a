package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"
	"golang.org/x/sync/semaphore"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/logs"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// Close codes besides the protocol's own.
const (
	closeRevoked = 4401
	closeTooSlow = 4408
	closeDeleted = 4410
)

const (
	maxFrame    = 8 << 20
	maxCommands = 64 // of one client, waiting; in bytes they are limited to maxFrame
)

// timing is how long things may take on a socket.
type timing struct {
	ping    time.Duration // between our pings
	silence time.Duration // after which a peer counts as gone
	write   time.Duration // for one frame to leave, and more for a large one
	linger  time.Duration // for the peer to answer our close
	command time.Duration // for one command
}

func (t timing) orDefault() timing {
	if t == (timing{}) {
		return timing{25 * time.Second, 60 * time.Second, 10 * time.Second, 2 * time.Second, time.Minute}
	}
	return t
}

// socketServer is what all sockets share.
type socketServer struct {
	timing  timing
	running sync.WaitGroup
	pool    sync.Pool // of gorilla's write buffers, which a socket holds only while it writes
	writers writers

	mu       sync.Mutex
	draining bool
	open     map[*socket]struct{}
}

// enter counts a socket that is about to open, unless the service is draining:
// who waits for the last one to close must not see another one come.
func (s *socketServer) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.running.Add(1)
	}
	return !s.draining
}

func (s *socketServer) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
}

// socket is one WebSocket connection. One goroutine reads it. A few write to all
// sockets, see writers. Commands have one while there are any.
type socket struct {
	*socketServer
	api     *API
	conn    *websocket.Conn // reads, and writes control frames
	link    *link           // what it writes them to; writes events
	sub     *events.Subscriber
	nb      string
	session sessionID     // zero if it came in by other means
	written chan struct{} // closed when the last event was written, or none can be
	ping    *time.Timer

	deadline sync.Mutex // guards the connection's read deadline, and:
	leaving  bool       // the deadline is that of our goodbye
	code     int        // the close code that we sent first, or 0

	waiting *semaphore.Weighted // commands; nil until the first
	work    sync.Mutex          // guards:
	todo    [][]byte            // commands, in order
	working bool                // somebody handles them
}

// revoke ends the sockets of a session.
func (s *socketServer) revoke(id sessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open {
		if one.session == id {
			one.sub.End(events.ErrRevoked)
		}
	}
}

// abort cuts every socket that is still open.
func (s *socketServer) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open {
		_ = one.conn.Close()
	}
}

// socket answers GET /api/ws/notebooks/{id}.
func (a *API) socket(c *gin.Context) error {
	if !a.door.allowed(c.Request) {
		return newProblem(http.StatusForbidden, "this origin may not connect; ALLOWED_ORIGINS lists those that may")
	}
	nb, err := id(c)
	if err != nil {
		return err
	}
	var after uint64
	text, resumes := c.GetQuery("after")
	if resumes {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return badQuery("after", "must be "+aWholeNumber)
		}
	}
	if !websocket.IsWebSocketUpgrade(c.Request) {
		// Not before it is known that there is such a notebook.
		if _, err := a.notebooks.Get(c.Request.Context(), nb); err != nil {
			return err
		}
		return newProblem(http.StatusUpgradeRequired, "this address speaks WebSocket only").
			with("Upgrade", "websocket").with("Connection", "Upgrade")
	}
	if !a.sockets.enter() {
		return session.ErrDraining
	}
	epoch := ""
	if resumes { // else it has seen nothing, and there is nothing to go on from
		epoch = c.Query("epoch")
	}
	s, err := a.open(c, nb, epoch, after)
	if err != nil || s == nil {
		a.sockets.running.Done()
		return err
	}
	// On a goroutine of its own, so that the request with its buffers is let go of.
	go s.serve(logs.Detach(c.Request.Context()))
	return nil
}

// open upgrades the connection. It returns nil if that is gone.
func (a *API) open(c *gin.Context, nb, epoch string, after uint64) (*socket, error) {
	// Before the upgrade, so that what goes wrong is still an HTTP answer.
	sub, err := a.notebooks.Subscribe(c.Request.Context(), nb, epoch, after)
	if err != nil {
		return nil, err
	}
	var refused *Problem
	upgrader := websocket.Upgrader{
		// Small, as most sockets are idle; what is longer is read past the buffer.
		ReadBufferSize: 256, WriteBufferSize: 512, WriteBufferPool: &a.sockets.pool,
		CheckOrigin: func(*http.Request) bool { return true }, // the door did
		Error: func(_ http.ResponseWriter, _ *http.Request, status int, reason error) {
			refused = newProblem(status, reason.Error())
		},
	}
	c.Status(http.StatusSwitchingProtocols) // what is sent past gin, unless it is refused
	link := &link{timing: a.sockets.timing}
	conn, err := upgrader.Upgrade(hijacker{c.Writer, link}, c.Request, nil)
	if err != nil {
		sub.Close()
		if refused != nil {
			return nil, refused
		}
		return nil, nil
	}
	a.record.Request(c.Request.Method, c.FullPath(), http.StatusSwitchingProtocols, 0)
	s := &socket{socketServer: &a.sockets, api: a, conn: conn, link: link, sub: sub, written: make(chan struct{})}
	s.nb = strings.Clone(nb) // it is a part of the whole request
	if id, ok := c.Get(keySession); ok {
		s.session = id.(sessionID)
	}
	return s, nil
}

func (s *socket) serve(ctx context.Context) {
	s.mu.Lock()
	s.socketServer.open[s] = struct{}{}
	s.mu.Unlock()
	defer func() {
		if fault := recover(); fault != nil {
			s.api.log.ErrorContext(ctx, "socket panicked", "panic", fault, "stack", string(debug.Stack()))
		}
		s.sub.Close()
		_ = s.conn.Close()
		s.mu.Lock()
		delete(s.socketServer.open, s)
		s.mu.Unlock()
		s.api.record.SocketClosed(s.code)
		s.running.Done()
	}()

	s.ping = time.AfterFunc(time.Hour, s.sendPing)
	s.ping.Reset(s.timing.ping) // now that sendPing finds it
	defer s.ping.Stop()
	s.sub.Notify(func() { s.writers.add(s) })
	s.writers.add(s)
	s.readLoop(ctx)
	if s.waiting != nil {
		// What has come is still done: its sender may have left at once.
		_ = s.waiting.Acquire(context.Background(), maxFrame)
	}
	s.sub.Close()
	_ = s.conn.Close() // what is being written now is read by nobody
	<-s.written
}

// flush writes what the subscription has, as far as the peer takes it at once.
// Whoever is told that there is something calls it, so there is one at a time.
func (s *socket) flush(b *batch) {
	for {
		var err error
		b.frames, err = s.sub.Take(b.frames[:0])
		switch {
		case len(b.frames) > 0:
			cut, rest, err := s.link.trySend(b)
			if err != nil {
				s.writeFailed()
				return
			}
			if len(cut)+len(rest) > 0 {
				go s.wait(bytes.Clone(cut), slices.Clone(rest))
				return
			}
		case err != nil:
			go s.end(err)
			return
		default:
			return
		}
	}
}

// wait writes the rest of what the peer did not take at once, and goes on until
// there is nothing more.
func (s *socket) wait(cut []byte, rest []events.Frame) {
	if len(cut) > 0 && s.link.finish(cut) != nil {
		s.writeFailed()
		return
	}
	b := s.writers.batches.get()
	defer s.writers.batches.put(b)
	b.frames = append(b.frames, rest...)
	for {
		if s.link.send(b) != nil {
			s.writeFailed()
			return
		}
		var err error
		b.forget()
		b.frames, err = s.sub.Take(b.frames)
		switch {
		case err != nil:
			s.end(err)
			return
		case len(b.frames) == 0:
			return
		}
	}
}

// writeFailed ends the socket: its reader ends by it.
func (s *socket) writeFailed() {
	_ = s.conn.Close()
	close(s.written)
}

// end tells the peer why there are no more events, and leaves it a moment to
// answer.
func (s *socket) end(reason error) {
	s.sayGoodbye(reason)
	close(s.written)
}

func (s *socket) sendPing() {
	if s.link.ping() != nil {
		_ = s.conn.Close()
		return
	}
	s.ping.Reset(s.timing.ping)
}

func (s *socket) sayGoodbye(reason error) {
	code, ok := closeCode(reason)
	if !ok {
		_ = s.conn.Close()
		return
	}
	s.closing(code)
	message := websocket.FormatCloseMessage(code, reason.Error())
	_ = s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(s.timing.write))
	// What the reader waits for now is the peer's close.
	s.deadline.Lock()
	defer s.deadline.Unlock()
	s.leaving = true
	_ = s.conn.SetReadDeadline(time.Now().Add(s.timing.linger))
}

// closing notes the code of a close that is sent.
func (s *socket) closing(code int) {
	s.deadline.Lock()
	defer s.deadline.Unlock()
	if s.code == 0 {
		s.code = code
	}
}

// alive notes a sign of life.
func (s *socket) alive() {
	s.deadline.Lock()
	defer s.deadline.Unlock()
	if !s.leaving {
		_ = s.conn.SetReadDeadline(time.Now().Add(s.timing.silence))
	}
}

// closeCode returns the code that tells a client why its events end.
func closeCode(reason error) (int, bool) {
	switch {
	case errors.Is(reason, events.ErrDraining):
		return websocket.CloseGoingAway, true
	case errors.Is(reason, events.ErrRevoked):
		return closeRevoked, true
	case errors.Is(reason, events.ErrTooSlow):
		return closeTooSlow, true
	case errors.Is(reason, events.ErrDeleted):
		return closeDeleted, true
	case errors.Is(reason, events.ErrClosed), errors.Is(reason, context.Canceled):
		return 0, false // the peer left first
	}
	return websocket.CloseInternalServerErr, true
}

// readLoop reads frames until the connection ends. Every sign of life counts,
// also a part of a large frame.
func (s *socket) readLoop(ctx context.Context) {
	s.conn.SetReadLimit(maxFrame)
	s.conn.SetPongHandler(func(string) error {
		s.alive()
		return nil
	})
	answer := s.conn.PingHandler()
	s.conn.SetPingHandler(func(data string) error {
		s.alive()
		return answer(data)
	})
	for {
		// Anew for each frame, as commands may have kept us from reading.
		s.alive()
		kind, reader, err := s.conn.NextReader()
		if err != nil {
			s.giveUp(err)
			return
		}
		if kind != websocket.TextMessage {
			s.refuse(websocket.CloseUnsupportedData, "only text frames are understood")
			return
		}
		frame, err := io.ReadAll(readerFunc(func(p []byte) (int, error) {
			n, err := reader.Read(p)
			if n > 0 {
				s.alive()
			}
			return n, err
		}))
		if err != nil {
			s.giveUp(err)
			return
		}
		if !utf8.Valid(frame) {
			s.refuse(websocket.CloseInvalidFramePayloadData, "a text frame must be UTF-8")
			return
		}
		s.queue(ctx, frame)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// refuse closes the connection for what the peer sent.
func (s *socket) refuse(code int, reason string) {
	s.closing(code)
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(s.timing.write))
	s.discard()
}

// giveUp ends reading after an error; for a frame that is too large gorilla
// has sent the close already.
func (s *socket) giveUp(err error) {
	if errors.Is(err, websocket.ErrReadLimit) {
		s.closing(websocket.CloseMessageTooBig)
		s.discard()
	}
}

// discard reads on for a moment: a connection that is closed with unread data
// is reset, and the peer would never see why.
func (s *socket) discard() {
	s.deadline.Lock()
	s.leaving = true
	_ = s.conn.SetReadDeadline(time.Now().Add(s.timing.linger))
	s.deadline.Unlock()
	_, _ = io.Copy(io.Discard, io.LimitReader(s.conn.NetConn(), 8*maxFrame))
}

// queue has a command handled after those before it. A client that sends faster
// than that waits: its connection is not read meanwhile.
func (s *socket) queue(ctx context.Context, frame []byte) {
	if s.waiting == nil {
		s.waiting = semaphore.NewWeighted(maxFrame)
	}
	// The handler goes on until there are none, so this ends.
	_ = s.waiting.Acquire(context.Background(), weight(frame))
	s.work.Lock()
	defer s.work.Unlock()
	s.todo = append(s.todo, frame)
	if !s.working {
		s.working = true
		go s.handleCommands(ctx)
	}
}

// weight is a command's share of what may wait, so that neither many nor large
// ones pile up.
func weight(frame []byte) int64 { return int64(max(len(frame), maxFrame/maxCommands)) }

func (s *socket) handleCommands(ctx context.Context) {
	for {
		s.work.Lock()
		if len(s.todo) == 0 {
			s.todo, s.working = nil, false
			s.work.Unlock()
			return
		}
		frame := s.todo[0]
		s.todo = s.todo[1:]
		s.work.Unlock()
		s.sub.Send(events.NewFrame(s.api.answer(ctx, s.timing.command, s.nb, frame)))
		s.waiting.Release(weight(frame))
	}
}

// reply answers a command.
type reply struct {
	Type      string          `json:"type"`
	RequestID json.RawMessage `json:"request_id"`
	OK        bool            `json:"ok"`
	Result    any             `json:"result,omitempty"`
	Problem   *Problem        `json:"problem,omitempty"`
}

// answer handles one command and returns the reply, whatever happens.
func (a *API) answer(ctx context.Context, timeout time.Duration, nb string, frame []byte) (encoded []byte) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r := reply{Type: "reply"}
	var err error
	func() {
		defer func() {
			if fault := recover(); fault != nil {
				a.log.ErrorContext(ctx, "command panicked", "panic", fault, "stack", string(debug.Stack()))
				err = fmt.Errorf("panic: %v", fault)
			}
		}()
		var o *object
		if o, err = parseObject(frame); err != nil {
			return
		}
		r.RequestID = o.fields["request_id"]
		delete(o.fields, "request_id")
		r.Result, err = a.command(ctx, nb, o)
	}()
	r.OK = err == nil
	if err != nil {
		r.Result, r.Problem = nil, problemOf(err)
		if r.Problem.Status == http.StatusInternalServerError {
			a.log.ErrorContext(ctx, "command failed", "error", err)
		}
	}
	encoded, err = json.Marshal(r)
	if err != nil {
		a.log.ErrorContext(ctx, "encode reply", "error", err)
		r.OK, r.Result, r.Problem = false, nil, problemOf(err)
		encoded, _ = json.Marshal(r) // strings and numbers only
	}
	return encoded
}

// changedCell is a cell as events show it: without outputs, which have events
// of their own.
type changedCell struct {
	*notebook.Cell
	Outputs *struct{} `json:"outputs,omitempty"` // hides the cell's
}

type cellResult struct {
	Cell    changedCell `json:"cell"`
	Version int64       `json:"version"`
}

type versionResult struct {
	Version int64 `json:"version"`
}

// command decodes a command and does it, by the calls that the HTTP routes
// make.
func (a *API) command(ctx context.Context, nb string, o *object) (any, error) {
	typ := o.text("type")
	if typ == nil {
		if len(o.faults) == 0 {
			o.fault("type", "is required")
		}
		o.fields = nil // without a type nobody knows which fields there may be
		return nil, o.finish()
	}
	switch *typ {
	case "run":
		request := o.runRequest()
		if err := o.finish(); err != nil {
			return nil, err
		}
		return startRun(ctx, a.notebooks, nb, request)
	case "interrupt":
		if err := o.finish(); err != nil {
			return nil, err
		}
		return struct{}{}, a.notebooks.Interrupt(ctx, nb)
	case "restart":
		run := o.flag("run")
		if err := o.finish(); err != nil {
			return nil, err
		}
		return struct{}{}, a.notebooks.Restart(ctx, nb, run != nil && *run)
	case "cell.create":
		match := o.version()
		n, refused := o.newCell()
		n.At = o.place()
		if err := errors.Join(o.finish(), refused); err != nil {
			return nil, err
		}
		cell, version, err := a.notebooks.CreateCell(ctx, nb, match, n)
		return cellResult{changedCell{Cell: cell}, version}, err
	case "cell.update", "cell.move":
		match, id := o.version(), o.text("cell_id")
		var patch session.CellPatch
		var refused error
		given := map[string]bool{"cell_id": id != nil}
		if *typ == "cell.update" {
			patch, refused = o.cellPatch()
		} else {
			patch.At = o.place()
			given["after"] = patch.At.Given
		}
		if err := o.finish(); err != nil {
			return nil, err
		}
		if err := errors.Join(refused, missing(given)); err != nil {
			return nil, err
		}
		cell, version, err := a.notebooks.UpdateCell(ctx, nb, *id, match, patch)
		return cellResult{changedCell{Cell: cell}, version}, err
	case "cell.delete":
		match, id := o.version(), o.text("cell_id")
		if err := o.finish(); err != nil {
			return nil, err
		}
		if err := missing(map[string]bool{"cell_id": id != nil}); err != nil {
			return nil, err
		}
		version, err := a.notebooks.DeleteCell(ctx, nb, *id, match)
		return versionResult{version}, err
	}
	return nil, badQuery("type", fmt.Sprintf("%q is not known: run, interrupt, restart, cell.create, cell.update, cell.move, cell.delete are", *typ))
}
