package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type fields struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

// message is what a client reads of any frame.
type message struct {
	Type    string
	Epoch   string
	Seq     *uint64
	N       int
	Clients int
	State   string
}

func read(t require.TestingT, frame []byte) message {
	var m message
	require.NoError(t, json.Unmarshal(frame, &m), "%s", frame)
	return m
}

// drain returns what is queued now, without presence, and why there is no more.
func drain(t require.TestingT, s *Subscriber) (found []message, reason error) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		frames, err := s.Next(now)
		if err != nil {
			if err == context.Canceled {
				err = nil
			}
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
	s, err := l.Subscribe(epoch, after, func(clients int) (any, error) {
		return map[string]any{"state": "all", "clients": clients}, nil
	})
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
	require.LessOrEqual(t, l.keptBytes, 500)
	require.Less(t, cap(l.kept), 200, "what is forgotten is let go of")
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
	b := subscribe(t, l, "", 0)
	b.Close()
	b.Close()
	frames, err := a.Next(t.Context())
	require.NoError(t, err)
	var counts []int
	for _, frame := range frames {
		if m := read(t, frame); m.Type == "presence" {
			require.Nil(t, m.Seq)
			counts = append(counts, m.Clients)
		}
	}
	require.Equal(t, []int{1, 2, 1}, counts)
	require.Equal(t, 1, l.Clients())
	_, err = drain(t, b)
	require.ErrorIs(t, err, ErrClosed)
}

func TestAReplyGoesToOneClientAlone(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	a, b := subscribe(t, l, "", 0), subscribe(t, l, "", 0)
	a.Send([]byte(`{"type":"reply"}`))
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
	_, err = l.Subscribe("", 0, func(int) (any, error) { return fields{}, nil })
	require.ErrorIs(t, err, ErrDeleted)
}

func TestNextWaitsUntilThereIsSomethingOrItsContextEnds(t *testing.T) {
	l := NewLog("e", DefaultLimits)
	s := subscribe(t, l, "", 0)
	_, _ = drain(t, s)
	got := make(chan [][]byte)
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
