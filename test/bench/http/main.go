// Command http measures the service's HTTP and WebSocket side beside the
// FastAPI backend that the project was first planned with, on Uvicorn, and
// beside the least that Gin and gorilla can do.
//
// Servers may use one core each, which is what a Python process can use; the
// load comes from this process.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/reactive-notebook/reactive-notebook/test/bench/measure"
)

const (
	patience = 2 * time.Minute // bounds every wait
	oneCore  = "GOMAXPROCS=1"
	token    = "token-of-the-benchmark"
	bearer   = "Authorization: Bearer " + token

	rounds      = 3
	during      = 2 * time.Second // of one measurement of requests
	connections = 16
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if len(os.Args) == 3 && os.Args[1] == "floor" {
		err = floor(os.Args[2])
	} else {
		err = run(ctx, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "http:", err)
		os.Exit(1)
	}
}

// server is one that is measured.
type server struct {
	addr      string
	pid       int
	header    string   // of every request
	notebooks []string // ids
	ours      bool
	stop      func()
}

// run measures the parts that are named, or all.
func run(ctx context.Context, wanted []string) error {
	all := []struct {
		name string
		do   func(context.Context) error
	}{{"requests", requests}, {"events", broadcasts}, {"memory", memory}}
	for _, part := range all {
		if len(wanted) > 0 && !slices.Contains(wanted, part.name) {
			continue
		}
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

func emit(r measure.Result) error { return measure.Emit(os.Stdout, r) }

// start starts the three servers with so many notebooks of ten cells in each.
func start(ctx context.Context, store string, notebooks int) (ours, fast, bare *server, err error) {
	stops := []func(){}
	defer func() {
		if err != nil {
			for _, stop := range stops {
				stop()
			}
		}
	}()
	service, err := measure.Start(ctx, oneCore, "NOTEBOOK_TOKEN="+token, "STORE_URL="+store, "KERNEL_PRELOAD=-")
	if err != nil {
		return nil, nil, nil, err
	}
	stops = append(stops, service.Stop)
	ours = &server{addr: strings.TrimPrefix(service.URL, "http://"), pid: service.PID, header: bearer + "\r\n", ours: true, stop: service.Stop}

	python, err := startProcess(ctx, "", os.Getenv("BENCH_PYTHON"), filepath.Join("test", "bench", "http", "fastapi_server.py"))
	if err != nil {
		return nil, nil, nil, err
	}
	stops = append(stops, python.stop)
	fast = &server{addr: python.addr, pid: python.cmd.Process.Pid, stop: python.stop}

	cells := make([]map[string]string, 10)
	for i := range cells {
		cells[i] = map[string]string{"kind": "python", "source": fmt.Sprintf("value_%d = %d * 7  # one of ten", i, i)}
	}
	for i := range notebooks {
		body, err := json.Marshal(map[string]any{"name": fmt.Sprintf("Notebook number %d", i), "cells": cells})
		if err != nil {
			return nil, nil, nil, err
		}
		for _, s := range []*server{ours, fast} {
			var made struct{ ID string }
			if err := s.call("POST", "/api/notebooks", string(body), 201, &made); err != nil {
				return nil, nil, nil, err
			}
			s.notebooks = append(s.notebooks, made.ID)
		}
	}
	// The floor serves what ours does, byte for byte.
	answers := map[string]given{}
	for name, path := range map[string]string{"List": "/api/notebooks", "Read": "/api/notebooks/" + ours.notebooks[0]} {
		if answers[name], err = ours.get(ctx, path); err != nil {
			return nil, nil, nil, err
		}
	}
	input, err := json.Marshal(answers)
	if err != nil {
		return nil, nil, nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	least, err := startProcess(ctx, string(input), self, "floor")
	if err != nil {
		return nil, nil, nil, err
	}
	return ours, fast, &server{addr: least.addr, pid: least.cmd.Process.Pid, notebooks: ours.notebooks, stop: least.stop}, nil
}

// headers returns those of every request.
func (s *server) headers() []string {
	if s.header == "" {
		return nil
	}
	return []string{strings.TrimSpace(s.header)}
}

// call makes one request and decodes its answer.
func (s *server) call(method, path, body string, status int, into any) error {
	conn, err := dial(s.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	got, answer, err := conn.do(request(method, path, body, s.headers()...), true)
	if err != nil {
		return err
	}
	if got != status {
		return fmt.Errorf("%s %s: status %d: %s", method, path, got, answer)
	}
	return json.Unmarshal(answer, into)
}

// get returns an answer with the headers that a handler has set.
func (s *server) get(ctx context.Context, path string) (given, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
	if err != nil {
		return given{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return given{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return given{}, fmt.Errorf("GET %s: %s", path, res.Status)
	}
	answer := given{Header: map[string]string{}}
	for name := range res.Header {
		if name != "Date" && name != "Content-Length" && name != "Content-Type" {
			answer.Header[name] = res.Header.Get(name)
		}
	}
	answer.Body, err = io.ReadAll(res.Body)
	return answer, err
}

// rate is a measurement of requests a second.
func (s *server) rate(method, path, body string, status, connections int) func() (float64, error) {
	return func() (float64, error) {
		return rate(s.addr, connections, during, status, request(method, path, body, s.headers()...))
	}
}

func requests(ctx context.Context) error {
	ours, fast, bare, err := start(ctx, "sqlite:bench.db", 10)
	if err != nil {
		return err
	}
	defer ours.stop()
	defer fast.stop()
	defer bare.stop()
	for _, row := range []struct {
		what string
		path func(s *server) string
		goal measure.Goal
		bare measure.Goal
	}{
		{"list of ten notebooks, from SQLite, signed in", func(*server) string { return "/api/notebooks" }, measure.Goal{Ratio: 10}, measure.Goal{Ratio: .8}},
		{"read a notebook of ten cells", func(s *server) string { return "/api/notebooks/" + s.notebooks[0] }, measure.Goal{}, measure.Goal{}},
	} {
		var sides []func() (float64, error)
		for _, s := range []*server{ours, fast, bare} {
			sides = append(sides, s.rate("GET", row.path(s), "", 200, connections))
		}
		sides = append(sides, bare.rate("GET", bodiesAlone+row.path(bare), "", 200, connections))
		rates, err := measure.Interleaved(rounds, sides...)
		if err != nil {
			return err
		}
		r := measure.Result{What: row.what, Unit: "requests/s", Ours: rates[0], Theirs: rates[1], Beside: "FastAPI", More: true, Goal: row.goal}
		floor, alone := r, r
		floor.Theirs, floor.Beside, floor.Goal = rates[2], "bare Gin, the same bytes", row.bare
		alone.Theirs, alone.Beside, alone.Goal = rates[3], "bare Gin, the same body without our headers", measure.Goal{}
		if err := errors.Join(emit(r), emit(floor), emit(alone)); err != nil {
			return err
		}
	}
	return creates(ours, fast)
}

func creates(ours, fast *server) error {
	const body = `{"name":"Another notebook"}`
	dir, err := os.MkdirTemp("", "bench-disk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	rates, err := measure.Interleaved(rounds,
		ours.rate("POST", "/api/notebooks", body, 201, connections), fast.rate("POST", "/api/notebooks", body, 201, connections),
		ours.rate("POST", "/api/notebooks", body, 201, 1),
		func() (float64, error) { return syncs(dir, during) },
	)
	if err != nil {
		return err
	}
	return errors.Join(
		emit(measure.Result{What: "create a notebook, 16 at once", Unit: "requests/s", Ours: rates[0], Theirs: rates[1], Beside: "FastAPI", More: true, Note: "here on the disk when it is answered, there in memory"}),
		emit(measure.Result{What: "create a notebook, 16 at once", Unit: "requests/s", Ours: rates[0], Theirs: rates[3], Beside: "fsync of 4 KiB on the same disk", More: true, Note: "those that wait share one"}),
		emit(measure.Result{What: "create a notebook, one after the other", Unit: "requests/s", Ours: rates[2], Theirs: rates[3], Beside: "fsync of 4 KiB on the same disk", More: true}),
	)
}

// syncs returns how many writes a second reach the disk of the directory, one
// after the other: into a file that has its size already, as a log of SQLite's
// has.
func syncs(dir string, during time.Duration) (float64, error) {
	file, err := os.Create(filepath.Join(dir, "synced"))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	const pages = 1000
	page := make([]byte, 4096)
	if _, err := file.Write(make([]byte, pages*len(page))); err != nil {
		return 0, err
	}
	if err := file.Sync(); err != nil {
		return 0, err
	}
	begin, n := time.Now(), 0
	for ; time.Since(begin) < during; n++ {
		if _, err := file.WriteAt(page, int64(n%pages*len(page))); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

const clients = 1000

func broadcasts(ctx context.Context) error {
	ours, fast, bare, err := start(ctx, "memory:", 1)
	if err != nil {
		return err
	}
	defer ours.stop()
	defer fast.stop()
	defer bare.stop()
	var (
		single  [3][]latency
		figures [3]float64
	)
	for i, s := range []*server{ours, fast, bare} {
		crowd, err := connect(s.addr, clients, 16<<10, s.notebooks[:1], s.header)
		if err != nil {
			return err
		}
		trigger, hangUp, err := s.trigger(ctx)
		if err != nil {
			crowd.close()
			return err
		}
		events := 2000
		if s == fast {
			events = 100
		}
		time.Sleep(time.Second) // so that nobody is told of those who came any more
		var bursts []float64
		for range rounds {
			var l latency
			var b float64
			if l, err = crowd.one(30, trigger); err == nil {
				b, err = crowd.burst(events, trigger)
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", s.addr, err)
				break
			}
			single[i], bursts = append(single[i], l), append(bursts, b)
		}
		figures[i] = measure.Median(bursts)
		hangUp()
		crowd.close()
		if err != nil {
			return err
		}
	}
	of := func(i int, field func(latency) float64) float64 {
		var all []float64
		for _, l := range single[i] {
			all = append(all, field(l))
		}
		return measure.Median(all)
	}
	names := []string{"", "FastAPI", "bare gorilla, prepared messages"}
	for i := 1; i <= 2; i++ {
		goal, burstGoal := measure.Goal{}, measure.Goal{}
		if i == 2 {
			goal, burstGoal = measure.Goal{Ratio: 1}, measure.Goal{Ratio: 2}
		}
		for _, row := range []struct {
			what  string
			field func(latency) float64
			goal  measure.Goal
		}{
			{"one event to 1,000 clients, half of them", func(l latency) float64 { return l.p50 }, measure.Goal{}},
			{"one event to 1,000 clients, 99 of 100", func(l latency) float64 { return l.p99 }, measure.Goal{}},
			{"one event to 1,000 clients, the last", func(l latency) float64 { return l.last }, goal},
		} {
			if err := emit(measure.Result{What: row.what, Unit: "ms", Ours: of(0, row.field), Theirs: of(i, row.field), Beside: names[i], Goal: row.goal}); err != nil {
				return err
			}
		}
		if err := emit(measure.Result{What: "events faster than 1,000 clients read them", Unit: "deliveries/s", Ours: figures[0], Theirs: figures[i], Beside: names[i], More: true, Goal: burstGoal}); err != nil {
			return err
		}
	}
	return nil
}

// trigger returns what has the server send so many events to everybody: in the
// service by so many changes of a notebook, elsewhere by asking for them.
func (s *server) trigger(ctx context.Context) (func(events int) error, func(), error) {
	header := map[string][]string{}
	if s.ours {
		header["Authorization"] = []string{"Bearer " + token}
	}
	conn, res, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+s.addr+"/api/ws/notebooks/"+s.notebooks[0], header)
	if err != nil {
		return nil, nil, err
	}
	_ = res.Body.Close()
	go func() {
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	hangUp := func() { _ = conn.Close() }
	if !s.ours {
		// As long as the service's event.
		const text = mark + `123,"type":"cell.moved","cell_id":"01234567-89ab-cdef-0123-456789abcdef","after":"01234567-89ab-cdef-0123-456789abcdef","version":123}`
		return func(events int) error { return conn.WriteJSON(map[string]any{"events": events, "text": text}) }, hangUp, nil
	}
	var n struct{ Cells []struct{ ID string } }
	if err := s.call("GET", "/api/notebooks/"+s.notebooks[0], "", 200, &n); err != nil {
		return nil, nil, err
	}
	above := []string{n.Cells[1].ID, n.Cells[2].ID}
	turn := 0
	return func(events int) error {
		for range events {
			turn++
			if err := conn.WriteJSON(map[string]any{"type": "cell.move", "cell_id": n.Cells[0].ID, "after": above[turn%2]}); err != nil {
				return err
			}
		}
		return nil
	}, hangUp, nil
}

func memory(ctx context.Context) error {
	for _, sockets := range []int{1000, 10000} {
		ours, fast, bare, err := start(ctx, "memory:", 10)
		if err != nil {
			return err
		}
		var each []float64
		for _, s := range []*server{ours, fast, bare} {
			var bytes float64
			if bytes, err = s.idle(sockets); err != nil {
				break
			}
			each = append(each, bytes/1024)
		}
		for _, s := range []*server{ours, fast, bare} {
			s.stop()
		}
		if err != nil {
			return err
		}
		what := fmt.Sprintf("memory of an idle socket, of %d", sockets)
		err = errors.Join(
			emit(measure.Result{What: what, Unit: "KiB", Ours: each[0], Theirs: each[1], Beside: "FastAPI", Goal: measure.Goal{Ours: 10}}),
			emit(measure.Result{What: what, Unit: "KiB", Ours: each[0], Theirs: each[2], Beside: "bare gorilla, small pooled buffers"}),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// idle returns by how much the server grows for each of so many sockets.
func (s *server) idle(sockets int) (float64, error) {
	// What a first socket costs once is no other's.
	first, err := connect(s.addr, 10, 512, s.notebooks, s.header)
	if err != nil {
		return 0, err
	}
	defer first.close()
	before, err := s.settled()
	if err != nil {
		return 0, err
	}
	crowd, err := connect(s.addr, sockets, 512, s.notebooks, s.header)
	if err != nil {
		return 0, err
	}
	defer crowd.close()
	after, err := s.settled()
	return (after - before) / float64(sockets), err
}

// settled returns the memory that the server holds once it has let go of what
// the handshakes left: requests make it collect its garbage, as those of a
// working service do.
func (s *server) settled() (float64, error) {
	if _, err := rate(s.addr, 4, during, 200, request("GET", "/health", "")); err != nil {
		return 0, err
	}
	time.Sleep(2 * time.Second)
	return resident(s.pid)
}
