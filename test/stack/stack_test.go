//go:build linux

// Package stack_test drives the operator's tool as an operator does: it builds
// the stack program, raises the whole stack on this machine and looks at it
// through the address a browser would use. It needs the tools that
// `stack setup` makes ready and takes minutes, most of them Terraform's.
package stack_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "stack-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "stack")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "../../service/cmd/stack")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// instance is one stack with a work folder and an address of its own.
type instance struct {
	*testing.T
	root    string // of the checkout it works on
	dir     string // STACK_DIR
	address string // HOST:PORT
	up      *exec.Cmd
	mu      sync.Mutex
	lines   []string
	ended   chan struct{}
}

func newInstance(t *testing.T) *instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := "localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	require.NoError(t, l.Close())
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	return &instance{T: t, root: root, dir: filepath.Join(t.TempDir(), "stack"), address: address}
}

func (i *instance) command(args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = i.root
	c.Env = append(os.Environ(), "STACK_DIR="+i.dir, "EDGE_ADDR="+i.address)
	return c
}

// run runs a command to its end.
func (i *instance) run(args ...string) (stdout, stderr string, code int) {
	i.Helper()
	c := i.command(args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if err != nil {
		require.IsType(i, &exec.ExitError{}, err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// start begins `up`; its lines are collected.
func (i *instance) start() {
	i.Helper()
	i.up = i.command("up", "dev", "--local")
	read, write, err := os.Pipe()
	require.NoError(i, err)
	i.up.Stdout, i.up.Stderr = write, write
	require.NoError(i, i.up.Start())
	_ = write.Close()
	i.ended = make(chan struct{})
	go func() {
		defer close(i.ended)
		scanner := bufio.NewScanner(read)
		for scanner.Scan() {
			i.mu.Lock()
			i.lines = append(i.lines, scanner.Text())
			i.mu.Unlock()
		}
		_ = read.Close()
		_ = i.up.Wait()
	}()
	i.Cleanup(func() {
		select {
		case <-i.ended:
		default:
			_ = i.up.Process.Signal(syscall.SIGTERM)
			select {
			case <-i.ended:
			case <-time.After(2 * time.Minute):
				_ = i.up.Process.Kill()
				<-i.ended
			}
		}
		_, _, _ = i.run("down", "dev", "--local")
	})
}

func (i *instance) output() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string{}, i.lines...)
}

// waitFor waits until a line of `up` contains the text, and returns the line.
func (i *instance) waitFor(text string, limit time.Duration) string {
	i.Helper()
	deadline := time.After(limit)
	for {
		for _, line := range i.output() {
			if strings.Contains(line, text) {
				return line
			}
		}
		select {
		case <-i.ended:
			for _, line := range i.output() {
				if strings.Contains(line, text) {
					return line
				}
			}
			i.Fatalf("up ended without %q:\n%s", text, strings.Join(i.output(), "\n"))
		case <-deadline:
			i.Fatalf("no %q within %s:\n%s", text, limit, strings.Join(i.output(), "\n"))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (i *instance) waitEnd(limit time.Duration) int {
	i.Helper()
	select {
	case <-i.ended:
	case <-time.After(limit):
		i.Fatalf("up did not end within %s:\n%s", limit, strings.Join(i.output(), "\n"))
	}
	return i.up.ProcessState.ExitCode()
}

// proc is one process, told from a later one with the same id by its start.
type proc struct {
	pid     int
	started string
	name    string
}

func (p proc) alive() bool {
	fields := procStat(p.pid)
	return len(fields) > 19 && fields[0] != "Z" && fields[19] == p.started
}

func procStat(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
}

// descendants lists the processes below one, itself included.
func descendants(pid int) []proc {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if fields := procStat(child); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], child)
		}
	}
	var found []proc
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		if fields := procStat(queue[0]); len(fields) > 19 {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", queue[0]))
			found = append(found, proc{queue[0], fields[19], strings.ReplaceAll(string(name), "\x00", " ")})
		}
		queue = append(queue, children[queue[0]]...)
	}
	return found
}

// allGone waits until none of the processes is left.
func (i *instance) allGone(processes []proc) {
	i.Helper()
	var left []proc
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		left = nil
		for _, p := range processes {
			if p.alive() {
				left = append(left, p)
			}
		}
		if len(left) == 0 {
			return
		}
	}
	i.Fatalf("left running: %v", left)
}

