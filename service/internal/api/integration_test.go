package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store"
)

// The whole service but its process: HTTP, sessions, SQLite and CPython.

type whole struct {
	t   *testing.T
	url string
}

func serveWhole(t *testing.T) *whole {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	notebooks, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "notebooks.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, notebooks.Close()) })
	kernels, err := kernel.NewHost(t.Context(), kernel.Options{
		Python: os.Getenv("KERNEL_PYTHON"), Preload: []string{}, Log: log,
		Modules: map[string]string{"sqlvalues.py": sqlcell.PythonSource()},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, kernels.Close()) })
	connections, err := sqlcell.Open(t.Context(), "")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connections.Close()) })
	manager := session.NewManager(session.Options{Store: notebooks, Kernels: kernels, SQL: connections, Log: log})
	handler := New(Options{Notebooks: manager, Log: log, MaxBodyBytes: 8 << 20})
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		handler.Drain()
		require.NoError(t, manager.Close(ctx))
		require.NoError(t, handler.Wait(ctx))
		server.Close()
	})
	return &whole{t, server.URL}
}

// do sends a request and decodes the answer into the target, if there is one.
func (w *whole) do(method, path, body string, status int, into any) http.Header {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, status, res.StatusCode, "%s %s: %s", method, path, raw)
	described.check(w.t, method, req.URL.Path, body, res, raw)
	if into != nil {
		require.NoError(w.t, json.Unmarshal(raw, into), string(raw))
	}
	return res.Header
}

func (w *whole) create(sources ...string) notebook.Notebook {
	w.t.Helper()
	type cell struct {
		Source string `json:"source"`
	}
	body := struct {
		Name  string `json:"name"`
		Cells []cell `json:"cells"`
	}{Name: "N"}
	for _, s := range sources {
		body.Cells = append(body.Cells, cell{s})
	}
	raw, err := json.Marshal(body)
	require.NoError(w.t, err)
	var n notebook.Notebook
	w.do("POST", "/api/notebooks", string(raw), 201, &n)
	return n
}

func (w *whole) run(n notebook.Notebook, body string) session.RunResult {
	w.t.Helper()
	var r session.RunResult
	w.do("POST", "/api/notebooks/"+n.ID+"/run?wait=90", body, 200, &r)
	return r
}

// text is what a cell printed or showed.
func text(c *notebook.Cell) string {
	all := ""
	for _, o := range c.Outputs {
		if all += o.Text; o.Data != nil {
			all += string(o.Data["text/plain"])
		}
	}
	return all
}

func TestASQLCellReadsVariablesAndItsRowsAreOne(t *testing.T) {
	w := serveWhole(t)
	var found struct{ Connections []sqlcell.Info }
	w.do("GET", "/api/connections", "", 200, &found)
	require.Equal(t, []sqlcell.Info{{Name: "sample", Dialect: sqlcell.SQLite}}, found.Connections)
	n := w.create("of = 'Mars'", "print(len(moons))")
	var cell notebook.Cell
	w.do("POST", "/api/notebooks/"+n.ID+"/cells",
		`{"kind":"sql","source":"SELECT name FROM moon WHERE planet = {of}","connection":"sample","result":"moons"}`, 201, &cell)
	require.Equal(t, []string{"of"}, cell.References)
	require.Equal(t, []string{"moons"}, cell.Defines)
	r := w.run(n, "")
	require.Equal(t, session.RunOK, r.Status, "%+v", r.Notebook.Cells[2].Error)
	require.Equal(t, "2\n", text(r.Notebook.Cells[1]))
	require.Contains(t, r.Notebook.Cells[2].Outputs[0].Data, "application/vnd.notebook.table+json")
	w.do("PATCH", "/api/notebooks/"+n.ID+"/cells/"+cell.ID, `{"result":"_moons"}`, 422, nil)
}

