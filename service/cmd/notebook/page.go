package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/reactive-notebook/reactive-notebook/frontend"
	"github.com/reactive-notebook/reactive-notebook/service/internal/api"
)

// page is whatever is served at /: the built page once there is one, before
// that what is being done about it.
type page struct {
	log     *slog.Logger
	handler atomic.Pointer[http.Handler]
	stop    context.CancelFunc
	working sync.WaitGroup
	root    *os.Root // of the directory that is served, if it is one
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*p.handler.Load()).ServeHTTP(w, r)
}

func (p *page) set(h http.Handler) { p.handler.Store(&h) }

// close ends a build that is under way.
func (p *page) close() {
	p.stop()
	p.working.Wait()
	if p.root != nil {
		_ = p.root.Close() // it was only read
	}
}

// choosePage finds the page: in the configured directory, in this binary, or
// in the checkout that the service was started in, where it is built if need
// be while the API serves already.
func choosePage(ctx context.Context, dir, checkout string, log *slog.Logger) (*page, error) {
	embedded, built := frontend.Dist()
	if !built {
		embedded = nil
	}
	return newPage(ctx, dir, embedded, checkout, log)
}

func newPage(ctx context.Context, dir string, embedded fs.FS, checkout string, log *slog.Logger) (*page, error) {
	ctx, stop := context.WithCancel(ctx)
	p := &page{log: log, stop: stop}
	dist := filepath.Join(checkout, "frontend", "dist")
	_, sources := os.Stat(filepath.Join(checkout, "frontend", "package.json"))
	_, npm := exec.LookPath("npm")
	switch {
	case dir != "":
		if err := p.serveDir(dir); err != nil {
			stop()
			return nil, fmt.Errorf("FRONTEND_DIR: %w", err)
		}
	case embedded != nil:
		p.set(api.NewPage(embedded, log))
	case p.serveDir(dist) == nil:
		log.Info("serving the page from the checkout", "dir", dist)
	case sources == nil && npm == nil:
		log.Info("building the page; the API serves meanwhile", "dir", filepath.Dir(dist))
		p.set(notice(http.StatusServiceUnavailable, "The page is being built", "This takes a minute or two. It opens by itself when it is done.", true))
		p.working.Go(func() { p.build(ctx, dist) })
	case sources == nil:
		log.Warn("there is no page: npm is missing to build it")
		p.set(notice(http.StatusServiceUnavailable, "There is no page yet", "Install Node.js 20 with npm and start the service again, or run npm ci and npm run build in the directory frontend elsewhere and set FRONTEND_DIR to the result.", false))
	default:
		log.Warn("there is no page in this binary")
		p.set(notice(http.StatusServiceUnavailable, "There is no page in this binary", "The API is served. For the page, build the binary after npm run build in the directory frontend, or set FRONTEND_DIR to a built page.", false))
	}
	return p, nil
}

// serveDir serves a directory that has an index.html.
func (p *page) serveDir(dir string) error {
	root, err := os.OpenRoot(dir) // which links don't lead out of
	if err != nil {
		return err
	}
	if _, err := root.Stat("index.html"); err != nil {
		_ = root.Close()
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s holds no built page: it has no index.html", dir)
		}
		return fmt.Errorf("%s holds no built page: %w", dir, err)
	}
	p.root = root
	p.set(api.NewPage(root.FS(), p.log))
	return nil
}

// build runs npm once, and serves what it made.
func (p *page) build(ctx context.Context, dist string) {
	start := time.Now()
	err := p.npm(ctx, filepath.Dir(dist))
	if err == nil {
		err = p.serveDir(dist)
	}
	switch {
	case ctx.Err() != nil:
		// The service is stopping.
	case err != nil:
		p.log.Error("the page could not be built", "error", err)
		p.set(notice(http.StatusServiceUnavailable, "The page could not be built", "The service's log says why: npm ci or npm run build in the directory frontend failed.", false))
	default:
		p.log.Info("built the page", "duration_ms", time.Since(start).Milliseconds())
	}
}

// npm installs what is missing and builds, unless somebody else has meanwhile.
func (p *page) npm(ctx context.Context, dir string) error {
	held, err := lock(ctx, filepath.Join(filepath.Dir(dir), ".tools", "locks"), "npm-frontend")
	if err != nil {
		return err
	}
	defer held.Close()
	if _, err := os.Stat(filepath.Join(dir, "dist", "index.html")); err == nil {
		return nil
	}
	// `stack setup` marks packages that are all there; others may be what a killed
	// service left.
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".installed")); errors.Is(err, fs.ErrNotExist) {
		if err := command(ctx, held, dir, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
			return err
		}
	}
	return command(ctx, held, dir, "npm", "run", "build")
}

// lock keeps the repository's other tools from running npm in the same
// directory; it takes the lock that they take. Closing the file, in this process
// and in all that it was handed to, gives it back.
func lock(ctx context.Context, dir, name string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory of locks: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = file.Close()
			return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// keptOutput is how much of a failed command's output its error shows.
const keptOutput = 4 << 10

// command runs a program in a directory. It keeps the lock, should it outlive a
// service that is killed: the next one waits for it.
func command(ctx context.Context, held *os.File, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.ExtraFiles = []*os.File{held}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "NOTEBOOK_TOKEN=") {
			cmd.Env = append(cmd.Env, variable) // packages' scripts need no secrets
		}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// npm starts others: all of them end together.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		text := out.Bytes()
		text = text[max(0, len(text)-keptOutput):]
		return fmt.Errorf("%s %s in %s: %w: %s", name, strings.Join(args, " "), dir, err, bytes.TrimSpace(text))
	}
	return nil
}

// notice answers every address with a small page that says how things stand.
func notice(status int, title, text string, refresh bool) http.Handler {
	meta := ""
	if refresh {
		meta = `<meta http-equiv="refresh" content="3">`
	}
	body := fmt.Sprintf(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">%s<title>%s</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:20vh auto;padding:0 1rem;color-scheme:light dark}</style>
</head><body><h1>%s</h1><p>%s</p></body></html>
`, meta, html.EscapeString(title), html.EscapeString(title), html.EscapeString(text))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // who left needs no page
	})
}
