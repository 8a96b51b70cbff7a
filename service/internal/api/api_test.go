package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

func TestNotebooksAreMadeReadChangedAndDeleted(t *testing.T) {
	s := serve(t)
	made := s.do("POST", "/api/notebooks", `{"name":" First ","mode":"lazy","cells":[{"kind":"markdown","source":"# <T>"},{"source":"x=1","disabled":true},{"kind":"sql","connection":"db","result":null}]}`)
	require.Equal(t, http.StatusCreated, made.StatusCode, made.body)
	var n notebook.Notebook
	made.decode(t, &n)
	require.Equal(t, "/api/notebooks/"+n.ID, made.Header.Get("Location"))
	require.Equal(t, `"1"`, made.Header.Get("ETag"))
	require.Equal(t, "First", n.Name)
	require.Equal(t, notebook.Lazy, n.Mode)
	require.Len(t, n.Cells, 3)
	require.True(t, n.Cells[1].Disabled)
	require.Equal(t, "db", *n.Cells[2].Connection)
	require.Contains(t, made.body, "# <T>", "HTML is not escaped twice")

	got := s.do("GET", "/api/notebooks/"+n.ID, "")
	require.Equal(t, made.body, got.body)
	require.Equal(t, `"1"`, got.Header.Get("ETag"))
	require.Equal(t, "no-store", got.Header.Get("Cache-Control"))

	head := s.do("HEAD", "/api/notebooks/"+n.ID, "")
	require.Equal(t, http.StatusOK, head.StatusCode)
	require.Empty(t, head.body)

	changed := s.do("PATCH", "/api/notebooks/"+n.ID, `{"name":"Second"}`, `If-Match: "1"`)
	require.Equal(t, http.StatusOK, changed.StatusCode, changed.body)
	require.Equal(t, `"2"`, changed.Header.Get("ETag"))

	var page struct {
		Notebooks []map[string]any `json:"notebooks"`
		Next      *string          `json:"next_cursor"`
	}
	s.do("GET", "/api/notebooks?q=Sec&limit=1", "").decode(t, &page)
	require.Len(t, page.Notebooks, 1)
	require.Equal(t, "Second", page.Notebooks[0]["name"])

	require.Equal(t, http.StatusNoContent, s.do("DELETE", "/api/notebooks/"+n.ID, "").StatusCode)
	s.do("GET", "/api/notebooks/"+n.ID, "").problem(t, 404)
	s.do("DELETE", "/api/notebooks/"+n.ID, "").problem(t, 404)
	require.JSONEq(t, `{"notebooks":[],"next_cursor":null}`, s.do("GET", "/api/notebooks", "").body)
}

func TestCellsAreMadeChangedMovedAndDeleted(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	base := "/api/notebooks/" + n.ID + "/cells"

	sources := func() (all string) {
		n, err := s.Get(context.Background(), n.ID)
		require.NoError(t, err)
		for _, c := range n.Cells {
			all += c.Source + ";"
		}
		return all
	}
	made := s.do("POST", base, `{"source":"end"}`)
	require.Equal(t, http.StatusCreated, made.StatusCode, made.body)
	require.Equal(t, `"2"`, made.Header.Get("ETag"))
	var c notebook.Cell
	made.decode(t, &c)
	require.Equal(t, notebook.Python, c.Kind)
	s.do("POST", base, `{"source":"top","after":null}`)
	s.do("POST", base, `{"source":"middle","after":"`+n.Cells[0].ID+`"}`)
	require.Equal(t, "top;a = 1;middle;b = a;end;", sources())
	require.Equal(t, http.StatusCreated, s.do("POST", base, "").StatusCode, "every field has a default")

	changed := s.do("PATCH", base+"/"+c.ID, `{"source":"moved","kind":"sql","connection":"db","result":"rows","disabled":true,"after":null}`)
	require.Equal(t, http.StatusOK, changed.StatusCode, changed.body)
	require.Equal(t, `"6"`, changed.Header.Get("ETag"))
	changed.decode(t, &c)
	require.Equal(t, "rows", *c.Result)
	require.Equal(t, "moved;top;a = 1;middle;b = a;;", sources())
	changed = s.do("PATCH", base+"/"+c.ID, `{"connection":null}`)
	changed.decode(t, &c)
	require.Nil(t, c.Connection)
	require.Equal(t, "rows", *c.Result, "what is not given stays")

	gone := s.do("DELETE", base+"/"+c.ID, "")
	require.Equal(t, http.StatusNoContent, gone.StatusCode)
	require.Equal(t, `"8"`, gone.Header.Get("ETag"))
	s.do("DELETE", base+"/"+c.ID, "").problem(t, 404)
}

