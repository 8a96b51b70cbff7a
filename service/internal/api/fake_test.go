package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/logs"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// fake is a Notebooks with documents and events and without kernels, for
// tests of what the API makes of requests and answers. A call whose name is in
// fails returns that error, or panics if it is errPanic.
type fake struct {
	mu        sync.Mutex
	notebooks map[string]*notebook.Notebook
	logs      map[string]*events.Log
	ended     error
	calls     []string
	fails     map[string]error
	runs      []session.RunRequest
	block     chan struct{} // Interrupt waits for it, if it isn't nil
	waits     bool          // RunAndWait takes its time

	connections []sqlcell.Info
}

var errPanic = errors.New("panic")

func newFake() *fake {
	return &fake{notebooks: map[string]*notebook.Notebook{}, logs: map[string]*events.Log{}, fails: map[string]error{}}
}

func (f *fake) call(name string) error {
	f.calls = append(f.calls, name)
	err := f.fails[name]
	if err == errPanic {
		panic("as asked")
	}
	return err
}

// asked returns the runs and calls until now.
func (f *fake) asked() ([]session.RunRequest, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.runs), slices.Clone(f.calls)
}

func (f *fake) find(name, id string) (*notebook.Notebook, error) {
	if err := f.call(name); err != nil {
		return nil, err
	}
	n, ok := f.notebooks[id]
	if !ok {
		return nil, session.ErrNotFound
	}
	return n, nil
}

// change finds a notebook and lets do change it, if the version is right.
func (f *fake) change(name, id string, ifMatch int64, do func(n *notebook.Notebook) error) (*notebook.Notebook, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(name, id)
	if err != nil {
		return nil, err
	}
	if ifMatch != session.AnyVersion && ifMatch != n.Version {
		return nil, &session.VersionError{Given: ifMatch, Current: n.Version}
	}
	if err := do(n); err != nil {
		return nil, err
	}
	n.Changed()
	return n.Clone(), nil
}

func (f *fake) List(_ context.Context, q session.Query) (session.Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("List"); err != nil {
		return session.Page{}, err
	}
	page := session.Page{Notebooks: []notebook.Summary{}}
	for _, n := range f.notebooks {
		if strings.Contains(n.Name, q.Search) && len(page.Notebooks) < q.Limit {
			page.Notebooks = append(page.Notebooks, n.Summary())
		}
	}
	return page, nil
}

func (f *fake) Create(_ context.Context, n session.NewNotebook) (*notebook.Notebook, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("Create"); err != nil {
		return nil, err
	}
	name, err := notebook.CheckName(n.Name)
	if err != nil {
		return nil, err
	}
	made := notebook.New(name, notebook.Auto)
	if n.Mode != "" {
		made.Mode = n.Mode
	}
	for _, c := range n.Cells {
		made.Cells = append(made.Cells, newCell(c))
	}
	f.notebooks[made.ID] = made
	f.logs[made.ID] = events.NewLog(notebook.NewID(), events.DefaultLimits)
	return made.Clone(), nil
}

func newCell(n session.NewCell) *notebook.Cell {
	if n.Kind == "" {
		n.Kind = notebook.Python
	}
	c := notebook.NewCell(n.Kind, n.Source)
	c.Disabled, c.Connection, c.Result = n.Disabled, n.Connection, n.Result
	return c
}

func (f *fake) Get(_ context.Context, id string) (*notebook.Notebook, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find("Get", id)
	if err != nil {
		return nil, err
	}
	return n.Clone(), nil
}

func (f *fake) Update(_ context.Context, id string, ifMatch int64, p session.NotebookPatch) (*notebook.Notebook, error) {
	return f.change("Update", id, ifMatch, func(n *notebook.Notebook) error {
		if p.Name != nil {
			name, err := notebook.CheckName(*p.Name)
			if err != nil {
				return err
			}
			n.Name = name
		}
		if p.Mode != nil {
			n.Mode = *p.Mode
		}
		return nil
	})
}

func (f *fake) Delete(_ context.Context, id string, ifMatch int64) error {
	_, err := f.change("Delete", id, ifMatch, func(*notebook.Notebook) error {
		delete(f.notebooks, id)
		f.logs[id].End(events.ErrDeleted)
		return nil
	})
	return err
}

func (f *fake) CreateCell(_ context.Context, id string, ifMatch int64, n session.NewCell) (*notebook.Cell, int64, error) {
	c := newCell(n)
	changed, err := f.change("CreateCell", id, ifMatch, func(nb *notebook.Notebook) error { return nb.Insert(c, n.At) })
	if err != nil {
		return nil, 0, err
	}
	return c.Clone(), changed.Version, nil
}

func (f *fake) UpdateCell(_ context.Context, id, cell string, ifMatch int64, p session.CellPatch) (*notebook.Cell, int64, error) {
	changed, err := f.change("UpdateCell", id, ifMatch, func(n *notebook.Notebook) error {
		c := n.Cell(cell)
		if c == nil {
			return session.ErrCellNotFound
		}
		if p.At.Given {
			n.Remove(cell)
			if err := n.Insert(c, p.At); err != nil {
				return errors.Join(err, n.Insert(c, notebook.Place{}))
			}
		}
		if p.Source != nil {
			c.Source = *p.Source
		}
		if p.Kind != nil {
			c.Kind = *p.Kind
		}
		if p.Disabled != nil {
			c.Disabled = *p.Disabled
		}
		if p.Connection != nil {
			c.Connection = *p.Connection
		}
		if p.Result != nil {
			c.Result = *p.Result
		}
		return f.logs[id].Publish("cell.updated", map[string]any{"version": n.Version + 1})
	})
	if err != nil {
		return nil, 0, err
	}
	return changed.Cell(cell), changed.Version, nil
}