// gitStatus tells what has changed where the commands that `up` runs (go,
// terraform, npm) could write by accident; the rest is the developer's, who may
// go on editing while this runs.
func gitStatus(t *testing.T, root string) string {
	t.Helper()
	c := exec.Command("git", "status", "--porcelain", "--", "go.mod", "go.sum", "modules", "envs", "frontend/dist", "frontend/package-lock.json")
	c.Dir = root
	out, err := c.Output()
	if err != nil {
		return "" // not a git checkout: an exported tree
	}
	return string(out)
}

const startLimit = 10 * time.Minute // a busy machine takes several times what an idle one does

// client calls the stack as a program with the token does.
type client struct {
	*testing.T
	base, token string
}

func (c client) do(method, path, token string, header http.Header, body io.Reader) (*http.Response, []byte) {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	require.NoError(c, err)
	for name, values := range header {
		request.Header[name] = values
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil && request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(c, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(c, err)
	return response, text
}

func (c client) call(method, path, body string, status int, into any) {
	c.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	response, text := c.do(method, path, c.token, nil, reader)
	require.Equal(c, status, response.StatusCode, "%s %s: %s", method, path, text)
	if into != nil {
		require.NoError(c, json.Unmarshal(text, into), string(text))
	}
}

func TestStackFromUpToDown(t *testing.T) {
	i := newInstance(t)
	before := gitStatus(t, i.root)
	i.start()
	line := i.waitFor("open http", startLimit)
	address, token, ok := strings.Cut(strings.TrimPrefix(line, "open "), "/#token=")
	require.True(t, ok, line)
	require.Equal(t, "http://"+i.address, address)
	require.GreaterOrEqual(t, len(token), 32)
	require.Equal(t, line, i.output()[len(i.output())-1], "the address is the last line")
	c := client{t, address, token}

	t.Run("the page is the app, under any address of the app", func(t *testing.T) {
		c := client{t, address, token}
		for _, path := range []string{"/", "/notebooks/0190"} {
			response, text := c.do(http.MethodGet, path, "", nil, nil)
			require.Equal(t, http.StatusOK, response.StatusCode, path)
			require.Contains(t, string(text), `<div id="root"`)
			require.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'self'")
			require.Contains(t, response.Header.Get("Via"), "CloudFront")
			require.Equal(t, "no-cache", response.Header.Get("Cache-Control"))
		}
		response, _ := c.do(http.MethodPost, "/", "", nil, strings.NewReader("{}"))
		require.Equal(t, http.StatusForbidden, response.StatusCode, "the bucket's behavior has no POST")
	})
	t.Run("assets are immutable and compressed", func(t *testing.T) {
		c := client{t, address, token}
		_, page := c.do(http.MethodGet, "/", "", nil, nil)
		_, rest, ok := strings.Cut(string(page), `src="/assets/`)
		require.True(t, ok)
		asset, _, _ := strings.Cut(rest, `"`)
		response, _ := c.do(http.MethodGet, "/assets/"+asset, "", http.Header{"Accept-Encoding": {"gzip"}}, nil)
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Equal(t, "gzip", response.Header.Get("Content-Encoding"))
		require.Contains(t, response.Header.Get("Cache-Control"), "immutable")
		require.Contains(t, response.Header.Get("Content-Type"), "javascript")
	})
	t.Run("the API answers in problem+json and wants the token", func(t *testing.T) {
		c := client{t, address, token}
		response, text := c.do(http.MethodGet, "/api/nope", token, nil, nil)
		require.Equal(t, http.StatusNotFound, response.StatusCode)
		require.Contains(t, response.Header.Get("Content-Type"), "application/problem+json")
		require.True(t, json.Valid(text))
		response, _ = c.do(http.MethodGet, "/api/notebooks", "", nil, nil)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		response, _ = c.do(http.MethodPost, "/api/notebooks", token, nil, strings.NewReader(`{"name":`))
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
		response, _ = c.do(http.MethodPost, "/api/notebooks", token, nil, bytes.NewReader(make([]byte, 9<<20)))
		require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	})
	t.Run("the page's cookie works through the edge", func(t *testing.T) {
		c := client{t, address, token}
		response, _ := c.do(http.MethodPost, "/api/session", "", http.Header{"Origin": {address}}, strings.NewReader(`{"token":"`+token+`"}`))
		require.Equal(t, http.StatusNoContent, response.StatusCode)
		var cookies []string
		for _, cookie := range response.Cookies() {
			require.False(t, cookie.Secure, "there is no TLS here")
			cookies = append(cookies, cookie.Name+"="+cookie.Value)
		}
		cookie := strings.Join(cookies, "; ")
		body := func() io.Reader { return strings.NewReader(`{"name":"by cookie"}`) }
		response, _ = c.do(http.MethodPost, "/api/notebooks", "", http.Header{"Origin": {address}, "Cookie": {cookie}}, body())
		require.Equal(t, http.StatusCreated, response.StatusCode)
		response, _ = c.do(http.MethodPost, "/api/notebooks", "", http.Header{"Origin": {"https://evil.example"}, "Cookie": {cookie}}, body())
		require.Equal(t, http.StatusForbidden, response.StatusCode)
	})
	t.Run("a change reaches what depends on it, and every open page", func(t *testing.T) {
		c := client{t, address, token}
		var notebook struct {
			ID    string
			Cells []struct{ ID string }
		}
		c.call(http.MethodPost, "/api/notebooks", `{"name":"live","cells":[{"kind":"python","source":"a = 1"},{"kind":"python","source":"a * 100"}]}`, http.StatusCreated, &notebook)
		socket := "ws" + strings.TrimPrefix(address, "http") + "/api/ws/notebooks/" + notebook.ID
		_, response, err := websocket.DefaultDialer.Dial(socket, http.Header{"Origin": {"https://evil.example"}, "Authorization": {"Bearer " + token}})
		require.Error(t, err)
		require.Equal(t, http.StatusForbidden, response.StatusCode)
		conn, _, err := websocket.DefaultDialer.Dial(socket, http.Header{"Origin": {address}, "Authorization": {"Bearer " + token}})
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(2*time.Minute)))
		var event struct {
			Type   string
			CellID string `json:"cell_id"`
			Status string
		}
		require.NoError(t, conn.ReadJSON(&event))
		require.Equal(t, "snapshot", event.Type)
		c.call(http.MethodPost, "/api/notebooks/"+notebook.ID+"/run?wait=60", `{}`, http.StatusOK, nil)
		c.call(http.MethodPatch, "/api/notebooks/"+notebook.ID+"/cells/"+notebook.Cells[0].ID, `{"source":"a = 7"}`, http.StatusOK, nil)
		var run struct {
			Status string
			Order  []string
		}
		c.call(http.MethodPost, "/api/notebooks/"+notebook.ID+"/run?wait=60", `{"cells":["`+notebook.Cells[0].ID+`"]}`, http.StatusOK, &run)
		require.Equal(t, "ok", run.Status)
		require.Equal(t, []string{notebook.Cells[0].ID, notebook.Cells[1].ID}, run.Order)
		finished := 0
		for finished < 2 {
			require.NoError(t, conn.ReadJSON(&event))
			if event.Type == "run.finished" {
				finished++
			}
		}
		c.call(http.MethodDelete, "/api/notebooks/"+notebook.ID, "", http.StatusNoContent, nil)
	})
	t.Run("a second up says that it stands", func(t *testing.T) {
		begin := time.Now()
		out, errs, code := i.run("up", "dev", "--local")
		require.Zero(t, code, errs)
		require.Contains(t, out, "is up already")
		require.True(t, strings.HasSuffix(out, line+"\n"), "it ends with the same address and token")
		require.Less(t, time.Since(begin), time.Minute)
	})
	t.Run("a busy address is one sentence and leaves nothing", func(t *testing.T) {
		other := newInstance(t)
		other.address = i.address
		out, errs, code := other.run("up", "dev", "--local")
		require.NotZero(t, code)
		require.Empty(t, out)
		require.Equal(t, 1, strings.Count(errs, "\n"), errs)
		require.Contains(t, errs, "in use")
		require.NoDirExists(t, filepath.Join(other.dir, "dev"))
	})

	var status struct {
		Healthy bool
		Running int
		Local   struct {
			State struct {
				Tasks []struct {
					ID      string
					State   string
					Process struct{ PID int }
				}
			}
		}
	}
	read := func(t *testing.T) {
		t.Helper()
		out, errs, code := i.run("status", "dev", "--local", "--json")
		require.Zero(t, code, errs)
		require.NotContains(t, out, token)
		require.NoError(t, json.Unmarshal([]byte(out), &status))
	}
	t.Run("status and smoke agree that it works", func(t *testing.T) {
		read(t)
		require.True(t, status.Healthy)
		require.Equal(t, 1, status.Running)
		out, errs, code := i.run("smoke", "dev", "--local")
		require.Zero(t, code, errs)
		require.Contains(t, out, "WebSocket")
	})
	t.Run("a task that dies is replaced, and the notebooks are there", func(t *testing.T) {
		c := client{t, address, token}
		type notebook struct {
			ID    string
			Name  string
			Cells []struct{ Source string }
		}
		var made, found notebook
		c.call(http.MethodPost, "/api/notebooks", `{"name":"outlives its task","cells":[{"kind":"python","source":"a = 1"}]}`, http.StatusCreated, &made)
		read(t)
		dead := status.Local.State.Tasks[0]
		require.NoError(t, syscall.Kill(dead.Process.PID, syscall.SIGKILL))
		require.Eventually(t, func() bool {
			read(t)
			tasks := status.Local.State.Tasks
			return len(tasks) == 1 && tasks[0].ID != dead.ID && tasks[0].State == "healthy" && status.Healthy
		}, 3*time.Minute, 200*time.Millisecond)
		c.call(http.MethodGet, "/api/notebooks/"+made.ID, "", http.StatusOK, &found)
		require.Equal(t, made, found)
		var list struct{ Notebooks []notebook }
		c.call(http.MethodGet, "/api/notebooks?q=outlives", "", http.StatusOK, &list)
		require.Len(t, list.Notebooks, 1)
		require.Equal(t, made.ID, list.Notebooks[0].ID)
	})
	t.Run("a deploy and its rollback cost no request", func(t *testing.T) {
		c := client{t, address, token}
		var made, found struct {
			ID   string
			Name string
		}
		c.call(http.MethodPost, "/api/notebooks", `{"name":"open all the while"}`, http.StatusCreated, &made)
		image := func() string {
			out, errs, code := i.run("status", "dev", "--local", "--json")
			require.Zero(t, code, errs)
			var status struct{ Image string }
			require.NoError(t, json.Unmarshal([]byte(out), &status))
			return status.Image
		}
		first := image()
		load := startLoad(t, address, token, made.ID)
		deploy := i.command("deploy", "dev", "--local")
		deploy.Env = append(deploy.Env, "GOFLAGS=-buildvcs=false -tags=another") // the same service, as another program
		out, err := deploy.CombinedOutput()
		require.NoError(t, err, string(out))
		second := image()
		require.NotEqual(t, first, second)
		rollback, errs, code := i.run("deploy", "dev", "--local", "--rollback")
		require.Zero(t, code, errs)
		require.Contains(t, rollback, "restore the page")
		require.Equal(t, first, image())
		load.stop(t)
		c.call(http.MethodGet, "/api/notebooks/"+made.ID, "", http.StatusOK, &found)
		require.Equal(t, made, found)
	})
	t.Run("the token is written nowhere", func(t *testing.T) {
		require.NoError(t, filepath.WalkDir(i.dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return nil // a file that went meanwhile
			}
			content, err := os.ReadFile(path)
			require.True(t, err != nil || !bytes.Contains(content, []byte(token)), path)
			return nil
		}))
	})

	c.call(http.MethodPost, "/api/notebooks", `{"name":"open at the end","cells":[{"kind":"python","source":"import time; time.sleep(600)"}]}`, http.StatusCreated, nil)
	processes := descendants(i.up.Process.Pid)
	require.Greater(t, len(processes), 2)
	_, errs, code := i.run("down", "dev", "--local")
	require.Zero(t, code, errs)
	require.Zero(t, i.waitEnd(time.Minute))
	i.allGone(processes)
	require.NoDirExists(t, i.dir)
	_, err := net.DialTimeout("tcp", i.address, 5*time.Second)
	require.Error(t, err)
	require.Equal(t, before, gitStatus(t, i.root), "no file of the checkout has changed")
}