func TestCellsRunAndTheirDescendantsFollow(t *testing.T) {
	w := serveWhole(t)
	n := w.create("x = 1", "y = x + 1", "print('y is', y)", "unrelated = 5")
	id := func(i int) string { return n.Cells[i].ID }
	require.Equal(t, []string{"x"}, n.Cells[0].Defines)
	require.Equal(t, []string{"x"}, n.Cells[1].References)

	r := w.run(n, "")
	require.Equal(t, session.RunOK, r.Status)
	require.Equal(t, "y is 2\n", text(r.Notebook.Cells[2]))

	var changed notebook.Cell
	header := w.do("PATCH", "/api/notebooks/"+n.ID+"/cells/"+id(0), `{"source":"x = 10"}`, 200, &changed)
	require.Equal(t, notebook.StatusStale, changed.Status)
	require.Equal(t, `"2"`, header.Get("ETag"))
	r = w.run(n, `{"cells":["`+id(0)+`"]}`)
	require.Equal(t, []string{id(0), id(1), id(2)}, r.Order, "in order, and not the unrelated one")
	require.Equal(t, "y is 11\n", text(r.Notebook.Cells[2]))
	require.EqualValues(t, 2, r.Notebook.Version, "running changes no document")

	var graph session.Graph
	w.do("GET", "/api/notebooks/"+n.ID+"/graph", "", 200, &graph)
	require.Len(t, graph.Edges, 2)
	var found struct{ Variables []session.Variable }
	w.do("GET", "/api/notebooks/"+n.ID+"/variables", "", 200, &found)
	require.NotEmpty(t, found.Variables)
	var completion session.Completion
	w.do("POST", "/api/notebooks/"+n.ID+"/complete", `{"cell_id":"`+id(3)+`","source":"unrel","cursor":5}`, 200, &completion)
	require.Contains(t, fmt.Sprint(completion.Matches), "unrelated")
	w.do("POST", "/api/notebooks/"+n.ID+"/complete", `{"cell_id":"`+notebook.NewID()+`","source":"x","cursor":1}`, 422, nil)
	w.do("POST", "/api/notebooks/"+n.ID+"/run", `{"cells":["`+notebook.NewID()+`"]}`, 422, nil)

	var list struct {
		Notebooks []notebook.Summary
	}
	w.do("GET", "/api/notebooks", "", 200, &list)
	require.Equal(t, notebook.KernelIdle, list.Notebooks[0].Kernel.Status)
	require.Equal(t, 4, list.Notebooks[0].CellCount)
	w.do("GET", "/ready", "", 200, nil)
}

func TestCellsThatFailExitOrLoopLeaveEverythingElseGoing(t *testing.T) {
	w := serveWhole(t)
	n := w.create("1/0", "import os\nos._exit(7)", "while True: pass", "print('well')")
	cell := func(i int) string { return `{"cells":["` + n.Cells[i].ID + `"]}` }

	r := w.run(n, cell(0))
	require.Equal(t, session.RunError, r.Status)
	require.Equal(t, "ZeroDivisionError", r.Notebook.Cells[0].Error.Name)
	require.NotEmpty(t, r.Notebook.Cells[0].Error.Traceback)

	r = w.run(n, cell(1))
	require.Equal(t, notebook.ErrKernelDied, r.Notebook.Cells[1].Error.Kind)
	require.NotNil(t, r.Notebook.Kernel.Reason)

	w.do("POST", "/api/notebooks/"+n.ID+"/run", cell(2), 202, nil)
	require.Eventually(t, func() bool {
		var now notebook.Notebook
		w.do("GET", "/api/notebooks/"+n.ID, "", 200, &now)
		return now.Cells[2].Status == notebook.StatusRunning
	}, patience, 20*time.Millisecond)
	other := w.create("print('elsewhere')")
	require.Equal(t, "elsewhere\n", text(w.run(other, "").Notebook.Cells[0]), "another notebook isn't held up")
	w.do("POST", "/api/notebooks/"+n.ID+"/interrupt", "", 202, nil)
	require.Eventually(t, func() bool {
		var now notebook.Notebook
		w.do("GET", "/api/notebooks/"+n.ID, "", 200, &now)
		return now.Cells[2].Status == notebook.StatusError && now.Cells[2].Error.Kind == notebook.ErrInterrupted
	}, patience, 20*time.Millisecond)
	require.Equal(t, "well\n", text(w.run(n, cell(3)).Notebook.Cells[3]))

	w.do("POST", "/api/notebooks/"+n.ID+"/restart", "", 202, nil)
	require.Equal(t, "well\n", text(w.run(n, cell(3)).Notebook.Cells[3]))
}

func TestASocketSeesARunAsItHappens(t *testing.T) {
	w := serveWhole(t)
	n := w.create("x = 3", "print(x * 2)")
	dial := func(query string) *websocket.Conn {
		conn, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(w.url, "http")+"/api/ws/notebooks/"+n.ID+query, nil)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	type message struct {
		Type, Epoch, Status string
		Seq                 uint64
		OK                  bool
		CellID              string `json:"cell_id"`
		RequestID           any    `json:"request_id"`
		Output              notebook.Output
	}
	// until reads to the first message of a type, and returns all that it read.
	until := func(conn *websocket.Conn, typ string) (all []message) {
		t.Helper()
		for {
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
			_, raw, err := conn.ReadMessage()
			require.NoError(t, err)
			var m struct {
				message
				Output json.RawMessage
			}
			require.NoError(t, json.Unmarshal(raw, &m), string(raw))
			if m.Output != nil {
				require.NoError(t, json.Unmarshal(m.Output, &m.message.Output))
			}
			all = append(all, m.message)
			if m.Type == typ {
				return all
			}
		}
	}
	conn := dial("")
	snapshot := until(conn, "snapshot")[0]
	require.NoError(t, conn.WriteJSON(map[string]any{"type": "run", "request_id": "r"}))
	seen := until(conn, "run.finished")
	printed, replied := "", false
	seq := snapshot.Seq
	for _, m := range seen {
		switch m.Type {
		case "presence":
			continue
		case "reply":
			replied = true
			require.True(t, m.OK)
			require.Equal(t, "r", m.RequestID)
			continue
		case "cell.output":
			printed += m.Output.Text
		}
		require.Equal(t, seq+1, m.Seq)
		seq = m.Seq
	}
	require.True(t, replied)
	require.Equal(t, "6\n", printed)
	require.Equal(t, "ok", seen[len(seen)-1].Status)
	require.NoError(t, conn.Close())

	// Who comes back gets exactly what was missed.
	again := dial(fmt.Sprintf("?epoch=%s&after=%d", snapshot.Epoch, snapshot.Seq))
	missed := until(again, "run.finished")
	require.Equal(t, "resumed", missed[0].Type)
	want := snapshot.Seq
	for _, m := range missed[1:] {
		if m.Type != "presence" {
			want++
			require.Equal(t, want, m.Seq)
		}
	}
	require.Equal(t, seq, want)

	w.do("DELETE", "/api/notebooks/"+n.ID, "", 204, nil)
	for {
		require.NoError(t, again.SetReadDeadline(time.Now().Add(patience)))
		if _, _, err := again.ReadMessage(); err != nil {
			require.True(t, websocket.IsCloseError(err, 4410), "%v", err)
			break
		}
	}
	w.do("GET", "/api/ws/notebooks/"+n.ID, "", 404, nil)
}

