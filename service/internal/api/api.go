// Package api is the service's HTTP and WebSocket side: it decodes requests,
// calls the notebooks, and encodes what they answer.
//
// It decides nothing about notebooks (package session does) and holds no state
// of theirs. Every handler returns an error, and one place turns errors into
// problem documents (RFC 9457) and log lines.
//
// Invariant: nothing under /api is reached without passing the door (see
// door.go), and the frames of a connection are written whole and in order.
package api

import (
	"bytes"
	"context"
	_ "embed" // for the API's description
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/logs"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// Notebooks is what the API needs of the service. Notebooks and cells that it
// returns belong to the caller, pages of the list to nobody. An ifMatch is a version that must be the
// current one, session.AnyVersion, or negative for one that never is.
type Notebooks interface {
	List(ctx context.Context, q session.Query) (session.Page, error)
	Create(ctx context.Context, n session.NewNotebook) (*notebook.Notebook, error)
	Get(ctx context.Context, id string) (*notebook.Notebook, error)
	Update(ctx context.Context, id string, ifMatch int64, p session.NotebookPatch) (*notebook.Notebook, error)
	Delete(ctx context.Context, id string, ifMatch int64) error

	CreateCell(ctx context.Context, id string, ifMatch int64, n session.NewCell) (*notebook.Cell, int64, error)
	UpdateCell(ctx context.Context, id, cell string, ifMatch int64, p session.CellPatch) (*notebook.Cell, int64, error)
	DeleteCell(ctx context.Context, id, cell string, ifMatch int64) (int64, error)

	Run(ctx context.Context, id string, r session.RunRequest) (runID string, err error)
	RunAndWait(ctx context.Context, id string, r session.RunRequest, wait time.Duration) (session.RunResult, error)
	Interrupt(ctx context.Context, id string) error
	Restart(ctx context.Context, id string, run bool) error

	Graph(ctx context.Context, id string) (session.Graph, error)
	Variables(ctx context.Context, id string) ([]session.Variable, error)
	Complete(ctx context.Context, id, cell, source string, cursor int) (session.Completion, error)

	// Connections returns what SQL cells may name, sorted.
	Connections() []sqlcell.Info

	// Subscribe returns the events of a notebook. The caller closes it.
	Subscribe(ctx context.Context, id, epoch string, after uint64) (*events.Subscriber, error)
	// Check asks every part that the service needs, by name; nil is well.
	Check(ctx context.Context) map[string]error
}

// Options are what an API is made of.
type Options struct {
	Notebooks Notebooks
	Page      http.Handler // everything outside /api; nil: there is no page
	Log       *slog.Logger
	Record    Recorder // nil: nobody counts

	Token          string   // "" lets everybody in
	AllowedOrigins []string // exact, as config.CheckOrigin wants them
	// TrustedProxies are whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// AnyAddress says that the service is meant to be reached without a token
	// under other names than this machine's own.
	AnyAddress   bool
	MaxBodyBytes int64

	sockets timing // tests shorten it
}

// Recorder counts what the API serves. Its methods are called by many
// goroutines and must not wait.
type Recorder interface {
	// Request tells of an answer. The route is the pattern that matched, such
	// as /api/notebooks/:id, or "" if none did. A socket is told of when it
	// opens, with status 101 and no time.
	Request(method, route string, status int, took time.Duration)
	// SocketClosed tells of the end of a socket: the close code that the service
	// sent, or 0 if the peer left first or fell silent.
	SocketClosed(code int)
}

type noRecorder struct{}

func (noRecorder) Request(string, string, int, time.Duration) {}
func (noRecorder) SocketClosed(int)                           {}

// API is the handler of everything that the service serves. Use New.
type API struct {
	notebooks Notebooks
	page      http.Handler
	log       *slog.Logger
	record    Recorder
	requests  requestIDs
	door      *door
	maxBody   int64
	engine    *gin.Engine
	draining  atomic.Bool
	active    atomic.Int64 // requests under way
	sockets   socketServer
	lists     session.ByStamp[encoded]
}

// New returns an API that is ready to serve.
func New(o Options) *API {
	// Gin's only switch against its debug prints is one for the process.
	gin.SetMode(gin.ReleaseMode)
	a := &API{
		notebooks: o.Notebooks, page: o.Page, log: o.Log, record: o.Record, maxBody: o.MaxBodyBytes,
		requests: newRequestIDs(), door: newDoor(o.Token, o.AllowedOrigins, o.AnyAddress, o.TrustedProxies),
	}
	if a.record == nil {
		a.record = noRecorder{}
	}
	a.sockets.timing = o.sockets.orDefault()
	a.sockets.open = map[*socket]struct{}{}

	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false // an address that doesn't exist is a 404
	e.ForwardedByClientIP = false   // see clientOf
	e.Use(a.pace, a.observe, a.headers, a.guard)
	e.NoRoute(a.handle(a.noRoute))
	e.NoMethod(a.handle(a.noMethod))

	get := func(path string, h handler) {
		e.GET(path, a.handle(h))
		e.HEAD(path, a.handle(h)) // net/http leaves the body out
	}
	get("/health", a.health)
	get("/ready", a.ready)

	r := e.Group("/api")
	r.POST("/session", a.handle(a.signIn))
	r.DELETE("/session", a.handle(a.signOut))
	get(openAPIPath, a.openAPI)
	get("/api/notebooks", a.listNotebooks)
	r.POST("/notebooks", a.handle(a.createNotebook))
	r.POST("/notebooks/import", a.handle(a.importNotebook))
	get("/api/notebooks/:id/export", of(a.exportNotebook))
	get("/api/notebooks/:id", of(a.getNotebook))
	r.PATCH("/notebooks/:id", a.handle(of(a.updateNotebook)))
	r.DELETE("/notebooks/:id", a.handle(of(a.deleteNotebook)))
	r.POST("/notebooks/:id/cells", a.handle(of(a.createCell)))
	r.PATCH("/notebooks/:id/cells/:cell", a.handle(a.updateCell))
	r.DELETE("/notebooks/:id/cells/:cell", a.handle(a.deleteCell))
	r.POST("/notebooks/:id/run", a.handle(of(a.run)))
	r.POST("/notebooks/:id/interrupt", a.handle(of(a.interrupt)))
	r.POST("/notebooks/:id/restart", a.handle(of(a.restart)))
	get("/api/notebooks/:id/graph", of(a.graph))
	get("/api/notebooks/:id/variables", of(a.variables))
	r.POST("/notebooks/:id/complete", a.handle(of(a.complete)))
	get("/api/connections", a.connections)
	r.GET("/ws/notebooks/:id", a.handle(a.socket))
	a.engine = e
	return a
}

func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.engine.ServeHTTP(w, r) }