// load is what people do while a deployment goes on: they read, they write, and
// they keep a page open.
type load struct {
	cancel   context.CancelFunc
	group    errgroup.Group
	requests atomic.Int64
	replaced atomic.Int64 // sockets that went with their task, and were opened again
}

func startLoad(t *testing.T, address, token, notebook string) *load {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	t.Cleanup(cancel)
	l := &load{cancel: cancel}
	ask := func(method, path, body string, status int) error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // what has begun is finished
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, method, address+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode != status {
			err = fmt.Errorf("%s %s: %d: %s", method, path, response.StatusCode, text)
		}
		l.requests.Add(1)
		return err
	}
	repeat := func(do func() error) {
		l.group.Go(func() error {
			for ctx.Err() == nil {
				if err := do(); err != nil {
					return err
				}
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		})
	}
	for range 2 {
		repeat(func() error { return ask(http.MethodGet, "/api/notebooks", "", http.StatusOK) })
	}
	repeat(func() error { return ask(http.MethodGet, "/", "", http.StatusOK) })
	repeat(func() error { return ask(http.MethodPost, "/api/notebooks", `{"name":"by load"}`, http.StatusCreated) })
	repeat(func() error {
		conn, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(address, "http")+"/api/ws/notebooks/"+notebook, http.Header{"Authorization": {"Bearer " + token}})
		if err != nil {
			if response != nil {
				err = fmt.Errorf("open the WebSocket: %d: %w", response.StatusCode, err)
			}
			return err
		}
		defer conn.Close()
		end := context.AfterFunc(ctx, func() { _ = conn.Close() })
		defer end()
		for heard := false; ; heard = true {
			if _, _, err := conn.ReadMessage(); err != nil {
				// The service says that it goes; a socket that is open until the end of
				// the deregistration delay is cut by the load balancer before that.
				if websocket.IsCloseError(err, websocket.CloseGoingAway, websocket.CloseAbnormalClosure) && heard {
					l.replaced.Add(1)
					return nil
				}
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("the WebSocket: %w", err)
			}
		}
	})
	return l
}

