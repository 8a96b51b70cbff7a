package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// patience is how long a test waits for what must happen; only a failure
// takes that long.
const patience = 90 * time.Second

type client struct {
	*websocket.Conn
	t *testing.T
}

func (s *served) dial(nb, query string, headers ...string) *client {
	s.t.Helper()
	header := http.Header{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		header.Set(name, value)
	}
	conn, res, err := websocket.DefaultDialer.DialContext(s.t.Context(), "ws"+strings.TrimPrefix(s.http.URL, "http")+"/api/ws/notebooks/"+nb+query, header)
	require.NoError(s.t, err)
	require.NoError(s.t, res.Body.Close())
	s.t.Cleanup(func() { _ = conn.Close() })
	return &client{conn, s.t}
}

// next returns the next message that isn't presence.
func (c *client) next() map[string]any {
	c.t.Helper()
	for {
		require.NoError(c.t, c.SetReadDeadline(time.Now().Add(patience)))
		_, raw, err := c.ReadMessage()
		require.NoError(c.t, err)
		var m map[string]any
		require.NoError(c.t, json.Unmarshal(raw, &m))
		if m["type"] != "presence" {
			return m
		}
	}
}

func (c *client) send(text string) {
	c.t.Helper()
	require.NoError(c.t, c.WriteMessage(websocket.TextMessage, []byte(text)))
}

// reply sends a command and returns its reply, passing over events.
func (c *client) reply(text string) map[string]any {
	c.t.Helper()
	c.send(text)
	for {
		if m := c.next(); m["type"] == "reply" {
			return m
		}
	}
}

// closed reads until the connection ends and returns the close code.
func (c *client) closed() int {
	c.t.Helper()
	for {
		require.NoError(c.t, c.SetReadDeadline(time.Now().Add(patience)))
		_, _, err := c.ReadMessage()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		require.ErrorAs(c.t, err, &closed)
		return closed.Code
	}
}

func (s *served) publish(nb string, n int) {
	s.t.Helper()
	for i := range n {
		require.NoError(s.t, s.fake.logs[nb].Publish("test", map[string]int{"i": i}))
	}
}

func TestASocketBeginsWithASnapshotAndGoesOnInOrder(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	c := s.dial(n.ID, "")
	first := c.next()
	require.Equal(t, "snapshot", first["type"])
	require.Equal(t, n.ID, first["notebook"].(map[string]any)["id"])
	s.publish(n.ID, 500)
	for i := range 500 {
		require.EqualValues(t, i, c.next()["i"])
	}

	resumed := s.dial(n.ID, fmt.Sprintf("?epoch=%s&after=%d", first["epoch"], 490))
	got := resumed.next()
	require.Equal(t, "resumed", got["type"])
	require.EqualValues(t, 490, got["seq"])
	for i := 491; i <= 500; i++ {
		require.EqualValues(t, i, resumed.next()["seq"])
	}
	require.Equal(t, "snapshot", s.dial(n.ID, "?epoch=other&after=490").next()["type"])
	require.Equal(t, "snapshot", s.dial(n.ID, fmt.Sprintf("?epoch=%s", first["epoch"])).next()["type"], "who names no event has seen none")
	require.Equal(t, "snapshot", s.dial(n.ID, fmt.Sprintf("?epoch=%s&after=501", first["epoch"])).next()["type"])
	require.Equal(t, 400, s.handshake(n.ID+"?after=x").StatusCode)
}