// Drain makes /ready answer 503 and new sockets be refused, so that clients
// and load balancers go elsewhere. What is under way goes on.
func (a *API) Drain() {
	a.draining.Store(true)
	a.sockets.drain()
}

// Quiet returns when no request is under way, or the context ends. Sockets
// don't count.
func (a *API) Quiet(ctx context.Context) {
	tick := time.NewTicker(quietTick)
	defer tick.Stop()
	for a.active.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

const quietTick = 5 * time.Millisecond

// Wait, after Drain, returns when every socket is closed, or cuts those that
// aren't and returns the context's error. It is the end of their subscriptions
// that closes sockets.
func (a *API) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		a.sockets.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		a.sockets.abort()
		return fmt.Errorf("wait for sockets to close: %w", ctx.Err())
	}
}

// Sockets returns how many sockets are open, and how many bytes of events wait
// to be written to them.
func (a *API) Sockets() (open, queued int) {
	a.sockets.mu.Lock()
	defer a.sockets.mu.Unlock()
	for s := range a.sockets.open {
		queued += s.sub.Queued()
	}
	return len(a.sockets.open), queued
}

// handler answers a request or returns why it can't.
type handler func(c *gin.Context) error

func (a *API) handle(h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			a.fail(c, err)
		}
	}
}

