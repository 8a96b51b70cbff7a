package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/postgrestest"
)

// TestEveryAcknowledgedChangeSurvivesSIGKILL edits notebooks from several
// sides, by requests and on sockets, kills the service in the middle of it,
// starts it again and looks for every change that it had acknowledged, over and
// over on the same notebooks. CRASHES says how often it is killed.
func TestEveryAcknowledgedChangeSurvivesSIGKILL(t *testing.T) {
	t.Parallel()
	crashes := 200
	if testing.Short() {
		crashes = 8
	}
	if text := os.Getenv("CRASHES"); text != "" {
		var err error
		crashes, err = strconv.Atoi(text)
		require.NoError(t, err, "CRASHES must be a number")
	}
	stores := []string{"", "", ""} // "": a SQLite file of its own
	if !testing.Short() {
		stores = append(stores, "STORE_URL="+postgrestest.Start(t).Database(t))
	}
	var acknowledged atomic.Int64
	t.Run("services", func(t *testing.T) { // all of them at once
		for i, store := range stores {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				c := &crasher{t: t, dir: t.TempDir(), store: store}
				for range crashes / len(stores) {
					c.round()
				}
				c.verify(c.start()) // what the last one left
				acknowledged.Add(int64(c.acknowledged))
			})
		}
	})
	require.Greater(t, acknowledged.Load(), int64(crashes), "changes were acknowledged before the kills")
	t.Logf("%d changes were acknowledged before %d kills, and all were found", acknowledged.Load(), crashes)
}

const editors = 4 // each with a notebook of its own, and all with one more

// crasher is one service that is killed again and again.
type crasher struct {
	t     *testing.T
	dir   string
	store string

	shared       string // the notebook that all editors edit
	editors      [editors]*editor
	acknowledged int
}

// editor makes changes and knows what was acknowledged.
type editor struct {
	t      *testing.T
	client *http.Client
	url    string
	socket *websocket.Conn // of the shared notebook, for every other editor; else nil
	number int             // of its next text, so that no two are alike

	own     *document  // nil: it was deleted
	pending []document // what the notebook may be instead, if the last change was done without our hearing of it
	deleted []string   // since the service was started

	shared, cell         string // a cell of the shared notebook that nobody else changes
	written, sure, tried int    // numbers of that cell's text: the one to write, the last acknowledged, the last tried
	acknowledged         int
}

// document is what people wrote of a notebook.
type document struct {
	ID      string
	Name    string
	Version int
	Cells   []line
	gone    bool // there is no such notebook
}

type line struct {
	ID       string
	Kind     string
	Source   string
	Disabled bool
}

func (p document) clone() document {
	p.Cells = slices.Clone(p.Cells)
	return p
}

func (c *crasher) start() *service {
	env := []string{}
	if c.store != "" {
		env = append(env, c.store)
	}
	return start(c.t, c.dir, env...)
}