func (l *load) stop(t *testing.T) {
	t.Helper()
	l.cancel()
	require.NoError(t, l.group.Wait())
	require.Greater(t, l.requests.Load(), int64(50))
	require.GreaterOrEqual(t, l.replaced.Load(), int64(2), "the open page has moved from task to task")
}

func TestInterruptedStartLeavesNothing(t *testing.T) {
	i := newInstance(t)
	i.start()
	i.waitFor("apply envs/shared", startLimit)
	time.Sleep(2 * time.Second) // into the apply
	processes := descendants(i.up.Process.Pid)
	require.NoError(t, i.up.Process.Signal(os.Interrupt))
	require.Equal(t, 130, i.waitEnd(2*time.Minute))
	i.allGone(processes)
	require.NoDirExists(t, i.dir)
}

func TestKilledStartIsCleanedUpByDown(t *testing.T) {
	i := newInstance(t)
	i.start()
	i.waitFor("apply envs/shared", startLimit)
	time.Sleep(2 * time.Second)
	processes := descendants(i.up.Process.Pid)
	require.NoError(t, i.up.Process.Kill())
	i.waitEnd(time.Minute)
	out, errs, code := i.run("down", "dev", "--local")
	require.Zero(t, code, errs)
	require.Contains(t, out, "had been killed")
	i.allGone(processes)
	require.NoDirExists(t, i.dir)

	out, _, code = i.run("down", "dev", "--local")
	require.Zero(t, code)
	require.Contains(t, out, "is not up")
	_, errs, code = i.run("status", "dev", "--local")
	require.NotZero(t, code)
	require.Contains(t, errs, "is not up")
}