// fail is the one place where errors become answers and log lines.
func (a *API) fail(c *gin.Context, err error) {
	c.Abort()
	p := problemOf(err)
	if p.Status >= 500 {
		level := slog.LevelWarn // known, and over some time
		if p.Status == http.StatusInternalServerError {
			level = slog.LevelError
		}
		a.log.Log(c.Request.Context(), level, "request failed",
			"method", c.Request.Method, "path", c.Request.URL.Path, "status", p.Status, "error", err)
	}
	if c.Writer.Written() {
		return // too late to say it
	}
	p.write(c.Writer)
}

// observe names the request in its log lines, counts it, and turns a panic into
// an answer.
func (a *API) observe(c *gin.Context) {
	a.active.Add(1)
	defer a.active.Add(-1)
	start := time.Now()
	name, nb := a.requests.of(c.Request), c.Param("id")
	if nb != "" && !notebook.ValidID(nb) {
		nb = ""
	}
	c.Request = c.Request.WithContext(logs.WithRequest(c.Request.Context(), name, nb))
	c.Writer.Header()[requestIDHeader] = []string{name}
	defer func() {
		if fault := recover(); fault != nil {
			if fault == http.ErrAbortHandler {
				panic(fault) // net/http's own way to cut a connection
			}
			a.log.ErrorContext(c.Request.Context(), "handler panicked", "method", c.Request.Method, "path", c.Request.URL.Path,
				"panic", fault, "stack", string(debug.Stack()))
			c.Abort()
			if !c.Writer.Written() {
				problemOf(fmt.Errorf("panic: %v", fault)).write(c.Writer)
			}
		}
		if a.log.Enabled(c.Request.Context(), slog.LevelDebug) {
			a.log.DebugContext(c.Request.Context(), "request", "method", c.Request.Method, "path", c.Request.URL.Path,
				"status", c.Writer.Status(), "bytes", c.Writer.Size(), "duration_ms", time.Since(start).Milliseconds())
		}
		if status := c.Writer.Status(); status != http.StatusSwitchingProtocols {
			a.record.Request(c.Request.Method, c.FullPath(), status, time.Since(start))
		}
	}()
	c.Next()
}

// PagePolicy is the content security policy of the page. Plotly and Monaco
// need inline styles; nothing may run inline.
const PagePolicy = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// SandboxPolicy is that of the document in which the page shows HTML of cells.
// Scripts run in it, in an origin that is nobody's and without a network, and
// nobody but the page may frame it.
const SandboxPolicy = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob: data:; worker-src blob: data:; style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// sandboxPaths begin the names that the page's build gives to that document.
const sandboxPaths = "/assets/sandbox-"

const apiPolicy = "default-src 'none'; frame-ancestors 'none'"

// Headers' values that answers share, under names in their canonical form.
// Nobody changes them: who adds one more makes a list of two.
var (
	nosniff         = []string{"nosniff"}
	denied          = []string{"DENY"}
	sameOrigin      = []string{"same-origin"}
	noStore         = []string{"no-store"}
	byOrigin        = []string{"Origin"}
	apiPolicyHeader = []string{apiPolicy}
	jsonType        = []string{"application/json"}
)

