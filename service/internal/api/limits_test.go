package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store"
)

func TestJSONThatIsNestedDeeplyIsRefusedAtOnce(t *testing.T) {
	s := serve(t, func(o *Options) { o.MaxBodyBytes = 8 << 20 })
	n := s.notebook()
	const deep = 2 << 20 // far deeper than a stack that grows with it could stand
	for _, body := range []string{
		strings.Repeat("[", deep),
		strings.Repeat("[", deep) + strings.Repeat("]", deep),
		`{"name":` + strings.Repeat(`{"a":`, deep/2) + "1" + strings.Repeat("}", deep/2) + "}",
		`{"name":"x","cells":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "}",
	} {
		s.do("POST", "/api/notebooks", body).problem(t, 400)
		s.do("PATCH", "/api/notebooks/"+n.ID, body).problem(t, 400)
		s.do("POST", "/api/notebooks/import", body, "Content-Type: application/x-ipynb+json").problem(t, 400)
		for _, frame := range []string{body, `{"type":"cell.update","request_id":` + body + `}`} {
			_, err := parseObject([]byte(frame))
			require.Equal(t, 400, problemOf(err).Status)
		}
	}
	s.do("POST", "/api/notebooks", `{"name":"x","cells":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+`}`).problem(t, 400)
}

func TestAClientThatReadsNothingHoldsNoGoroutine(t *testing.T) {
	s := serve(t, func(o *Options) {
		o.sockets = timing{ping: time.Hour, silence: time.Hour, write: 200 * time.Millisecond, linger: time.Second, command: time.Minute}
	})
	n := s.notebook()
	s.mu.Lock()
	s.notebooks[n.ID].Cells[0].Source = strings.Repeat("x", 16<<20) // more than both sides' buffers
	s.mu.Unlock()
	var handling atomic.Int64
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handling.Add(1)
		defer handling.Add(-1)
		s.api.ServeHTTP(w, r)
	}))
	defer slow.Close()
	for range 3 {
		conn, err := net.Dial("tcp", slow.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "GET /api/notebooks/%s HTTP/1.1\r\nHost: localhost\r\n\r\n", n.ID)
		require.NoError(t, err)
		// Its answer has begun, so it is being written.
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		_, err = io.ReadFull(conn, make([]byte, 100))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return handling.Load() == 0 }, patience, 20*time.Millisecond)
	n, err := s.Get(t.Context(), n.ID)
	require.NoError(t, err)
	require.Greater(t, len(s.do("GET", "/api/notebooks/"+n.ID, "").body), len(n.Cells[0].Source), "who reads gets it all")
}

func TestAConnectionServesOnAfterItsAnswersTimeIsOver(t *testing.T) {
	s := serve(t, func(o *Options) {
		o.sockets = timing{ping: time.Hour, silence: time.Hour, write: 50 * time.Millisecond, linger: time.Second, command: time.Minute}
	})
	n := s.notebook()
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, request := range []string{"GET /api/notebooks", "DELETE /api/session", "GET /health", "POST /api/notebooks/" + n.ID + "/run?wait=1", "DELETE /api/notebooks/" + n.ID} {
		_, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", request)
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		res, err := http.ReadResponse(answers, nil)
		require.NoError(t, err, request)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.Less(t, res.StatusCode, 300, request)
		time.Sleep(100 * time.Millisecond) // longer than an answer may take
	}
}

// resources are what a process could leak.
type resources struct{ goroutines, descriptors, processes int }

func usage(t *testing.T) resources {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return resources{runtime.NumGoroutine(), len(files), len(descendants(t, os.Getpid()))}
}

// descendants returns the processes that a process started, and they.
func descendants(t *testing.T, of int) []int {
	t.Helper()
	children := map[int][]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, file := range stats {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it ended just now
		}
		// The name, in parentheses, may hold anything.
		fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], pid)
	}
	var all []int
	for todo := children[of]; len(todo) > 0; todo = todo[1:] {
		all = append(all, todo[0])
		todo = append(todo, children[todo[0]]...)
	}
	return all
}

// TestTenThousandConnectsLeaveNothingBehind connects to notebooks that are
// there and to some that aren't, with and without the token, with handshakes
// that are cut off and sockets that are left without a word.
func TestTenThousandConnectsLeaveNothingBehind(t *testing.T) {
	connects := 10_000
	if testing.Short() {
		connects = 500
	}
	log := slog.New(slog.DiscardHandler)
	notebooks, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "notebooks.db"))
	require.NoError(t, err)
	defer notebooks.Close()
	kernels, err := kernel.NewHost(t.Context(), kernel.Options{Python: os.Getenv("KERNEL_PYTHON"), Preload: []string{}, Dir: t.TempDir(), Log: log})
	require.NoError(t, err)
	defer kernels.Close()
	manager := session.NewManager(session.Options{Store: notebooks, Kernels: kernels, Log: log})
	handler := New(Options{Notebooks: manager, Log: log, MaxBodyBytes: 1 << 20, Token: token})
	server := httptest.NewServer(handler)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		handler.Drain()
		require.NoError(t, manager.Close(ctx))
		require.NoError(t, handler.Wait(ctx))
		server.Close()
	}()
	n, err := manager.Create(t.Context(), session.NewNotebook{Name: "N", Cells: []session.NewCell{{Source: "a = 1"}}})
	require.NoError(t, err)

	var answers [600]atomic.Int64 // by status; 0 if there was none
	connect := func(kind int) {
		id, auth, cut := n.ID, token, false
		switch kind % 5 {
		case 1:
			id = notebook.NewID()
		case 2:
			auth = "wrong"
		case 3:
			id = "x"
		case 4:
			cut = true
		}
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Errorf("connect: %v", err)
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		request := fmt.Sprintf("GET /api/ws/notebooks/%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", id, auth)
		if cut {
			request = request[:len(request)-10]
		}
		if _, err := io.WriteString(conn, request); err != nil || cut {
			return
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("answer: %v", err)
			return
		}
		answers[res.StatusCode].Add(1)
	}
	flood := func(connects int) {
		var wg sync.WaitGroup
		for worker := range 20 {
			wg.Go(func() {
				for i := worker; i < connects; i += 20 {
					connect(i / 20)
				}
			})
		}
		wg.Wait()
	}
	var before resources
	settle := func(as func(resources) bool) (now resources) {
		for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			now = usage(t)
			if open, _ := handler.Sockets(); open == 0 && as(now) {
				return now
			}
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("before %+v, now %+v:\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
			}
		}
	}
	flood(200) // what is made once, such as the notebook's session, counts before
	last := resources{}
	before = settle(func(now resources) bool {
		same := now == last
		last = now
		return same
	})
	flood(connects)
	// Pools, such as that of the database's connections, fill as they are used.
	const pools = 20
	after := settle(func(now resources) bool {
		return now.goroutines <= before.goroutines+pools && now.descriptors <= before.descriptors+pools && now.processes <= before.processes+2
	})
	t.Logf("before %+v, after %+v", before, after)
	total := int64(connects + 200)
	for status, share := range map[int]int64{101: total / 5, 404: 2 * total / 5, 401: total / 5} {
		require.Equal(t, share, answers[status].Load(), "answers with %d", status)
	}
}