func TestRunsAndWhatIsAskedOfThem(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	base := "/api/notebooks/" + n.ID
	for body, want := range map[string]session.RunRequest{
		"":                                    {},
		"{}":                                  {},
		`{"cells":[]}`:                        {Cells: []string{}},
		`{"cells":["` + n.Cells[1].ID + `"]}`: {Cells: []string{n.Cells[1].ID}},
		`{"stale":true}`:                      {Stale: true},
	} {
		started := s.do("POST", base+"/run", body)
		require.Equal(t, http.StatusAccepted, started.StatusCode, started.body)
		require.Regexp(t, `^{"run_id":"[0-9a-f-]{36}"}\s*$`, started.body)
		require.Equal(t, want, s.runs[len(s.runs)-1])
	}
	waited := s.do("POST", base+"/run?wait=30", "")
	require.Equal(t, http.StatusOK, waited.StatusCode, waited.body)
	var result map[string]any
	waited.decode(t, &result)
	require.Equal(t, "ok", result["status"])
	require.Equal(t, []any{}, result["order"])
	require.Contains(t, result, "notebook")
	for wait, status := range map[string]int{"x": 400, "": 400, "NaN": 400, "-1": 422, "1e9": 422, "0": 200, "0.5": 200} {
		require.Equal(t, status, s.do("POST", base+"/run?wait="+wait, "").StatusCode, "wait=%s", wait)
	}
	p := s.do("POST", base+"/run", `{"cells":["`+notebook.NewID()+`"]}`).problem(t, 422)
	require.Equal(t, "cells", p.Errors[0].Field)

	require.Equal(t, http.StatusAccepted, s.do("POST", base+"/interrupt", "").StatusCode)
	require.Equal(t, http.StatusAccepted, s.do("POST", base+"/interrupt", "{}").StatusCode)
	require.Equal(t, http.StatusAccepted, s.do("POST", base+"/restart", "").StatusCode)
	require.Equal(t, http.StatusAccepted, s.do("POST", base+"/restart", "", "Content-Type: application/x-www-form-urlencoded").StatusCode, "as curl says with -d ''")
	require.Equal(t, http.StatusAccepted, s.do("POST", base+"/restart", `{"run":true}`).StatusCode)
	require.Equal(t, "Restart and run", s.calls[len(s.calls)-1])

	require.JSONEq(t, `{"cells":[],"edges":[]}`, s.do("GET", base+"/graph", "").body)
	require.JSONEq(t, `{"variables":[]}`, s.do("GET", base+"/variables", "").body)
	require.JSONEq(t, `{"connections":[]}`, s.do("GET", "/api/connections", "").body)
	s.connections = []sqlcell.Info{{Name: "warehouse", Dialect: sqlcell.PostgreSQL}}
	require.JSONEq(t, `{"connections":[{"name":"warehouse","dialect":"postgresql"}]}`, s.do("GET", "/api/connections", "").body)
	require.JSONEq(t, `{"start":0,"end":2,"matches":[]}`, s.do("POST", base+"/complete", `{"cell_id":"`+n.Cells[0].ID+`","source":"🐍","cursor":2}`).body)
	require.Equal(t, "cell_id", s.do("POST", base+"/complete", `{"cell_id":"x","source":"","cursor":0}`).problem(t, 422).Errors[0].Field)
	require.Equal(t, "cursor", s.do("POST", base+"/complete", `{"cell_id":"x","source":"🐍","cursor":3}`).problem(t, 422).Errors[0].Field)
	require.Len(t, s.do("POST", base+"/complete", `{}`).problem(t, 422).Errors, 3)
}