func (a *API) headers(c *gin.Context) {
	h := c.Writer.Header()
	h["X-Content-Type-Options"] = nosniff
	h["X-Frame-Options"] = denied
	// Not no-referrer: under it browsers send "Origin: null" with a page's own
	// changing requests, and the door would keep the page out.
	h["Referrer-Policy"] = sameOrigin
	// Other sites' pages neither load what is here nor hold our window.
	h["Cross-Origin-Resource-Policy"] = sameOrigin
	h["Cross-Origin-Opener-Policy"] = sameOrigin
	if strings.HasPrefix(c.Request.URL.Path, sandboxPaths) {
		h.Set("X-Frame-Options", "SAMEORIGIN")
		h.Set("Content-Security-Policy", SandboxPolicy)
		return
	}
	if ofPage(c.Request.URL.Path) {
		h.Set("Content-Security-Policy", PagePolicy)
		return
	}
	h["Content-Security-Policy"] = apiPolicyHeader
	h["Cache-Control"] = noStore
	h["Vary"] = byOrigin
}

// ofPage tells whether a path is the page's and not the API's.
func ofPage(path string) bool {
	return path != "/api" && !strings.HasPrefix(path, "/api/") && path != "/health" && path != "/ready"
}

func (a *API) noRoute(c *gin.Context) error {
	if !ofPage(c.Request.URL.Path) || a.page == nil {
		return newProblem(http.StatusNotFound, "nothing is served at this address")
	}
	if c.Request.Method != http.MethodGet && c.Request.Method != http.MethodHead {
		c.Header("Allow", "GET, HEAD")
		return newProblem(http.StatusMethodNotAllowed, "the page can only be read")
	}
	c.Status(http.StatusOK) // gin came here with a 404
	a.page.ServeHTTP(c.Writer, c.Request)
	return nil
}

func (a *API) noMethod(c *gin.Context) error {
	// Gin has set the Allow header.
	return newProblem(http.StatusMethodNotAllowed, c.Request.Method+" is not allowed here; Allow lists what is")
}

func (a *API) health(c *gin.Context) error {
	return respond(c, http.StatusOK, map[string]string{"status": "ok"})
}

const openAPIPath = "/api/openapi.json"

//go:embed openapi.json
var openAPI []byte

func (a *API) openAPI(c *gin.Context) error {
	c.Data(http.StatusOK, "application/json", openAPI)
	return nil
}

const readyTimeout = 5 * time.Second

func (a *API) ready(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyTimeout)
	defer cancel()
	answer := struct {
		Status string            `json:"status"`
		Checks map[string]string `json:"checks"`
	}{"ok", map[string]string{}}
	for name, err := range a.notebooks.Check(ctx) {
		answer.Checks[name] = "ok"
		if err != nil {
			answer.Status, answer.Checks[name] = "unavailable", err.Error()
		}
	}
	if answer.Status != "ok" {
		a.log.WarnContext(ctx, "not ready", "checks", answer.Checks)
	}
	if a.draining.Load() {
		answer.Status, answer.Checks["service"] = "draining", session.ErrDraining.Error()
	}
	if answer.Status != "ok" {
		return respond(c, http.StatusServiceUnavailable, answer)
	}
	return respond(c, http.StatusOK, answer)
}

// maxPooled keeps a single huge answer from being held for ever.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// encode writes the JSON of an answer.
func encode(buf *bytes.Buffer, value any) error {
	encoder := json.NewEncoder(buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return nil
}

// respond answers with JSON, encoded before the first byte is sent, so that a
// value that can't be encoded is still a proper error.
func respond(c *gin.Context, status int, value any) error {
	buf := buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= maxPooled {
			buffers.Put(buf)
		}
	}()
	if err := encode(buf, value); err != nil {
		return err
	}
	return send(c, status, encoded{buf.Bytes(), length(buf)})
}

// encoded is the JSON of an answer, with its length as a header's value.
type encoded struct {
	body   []byte
	length []string
}

func length(body *bytes.Buffer) []string { return []string{strconv.Itoa(body.Len())} }

// send is gin's Data without its allocations.
func send(c *gin.Context, status int, e encoded) error {
	h := c.Writer.Header()
	h["Content-Type"], h["Content-Length"] = jsonType, e.length
	c.Status(status)
	_, _ = c.Writer.Write(e.body) // who left doesn't hear of it
	return nil
}