func TestFailedApplyIsOneSentenceAndLeavesNoProcess(t *testing.T) {
	i := newInstance(t)
	i.root = copyCheckout(t, i.root)
	main := filepath.Join(i.root, "envs", "dev", "main.tf")
	content, err := os.ReadFile(main)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(main, append(content, []byte("\nresource \"aws_secretsmanager_secret_version\" \"broken\" {\n  secret_id     = \"no-such-secret\"\n  secret_string = \"x\"\n}\n")...), 0o644))
	i.start()
	i.waitFor("apply envs/dev", startLimit)
	processes := descendants(i.up.Process.Pid)
	require.Equal(t, 1, i.waitEnd(startLimit))
	last := i.output()[len(i.output())-1]
	require.Contains(t, last, "terraform apply of envs/dev failed: ")
	_, log, ok := strings.Cut(last, "(all of it: ")
	require.True(t, ok, last)
	text, err := os.ReadFile(strings.TrimSuffix(log, ")"))
	require.NoError(t, err)
	require.Contains(t, string(text), "no-such-secret")
	i.allGone(processes)
	require.NoDirExists(t, filepath.Join(i.dir, "dev"))
}

// copyCheckout copies what `up` needs of the checkout, so that a test may break it.
func copyCheckout(t *testing.T, root string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "service", "modules", "envs", "frontend/embed.go"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755))
		c := exec.Command("cp", "-a", filepath.Join(root, name), filepath.Join(to, name))
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	// The page and Python are not what is tried here: the page is one file that
	// is there already, and there are no packages to install.
	for name, content := range map[string]string{
		"frontend/package.json":      `{"name":"page","version":"1.0.0","scripts":{"build":"mkdir -p dist && cp index.html dist/"}}`,
		"frontend/package-lock.json": `{"name":"page","version":"1.0.0","lockfileVersion":3,"packages":{"":{"name":"page","version":"1.0.0"}}}`,
		"frontend/index.html":        "page",
		"frontend/dist/.gitkeep":     "",
		"service/requirements.txt":   "# nothing\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(to, name), []byte(content), 0o644))
	}
	return to
}