func TestARunIsWaitedForLongerThanARequestMayTakeToArrive(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	s.waits = true
	short := httptest.NewUnstartedServer(s.api)
	short.Config.ReadTimeout = 300 * time.Millisecond
	short.Start()
	defer short.Close()
	res, err := http.Post(short.URL+"/api/notebooks/"+n.ID+"/run?wait=1", "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)

	// But a body that doesn't arrive holds nothing up for ever.
	conn, err := net.Dial("tcp", short.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /api/notebooks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
}

func TestMalformedRequestsAreRefusedWithTheFieldAtFault(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	nb := "/api/notebooks/" + n.ID
	cell := nb + "/cells/" + n.Cells[0].ID
	before := len(s.calls)
	for _, c := range []struct {
		method, path, body string
		status             int
		field              string
	}{
		{"POST", "/api/notebooks", ``, 400, ""},
		{"POST", "/api/notebooks", `{`, 400, ""},
		{"POST", "/api/notebooks", `{"name":"x"`, 400, ""},
		{"POST", "/api/notebooks", `{"name":"x"}{}`, 400, ""},
		{"POST", "/api/notebooks", `{"name":"x"} x`, 400, ""},
		{"POST", "/api/notebooks", `{'name':'x'}`, 400, ""},
		{"POST", "/api/notebooks", "{\"name\":\"\xff\"}", 400, ""},
		{"POST", "/api/notebooks", `[]`, 400, ""},
		{"POST", "/api/notebooks", `null`, 400, ""},
		{"POST", "/api/notebooks", `"name"`, 400, ""},
		{"POST", "/api/notebooks", `{"name":1}`, 400, "name"},
		{"POST", "/api/notebooks", `{"name":null}`, 400, "name"},
		{"POST", "/api/notebooks", `{"Name":"x"}`, 400, "Name"},
		{"POST", "/api/notebooks", `{"name":"x","extra":1}`, 400, "extra"},
		{"POST", "/api/notebooks", `{"name":"x","cells":{}}`, 400, "cells"},
		{"POST", "/api/notebooks", `{"name":"x","cells":["x"]}`, 400, "cells.0"},
		{"POST", "/api/notebooks", `{"name":"x","cells":[null]}`, 400, "cells.0"},
		{"POST", "/api/notebooks", `{"name":"x","cells":[{},{"source":1}]}`, 400, "cells.1.source"},
		{"POST", "/api/notebooks", `{"name":"x","cells":[{"id":"x"}]}`, 400, "cells.0.id"},
		{"POST", "/api/notebooks", `{"name":"x","cells":[{"disabled":"yes"}]}`, 400, "cells.0.disabled"},
		{"POST", "/api/notebooks", `{}`, 422, "name"},
		{"POST", "/api/notebooks", `{"name":"x","mode":"manual"}`, 422, "mode"},
		{"POST", "/api/notebooks", `{"name":"x","mode":""}`, 422, "mode"},
		{"POST", "/api/notebooks", `{"name":"x","cells":[{},{"kind":"ruby"}]}`, 422, "cells.1.kind"},
		{"PATCH", nb, `{"mode":"x"}`, 422, "mode"},
		{"PATCH", nb, `{"version":3}`, 400, "version"},
		{"PATCH", nb, ``, 400, ""},
		{"POST", nb + "/cells", `{"after":1}`, 400, "after"},
		{"POST", nb + "/cells", `{"kind":""}`, 422, "kind"},
		{"POST", nb + "/cells", `{"kind":null}`, 400, "kind"},
		{"PATCH", cell, `{"source":["x"]}`, 400, "source"},
		{"PATCH", cell, `{"outputs":[]}`, 400, "outputs"},
		{"PATCH", cell, `{"result":7}`, 400, "result"},
		{"POST", nb + "/run", `{"cells":"all"}`, 400, "cells"},
		{"POST", nb + "/run", `{"cells":[1]}`, 400, "cells.0"},
		{"POST", nb + "/run", `{"stale":1}`, 400, "stale"},
		{"POST", nb + "/restart", `{"run":null}`, 400, "run"},
		{"POST", nb + "/interrupt", `{`, 400, ""},
		{"POST", nb + "/interrupt", `{"now":true}`, 400, "now"},
		{"POST", nb + "/complete", `{"cell_id":"x","source":"","cursor":1.5}`, 400, "cursor"},
		{"POST", nb + "/complete", `{"cell_id":"x","source":"","cursor":1e30}`, 400, "cursor"},
		{"GET", "/api/notebooks?limit=ten", ``, 400, "limit"},
		{"GET", "/api/notebooks?limit=0", ``, 422, "limit"},
		{"GET", "/api/notebooks?limit=501", ``, 422, "limit"},
		{"GET", "/api/notebooks?q=%ff", ``, 400, "q"},
	} {
		name := c.method + " " + c.path + " " + c.body
		p := s.do(c.method, c.path, c.body, "Content-Type: application/json").problem(t, c.status)
		if c.field == "" {
			require.Empty(t, p.Errors, name)
		} else {
			require.NotEmpty(t, p.Errors, name)
			require.Equal(t, c.field, p.Errors[0].Field, name)
			require.NotEmpty(t, p.Errors[0].Message)
		}
	}
	require.Len(t, s.calls, before, "none of them reached the notebooks")

	// What only the notebook can know.
	require.Equal(t, "after", s.do("POST", nb+"/cells", `{"after":""}`).problem(t, 422).Errors[0].Field)
	require.Equal(t, "after", s.do("PATCH", cell, `{"after":"`+notebook.NewID()+`"}`).problem(t, 422).Errors[0].Field)
	require.Equal(t, "name", s.do("PATCH", nb, `{"name":" "}`).problem(t, 422).Errors[0].Field)
}

func TestBodiesOfTheWrongKindOrSizeAreRefused(t *testing.T) {
	s := serve(t, func(o *Options) { o.MaxBodyBytes = 1000 })
	for header, status := range map[string]int{
		"Content-Type: application/json":                     201,
		"Content-Type: application/json; charset=UTF-8":      201,
		"Content-Type: Application/JSON":                     201,
		"Content-Type: application/json; charset=iso-8859-1": 415,
		"Content-Type: text/plain":                           415,
		"Content-Type: application/x-www-form-urlencoded":    415,
		"Content-Type: application/jsonx":                    415,
		"Content-Type: ":                                     415,
		"Content-Encoding: gzip":                             415,
	} {
		got := s.do("POST", "/api/notebooks", `{"name":"x"}`, header)
		require.Equal(t, status, got.StatusCode, header)
	}
	exact := `{"name":"x"}` + strings.Repeat(" ", 1000-len(`{"name":"x"}`))
	require.Equal(t, 201, s.do("POST", "/api/notebooks", exact).StatusCode)
	s.do("POST", "/api/notebooks", exact+" ").problem(t, 413)

	// Of unknown length, so that only reading can tell.
	req, err := http.NewRequest("POST", s.http.URL+"/api/notebooks", struct{ *strings.Reader }{strings.NewReader(exact + " ")})
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 413, res.StatusCode)
}

func TestAnIfMatchDecidesOnEveryChange(t *testing.T) {
	for header, status := range map[string]int{
		`"1"`: 200, `*`: 200, `"9", "1"`: 200, `"x","1" , W/"7"`: 200, ` "1" `: 200, `,"1",`: 200,
		`"2"`: 412, `W/"1"`: 412, `"x"`: 412, `"01"`: 412, `"+1"`: 412, `"0"`: 412, `"-1"`: 412, `""`: 412, `"2","3"`: 412, `"99999999999999999999"`: 412,
		`1`: 400, `"1`: 400, `1"`: 400, `"1" "2"`: 400, `w/"1"`: 400, `*, "1"`: 400, `,`: 400, `"a b"`: 400,
	} {
		t.Run(header, func(t *testing.T) {
			s := serve(t)
			n := s.notebook()
			base := "/api/notebooks/" + n.ID
			for _, c := range []struct{ method, path, body string }{
				{"PATCH", base, `{"name":"x"}`},
				{"POST", base + "/cells", `{}`},
				{"PATCH", base + "/cells/" + n.Cells[0].ID, `{"source":"x"}`},
				{"DELETE", base + "/cells/" + n.Cells[0].ID, ``},
				{"DELETE", base, ``},
			} {
				s.mu.Lock()
				s.notebooks[n.ID].Version = 1
				s.mu.Unlock()
				got := s.do(c.method, c.path, c.body, "If-Match: "+header)
				if status == 200 {
					require.Less(t, got.StatusCode, 300, "%s %s: %s", c.method, c.path, got.body)
					continue
				}
				p := got.problem(t, status)
				if status == 412 {
					require.Equal(t, `"1"`, got.Header.Get("ETag"), "so that the client knows the current one")
					require.NotContains(t, p.Detail, "-1")
				}
			}
		})
	}
}

func TestAddressesThatDoNotExistAreProblems(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	nb := "/api/notebooks/" + n.ID
	for _, path := range []string{
		"/api", "/api/", "/api/nothing", "/api/notebooks/", nb + "/", nb + "/nothing", nb + "/cells/" + n.Cells[0].ID + "/x",
		"/api/notebooks/" + notebook.NewID(), "/api/notebooks/x", "/api/notebooks/" + strings.ToUpper(n.ID), "/api/notebooks/%00", "/api/notebooks/..%2f..", "/api/notebooks/" + n.ID + "%20",
		"/api/notebooks/" + notebook.NewID() + "/graph", "/nothing", "/api/ws/notebooks/" + notebook.NewID(), "/api/ws/notebooks/x", "/api/openapi.yaml",
	} {
		s.do("GET", path, "").problem(t, 404)
	}
	s.do("PATCH", nb+"/cells/x", `{}`).problem(t, 404)
	s.do("PATCH", nb+"/cells/"+notebook.NewID(), `{}`).problem(t, 404)

	got := s.do("PUT", nb, `{}`)
	got.problem(t, 405)
	require.ElementsMatch(t, []string{"GET", "HEAD", "PATCH", "DELETE"}, strings.Split(got.Header.Get("Allow"), ", "))
	s.do("POST", "/health", "").problem(t, 405)
	s.do("TRACE", nb, "").problem(t, 405)
	require.Equal(t, "websocket", s.do("GET", "/api/ws/notebooks/"+n.ID, "").Header.Get("Upgrade"))
}

func TestErrorsOfTheNotebooksBecomeTheirProblems(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	for _, c := range []struct {
		err        error
		status     int
		retryAfter string
	}{
		{fmt.Errorf("deep: %w", session.ErrNotFound), 404, ""},
		{session.ErrCellNotFound, 404, ""},
		{fmt.Errorf("deep: %w", &session.VersionError{Given: 1, Current: 2}), 412, ""},
		{fmt.Errorf("deep: %w", &notebook.FieldError{Field: "f", Message: "m"}), 422, ""},
		{errors.Join(&notebook.FieldError{Field: "f", Message: "m"}, &notebook.FieldError{Field: "g", Message: "m"}), 422, ""},
		{session.ErrBusy, 409, ""},
		{session.ErrDraining, 503, "1"},
		{&session.UnavailableError{Reason: "full", RetryAfter: 7}, 503, "7"},
		{&session.UnavailableError{Reason: "full"}, 503, "5"},
		{context.DeadlineExceeded, 503, "5"},
		{errors.New("password=hunter2"), 500, ""},
		{errPanic, 500, ""},
	} {
		s.fails["Get"] = c.err
		got := s.do("GET", "/api/notebooks/"+n.ID, "")
		p := got.problem(t, c.status)
		require.Equal(t, c.retryAfter, got.Header.Get("Retry-After"))
		require.NotContains(t, got.body, "hunter2", "what is inside stays inside")
		require.NotContains(t, got.body, "goroutine")
		if c.status == 422 {
			require.Equal(t, FieldProblem{"f", "m"}, p.Errors[0])
		}
	}
	require.Contains(t, s.logs.String(), "hunter2", "the log has it")
	require.Contains(t, s.logs.String(), "handler panicked")
	delete(s.fails, "Get")
	require.Equal(t, 200, s.do("GET", "/api/notebooks/"+n.ID, "").StatusCode, "and it goes on")
}

func TestHealthAndReadiness(t *testing.T) {
	s := serve(t, func(o *Options) { o.Token = "s3cret" })
	require.JSONEq(t, `{"status":"ok"}`, s.do("GET", "/health", "").body)
	ready := s.do("GET", "/ready", "")
	require.Equal(t, 200, ready.StatusCode)
	require.JSONEq(t, `{"status":"ok","checks":{"store":"ok","kernels":"ok"}}`, ready.body)

	s.fails["Check"] = errors.New("disk gone")
	ready = s.do("GET", "/ready", "")
	require.Equal(t, 503, ready.StatusCode)
	require.JSONEq(t, `{"status":"unavailable","checks":{"store":"disk gone","kernels":"ok"}}`, ready.body)
	require.Equal(t, 200, s.do("GET", "/health", "").StatusCode, "a restart would not help")

	delete(s.fails, "Check")
	s.api.Drain()
	require.Equal(t, 503, s.do("GET", "/ready", "").StatusCode)
	require.Equal(t, 200, s.do("GET", "/health", "").StatusCode)
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	s := serve(t, withToken, withOrigins("https://app.example.com"), func(o *Options) {
		o.Page = NewPage(fstest.MapFS{"index.html": {Data: []byte("<title>Page</title>")}, "assets/a-1b2c.js": {Data: []byte("1")}}, o.Log)
	})
	n := s.notebook()
	auth := "Authorization: Bearer " + token
	s.fails["Graph"] = errPanic
	for _, got := range []answer{
		s.do("GET", "/health", ""), s.do("GET", "/ready", ""), s.do("GET", "/api/openapi.json", ""),
		s.do("GET", "/api/notebooks", "", auth), s.do("GET", "/api/notebooks/"+n.ID, "", auth), s.do("HEAD", "/api/notebooks", "", auth),
		s.do("GET", "/api/notebooks", ""), s.do("GET", "/api/nothing", "", auth), s.do("PUT", "/api/notebooks", "", auth),
		s.do("POST", "/api/notebooks", "{", auth), s.do("POST", "/api/notebooks", strings.Repeat("x", 2<<20), auth),
		s.do("POST", "/api/session", `{"token":"wrong"}`), s.do("POST", "/api/session", `{"token":"`+token+`"}`),
		s.do("OPTIONS", "/api/notebooks", "", "Origin: https://app.example.com", "Access-Control-Request-Method: POST"),
		s.do("OPTIONS", "/api/notebooks", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST"),
		s.do("GET", "/api/notebooks/"+n.ID+"/export?format=html", "", auth), s.do("GET", "/api/notebooks/"+n.ID+"/graph", "", auth),
		s.handshake(n.ID), s.handshake(notebook.NewID(), auth), s.handshake(n.ID, auth, "Origin: https://evil.example"),
		s.do("GET", "/", ""), s.do("GET", "/notebooks/x", ""), s.do("GET", "/assets/a-1b2c.js", ""), s.do("GET", "/assets/none.js", ""), s.do("POST", "/", "{}"),
	} {
		name := fmt.Sprintf("%s %s: %s", got.Request.Method, got.Request.URL.Path, got.Status)
		h := got.Header
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), name)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), name)
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"), name)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"), name)
		require.Equal(t, "same-origin", h.Get("Cross-Origin-Opener-Policy"), name)
		policy := h.Get("Content-Security-Policy")
		require.Contains(t, policy, "frame-ancestors 'none'", name)
		require.Contains(t, policy, "default-src", name)
		script, _, _ := strings.Cut(policy+";", ";")
		if _, own, ok := strings.Cut(policy, "script-src "); ok {
			script, _, _ = strings.Cut(own, ";")
		}
		require.NotContains(t, script, "unsafe", name)
		require.NotContains(t, script, "*", name)
	}
	require.Empty(t, s.do("GET", "/health", "").Header.Get("Server"))
}

