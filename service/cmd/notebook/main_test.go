package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/config"
	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
)

// patience is how long a test waits for what must happen; only a failure
// takes that long.
const patience = 90 * time.Second

// beMain makes the test binary the program itself.
const beMain = "NOTEBOOK_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// program starts the program with the given environment and nothing else of
// the machine's but PATH, HOME and the Python to test with.
func program(t *testing.T, dir string, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		beMain + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "KERNEL_PYTHON=" + os.Getenv("KERNEL_PYTHON"),
	}, env...)
	return cmd
}

// output runs the program to its end.
func output(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := program(t, t.TempDir(), env, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// service is a running one.
type service struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	done chan struct{} // closed when it has ended
	mu   sync.Mutex
	logs strings.Builder
}

func start(t *testing.T, dir string, env ...string) *service {
	t.Helper()
	s := &service{t: t, done: make(chan struct{})}
	s.cmd = program(t, dir, append([]string{"ADDR=127.0.0.1:0", "LOG_FORMAT=json", "KERNEL_PRELOAD=-"}, env...), "serve")
	pipe, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(s.kill)
	serving := make(chan string, 1)
	go func() {
		defer close(s.done)
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			s.mu.Lock()
			s.logs.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			var line struct{ Msg, URL string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
				serving <- line.URL
			}
		}
		_ = s.cmd.Wait()
	}()
	select {
	case s.url = <-serving:
	case <-s.done:
		t.Fatalf("the service ended: %s", s.log())
	case <-time.After(patience):
		t.Fatalf("the service never served: %s", s.log())
	}
	return s
}

func (s *service) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs.String()
}

func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// terminate sends SIGTERM and returns the exit code.
func (s *service) terminate() int {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatalf("the service never ended: %s", s.log())
	}
	return s.cmd.ProcessState.ExitCode()
}

func (s *service) do(method, path, body string, into any) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	if into != nil {
		require.NoError(s.t, json.Unmarshal(raw, into), string(raw))
	}
	return res.StatusCode
}

type doc struct {
	ID    string
	Name  string
	Cells []struct {
		ID, Source, Status string
		Outputs            []struct{ Kind, Text string }
	}
}

func TestNotebooksRunAndAreThereAfterAKill(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	var made doc
	require.Equal(t, 201, s.do("POST", "/api/notebooks", `{"name":"N","cells":[{"source":"x = 20"},{"source":"print(x + 1)"}]}`, &made))
	var ran struct {
		Status   string
		Notebook doc
	}
	for number := range 3 {
		require.Equal(t, 200, s.do("PATCH", "/api/notebooks/"+made.ID+"/cells/"+made.Cells[0].ID, fmt.Sprintf(`{"source":"x = %d"}`, number), nil))
		require.Equal(t, 200, s.do("POST", "/api/notebooks/"+made.ID+"/run?wait=60", "", &ran))
		require.Equal(t, "ok", ran.Status, s.log())
		s.kill()

		s = start(t, dir)
		var found doc
		require.Equal(t, 200, s.do("GET", "/api/notebooks/"+made.ID, "", &found))
		require.Len(t, found.Cells[1].Outputs, 1, "outputs are part of the notebook")
		require.Equal(t, fmt.Sprintln(number+1), found.Cells[1].Outputs[0].Text, "what a run that was waited for has shown is kept")
	}
	require.Equal(t, 200, s.do("POST", "/api/notebooks/"+made.ID+"/run?wait=60", "", &ran))
	require.Equal(t, "ok", ran.Status)
	require.Zero(t, s.terminate(), s.log())
}