// shown is what a page knows of the cells' outputs, from a snapshot and events.
type shown struct {
	epoch string
	seq   uint64
	text  map[string]string // by cell: all of its stream text
	ended bool              // the run has finished
}

// take reads one message.
func (p *shown) take(t *testing.T, raw []byte) {
	var m struct {
		Type, Epoch string
		Seq         uint64
		CellID      string `json:"cell_id"`
		Output      struct{ Text string }
		Notebook    struct {
			Cells []struct {
				ID      string
				Outputs []struct{ Text string }
			}
		}
	}
	require.NoError(t, json.Unmarshal(raw, &m))
	switch m.Type {
	case "presence":
		return
	case "snapshot":
		p.epoch, p.seq, p.text = m.Epoch, m.Seq, map[string]string{}
		for _, c := range m.Notebook.Cells {
			for _, o := range c.Outputs {
				p.text[c.ID] += o.Text
			}
		}
		return
	case "resumed":
		require.Equal(t, p.seq, m.Seq)
		return
	case "cell.output":
		p.text[m.CellID] += m.Output.Text
	case "cell.cleared":
		p.text[m.CellID] = ""
	case "run.finished":
		p.ended = true
	}
	require.Equal(t, p.seq+1, m.Seq, "none is missing")
	p.seq = m.Seq
}

func TestReloadingAndReconnectingDuringARunLosesNothing(t *testing.T) {
	w := serveWhole(t)
	const lines = 100
	for _, reload := range []bool{false, true} {
		n := w.create(fmt.Sprintf("import time\nfor i in range(%d):\n    print(i)\n    time.sleep(.01)", lines), "print('end')")
		want := map[string]string{n.Cells[1].ID: "end\n"}
		for i := range lines {
			want[n.Cells[0].ID] += fmt.Sprintln(i)
		}
		page := shown{text: map[string]string{}}
		connections := 0
		// A snapshot of after the run tells all that it has shown, and no event
		// follows it.
		over := func() bool { return page.ended || reload && page.text[n.Cells[1].ID] != "" }
		for !over() {
			query := ""
			if !reload && connections > 0 {
				query = fmt.Sprintf("?epoch=%s&after=%d", page.epoch, page.seq)
			}
			conn, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(w.url, "http")+"/api/ws/notebooks/"+n.ID+query, nil)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			connections++
			for range 1 + connections%5 { // messages, until the connection is lost
				require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
				_, raw, err := conn.ReadMessage()
				require.NoError(t, err)
				page.take(t, raw)
				if connections == 1 {
					w.do("POST", "/api/notebooks/"+n.ID+"/run", "", 202, nil)
					break
				}
				if over() {
					break
				}
			}
			require.NoError(t, conn.Close())
		}
		require.Equal(t, want, page.text, "reload: %v", reload)
		require.Greater(t, connections, 3, "it did lose its connection during the run")
		var kept notebook.Notebook
		w.do("GET", "/api/notebooks/"+n.ID, "", 200, &kept)
		require.Equal(t, want[n.Cells[0].ID], kept.Cells[0].Outputs[0].Text)
	}
}

func TestTheListFollowsNotebooksAndTheirKernels(t *testing.T) {
	w := serveWhole(t)
	n := w.create("1")
	list := func() (line notebook.Summary) {
		var page struct{ Notebooks []notebook.Summary }
		for range 2 { // the second time from what is kept
			w.do("GET", "/api/notebooks", "", 200, &page)
		}
		return page.Notebooks[0]
	}
	require.Equal(t, notebook.KernelNone, list().Kernel.Status)
	w.do("POST", "/api/notebooks/"+n.ID+"/run?wait=60", "", 200, nil)
	require.Equal(t, notebook.KernelIdle, list().Kernel.Status)
	w.do("PATCH", "/api/notebooks/"+n.ID, `{"name":"Other"}`, 200, nil)
	require.Equal(t, "Other", list().Name)
	require.Equal(t, notebook.KernelIdle, list().Kernel.Status)
}
