package events

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type fields struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

// told is what a client reads of any frame.
type told struct {
	Type    string
	Epoch   string
	Seq     *uint64
	N       int
	Clients int
	State   string
}

func read(t require.TestingT, frame Frame) told {
	var m told
	require.NoError(t, json.Unmarshal(frame.Text(), &m), "%s", frame)
	return m
}

// drain returns what is queued now, without presence, and why there is no more.
func drain(t require.TestingT, s *Subscriber) (found []told, reason error) {
	s.Notify(func() {})
	for {
		frames, err := s.Take(nil)
		if err != nil || len(frames) == 0 {
			return found, err
		}
		for _, frame := range frames {
			if m := read(t, frame); m.Type != "presence" {
				found = append(found, m)
			}
		}
	}
}

func subscribe(t require.TestingT, l *Log, epoch string, after uint64) *Subscriber {
	s, err := l.Subscribe(epoch, after, func() (any, error) { return map[string]any{"state": "all"}, nil })
	require.NoError(t, err)
	return s
}

func TestANewClientGetsASnapshotFirstAndThenEveryEvent(t *testing.T) {
	l := NewLog("e1", DefaultLimits)
	require.NoError(t, l.Publish("before", fields{N: 0}))
	s := subscribe(t, l, "", 0)
	require.NoError(t, l.Publish("after", fields{N: 1}))
	got, _ := drain(t, s)
	require.Len(t, got, 2)
	require.Equal(t, "snapshot", got[0].Type)
	require.Equal(t, "e1", got[0].Epoch)
	require.EqualValues(t, 1, *got[0].Seq)
	require.Equal(t, "all", got[0].State)
	require.Equal(t, 1, got[0].Clients)
	require.Equal(t, "after", got[1].Type)
	require.EqualValues(t, 2, *got[1].Seq)
}

func TestAnEventWithoutFieldsIsStillAnObject(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	s := subscribe(t, l, "", 0)
	require.NoError(t, l.Publish("empty", struct{}{}))
	got, _ := drain(t, s)
	require.Equal(t, "empty", got[1].Type)
}

func TestAClientThatKnowsItsPlaceGetsExactlyWhatItMissed(t *testing.T) {
	l := NewLog("e1", DefaultLimits)
	for i := 1; i <= 5; i++ {
		require.NoError(t, l.Publish("tick", fields{N: i}))
	}
	for after := range uint64(6) {
		got, _ := drain(t, subscribe(t, l, "e1", after))
		require.Equal(t, "resumed", got[0].Type)
		require.Equal(t, after, *got[0].Seq)
		require.Len(t, got, 1+5-int(after))
		for i, m := range got[1:] {
			require.Equal(t, after+uint64(i)+1, *m.Seq)
		}
	}
	for name, s := range map[string]*Subscriber{
		"another epoch": subscribe(t, l, "e0", 3), "a place to come": subscribe(t, l, "e1", 6),
	} {
		got, _ := drain(t, s)
		require.Equal(t, "snapshot", got[0].Type, name)
	}
}

func TestWhatIsKeptIsBoundedAndWhoIsOlderGetsASnapshot(t *testing.T) {
	l := NewLog("e", Limits{KeptBytes: 1 << 20, KeptEvents: 3, QueueBytes: 1 << 20})
	for i := range 10 {
		require.NoError(t, l.Publish("tick", fields{N: i}))
	}
	got, _ := drain(t, subscribe(t, l, "e", 7))
	require.Equal(t, "resumed", got[0].Type)
	require.Len(t, got, 4)
	got, _ = drain(t, subscribe(t, l, "e", 6))
	require.Equal(t, "snapshot", got[0].Type)

	l = NewLog("e", Limits{KeptBytes: 500, KeptEvents: 1000, QueueBytes: 1 << 20})
	for range 100 {
		require.NoError(t, l.Publish("tick", fields{Text: strings.Repeat("x", 100)}))
	}
	got, _ = drain(t, subscribe(t, l, "e", 97))
	require.Equal(t, "resumed", got[0].Type)
	require.Len(t, got, 1+3)
	got, _ = drain(t, subscribe(t, l, "e", 96))
	require.Equal(t, "snapshot", got[0].Type, "four of them are more than 500 bytes")
}

func TestASlowClientIsToldSoAndDelaysNobody(t *testing.T) {
	l := NewLog("e", Limits{KeptBytes: 8 << 20, KeptEvents: 1000, QueueBytes: 2000})
	slow, quick := subscribe(t, l, "", 0), subscribe(t, l, "", 0)
	n := 0
	for i := range 30 {
		require.NoError(t, l.Publish("tick", fields{N: i, Text: strings.Repeat("x", 100)}))
		got, err := drain(t, quick)
		require.NoError(t, err)
		n += len(got)
	}
	require.Equal(t, 31, n)
	_, err := drain(t, slow)
	require.ErrorIs(t, err, ErrTooSlow)
	got, err := drain(t, subscribe(t, l, "e", 0))
	require.NoError(t, err, "what is resumed always fits")
	require.Len(t, got, 31)
}

