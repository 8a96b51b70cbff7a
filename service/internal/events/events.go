// Package events is the event log of a notebook and its fan-out to clients:
// sequence numbers, resuming, and a bounded queue for each client.
//
// It does not know what an event means, and writes to no connection: it makes
// the frame of an event once, for all clients. One goroutine publishes; any
// number of clients read, each at its own pace.
//
// Invariant: a client sees the events of one epoch in the order of their
// sequence numbers with none missing, or is told that it was too slow.
package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Why a subscription ended.
var (
	ErrTooSlow  = errors.New("the client reads too slowly")
	ErrDeleted  = errors.New("the notebook was deleted")
	ErrDraining = errors.New("the server is draining")
	ErrRevoked  = errors.New("the token was revoked")
	ErrClosed   = errors.New("the subscription was closed")
)

// Limits of a Log. Bytes are those of frames.
type Limits struct {
	KeptBytes  int // kept for resuming
	KeptEvents int
	QueueBytes int // waiting for one client; one event always fits
}

// DefaultLimits are those that the API promises.
var DefaultLimits = Limits{KeptBytes: 8 << 20, KeptEvents: 10_000, QueueBytes: 1 << 20}

// Log numbers the events of one notebook, keeps the last of them and hands
// them to subscribers.
//
// What waits for a subscriber is not copied to it: it has a place in the log,
// so that an event costs the same however many clients are behind. Only those
// that wait for one are woken.
type Log struct {
	epoch  string
	limits Limits

	mu          sync.Mutex
	seq         uint64 // of the last event
	bytes       int64  // of all events until now
	announced   int64  // of those that who waited was woken for
	kept        []kept // the last events; see trim
	keptFrom    uint64 // the sequence number of kept[0]
	resumeFrom  uint64 // from here on events are kept for resuming
	subscribers map[*Subscriber]struct{}
	idle        []*Subscriber // those that wait
	presence    presence
	ended       error

	snapshot    []byte // the fields of a snapshot as of snapshotSeq, or nil
	snapshotSeq uint64
}

// kept is an event.
type kept struct {
	frame Frame
	end   int64 // bytes of all events up to this one
}

// presence is what subscribers were last told of how many there are.
type presence struct {
	clients int
	frame   Frame
	count   uint64 // how often they were told
	at      time.Time
	timer   *time.Timer // of the next telling, or nil
}

// NewLog returns an empty log. The epoch must differ from that of any other
// log of the same notebook.
func NewLog(epoch string, limits Limits) *Log {
	return &Log{epoch: epoch, limits: limits, keptFrom: 1, resumeFrom: 1, subscribers: map[*Subscriber]struct{}{}}
}

// Epoch returns the name of this log's run of sequence numbers.
func (l *Log) Epoch() string { return l.epoch }

// Seq returns the sequence number of the last event, 0 before the first.
func (l *Log) Seq() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq
}

// Publish gives the event the next sequence number and lets every subscriber
// have it. Fields must encode to a JSON object; it never blocks.
func (l *Log) Publish(typ string, fields any) error {
	err := l.Add(typ, fields)
	l.Announce()
	return err
}

// maxUnannounced is how many bytes of events may wait for Announce: those who
// read in time are to find little in their queues.
const maxUnannounced = 64 << 10

// Add is Publish, but that those who wait are woken by Announce: events that come
// one soon after the other then are written in one go.
func (l *Log) Add(typ string, fields any) error {
	body, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("encode %s event: %w", typ, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	frame := object(`"seq":`+strconv.FormatUint(l.seq, 10)+`,"type":"`+typ+`"`, body)
	l.bytes += int64(len(frame))
	l.kept = append(l.kept, kept{frame, l.bytes})
	l.trim()
	l.snapshot = nil
	if l.bytes-l.announced > maxUnannounced {
		l.announce()
	}
	return nil
}

// Announce wakes those who wait for what was added.
func (l *Log) Announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.announce()
}

func (l *Log) announce() {
	if l.announced != l.bytes {
		l.announced = l.bytes
		l.wake(func(*Subscriber) bool { return true })
	}
}

// object returns the frame of a JSON object: fields that are written out, then
// those of another object.
func object(fields string, body []byte) Frame {
	head := "{" + fields
	if len(body) > 2 {
		head += ","
	}
	return NewFrame([]byte(head), body[1:])
}