func FuzzBodies(f *testing.F) {
	for _, seed := range []string{`{"name":"x","cells":[{"kind":"python","source":"x"}]}`, `{"after":null,"result":null}`, `{"cells":["a"],"stale":true}`, `[[[[`, `{"a":{"a":{}}}`, "\xff", "\v{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, read := range []func(o *object){
			func(o *object) { _, _ = o.newCell(); _ = o.place() },
			func(o *object) { _, _ = o.cellPatch() },
			func(o *object) { _ = o.runRequest(); _ = o.version() },
			func(o *object) { o.objects("cells", func(c *object) { _, _ = c.newCell() }) },
		} {
			o, err := parseObject(raw)
			if err == nil {
				read(o)
				err = o.finish()
			}
			if err != nil {
				var p *Problem
				require.ErrorAs(t, err, &p)
				require.Equal(t, 400, p.Status)
				continue
			}
			require.True(t, json.Valid(raw), "only JSON is accepted")
		}
	})
}

func TestAnAnswerAndTheLinesOfItsRequestHaveItsID(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	s.fails["Get"], s.fails["Interrupt"] = errors.New("as asked"), errors.New("as asked")
	first := s.do("GET", "/api/notebooks/"+n.ID, "").Header.Get("X-Request-Id")
	second := s.do("GET", "/api/notebooks/"+n.ID, "").Header.Get("X-Request-Id")
	require.NotEqual(t, first, second)
	require.Equal(t, "trace-7", s.do("GET", "/api/notebooks/"+n.ID, "", "X-Request-Id: trace-7").Header.Get("X-Request-Id"))
	for _, bad := range []string{`a"b`, "a b", `a\b`, "é", strings.Repeat("x", 129)} {
		require.Regexp(t, `^[0-9a-f]{12}-[0-9a-z]+$`, s.do("GET", "/health", "", "X-Request-Id: "+bad).Header.Get("X-Request-Id"), bad)
	}
	c := s.dial(n.ID, "", "X-Request-Id: socket-1")
	c.reply(`{"type":"interrupt"}`)
	for _, id := range []string{first, second, "trace-7", "socket-1"} {
		require.Regexp(t, `level=ERROR msg="(request|command) failed" .*request=`+id+` notebook=`+n.ID+`\n`, s.logs.String())
	}
}