func TestCommandsDoWhatTheRoutesDo(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	c := s.dial(n.ID, "")
	first := n.Cells[0].ID
	result := func(command string) map[string]any {
		t.Helper()
		r := c.reply(command)
		require.Equal(t, true, r["ok"], r)
		require.NotContains(t, r, "seq")
		require.NotContains(t, r, "problem")
		if r["result"] == nil {
			return nil
		}
		return r["result"].(map[string]any)
	}
	got := result(`{"type":"cell.update","request_id":1,"cell_id":"` + first + `","source":"a = 2","version":1}`)
	require.EqualValues(t, 2, got["version"])
	require.Equal(t, "a = 2", got["cell"].(map[string]any)["source"])
	require.NotContains(t, got["cell"], "outputs")
	require.Contains(t, got["cell"], "status")

	got = result(`{"type":"cell.create","request_id":1,"source":"top","after":null}`)
	created := got["cell"].(map[string]any)["id"].(string)
	result(`{"type":"cell.move","request_id":1,"cell_id":"` + created + `","after":"` + first + `"}`)
	now, err := s.Get(t.Context(), n.ID)
	require.NoError(t, err)
	require.Equal(t, created, now.Cells[1].ID)
	got = result(`{"type":"cell.delete","request_id":1,"cell_id":"` + created + `","version":4}`)
	require.EqualValues(t, 5, got["version"])

	got = result(`{"type":"run","request_id":1,"cells":["` + first + `"]}`)
	require.True(t, notebook.ValidID(got["run_id"].(string)))
	runs, _ := s.asked()
	require.Equal(t, []string{first}, runs[0].Cells)
	result(`{"type":"interrupt","request_id":1}`)
	result(`{"type":"restart","request_id":1,"run":true}`)
	_, calls := s.asked()
	require.Equal(t, "Restart and run", calls[len(calls)-1])

	for _, id := range []string{`"x"`, `7`, `null`, `{"a":[1]}`, `1.50`} {
		c.send(`{"type":"interrupt","request_id":` + id + `}`)
		_, raw, err := c.ReadMessage()
		require.NoError(t, err)
		require.Contains(t, string(raw), `"request_id":`+id+`,`)
	}
}

func TestCommandsThatCanNotBeDoneAreAnsweredWithTheirProblem(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	c, other := s.dial(n.ID, ""), s.dial(n.ID, "")
	other.next()
	cell := n.Cells[0].ID
	for _, one := range []struct {
		command string
		status  int
		field   string
	}{
		{`{`, 400, ""}, {``, 400, ""}, {`[]`, 400, ""}, {`null`, 400, ""}, {`hello`, 400, ""}, {`{"a":1}{}`, 400, ""},
		{`{}`, 400, "type"}, {`{"type":7}`, 400, "type"}, {`{"type":"shout","x":1}`, 400, "type"}, {`{"type":"Run"}`, 400, "type"},
		{`{"type":"run","cell":"x"}`, 400, "cell"}, {`{"type":"run","cells":"x"}`, 400, "cells"},
		{`{"type":"run","cells":["` + notebook.NewID() + `"]}`, 422, "cells"},
		{`{"type":"interrupt","now":true}`, 400, "now"},
		{`{"type":"restart","run":"yes"}`, 400, "run"},
		{`{"type":"cell.update","source":"x"}`, 422, "cell_id"},
		{`{"type":"cell.update","cell_id":"` + notebook.NewID() + `","source":"x"}`, 404, ""},
		{`{"type":"cell.update","cell_id":"` + cell + `","source":"x","version":9}`, 412, ""},
		{`{"type":"cell.update","cell_id":"` + cell + `","source":"x","version":0}`, 412, ""},
		{`{"type":"cell.update","cell_id":"` + cell + `","kind":"ruby"}`, 422, "kind"},
		{`{"type":"cell.create","after":"nowhere"}`, 422, "after"},
		{`{"type":"cell.move","cell_id":"` + cell + `"}`, 422, "after"},
		{`{"type":"cell.delete"}`, 422, "cell_id"},
	} {
		r := c.reply(one.command)
		require.Equal(t, false, r["ok"], one.command)
		require.NotContains(t, r, "result")
		require.Contains(t, r, "request_id")
		problem := r["problem"].(map[string]any)
		require.EqualValues(t, one.status, problem["status"], "%s: %v", one.command, problem)
		require.NotEmpty(t, problem["detail"])
		if one.field != "" {
			require.Equal(t, one.field, problem["errors"].([]any)[0].(map[string]any)["field"], one.command)
		}
	}
	s.mu.Lock()
	s.fails["Interrupt"] = errPanic
	s.mu.Unlock()
	r := c.reply(`{"type":"interrupt","request_id":"p"}`)
	require.Equal(t, "p", r["request_id"])
	require.EqualValues(t, 500, r["problem"].(map[string]any)["status"])

	s.publish(n.ID, 1)
	require.Equal(t, "test", other.next()["type"], "the other client saw none of it")
}