// trim lets go of events that neither can be resumed from nor are in the queue
// of a subscriber that is not too slow. It is called with the lock held.
func (l *Log) trim() {
	for l.resumeFrom <= l.seq && (l.seq-l.resumeFrom+1 > uint64(l.limits.KeptEvents) || l.since(l.resumeFrom) > int64(l.limits.KeptBytes)) {
		l.resumeFrom++
	}
	from := l.keptFrom
	for from < min(l.resumeFrom, l.seq) && l.since(from) > int64(l.limits.QueueBytes) {
		from++
	}
	// The slice moves along its array; append copies what is left of it when
	// the array is full, so each event is copied a bounded number of times.
	drop := from - l.keptFrom
	clear(l.kept[:drop])
	l.kept, l.keptFrom = l.kept[drop:], from
}

// since returns the bytes of the events from a kept one on, or from the next.
func (l *Log) since(seq uint64) int64 {
	if seq > l.seq {
		return 0
	}
	event := l.kept[seq-l.keptFrom]
	return l.bytes - event.end + int64(len(event.frame))
}

// wake tells those who wait, and whom it concerns, that there is something for
// them. It is called with the lock held.
func (l *Log) wake(concerns func(*Subscriber) bool) {
	waiting := l.idle
	l.idle = l.idle[:0]
	for _, s := range waiting {
		if concerns(s) {
			s.waits = false
			s.ready()
		} else {
			s.at = len(l.idle)
			l.idle = append(l.idle, s)
		}
	}
	clear(waiting[len(l.idle):])
}

// How often subscribers are told how many there are: at most every presenceMin,
// and with many less often, as each one who comes would be told to all.
const (
	presenceMin = 20 * time.Millisecond
	presenceFor = 100 * time.Microsecond // each
)

// presenceChanged has every subscriber told how many there are, now or soon. It
// is called with the lock held; the message has no number and is not kept.
func (l *Log) presenceChanged() {
	if l.presence.timer != nil || l.ended != nil {
		return
	}
	wait := presenceMin + time.Duration(len(l.subscribers))*presenceFor - time.Since(l.presence.at)
	if wait <= 0 {
		l.tellPresence()
		return
	}
	l.presence.timer = time.AfterFunc(wait, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.presence.timer = nil
		l.tellPresence()
	})
}

func (l *Log) tellPresence() {
	l.presence.clients, l.presence.at = len(l.subscribers), time.Now()
	l.presence.frame = presenceFrame(len(l.subscribers))
	l.presence.count++
	l.wake(func(s *Subscriber) bool { return s.told != l.presence.clients })
}

func presenceFrame(clients int) Frame {
	return NewFrame([]byte(`{"type":"presence","clients":` + strconv.Itoa(clients) + `}`))
}

// Subscribe adds a client. If epoch and after name a place in this log from
// which nothing is missing, it first gets "resumed" and what it missed, else
// "snapshot" with the fields that snapshot returns, and everything published
// later. What snapshot returns must be the same until the next event is
// published, and nothing may be published between the call of snapshot and the
// return of Subscribe.
func (l *Log) Subscribe(epoch string, after uint64, snapshot func() (any, error)) (*Subscriber, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return nil, l.ended
	}
	clients := len(l.subscribers) + 1
	s := &Subscriber{log: l, next: l.seq + 1, told: clients, heard: l.presence.count}
	place := `"epoch":` + strconv.Quote(l.epoch) + `,"seq":`
	if epoch == l.epoch && after <= l.seq && after+1 >= l.resumeFrom {
		s.first = append(s.first, NewFrame([]byte(`{"type":"resumed",`+place+strconv.FormatUint(after, 10)+`}`)))
		for seq := after + 1; seq <= l.seq; seq++ {
			s.first = append(s.first, l.kept[seq-l.keptFrom].frame)
		}
		s.first = append(s.first, presenceFrame(clients))
	} else {
		if l.snapshot == nil || l.snapshotSeq != l.seq {
			fields, err := snapshot()
			if err != nil {
				return nil, fmt.Errorf("take snapshot: %w", err)
			}
			if l.snapshot, err = json.Marshal(fields); err != nil {
				return nil, fmt.Errorf("encode snapshot: %w", err)
			}
			l.snapshotSeq = l.seq
		}
		s.first = append(s.first, object(`"type":"snapshot",`+place+strconv.FormatUint(l.seq, 10)+`,"clients":`+strconv.Itoa(clients), l.snapshot))
	}
	l.subscribers[s] = struct{}{}
	l.presenceChanged()
	return s, nil
}

// Clients returns the number of subscribers.
func (l *Log) Clients() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.subscribers)
}

// End ends every subscription, now and later, with the reason, once what is
// queued was read.
func (l *Log) End(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.snapshot = reason, nil
	if l.presence.timer != nil {
		l.presence.timer.Stop()
	}
	for s := range l.subscribers {
		s.reason = reason
	}
	clear(l.subscribers)
	l.wake(func(*Subscriber) bool { return true })
}