func TestOneEventInAnEmptyQueueAlwaysFits(t *testing.T) {
	l := NewLog("e", Limits{KeptBytes: 1 << 20, KeptEvents: 10, QueueBytes: 10})
	s := subscribe(t, l, "", 0)
	_, err := drain(t, s)
	require.NoError(t, err)
	require.NoError(t, l.Publish("large", fields{Text: strings.Repeat("x", 1000)}))
	got, err := drain(t, s)
	require.NoError(t, err)
	require.Len(t, got, 1)
}

func TestWhoComesAndGoesIsToldToTheOthers(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	a := subscribe(t, l, "", 0)
	counts := make(chan int, 100)
	go func() {
		defer close(counts)
		for {
			frames, err := a.Next(t.Context())
			if err != nil {
				return
			}
			for _, frame := range frames {
				if m := read(t, frame); m.Type == "presence" {
					require.Nil(t, m.Seq)
					counts <- m.Clients
				}
			}
		}
	}()
	until := func(n int) {
		t.Helper()
		for got := range counts {
			if got == n {
				return
			}
		}
		t.Fatalf("nobody was told that there are %d", n)
	}
	b := subscribe(t, l, "", 0)
	until(2)
	resumed := subscribe(t, l, "e", 0)
	frames, err := resumed.Take(nil)
	require.NoError(t, err)
	require.Equal(t, 3, read(t, frames[1]).Clients, "who resumes has no snapshot to tell it")
	until(3)
	resumed.Close()
	b.Close()
	b.Close()
	until(1)
	require.Equal(t, 1, l.Clients())
	_, err = drain(t, b)
	require.ErrorIs(t, err, ErrClosed)
	l.End(ErrDraining)
	_, more := <-counts
	require.False(t, more)
}

// A crowd that comes at once is not told of each one: that would be the square
// of its size.
func TestACrowdIsToldOfAFewTimesOnly(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	first := subscribe(t, l, "", 0)
	first.Notify(func() {})
	frames, _ := first.Take(nil)
	require.Len(t, frames, 1)
	var crowd []*Subscriber
	for range 1000 {
		crowd = append(crowd, subscribe(t, l, "", 0))
	}
	last := 0
	require.Eventually(t, func() bool {
		frames, err := first.Take(nil)
		require.NoError(t, err)
		for _, frame := range frames {
			last = read(t, frame).Clients
		}
		return last == 1001
	}, time.Minute, time.Millisecond)
	newest := crowd[999]
	frames, _ = newest.Take(nil)
	require.Len(t, frames, 1, "its snapshot has told it")
	require.Equal(t, 1001, read(t, frames[0]).Clients)
}

func TestAReplyGoesToOneClientAlone(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	a, b := subscribe(t, l, "", 0), subscribe(t, l, "", 0)
	a.Send(NewFrame([]byte(`{"type":"reply"}`)))
	got, _ := drain(t, a)
	require.Equal(t, "reply", got[1].Type)
	got, _ = drain(t, b)
	require.Len(t, got, 1)
}

func TestTheEndComesAfterWhatIsQueuedAndHoldsForThoseWhoComeLater(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	s := subscribe(t, l, "", 0)
	require.NoError(t, l.Publish("last", fields{}))
	l.End(ErrDeleted)
	got, err := drain(t, s)
	require.Len(t, got, 2)
	require.ErrorIs(t, err, ErrDeleted)
	_, err = l.Subscribe("", 0, func() (any, error) { return fields{}, nil })
	require.ErrorIs(t, err, ErrDeleted)
}

func TestNextWaitsUntilThereIsSomethingOrItsContextEnds(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	s := subscribe(t, l, "", 0)
	_, _ = drain(t, s)
	got := make(chan []Frame)
	go func() {
		frames, _ := s.Next(context.Background())
		got <- frames
	}()
	require.NoError(t, l.Publish("tick", fields{}))
	require.Len(t, <-got, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := s.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// However a client reads, loses its place and comes back, it sees every event
// once and in order, or a snapshot in place of what it can't be given any more.
func TestAClientThatComesAndGoesMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLog("e", Limits{
			KeptBytes: 1 << 20, KeptEvents: rapid.IntRange(1, 20).Draw(t, "kept"),
			QueueBytes: rapid.IntRange(50, 500).Draw(t, "queue"),
		})
		var s *Subscriber
		epoch, seen := "", uint64(0)
		look := func() {
			got, reason := drain(t, s)
			for _, m := range got {
				switch m.Type {
				case "snapshot":
					epoch, seen = m.Epoch, *m.Seq
				case "resumed":
					require.Equal(t, seen, *m.Seq)
				default:
					require.Equal(t, seen+1, *m.Seq)
					seen = *m.Seq
				}
			}
			if reason != nil {
				require.ErrorIs(t, reason, ErrTooSlow)
				s.Close()
				s = nil
			}
		}
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 5).Draw(t, "op"); {
			case op <= 2:
				require.NoError(t, l.Publish("tick", fields{N: i, Text: fmt.Sprint(i)}))
			case s == nil:
				s = subscribe(t, l, epoch, seen)
			case op == 3:
				s.Close()
				s = nil
			default:
				look()
			}
		}
		if s == nil {
			s = subscribe(t, l, epoch, seen)
		}
		look()
		for s == nil {
			s = subscribe(t, l, epoch, seen)
			look()
		}
		require.Equal(t, l.Seq(), seen)
	})
}