func TestFramesThatAreNotUnderstoodCloseTheirOwnSocketOnly(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	witness := s.dial(n.ID, "")
	witness.next()
	for name, c := range map[string]struct {
		send func(c *client)
		code int
	}{
		"binary":         {func(c *client) { _ = c.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"run"}`)) }, 1003},
		"not UTF-8":      {func(c *client) { _ = c.WriteMessage(websocket.TextMessage, []byte("\"\xff\"")) }, 1007},
		"too large":      {func(c *client) { _ = c.WriteMessage(websocket.TextMessage, make([]byte, maxFrame+1)) }, 1009},
		"a broken frame": {func(c *client) { _, _ = c.NetConn().Write([]byte{0xff, 0xff, 0xff}) }, 1002},
		"not masked":     {func(c *client) { _, _ = c.NetConn().Write([]byte{0x81, 0x02, '{', '}'}) }, 1002},
	} {
		t.Run(name, func(t *testing.T) {
			bad := s.dial(n.ID, "")
			bad.next()
			c.send(bad)
			require.Equal(t, c.code, bad.closed())
			s.publish(n.ID, 1)
			require.Equal(t, "test", witness.next()["type"])
		})
	}
	largest := `{"type":"cell.update","cell_id":"` + n.Cells[0].ID + `","source":"` + strings.Repeat("x", maxFrame-200) + `"}`
	require.Equal(t, true, s.dial(n.ID, "").reply(largest)["ok"], "8 MiB is not over 8 MiB")
}

func TestTheEndOfASubscriptionIsToldByItsCode(t *testing.T) {
	for reason, code := range map[error]int{
		events.ErrDraining: 1001, events.ErrRevoked: 4401, events.ErrDeleted: 4410, io.ErrUnexpectedEOF: 1011,
	} {
		s := serve(t)
		n := s.notebook()
		c := s.dial(n.ID, "")
		s.publish(n.ID, 3)
		s.fake.logs[n.ID].End(reason)
		c.next()
		for range 3 {
			require.Equal(t, "test", c.next()["type"], "what was published before is still delivered")
		}
		require.Equal(t, code, c.closed())
	}
	s := serve(t)
	n := s.notebook()
	c := s.dial(n.ID, "")
	require.Equal(t, 204, s.do("DELETE", "/api/notebooks/"+n.ID, "").StatusCode)
	require.Equal(t, 4410, c.closed())

	s.ended = events.ErrDraining
	n = s.notebook()
	require.Equal(t, 503, s.handshake(n.ID).StatusCode)
	s.ended = nil
	s.api.Drain()
	require.Equal(t, 503, s.handshake(n.ID).StatusCode)
}

func TestSigningOutEndsTheSocketsOfThatSession(t *testing.T) {
	s := serve(t, withToken)
	n := s.notebook()
	origin := "Origin: " + s.http.URL
	mine, others := s.signIn(), s.signIn()
	a, b, program := s.dial(n.ID, "", mine, origin), s.dial(n.ID, "", others, origin), s.dial(n.ID, "", "Authorization: Bearer "+token)
	a.next()
	b.next()
	program.next()
	require.Equal(t, 204, s.do("DELETE", "/api/session", "", mine, origin).StatusCode)
	require.Equal(t, 4401, a.closed())
	s.publish(n.ID, 1)
	require.Equal(t, "test", b.next()["type"])
	require.Equal(t, "test", program.next()["type"])
}

func TestASlowClientIsClosedAndDelaysNobody(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	slow, quick := s.dial(n.ID, ""), s.dial(n.ID, "")
	quick.next()
	// More than its queue and the kernel's buffers hold.
	const frames, size = 200, 100 << 10
	text := strings.Repeat("x", size)
	for i := range frames {
		require.NoError(t, s.fake.logs[n.ID].Publish("big", map[string]any{"i": i, "text": text}))
		require.EqualValues(t, i, quick.next()["i"])
	}
	first := slow.next()
	var last float64
	for {
		require.NoError(t, slow.SetReadDeadline(time.Now().Add(patience)))
		_, raw, err := slow.ReadMessage()
		if err != nil {
			require.True(t, websocket.IsCloseError(err, 4408), "%v", err)
			break
		}
		var m struct{ Seq float64 }
		require.NoError(t, json.Unmarshal(raw, &m))
		if m.Seq > 0 {
			require.Equal(t, last+1, m.Seq, "until then none is missing")
			last = m.Seq
		}
	}
	require.Less(t, last, float64(frames))
	_ = first
}

func TestPingsAndSilence(t *testing.T) {
	short := timing{ping: 30 * time.Millisecond, silence: 2 * time.Second, write: patience, linger: time.Second, command: patience}
	s := serve(t, func(o *Options) { o.sockets = short })
	n := s.notebook()

	lively := s.dial(n.ID, "")
	pings := make(chan struct{}, 1000)
	pong := lively.PingHandler()
	lively.SetPingHandler(func(data string) error {
		pings <- struct{}{}
		return pong(data)
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, _, err := lively.ReadMessage(); err != nil {
				return
			}
		}
	}()
	silent := s.dial(n.ID, "")
	silent.SetPingHandler(func(string) error { return nil })
	for {
		require.NoError(t, silent.SetReadDeadline(time.Now().Add(patience)))
		if _, _, err := silent.ReadMessage(); err != nil {
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the server gives the silent one up")
			break
		}
	}
	require.GreaterOrEqual(t, len(pings), 2)
	select {
	case <-done:
		t.Fatal("who answers pings stays")
	default:
	}
	require.NoError(t, lively.Close())
	<-done
}

func TestALongCommandHoldsUpNeitherPingsNorEvents(t *testing.T) {
	short := timing{ping: 20 * time.Millisecond, silence: 2 * time.Second, write: patience, linger: time.Second, command: patience}
	s := serve(t, func(o *Options) { o.sockets = short })
	n := s.notebook()
	s.block = make(chan struct{})
	c := s.dial(n.ID, "")
	c.next()
	c.send(`{"type":"interrupt","request_id":1}`)
	c.send(`{"type":"run","request_id":2}`)
	pongs := make(chan struct{}, 1000)
	c.SetPongHandler(func(string) error {
		pongs <- struct{}{}
		return nil
	})
	for range 5 { // well beyond the silence, with the command still on
		require.NoError(t, c.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)))
		time.Sleep(500 * time.Millisecond)
		s.publish(n.ID, 1)
		require.Equal(t, "test", c.next()["type"])
	}
	require.NotEmpty(t, pongs)
	close(s.block)
	require.EqualValues(t, 1, c.next()["request_id"], "in order")
	require.EqualValues(t, 2, c.next()["request_id"])
}

func TestWhatWasSentBeforeLeavingIsDone(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	c := s.dial(n.ID, "")
	for i := range 20 {
		c.send(fmt.Sprintf(`{"type":"cell.update","cell_id":%q,"source":"v%d"}`, n.Cells[0].ID, i))
	}
	require.NoError(t, c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)))
	require.Eventually(t, func() bool {
		now, err := s.Get(context.Background(), n.ID)
		return err == nil && now.Cells[0].Source == "v19"
	}, patience, 10*time.Millisecond)
}

func TestConnectionsLeaveNothingBehind(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	s := serve(t)
	n := s.notebook()
	for i := range 200 {
		switch i % 4 {
		case 0:
			c := s.dial(n.ID, "")
			c.reply(`{"type":"interrupt","request_id":1}`)
			require.NoError(t, c.Close())
		case 1:
			c := s.dial(n.ID, "")
			_ = c.WriteMessage(websocket.BinaryMessage, nil)
			c.closed()
			require.NoError(t, c.Close())
		case 2:
			require.Equal(t, 404, s.handshake(notebook.NewID()).StatusCode)
		case 3:
			require.Equal(t, 400, s.handshake(n.ID, "Sec-WebSocket-Key: short").StatusCode)
		}
	}
	require.Eventually(t, func() bool { return s.fake.logs[n.ID].Clients() == 0 }, patience, 10*time.Millisecond)
	s.http.Close()
	s.http.CloseClientConnections()
	s.http.Client().CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, leaks)
}

func TestWaitCutsThoseWhoDoNotLeave(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	c := s.dial(n.ID, "")
	c.next()
	s.api.Drain()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.api.Wait(ctx), context.DeadlineExceeded)
	for err := error(nil); err == nil; {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
		_, _, err = c.ReadMessage()
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}

func FuzzCommands(f *testing.F) {
	n := notebook.NewID()
	for _, seed := range []string{
		`{"type":"run","request_id":1,"cells":[],"stale":true}`, `{"type":"cell.create","after":null}`, `{"type":"cell.update","cell_id":"x","source":"","version":1}`,
		`{"type":"cell.move","cell_id":"x","after":"y"}`, `{"type":"restart","run":true}`, `{"request_id":{}}`, `{`, "\x00",
	} {
		f.Add([]byte(seed))
	}
	fake := newFake()
	a := New(Options{Notebooks: fake, MaxBodyBytes: 1 << 20})
	f.Fuzz(func(t *testing.T, frame []byte) {
		fake.calls, fake.runs = nil, nil
		var r struct {
			Type    string
			OK      *bool
			Problem *Problem
		}
		require.NoError(t, json.Unmarshal(a.answer(context.Background(), time.Minute, n, frame), &r))
		require.Equal(t, "reply", r.Type)
		require.Equal(t, !*r.OK, r.Problem != nil)
		if r.Problem != nil {
			require.Less(t, r.Problem.Status, 500)
		}
	})
}

// raw is a client that reads frames as they come, cheaply enough for a crowd.
type raw struct {
	net.Conn
	buf *bufio.Reader
}

func (s *served) dialRaw(nb string) raw {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.http.URL, "http://"))
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET /api/ws/notebooks/%s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", nb)
	require.NoError(s.t, err)
	r := raw{conn, bufio.NewReader(conn)}
	res, err := http.ReadResponse(r.buf, nil)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusSwitchingProtocols, res.StatusCode)
	return r
}

// text returns the next text frame; the server sends no other in time.
func (r raw) text() ([]byte, error) {
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	head, err := r.buf.Peek(2)
	if err != nil {
		return nil, err
	}
	skip, n := 2, int(head[1])
	if head[1] == 126 {
		if head, err = r.buf.Peek(4); err != nil {
			return nil, err
		}
		skip, n = 4, int(binary.BigEndian.Uint16(head[2:]))
	}
	if head[0] != 0x81 || n > 65535 || head[1] > 126 {
		return nil, fmt.Errorf("frame begins with % x", head)
	}
	if _, err := r.buf.Discard(skip); err != nil {
		return nil, err
	}
	text := make([]byte, n)
	_, err = io.ReadFull(r.buf, text)
	return text, err
}

func TestAThousandClientsSeeEveryEventInTheSameOrder(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	const clients, events = 1000, 200
	crowd := make([]raw, clients)
	for i := range crowd {
		crowd[i] = s.dialRaw(n.ID)
	}
	stalled := s.dial(n.ID, "") // reads nothing and delays nobody
	defer stalled.Close()
	digests := make(chan string, clients)
	for i := range crowd {
		go func() {
			seen, sum := 0, sha256.New()
			for seen < events {
				text, err := crowd[i].text()
				if err != nil {
					digests <- err.Error()
					return
				}
				if bytes.HasPrefix(text, []byte(`{"seq":`)) {
					seen++
					sum.Write(text)
				}
			}
			digests <- hex.EncodeToString(sum.Sum(nil))
		}()
	}
	want := sha256.New()
	for i := range events {
		require.NoError(t, s.fake.logs[n.ID].Publish("test", map[string]any{"i": i}))
		fmt.Fprintf(want, `{"seq":%d,"type":"test","i":%d}`, i+1, i)
	}
	for range clients {
		require.Equal(t, hex.EncodeToString(want.Sum(nil)), <-digests)
	}
}

// A client that sends commands and reads no reply is not read on for ever: it
// is closed when its queue is full, and the others notice nothing.
func TestAClientThatFloodsIsHeldBackAndHarmsNobody(t *testing.T) {
	s := serve(t, func(o *Options) {
		o.sockets = timing{}.orDefault()
		o.sockets.write = 2 * time.Second // of which more is not needed to see it end
	})
	n := s.notebook()
	good, flood := s.dial(n.ID, ""), s.dialRaw(n.ID)
	good.next()
	// Masked, as a client's frames must be; the mask is zero.
	id := strings.Repeat("x", 60000)
	command := []byte(`{"type":"interrupt","request_id":"` + id + `"}`)
	frame := append(binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(command))), 0, 0, 0, 0)
	frame = append(frame, command...)
	sent := make(chan int, 1)
	go func() {
		for i := 0; ; i++ {
			if _, err := flood.Write(frame); err != nil {
				sent <- i
				return
			}
		}
	}()
	for i := range 50 {
		s.publish(n.ID, 1)
		require.Equal(t, "test", good.next()["type"], i)
	}
	select {
	case count := <-sent: // closed, as its replies were not read
		require.Greater(t, count, 10)
	case <-time.After(patience):
		t.Fatal("a client that reads nothing was served for ever")
	}
	require.Equal(t, true, good.reply(`{"type":"interrupt","request_id":1}`)["ok"])
}