// round starts the service, looks, edits, and kills it.
func (c *crasher) round() {
	s := c.start()
	c.verify(s)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ctx, stop := context.WithCancel(c.t.Context())
	defer stop()
	first := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for i, e := range c.editors {
		e.client, e.url = &http.Client{Transport: transport}, s.url
		if i%2 == 1 {
			socket, res, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(s.url, "http")+"/api/ws/notebooks/"+c.shared, nil)
			require.NoError(c.t, err)
			require.NoError(c.t, res.Body.Close())
			defer socket.Close()
			e.socket = socket
		}
		wg.Go(func() {
			for ctx.Err() == nil && e.edit(ctx) {
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	select {
	case <-first:
	case <-time.After(patience):
		c.t.Fatalf("no change was ever acknowledged: %s", s.log())
	}
	time.Sleep(time.Duration(rand.IntN(100_000)) * time.Microsecond)
	_ = s.cmd.Process.Kill()
	<-s.done
	wg.Wait() // they end when nobody answers
	status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(c.t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "it ended by itself: %s", s.log())
}

// verify looks for everything that was acknowledged, and makes what editors
// need.
func (c *crasher) verify(s *service) {
	c.t.Helper()
	if c.shared == "" {
		var made document
		require.Equal(c.t, 201, s.do("POST", "/api/notebooks", `{"name":"shared"}`, &made))
		c.shared = made.ID
		for i := range c.editors {
			var cell line
			require.Equal(c.t, 201, s.do("POST", "/api/notebooks/"+c.shared+"/cells", `{"source":"0"}`, &cell))
			c.editors[i] = &editor{t: c.t, shared: c.shared, cell: cell.ID}
		}
		return
	}
	read := func(id string) (p document) {
		p.gone = s.do("GET", "/api/notebooks/"+id, "", &p) == 404
		return p
	}
	shared := read(c.shared)
	c.acknowledged = 0
	for _, e := range c.editors {
		c.acknowledged += e.acknowledged
		at := slices.IndexFunc(shared.Cells, func(l line) bool { return l.ID == e.cell })
		require.GreaterOrEqual(c.t, at, 0, "a cell is gone: %+v", shared)
		number, err := strconv.Atoi(shared.Cells[at].Source)
		require.NoError(c.t, err)
		require.True(c.t, number == e.sure || number == e.tried, "the cell holds %d; %d was acknowledged last, %d was tried", number, e.sure, e.tried)
		e.sure, e.tried = number, number

		for _, id := range e.deleted {
			require.True(c.t, read(id).gone, "a deleted notebook is back")
		}
		e.deleted = nil
		if e.own == nil {
			continue
		}
		got := read(e.own.ID)
		want := []document{*e.own}
		for _, p := range e.pending {
			// It never heard the id of a cell that may have been made.
			for i := range min(len(p.Cells), len(got.Cells)) {
				if p.Cells[i].ID == "" {
					p.Cells[i].ID = got.Cells[i].ID
				}
			}
			want = append(want, p)
		}
		found := slices.IndexFunc(want, func(p document) bool {
			return p.gone == got.gone && (p.gone || p.Name == got.Name && p.Version == got.Version && slices.Equal(p.Cells, got.Cells))
		})
		require.GreaterOrEqual(c.t, found, 0, "found %+v\nand not one of %+v", got, want)
		e.own, e.pending = &got, nil
		if got.gone {
			e.deleted, e.own = append(e.deleted, want[0].ID), nil
		}
	}
}

// edit makes one change. It returns false once the service doesn't answer.
func (e *editor) edit(ctx context.Context) bool {
	e.number++
	text := fmt.Sprint("# text ", e.number)
	if rand.IntN(3) == 0 {
		e.written++
		e.tried = e.written
		if e.socket != nil {
			if !e.command(map[string]any{"type": "cell.update", "cell_id": e.cell, "source": strconv.Itoa(e.tried)}) {
				return false
			}
		} else if !e.send(ctx, "PATCH", e.shared+"/cells/"+e.cell, map[string]any{"source": strconv.Itoa(e.tried)}, nil) {
			return false
		}
		e.sure = e.tried
		return true
	}
	if e.own == nil {
		var made document
		if !e.send(ctx, "POST", "", map[string]any{"name": text, "cells": []map[string]any{{"source": text}, {"kind": "markdown", "source": "é"}}}, &made) {
			return false
		}
		e.own = &made
		return true
	}
	next := e.own.clone()
	next.Version++
	var method, path string
	var body map[string]any
	var cell *line // to learn the id of
	at := 0
	if len(next.Cells) > 0 {
		at = rand.IntN(len(next.Cells))
	}
	switch choice := rand.IntN(20); {
	case choice == 0:
		method, next.gone = "DELETE", true
	case choice < 3:
		method, body, next.Name = "PATCH", map[string]any{"name": text}, text
	case choice < 7 || len(next.Cells) < 2:
		place := rand.IntN(len(next.Cells) + 1)
		method, path, body = "POST", "/cells", map[string]any{"source": text, "disabled": true, "after": nil}
		if place > 0 {
			body["after"] = next.Cells[place-1].ID
		}
		next.Cells = slices.Insert(next.Cells, place, line{"", "python", text, true})
		cell = &next.Cells[place]
	case choice < 9:
		method, path = "DELETE", "/cells/"+next.Cells[at].ID
		next.Cells = slices.Delete(next.Cells, at, at+1)
	case choice < 12 && at > 0:
		moved := next.Cells[at]
		method, path, body = "PATCH", "/cells/"+moved.ID, map[string]any{"after": nil}
		next.Cells = slices.Insert(slices.Delete(next.Cells, at, at+1), 0, moved)
	default:
		method, path, body = "PATCH", "/cells/"+next.Cells[at].ID, map[string]any{"source": text}
		next.Cells[at].Source = text
	}
	e.pending = []document{next}
	var answer line
	into := any(nil)
	if cell != nil {
		into = &answer
	}
	if !e.send(ctx, method, e.own.ID+path, body, into) {
		return false
	}
	if cell != nil {
		cell.ID = answer.ID
	}
	e.own, e.pending = &next, nil
	if next.gone {
		e.deleted, e.own = append(e.deleted, next.ID), nil
	}
	return true
}

// command sends a command on the socket and returns whether it was acknowledged.
func (e *editor) command(command map[string]any) bool {
	command["request_id"] = e.number
	if e.socket.WriteJSON(command) != nil {
		return false
	}
	for {
		var reply struct {
			Type      string
			RequestID int `json:"request_id"`
			OK        bool
			Problem   json.RawMessage
		}
		_, raw, err := e.socket.ReadMessage()
		if err != nil {
			return false
		}
		if err := json.Unmarshal(raw, &reply); err != nil {
			e.t.Errorf("%v in %s", err, raw)
			return false
		}
		switch {
		case reply.Type != "reply":
		case !reply.OK || reply.RequestID != e.number:
			e.t.Errorf("reply to %d: %s", e.number, raw)
			return false
		default:
			e.acknowledged++
			return true
		}
	}
}

// send makes a request and returns whether it was acknowledged. An answer that
// is none of success is a failure of the test, not of the service's life.
func (e *editor) send(ctx context.Context, method, path string, body map[string]any, into any) bool {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			e.t.Errorf("encode request: %v", err)
			return false
		}
		reader = bytes.NewReader(raw)
	}
	if path != "" {
		path = "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, method, e.url+"/api/notebooks"+path, reader)
	if err != nil {
		e.t.Errorf("make request: %v", err)
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := e.client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return false // half an answer doesn't tell the id that we need
	}
	if res.StatusCode >= 300 {
		e.t.Errorf("%s %s: %d %s", method, path, res.StatusCode, raw)
		return false
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			e.t.Errorf("%s %s: %v in %s", method, path, err, raw)
			return false
		}
	}
	e.acknowledged++
	return true
}