// The queue is bounded by bytes alone: many small events fit, also when more
// of them wait than are kept for resuming.
func TestMoreEventsMayWaitThanAreKeptForResuming(t *testing.T) {
	l := NewLog("e", Limits{KeptBytes: 8 << 20, KeptEvents: 10, QueueBytes: 1 << 20})
	s := subscribe(t, l, "", 0)
	_, _ = drain(t, s)
	for i := range 1000 {
		require.NoError(t, l.Publish("tick", fields{N: i}))
	}
	got, err := drain(t, s)
	require.NoError(t, err)
	require.Len(t, got, 1000)
	require.Less(t, s.Queued(), 1)
	require.NoError(t, l.Publish("big", fields{Text: strings.Repeat("x", 1<<20)}))
	require.NoError(t, l.Publish("tick", fields{}))
	require.LessOrEqual(t, len(l.kept), 11, "what nobody can be given any more is let go of")
	require.Less(t, cap(l.kept), 4000)
}

func TestAReplyStaysBehindTheEventsBeforeIt(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	s := subscribe(t, l, "", 0)
	require.NoError(t, l.Publish("before", fields{}))
	s.Send(NewFrame([]byte(`{"type":"reply"}`)))
	require.NoError(t, l.Publish("after", fields{}))
	got, err := drain(t, s)
	require.NoError(t, err)
	var order []string
	for _, m := range got {
		order = append(order, m.Type)
	}
	require.Equal(t, []string{"snapshot", "before", "reply", "after"}, order)
}

func TestRepliesThatNobodyReadsEndTheSubscription(t *testing.T) {
	l := NewLog("e", Limits{KeptBytes: 1 << 20, KeptEvents: 10, QueueBytes: 1000})
	s := subscribe(t, l, "", 0)
	for range 100 {
		s.Send(NewFrame([]byte(`{"type":"reply"}`)))
		require.LessOrEqual(t, s.privateBytes, 1000)
	}
	_, err := drain(t, s)
	require.ErrorIs(t, err, ErrTooSlow)
}

func TestAnEndedSubscriptionGivesNothingMore(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	s := subscribe(t, l, "", 0)
	woken := 0
	s.Notify(func() { woken++ })
	_, _ = s.Take(nil)
	_, _ = s.Take(nil)
	s.End(ErrRevoked)
	require.Equal(t, 1, woken)
	require.NoError(t, l.Publish("tick", fields{}))
	frames, err := s.Take(nil)
	require.ErrorIs(t, err, ErrRevoked)
	require.Empty(t, frames)
	require.Zero(t, l.Clients())
}

func TestFramesAreThoseOfTheStandard(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		text := strings.Repeat("x", n)
		f := NewFrame([]byte(text[:n/2]), []byte(text[n/2:]))
		require.Equal(t, text, string(f.Text()))
		prepared, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text))
		require.NoError(t, err)
		require.Equal(t, wire(t, prepared), []byte(f), "%d bytes", n)
	}
}

// wire is what gorilla sends for a message.
func wire(t *testing.T, m *websocket.PreparedMessage) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	upgrader := websocket.Upgrader{}
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")))
	require.NoError(t, err)
	got := make(chan []byte, 1)
	go func() {
		defer close(got)
		reader := bufio.NewReader(ours)
		res, err := http.ReadResponse(reader, request)
		if err != nil || res.StatusCode != 101 {
			return
		}
		raw, _ := io.ReadAll(reader)
		got <- raw
	}()
	conn, err := upgrader.Upgrade(hijacker{httptest.NewRecorder(), theirs}, request, nil)
	require.NoError(t, err)
	require.NoError(t, conn.WritePreparedMessage(m))
	require.NoError(t, conn.Close())
	return <-got
}

type hijacker struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

func TestThoseWhoWaitAreWokenOnceForSeveralEvents(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	s, err := l.Subscribe("", 0, func() (any, error) { return struct{}{}, nil })
	require.NoError(t, err)
	defer s.Close()
	woken := 0
	s.Notify(func() { woken++ })
	for {
		frames, err := s.Take(nil)
		require.NoError(t, err)
		if len(frames) == 0 {
			break
		}
	}
	for range 3 {
		require.NoError(t, l.Add("x", struct{}{}))
	}
	require.Zero(t, woken)
	l.Announce()
	l.Announce()
	require.Equal(t, 1, woken)
	frames, err := s.Take(nil)
	require.NoError(t, err)
	require.Len(t, frames, 3)

	frames, err = s.Take(nil)
	require.NoError(t, err)
	require.Empty(t, frames)
	require.NoError(t, l.Add("x", map[string]string{"text": strings.Repeat("a", 1<<20)}))
	require.Equal(t, 2, woken, "much is announced at once")
}
