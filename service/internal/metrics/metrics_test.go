package metrics_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/metrics"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

type sources struct{}

func (sources) Sockets() (open, queued int) { return 3, 4096 }

func (sources) Kernels() map[notebook.KernelStatus]int {
	return map[notebook.KernelStatus]int{notebook.KernelNone: 1, notebook.KernelBusy: 2}
}

func read(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, answer.Code)
	return answer.Body.String()
}

func full() *metrics.Metrics {
	m := metrics.New("test", "v1")
	m.Watch(sources{})
	m.Request("GET", "/api/notebooks/:id", 200, 3*time.Millisecond)
	m.Request("GET", "/api/ws/notebooks/:id", 101, 0)
	m.SocketClosed(4408)
	m.SocketClosed(0)
	m.CellRan(notebook.Python, nil, time.Second)
	m.CellRan(notebook.SQL, notebook.NewError(notebook.ErrSQL, "E", ""), time.Second)
	m.KernelDied(kernel.CauseMemory)
	m.StoreAnswered("get", nil, time.Millisecond)
	m.StoreAnswered("get", fmt.Errorf("read: %w", session.ErrNotFound), time.Millisecond)
	m.StoreAnswered("apply", &session.VersionError{}, time.Millisecond)
	m.StoreAnswered("apply", errors.New("the disk is full"), time.Millisecond)
	return m
}

func TestWhatHappenedIsCounted(t *testing.T) {
	text := read(t, full())
	for _, line := range []string{
		`notebook_http_requests_total{method="GET",route="/api/notebooks/:id",status="200"} 1`,
		`notebook_http_request_duration_seconds_bucket{method="GET",route="/api/notebooks/:id",le="0.0025"} 0`,
		`notebook_http_request_duration_seconds_bucket{method="GET",route="/api/notebooks/:id",le="0.005"} 1`,
		`notebook_http_requests_total{method="GET",route="/api/ws/notebooks/:id",status="101"} 1`,
		`notebook_sockets 3`, `notebook_socket_queue_bytes 4096`,
		`notebook_sockets_closed_total{code="4408"} 1`, `notebook_sockets_closed_total{code="gone"} 1`,
		`notebook_open_notebooks 3`, `notebook_kernels{status="busy"} 2`, `notebook_kernels{status="dead"} 0`,
		`notebook_cell_duration_seconds_count{kind="python",outcome="ok"} 1`,
		`notebook_cell_duration_seconds_count{kind="sql",outcome="sql"} 1`,
		`notebook_kernel_deaths_total{reason="memory"} 1`, `notebook_kernel_deaths_total{reason="signal"} 0`,
		`notebook_store_duration_seconds_count{operation="get"} 2`,
		`notebook_store_errors_total{operation="apply"} 1`,
		`notebook_info{environment="test",version="v1"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.NotContains(t, text, `route="/api/ws/notebooks/:id",le`, "a socket has no latency")
	require.NotContains(t, text, `notebook_store_errors_total{operation="get"}`, "that it isn't there is no failure of the store")
}

func TestNothingThatAClientSendsBecomesASeries(t *testing.T) {
	m := metrics.New("test", "v1")
	series := func() int { return strings.Count(read(t, m), "\nnotebook_http_requests_total{") }
	for i := range 1000 {
		m.Request(fmt.Sprintf("METHOD%d", i), "", 404, 0)
		m.CellRan(notebook.Python, &notebook.CellError{Kind: notebook.ErrorKind(fmt.Sprint("kind", i))}, 0)
	}
	require.Equal(t, 1, series())
	require.Equal(t, 1, strings.Count(read(t, m), "\nnotebook_cell_duration_seconds_count{"))
}

func TestTheTableForOperatorsNamesEveryMetricAndNoOther(t *testing.T) {
	doc, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	var written, real []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(notebook_[a-z_]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(string(doc), -1) {
		written = append(written, row[1]+" "+row[2])
	}
	for _, row := range regexp.MustCompile(`(?m)^# TYPE (notebook_\S+) (\S+)$`).FindAllStringSubmatch(read(t, full()), -1) {
		real = append(real, row[1]+" "+row[2])
	}
	sort.Strings(written)
	sort.Strings(real)
	require.Equal(t, real, written)
	for _, cause := range kernel.Causes() {
		require.Contains(t, string(doc), "`"+string(cause)+"`")
	}
}