// Subscriber is the queue of one client. One goroutine at a time reads it.
type Subscriber struct {
	log *Log

	// Guarded by the log's mu.
	ready        func()
	first        []Frame   // what a client starts with; it always fits
	next         uint64    // the first event that it was not given
	private      []message // for this client alone
	privateBytes int
	told         int    // how many clients there are, as this one knows
	heard        uint64 // the last telling that it was given or knew better than
	waits        bool
	at           int // the place in the log's idle, if it waits
	reason       error
	cut          bool // nothing more is given, whatever is queued
}

// message is a frame for one client, after an event.
type message struct {
	frame Frame
	after uint64
}

// Notify has ready called when there is something to take, once after each Take
// that found nothing. It is called with locks held: it must neither wait nor
// call back. It must be set before the first Take.
func (s *Subscriber) Notify(ready func()) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.ready = ready
}

// Take appends to frames all that is queued, in order. If there is nothing,
// the reader is notified when there is. After the last frame it returns why the
// subscription ended: one of the errors of this package.
func (s *Subscriber) Take(frames []Frame) ([]Frame, error) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(frames)
	if !s.cut && s.overflows() {
		s.drop(ErrTooSlow) // it resumes from the log
	}
	if s.cut {
		return frames, s.reason
	}
	frames = append(frames, s.first...)
	s.first = nil
	for _, m := range s.private {
		for ; s.next <= m.after; s.next++ {
			frames = append(frames, l.kept[s.next-l.keptFrom].frame)
		}
		frames = append(frames, m.frame)
	}
	s.private, s.privateBytes = nil, 0
	for ; s.next <= l.seq; s.next++ {
		frames = append(frames, l.kept[s.next-l.keptFrom].frame)
	}
	if s.heard != l.presence.count {
		s.heard = l.presence.count
		if s.told != l.presence.clients {
			s.told = l.presence.clients
			frames = append(frames, l.presence.frame)
		}
	}
	switch {
	case len(frames) > before:
		return frames, nil
	case s.reason != nil:
		return frames, s.reason
	case !s.waits:
		s.waits, s.at = true, len(l.idle)
		l.idle = append(l.idle, s)
	}
	return frames, nil
}

// overflows tells whether more waits than may. It is called with the lock held.
func (s *Subscriber) overflows() bool {
	l := s.log
	several := l.seq+1-s.next+uint64(len(s.private)) > 1
	// Where an event is not kept any more, more than a queue holds came since.
	return several && (s.next < l.keptFrom || l.since(s.next)+int64(s.privateBytes) > int64(l.limits.QueueBytes))
}

// drop ends the subscription at once. It is called with the lock held.
func (s *Subscriber) drop(reason error) {
	if !s.cut {
		s.cut, s.reason = true, reason
		s.first, s.private, s.privateBytes = nil, nil, 0
	}
	s.wake()
}

// wake is called with the lock held.
func (s *Subscriber) wake() {
	if !s.waits {
		return
	}
	l := s.log
	last := l.idle[len(l.idle)-1]
	l.idle[s.at], last.at = last, s.at
	l.idle[len(l.idle)-1] = nil
	l.idle = l.idle[:len(l.idle)-1]
	s.waits = false
	s.ready()
}

// Send queues a frame for this client alone.
func (s *Subscriber) Send(frame Frame) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.cut {
		return
	}
	s.private = append(s.private, message{frame, l.seq})
	s.privateBytes += len(frame)
	if s.overflows() {
		s.drop(ErrTooSlow)
		return
	}
	s.wake()
}

// Queued returns how many bytes wait to be read.
func (s *Subscriber) Queued() int {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.cut {
		return 0
	}
	n := s.privateBytes + int(l.since(max(s.next, l.keptFrom)))
	for _, frame := range s.first {
		n += len(frame)
	}
	return n
}

// Next is Take for those who would rather wait until there is something, or the
// context ends.
func (s *Subscriber) Next(ctx context.Context) ([]Frame, error) {
	woken := make(chan struct{}, 1)
	s.Notify(func() { woken <- struct{}{} })
	for {
		frames, err := s.Take(nil)
		if err != nil || len(frames) > 0 {
			return frames, err
		}
		select {
		case <-woken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// End ends this subscription at once, whatever is queued.
func (s *Subscriber) End(reason error) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	s.drop(reason)
	if _, there := l.subscribers[s]; there {
		delete(l.subscribers, s)
		if len(l.subscribers) == 0 {
			l.snapshot = nil
		}
		l.presenceChanged()
	}
}

// Close takes the client off the log. It may be called more than once.
func (s *Subscriber) Close() { s.End(ErrClosed) }