func TestPlanShowsWhatWouldBeMadeAndLeavesNothing(t *testing.T) {
	i := newInstance(t)
	out, errs, code := i.run("plan", "dev", "--local")
	require.Zero(t, code, errs)
	require.Contains(t, out, "aws_cloudfront_distribution")
	require.Equal(t, 2, strings.Count(out, "Plan: "), "one of each root")
	require.NoDirExists(t, i.dir)
}

func TestCostNamesEveryResourceOfTheEnvironments(t *testing.T) {
	mains, err := filepath.Glob("../../envs/*/main.tf")
	require.NoError(t, err)
	for _, main := range mains {
		environment := filepath.Base(filepath.Dir(main))
		if environment == "shared" { // priced with each of the others
			continue
		}
		t.Run(environment, func(t *testing.T) {
			i := newInstance(t)
			out, errs, code := i.run("cost", environment, "--local", "--json")
			require.Zero(t, code, errs)
			lines := strings.Split(strings.TrimSpace(out), "\n")
			var report struct {
				Region    string
				Monthly   float64
				Resources []struct{ Resource string }
				Unknown   []string
			}
			require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &report))
			require.Equal(t, "eu-north-1", report.Region)
			require.Greater(t, report.Monthly, 20.0, "a load balancer and a task at least")
			require.Empty(t, report.Unknown)
			require.NoDirExists(t, i.dir)
		})
	}
}

func TestUnknownEnvironmentIsNamed(t *testing.T) {
	i := newInstance(t)
	_, errs, code := i.run("up", "nowhere", "--local")
	require.Equal(t, 1, code)
	require.Contains(t, errs, `no environment "nowhere"`)
}

func TestEmulatorCommandEndsWithItsInput(t *testing.T) {
	i := newInstance(t)
	c := i.command("emulator")
	stdin, err := c.StdinPipe()
	require.NoError(t, err)
	stdout, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	require.NoError(t, err)
	var ready struct {
		Endpoint  string
		Env       map[string]string
		Terraform struct {
			Path string
			Env  map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(line, &ready))
	require.Equal(t, ready.Endpoint, ready.Env["AWS_ENDPOINT_URL"])
	require.FileExists(t, ready.Terraform.Path)
	require.FileExists(t, ready.Terraform.Env["TF_CLI_CONFIG_FILE"])
	require.Subset(t, ready.Env, ready.Terraform.Env)
	processes := descendants(c.Process.Pid)
	require.NoError(t, stdin.Close())
	require.NoError(t, c.Wait())
	i.allGone(processes)
}