func TestSIGTERMEndsEverythingInGoodOrder(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	var made doc
	s.do("POST", "/api/notebooks", `{"name":"N","cells":[{"source":"import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)"},{"source":"1"}]}`, &made)
	conn, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/api/ws/notebooks/"+made.ID, nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	defer conn.Close()
	require.Equal(t, 202, s.do("POST", "/api/notebooks/"+made.ID+"/run", `{"cells":["`+made.Cells[0].ID+`"]}`, nil))
	type result struct {
		status int
		body   string
	}
	waited := make(chan result, 1)
	go func() {
		res, err := http.Post(s.url+"/api/notebooks/"+made.ID+"/run?wait=600", "application/json", strings.NewReader(`{"cells":["`+made.Cells[1].ID+`"]}`))
		if err != nil {
			waited <- result{0, err.Error()}
			return
		}
		defer res.Body.Close()
		raw, _ := io.ReadAll(res.Body)
		waited <- result{res.StatusCode, string(raw)}
	}()

	pid := 0
	read := func() (text string, err error) {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		_, raw, err := conn.ReadMessage()
		return string(raw), err
	}
	// The cell of the request that waits is queued once the service has it.
	queued := regexp.MustCompile(`"cell.status","cell_id":"` + made.Cells[1].ID + `".*"status":"queued"`)
	underWay := false
	for output := regexp.MustCompile(`"text":"(\d+)\\n`); pid == 0 || !underWay; {
		text, err := read()
		require.NoError(t, err)
		underWay = underWay || queued.MatchString(text)
		if found := output.FindStringSubmatch(text); found != nil {
			pid, _ = strconv.Atoi(found[1])
		}
	}
	require.NoError(t, syscall.Kill(pid, 0), "the kernel runs")

	began := time.Now()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	for err == nil {
		_, err = read()
	}
	require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), "%v", err)
	require.Zero(t, s.terminate(), s.log())
	require.Less(t, time.Since(began), 25*time.Second+10*time.Second)
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "no kernel outlives the service")
	answer := <-waited
	require.Equal(t, 200, answer.status, "the request under way was answered: %s", answer.body)
	require.Contains(t, answer.body, `"status":"interrupted"`)

	s = start(t, dir)
	var found doc
	s.do("GET", "/api/notebooks/"+made.ID, "", &found)
	require.Equal(t, fmt.Sprintf("%d\n", pid), found.Cells[0].Outputs[0].Text, "what it had shown is kept")
	require.NotEqual(t, "running", found.Cells[0].Status)
}

func TestWhileTheServiceStopsItSaysSoAndTakesNoNewWork(t *testing.T) {
	s := start(t, t.TempDir(), "SHUTDOWN_GRACE=60s")
	var made doc
	// It hears no interrupt, so that stopping takes as long as one is given to end.
	s.do("POST", "/api/notebooks", `{"name":"N","cells":[{"source":"import time\nprint('begun', flush=True)\nwhile True:\n try: time.sleep(600)\n except BaseException: pass"}]}`, &made)
	require.Equal(t, 202, s.do("POST", "/api/notebooks/"+made.ID+"/run", "", nil))
	require.Eventually(t, func() bool {
		var now doc
		s.do("GET", "/api/notebooks/"+made.ID, "", &now)
		return len(now.Cells[0].Outputs) > 0
	}, patience, 20*time.Millisecond)
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))

	var ready struct{ Status string }
	require.Eventually(t, func() bool { return s.do("GET", "/ready", "", &ready) == 503 }, patience, 5*time.Millisecond)
	require.Equal(t, "draining", ready.Status)
	require.Equal(t, 200, s.do("GET", "/health", "", nil), "a restart would not help")
	require.Eventually(t, func() bool { // within the second that requests under way are given
		return s.do("PATCH", "/api/notebooks/"+made.ID, `{"name":"Late"}`, nil) == 503
	}, patience, 5*time.Millisecond)
	_, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/api/ws/notebooks/"+made.ID, nil)
	require.Error(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 503, res.StatusCode)
	require.Equal(t, "1", res.Header.Get("Retry-After"))

	select {
	case <-s.done:
	case <-time.After(patience):
		t.Fatalf("the service never ended: %s", s.log())
	}
	require.Zero(t, s.cmd.ProcessState.ExitCode(), s.log())
}

