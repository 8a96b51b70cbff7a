// Package metrics counts what the service does, for Prometheus.
//
// It decides nothing by what it counts, and no label has a value that a client
// can choose: the number of series is bounded by the program.
//
// Invariant: every name here is in the table of service/README.md, which
// dashboards and alarms are made from.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// Metrics is what is counted. It is a Recorder of packages api and session. Use
// New.
type Metrics struct {
	registry *prometheus.Registry

	requests      *prometheus.CounterVec
	requestTime   *prometheus.HistogramVec
	socketsClosed *prometheus.CounterVec
	cells         *prometheus.HistogramVec
	deaths        *prometheus.CounterVec
	store         *prometheus.HistogramVec
	storeErrors   *prometheus.CounterVec

	mu    sync.RWMutex
	known map[answered]series
}

// answered is what requests are counted by.
type answered struct {
	method, route string
	status        int
}

// series are those of an answered. To find them costs more than to count.
type series struct {
	requests prometheus.Counter
	time     prometheus.Observer // nil: none
}

// New returns metrics that have counted nothing.
func New(environment, version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), known: map[answered]series{}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.requests = counter("notebook_http_requests_total", "Answered requests; a socket counts when it opens, with status 101.", "method", "route", "status")
	m.requestTime = histogram("notebook_http_request_duration_seconds", "Time to answer a request, but for sockets.",
		[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}, "method", "route")
	m.socketsClosed = counter("notebook_sockets_closed_total", "Sockets that ended, by the close code that the service sent; gone: the peer left first or fell silent.", "code")
	m.cells = histogram("notebook_cell_duration_seconds", "Time that a run of a cell took.",
		[]float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 900, 3600}, "kind", "outcome")
	m.deaths = counter("notebook_kernel_deaths_total", "Kernels that ended by themselves, by reason.", "reason")
	m.store = histogram("notebook_store_duration_seconds", "Time that the store took for a call.",
		[]float64{.0001, .0005, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}, "operation")
	m.storeErrors = counter("notebook_store_errors_total", "Calls that the store failed; not: no such notebook, another version, wrong arguments.", "operation")
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "notebook_info", Help: "1; the labels say what runs.", ConstLabels: prometheus.Labels{"environment": environment, "version": version},
		}, func() float64 { return 1 }),
	)
	// A series that is there from the start: the first death is then a rise.
	for _, cause := range kernel.Causes() {
		m.deaths.WithLabelValues(string(cause))
	}
	return m
}

// Sources are asked when metrics are read.
type Sources interface {
	// Sockets returns how many are open and the bytes that wait to be written.
	Sockets() (open, queued int)
	// Kernels returns how many open notebooks have a kernel in each state.
	Kernels() map[notebook.KernelStatus]int
}

// Watch adds what is asked for. It may be called once.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(watch{s}) }

type watch struct{ Sources }

var (
	sockets   = prometheus.NewDesc("notebook_sockets", "Open sockets.", nil, nil)
	queued    = prometheus.NewDesc("notebook_socket_queue_bytes", "Bytes of events that wait to be written to sockets.", nil, nil)
	kernels   = prometheus.NewDesc("notebook_kernels", "Kernels by status.", []string{"status"}, nil)
	notebooks = prometheus.NewDesc("notebook_open_notebooks", "Notebooks that are open, with or without a kernel.", nil, nil)
)

func (w watch) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(w, out) }

func (w watch) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, n int, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), labels...)
	}
	open, bytes := w.Sockets()
	gauge(sockets, open)
	gauge(queued, bytes)
	found, all := w.Kernels(), 0
	for _, n := range found {
		all += n
	}
	gauge(notebooks, all)
	for _, status := range []notebook.KernelStatus{notebook.KernelStarting, notebook.KernelIdle, notebook.KernelBusy, notebook.KernelDead} {
		gauge(kernels, found[status], string(status))
	}
}

// Handler answers with all metrics at /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
	return mux
}

// other stands for what only a client could have thought of.
const other = "other"

// Request is api.Recorder's.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodPut, http.MethodOptions:
	default:
		method = other
	}
	if route == "" {
		route = other
	}
	of := m.series(answered{method, route, status})
	of.requests.Inc()
	if of.time != nil {
		of.time.Observe(took.Seconds())
	}
}

func (m *Metrics) series(a answered) series {
	m.mu.RLock()
	found, ok := m.known[a]
	m.mu.RUnlock()
	if ok {
		return found
	}
	found.requests = m.requests.WithLabelValues(a.method, a.route, strconv.Itoa(a.status))
	if a.status != http.StatusSwitchingProtocols {
		found.time = m.requestTime.WithLabelValues(a.method, a.route)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[a] = found
	return found
}

// SocketClosed is api.Recorder's.
func (m *Metrics) SocketClosed(code int) {
	text := "gone"
	if code != 0 {
		text = strconv.Itoa(code)
	}
	m.socketsClosed.WithLabelValues(text).Inc()
}

// CellRan is session.Recorder's.
func (m *Metrics) CellRan(kind notebook.Kind, failed *notebook.CellError, took time.Duration) {
	outcome := "ok"
	if failed != nil {
		switch outcome = string(failed.Kind); failed.Kind {
		case notebook.ErrException, notebook.ErrInterrupted, notebook.ErrKernelDied, notebook.ErrTimeout, notebook.ErrSQL:
		default:
			outcome = other // it comes from the kernel, which cells can damage
		}
	}
	m.cells.WithLabelValues(string(kind), outcome).Observe(took.Seconds())
}

// KernelDied is session.Recorder's.
func (m *Metrics) KernelDied(cause kernel.Cause) { m.deaths.WithLabelValues(string(cause)).Inc() }

// StoreAnswered is session.Recorder's.
func (m *Metrics) StoreAnswered(method string, err error, took time.Duration) {
	m.store.WithLabelValues(method).Observe(took.Seconds())
	var (
		version *session.VersionError
		field   *notebook.FieldError
	)
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, session.ErrNotFound) && !errors.As(err, &version) && !errors.As(err, &field) {
		m.storeErrors.WithLabelValues(method).Inc()
	}
}