// counts is a Recorder.
type counts struct {
	mu       sync.Mutex
	requests []string
	closed   []int
}

func (c *counts) Request(method, route string, status int, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, fmt.Sprint(method, " ", route, " ", status))
}

func (c *counts) SocketClosed(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = append(c.closed, code)
}

func TestRequestsAndSocketsAreCounted(t *testing.T) {
	record := &counts{}
	s := serve(t, func(o *Options) { o.Record = record })
	n := s.notebook()
	s.do("GET", "/api/notebooks/"+n.ID, "")
	s.do("GET", "/api/notebooks/"+notebook.NewID(), "")
	s.do("GET", "/api/nowhere", "")
	s.fails["Get"] = errPanic
	s.do("GET", "/api/notebooks/"+n.ID, "")
	s.handshake(n.ID, "Sec-WebSocket-Key: short")
	gone, refused := s.dial(n.ID, ""), s.dial(n.ID, "")
	gone.next()
	refused.next()
	open, queued := s.api.Sockets()
	require.Equal(t, 2, open)
	require.Zero(t, queued)
	require.NoError(t, gone.Close())
	require.NoError(t, refused.WriteMessage(websocket.BinaryMessage, nil))
	require.Equal(t, 1003, refused.closed())
	require.Eventually(t, func() bool {
		record.mu.Lock()
		defer record.mu.Unlock()
		return len(record.closed) == 2
	}, patience, time.Millisecond)
	require.ElementsMatch(t, []int{0, 1003}, record.closed)
	require.Equal(t, []string{
		"GET /api/notebooks/:id 200", "GET /api/notebooks/:id 404", "GET  404", "GET /api/notebooks/:id 500",
		"GET /api/ws/notebooks/:id 400", "GET /api/ws/notebooks/:id 101", "GET /api/ws/notebooks/:id 101",
	}, record.requests)
	open, _ = s.api.Sockets()
	require.Zero(t, open)
}