// TestSlowHeadersAreCutOffWhileOthersAreServed sends requests' headers byte by
// byte, for ever.
func TestSlowHeadersAreCutOffWhileOthersAreServed(t *testing.T) {
	t.Parallel() // it mostly waits
	s := start(t, t.TempDir())
	const slow = 100
	cut := make(chan error, slow)
	for range slow {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		go func() {
			end := time.Now().Add(patience)
			for _, err := io.WriteString(conn, "GET /api/notebooks HTTP/1.1\r\nX-Slow: "); ; _, err = io.WriteString(conn, "x") {
				if err != nil {
					cut <- nil
					return
				}
				if time.Now().After(end) {
					cut <- errors.New("it was still listened to")
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		}()
	}
	for left := slow; left > 0; {
		select {
		case err := <-cut:
			require.NoError(t, err)
			left--
		case <-time.After(200 * time.Millisecond):
			require.Equal(t, 200, s.do("GET", "/health", "", nil))
		}
	}
}

func TestHealthcheckTellsHowTheServiceIs(t *testing.T) {
	s := start(t, t.TempDir(), "NOTEBOOK_TOKEN=s3cret")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	for _, addr := range []string{":" + port, "0.0.0.0:" + port, "127.0.0.1:" + port, "localhost:" + port} {
		code, stdout, stderr := output(t, []string{"ADDR=" + addr}, "healthcheck")
		require.Zero(t, code, "%s: %s", addr, stderr)
		require.Equal(t, "ok\n", stdout)
	}
	require.Zero(t, s.terminate())
	code, _, stderr := output(t, []string{"ADDR=:" + port}, "healthcheck")
	require.Equal(t, 1, code)
	require.Regexp(t, `^notebook: no health from 127\.0\.0\.1:\d+: [^\n]*\n$`, stderr, "one line")
	code, _, stderr = output(t, []string{"ADDR=nonsense"}, "healthcheck")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "ADDR")
}

func TestWhatCanNotBeServedIsSaidInOneGo(t *testing.T) {
	code, stdout, stderr := output(t, []string{"ADDR=:8000", "LOG_LEVEL=loud", "STORE_URL=mysql://host/db"}, "serve")
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	for _, want := range []string{"ADDR: ", "LOG_LEVEL: ", "STORE_URL: ", "notebook serve --help"} {
		require.Contains(t, stderr, want)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	code, _, stderr = output(t, []string{"ADDR=" + taken.Addr().String()}, "serve")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "another program listens on "+taken.Addr().String()+" already: stop it, or set ADDR")

	code, _, stderr = output(t, []string{"ADDR=127.0.0.1:0", "KERNEL_PYTHON=/no/python"}, "serve")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "KERNEL_PYTHON")

	code, _, stderr = output(t, []string{"ADDR=127.0.0.1:0", "FRONTEND_DIR=" + t.TempDir()}, "serve")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "FRONTEND_DIR: ")
	require.Contains(t, stderr, "holds no built page: it has no index.html")

	code, _, stderr = output(t, []string{"ADDR=127.0.0.1:0", "STORE_URL=postgres://me:hush@127.0.0.1:1/notebooks"}, "serve")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "open database notebooks on 127.0.0.1")
	require.NotContains(t, stderr, "hush")

	for _, args := range [][]string{{"nonsense"}, {"serve", "extra"}, {"serve", "--port", "1"}} {
		code, _, stderr = output(t, nil, args...)
		require.Equal(t, 1, code)
		require.Regexp(t, `^notebook: [^\n]*\n$`, stderr)
	}
}

func TestHelpAndVersion(t *testing.T) {
	code, stdout, _ := output(t, nil, "serve", "--help")
	require.Zero(t, code)
	require.Contains(t, stdout, "STORE_URL")
	code, stdout, _ = output(t, nil, "--help")
	require.Zero(t, code)
	require.Contains(t, stdout, "healthcheck")
	code, stdout, _ = output(t, nil, "--version")
	require.Zero(t, code)
	require.Regexp(t, `^notebook \S+\n$`, stdout)
}

