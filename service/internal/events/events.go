// Package events is the event log of a notebook and its fan-out to clients:
// sequence numbers, resuming, and a bounded queue for each client.
//
// It does not know what an event means, and not what carries it to a client.
// One goroutine publishes; any number of clients read, each at its own pace.
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
)

// Why a subscription ended.
var (
	ErrTooSlow  = errors.New("the client reads too slowly")
	ErrDeleted  = errors.New("the notebook was deleted")
	ErrDraining = errors.New("the server is draining")
	ErrRevoked  = errors.New("the token was revoked")
	ErrClosed   = errors.New("the subscription was closed")
)

// Limits of a Log.
type Limits struct {
	KeptBytes  int // kept for resuming
	KeptEvents int
	QueueBytes int // waiting for one client; one event always fits
}

// DefaultLimits are those that the API promises.
var DefaultLimits = Limits{KeptBytes: 8 << 20, KeptEvents: 10_000, QueueBytes: 1 << 20}

// Log numbers the events of one notebook, keeps the last of them and hands
// them to subscribers.
type Log struct {
	epoch  string
	limits Limits

	mu          sync.Mutex
	seq         uint64 // of the last event
	kept        [][]byte
	keptFrom    uint64 // the sequence number of kept[0]
	keptBytes   int
	subscribers map[*Subscriber]struct{}
	ended       error
}

// NewLog returns an empty log. The epoch must differ from that of any other
// log of the same notebook.
func NewLog(epoch string, limits Limits) *Log {
	return &Log{epoch: epoch, limits: limits, keptFrom: 1, subscribers: map[*Subscriber]struct{}{}}
}

// Epoch returns the name of this log's run of sequence numbers.
func (l *Log) Epoch() string { return l.epoch }

// Seq returns the sequence number of the last event, 0 before the first.
func (l *Log) Seq() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq
}

// Publish gives the event the next sequence number and queues it for every
// subscriber. Fields must encode to a JSON object; it never blocks.
func (l *Log) Publish(typ string, fields any) error {
	body, err := json.Marshal(fields)
	if err != nil {
		return fmt.Errorf("encode %s event: %w", typ, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	frame := join(`{"seq":`+strconv.FormatUint(l.seq, 10)+`,"type":"`+typ+`"`, body)
	l.keep(frame)
	for s := range l.subscribers {
		s.push(frame, false)
	}
	return nil
}

// tellPresence lets every subscriber know how many there are. It is called
// with the lock held; the message has no number and is not kept.
func (l *Log) tellPresence() {
	frame := []byte(`{"type":"presence","clients":` + strconv.Itoa(len(l.subscribers)) + `}`)
	for s := range l.subscribers {
		s.push(frame, false)
	}
}

// join puts the fields of a JSON object behind an object's opened head.
func join(head string, body []byte) []byte {
	frame := make([]byte, 0, len(head)+len(body)+1)
	frame = append(frame, head...)
	if len(body) > 2 {
		frame = append(frame, ',')
	}
	return append(frame, body[1:]...)
}

// keep is called with the lock held.
func (l *Log) keep(frame []byte) {
	l.kept = append(l.kept, frame)
	l.keptBytes += len(frame)
	drop := 0
	for len(l.kept)-drop > 0 && (len(l.kept)-drop > l.limits.KeptEvents || l.keptBytes > l.limits.KeptBytes) {
		l.keptBytes -= len(l.kept[drop])
		l.kept[drop] = nil
		drop++
	}
	// The slice moves along its array; append copies what is left of it when
	// the array is full, so each frame is copied a bounded number of times.
	l.kept = l.kept[drop:]
	l.keptFrom += uint64(drop)
}

// Subscribe adds a client. If epoch and after name a place in this log from
// which nothing is missing, it first gets "resumed" and what it missed, else
// "snapshot" with the fields that snapshot returns for so many clients, and
// everything published later. The caller must see to it that nothing is published between the
// state that snapshot describes and the call's return.
func (l *Log) Subscribe(epoch string, after uint64, snapshot func(clients int) (any, error)) (*Subscriber, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return nil, l.ended
	}
	s := &Subscriber{log: l, wake: make(chan struct{}, 1)}
	head := `"epoch":` + strconv.Quote(l.epoch) + `,"seq":`
	if epoch == l.epoch && after <= l.seq && after+1 >= l.keptFrom {
		s.push([]byte(`{"type":"resumed",`+head+strconv.FormatUint(after, 10)+`}`), true)
		for _, frame := range l.kept[after+1-l.keptFrom:] {
			s.push(frame, true)
		}
	} else {
		fields, err := snapshot(len(l.subscribers) + 1)
		if err != nil {
			return nil, fmt.Errorf("take snapshot: %w", err)
		}
		body, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("encode snapshot: %w", err)
		}
		s.push(join(`{"type":"snapshot",`+head+strconv.FormatUint(l.seq, 10), body), true)
	}
	l.subscribers[s] = struct{}{}
	l.tellPresence()
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
	l.ended = reason
	for s := range l.subscribers {
		s.end(reason)
		delete(l.subscribers, s)
	}
}

// Subscriber is the queue of one client. One goroutine reads it.
type Subscriber struct {
	log  *Log
	wake chan struct{} // holds a token when there is something new

	mu     sync.Mutex
	queue  [][]byte
	bytes  int // in queue and subject to the limit
	reason error
}

// push queues a frame. With free it does not count towards the limit.
func (s *Subscriber) push(frame []byte, free bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason != nil {
		return
	}
	switch {
	case free:
		// what a client starts with always fits
	case s.bytes > 0 && s.bytes+len(frame) > s.log.limits.QueueBytes:
		s.reason = ErrTooSlow
		s.queue, s.bytes = nil, 0 // it resumes from the log
		s.signal()
		return
	default:
		s.bytes += len(frame)
	}
	s.queue = append(s.queue, frame)
	s.signal()
}

func (s *Subscriber) end(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason == nil {
		s.reason = reason
		s.signal()
	}
}

func (s *Subscriber) signal() {
	select {
	case s.wake <- struct{}{}:
	default: // the reader has a token to find already
	}
}

// Send queues a frame for this client alone.
func (s *Subscriber) Send(frame []byte) { s.push(frame, false) }

// Queued returns how many bytes wait to be read.
func (s *Subscriber) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, frame := range s.queue {
		n += len(frame)
	}
	return n
}

// Next waits for frames and returns all that are queued, in order. After the
// last one it returns why the subscription ended: one of the errors of this
// package, or the context's. The frames must not be changed.
func (s *Subscriber) Next(ctx context.Context) ([][]byte, error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			frames := s.queue
			s.queue, s.bytes = nil, 0
			s.mu.Unlock()
			return frames, nil
		}
		reason := s.reason
		s.mu.Unlock()
		if reason != nil {
			return nil, reason
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Close takes the client off the log. It may be called more than once.
func (s *Subscriber) Close() {
	s.log.mu.Lock()
	if _, there := s.log.subscribers[s]; there {
		delete(s.log.subscribers, s)
		s.log.tellPresence()
	}
	s.log.mu.Unlock()
	s.end(ErrClosed)
}