func (f *fake) DeleteCell(_ context.Context, id, cell string, ifMatch int64) (int64, error) {
	changed, err := f.change("DeleteCell", id, ifMatch, func(n *notebook.Notebook) error {
		if n.Remove(cell) == nil {
			return session.ErrCellNotFound
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return changed.Version, nil
}

func (f *fake) Run(_ context.Context, id string, r session.RunRequest) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find("Run", id)
	if err != nil {
		return "", err
	}
	for _, cell := range r.Cells {
		if n.Cell(cell) == nil {
			return "", session.ErrCellNotFound
		}
	}
	f.runs = append(f.runs, r)
	return notebook.NewID(), nil
}

func (f *fake) RunAndWait(ctx context.Context, id string, r session.RunRequest, wait time.Duration) (session.RunResult, error) {
	if f.waits {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return session.RunResult{}, ctx.Err()
		}
	}
	run, err := f.Run(ctx, id, r)
	if err != nil {
		return session.RunResult{}, err
	}
	n, err := f.Get(ctx, id)
	return session.RunResult{RunID: run, Status: session.RunOK, Notebook: n}, err
}

func (f *fake) Interrupt(_ context.Context, id string) error {
	if f.block != nil {
		<-f.block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.find("Interrupt", id)
	return err
}

func (f *fake) Restart(_ context.Context, id string, run bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := "Restart"
	if run {
		name = "Restart and run"
	}
	_, err := f.find(name, id)
	return err
}

func (f *fake) Graph(_ context.Context, id string) (session.Graph, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.find("Graph", id)
	return session.Graph{}, err
}

func (f *fake) Variables(_ context.Context, id string) ([]session.Variable, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.find("Variables", id)
	return nil, err
}

func (f *fake) Connections() []sqlcell.Info { return f.connections }

func (f *fake) Complete(_ context.Context, id, cell, source string, cursor int) (session.Completion, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find("Complete", id)
	if err != nil {
		return session.Completion{}, err
	}
	if n.Cell(cell) == nil {
		return session.Completion{}, session.ErrCellNotFound
	}
	return session.Completion{Start: 0, End: cursor}, nil
}

func (f *fake) Subscribe(_ context.Context, id, epoch string, after uint64) (*events.Subscriber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find("Subscribe", id)
	if err != nil {
		return nil, err
	}
	if f.ended != nil {
		return nil, f.ended
	}
	log := f.logs[id]
	return log.Subscribe(epoch, after, func() (any, error) { return map[string]any{"notebook": n.Clone()}, nil })
}

func (f *fake) Check(context.Context) map[string]error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return map[string]error{"store": f.call("Check"), "kernels": nil}
}

// served is an API over a fake, on loopback.
type served struct {
	*fake
	t    *testing.T
	api  *API
	http *httptest.Server
	logs *syncBuffer
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func serve(t *testing.T, change ...func(*Options)) *served {
	t.Helper()
	s := &served{fake: newFake(), t: t, logs: &syncBuffer{}}
	o := Options{Notebooks: s.fake, Log: slog.New(logs.Handler{Handler: slog.NewTextHandler(s.logs, nil)}), MaxBodyBytes: 1 << 20}
	for _, one := range change {
		one(&o)
	}
	s.api = New(o)
	s.http = httptest.NewServer(s.api)
	t.Cleanup(func() {
		s.http.Close()
		s.api.Drain()
		s.mu.Lock()
		for _, log := range s.fake.logs {
			log.End(events.ErrDraining)
		}
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, s.api.Wait(ctx))
	})
	return s
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// do sends a request; headers are "Name: value".
func (s *served) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.http.URL+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if body == "" {
		req.Body = nil
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		switch {
		case name == "Host":
			req.Host = value
		case value == "":
			req.Header.Del(name)
		default:
			req.Header.Set(name, value)
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: s.http.Client().Transport}
	res, err := client.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		described.check(s.t, method, req.URL.Path, body, res, nil)
		return answer{res, ""} // its body is the connection
	}
	raw, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	if method != http.MethodHead {
		described.check(s.t, method, req.URL.Path, body, res, raw)
	}
	return answer{res, string(raw)}
}

// problem requires that the answer is a problem of that status.
func (a answer) problem(t *testing.T, status int) Problem {
	t.Helper()
	require.Equal(t, status, a.StatusCode, a.body)
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), a.body)
	var p Problem
	require.NoError(t, json.Unmarshal([]byte(a.body), &p))
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.Type)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Detail)
	return p
}

func (a answer) decode(t *testing.T, target any) {
	t.Helper()
	require.Equal(t, "application/json", a.Header.Get("Content-Type"), a.body)
	require.NoError(t, json.Unmarshal([]byte(a.body), target))
}

// notebook makes a notebook with two cells.
func (s *served) notebook() *notebook.Notebook {
	s.t.Helper()
	n, err := s.fake.Create(context.Background(), session.NewNotebook{Name: "N", Cells: []session.NewCell{{Source: "a = 1"}, {Source: "b = a"}}})
	require.NoError(s.t, err)
	return n
}