func TestTheDoorIsShutAndThePageOpen(t *testing.T) {
	s := start(t, t.TempDir(), "NOTEBOOK_TOKEN=s3cret", "FRONTEND_DIR="+builtPage(t))
	require.Equal(t, 401, s.do("GET", "/api/notebooks", "", nil))
	require.Equal(t, 200, s.do("GET", "/notebooks/some/where", "", nil))
	require.NotContains(t, s.log(), "s3cret")
}

func builtPage(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte("<title>Built</title>"), 0o644))
	return dir
}

// The lines and the names are those of service/README.md, which filters and
// alarms go by.
func TestAnOperatorSeesADeathOfAKernelInTheLogAndInTheMetrics(t *testing.T) {
	s := start(t, t.TempDir(), "METRICS_ADDR=127.0.0.1:0")
	var made doc
	require.Equal(t, 201, s.do("POST", "/api/notebooks", `{"name":"N","cells":[{"source":"import os\nos._exit(3)"}]}`, &made))
	require.Equal(t, 200, s.do("POST", "/api/notebooks/"+made.ID+"/run?wait=60", "", nil))
	line := func(msg string) (found map[string]any) {
		for text := range strings.Lines(s.log()) {
			var one map[string]any
			require.NoError(t, json.Unmarshal([]byte(text), &one), "every line is JSON")
			if one["msg"] == msg {
				found = one
			}
		}
		return found
	}
	died := line("kernel died")
	require.NotNil(t, died, s.log())
	require.Equal(t, "ERROR", died["level"])
	require.Equal(t, "exit", died["reason"])
	require.Equal(t, "the process exited with code 3", died["detail"])
	require.Equal(t, made.ID, died["notebook"])
	require.Equal(t, made.Cells[0].ID, died["cell"])
	require.Equal(t, "local", died["environment"])

	address, _ := line("serving metrics")["url"].(string)
	res, err := http.Get(address)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	for _, want := range []string{
		`notebook_kernel_deaths_total{reason="exit"} 1`, `notebook_kernels{status="dead"} 1`, `notebook_open_notebooks 1`,
		`notebook_cell_duration_seconds_count{kind="python",outcome="kernel-died"} 1`,
		`notebook_http_requests_total{method="POST",route="/api/notebooks/:id/run",status="200"} 1`,
		`notebook_store_duration_seconds_count{operation="create"} 1`,
	} {
		require.Contains(t, string(text), want+"\n")
	}
	require.Zero(t, s.terminate(), s.log())
	_, err = http.Get(address)
	require.Error(t, err)
}

func TestThereAreAsManyKernelsAsFitIntoTheMemory(t *testing.T) {
	total := memory()
	require.Greater(t, total, int64(256<<20))
	require.Less(t, total, int64(1<<40), "it is the machine's, or the container's")
	require.Equal(t, 7, maxKernels(config.Config{MaxKernels: 7, KernelMemory: 1 << 30}))
	require.EqualValues(t, total/(16<<20), maxKernels(config.Config{KernelMemory: 16 << 20}))
	require.Equal(t, fewestKernels, maxKernels(config.Config{KernelMemory: total}), "a limit is a ceiling that few come near")
}

func TestKernelsGetTheLimitsThatAreConfigured(t *testing.T) {
	limits := func(environment map[string]string) kernel.Limits {
		t.Helper()
		c, err := config.Load(func(name string) string { return environment[name] })
		require.NoError(t, err)
		return kernelOptions(c, nil).Limits
	}
	require.Equal(t, kernel.Limits{Memory: 1 << 30, Processes: 64, Files: 256, FileSize: 4 << 30}, limits(nil), "none is without a limit")
	require.Equal(t, kernel.Limits{Memory: 512 << 20, Processes: 9, Files: 99, FileSize: 9 << 20}, limits(map[string]string{
		"KERNEL_MEMORY": "512MiB", "KERNEL_PROCESSES": "9", "KERNEL_FILES": "99", "KERNEL_FILE_SIZE": "9MiB",
	}))
}
