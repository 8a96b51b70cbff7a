package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// checkout makes a directory with a frontend and an npm that is a script.
func checkout(t *testing.T, npm string) string {
	t.Helper()
	dir, bin := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "frontend", "dist"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "frontend", "package.json"), []byte("{}"), 0o644))
	if npm != "" {
		require.NoError(t, os.WriteFile(filepath.Join(bin, "npm"), []byte("#!/bin/sh\n"+npm), 0o755))
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	} else {
		t.Setenv("PATH", bin)
	}
	return dir
}

func newTestPage(t *testing.T, dir string) *page {
	t.Helper()
	p, err := newPage(t.Context(), "", nil, dir, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return p
}

func get(p *page) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w
}

func TestACheckoutsPageIsBuiltWhileTheAPIServes(t *testing.T) {
	t.Setenv("NOTEBOOK_TOKEN", "s3cret")
	dir := checkout(t, `
echo "$@" >> calls
env >> env
case "$1" in
ci) mkdir node_modules ;;
run) while [ ! -e go ]; do sleep 0.05; done; echo '<title>Built</title>' > dist/index.html ;;
esac`)
	p := newTestPage(t, dir)
	defer p.close()
	first := get(p)
	require.Equal(t, http.StatusServiceUnavailable, first.Code)
	require.NotEmpty(t, first.Header().Get("Retry-After"))
	require.Contains(t, first.Body.String(), "being built")
	require.Contains(t, first.Body.String(), `http-equiv="refresh"`)

	front := filepath.Join(dir, "frontend")
	require.NoError(t, os.WriteFile(filepath.Join(front, "go"), nil, 0o644))
	require.Eventually(t, func() bool { return get(p).Code == http.StatusOK }, patience, 20*time.Millisecond)
	require.Contains(t, get(p).Body.String(), "Built")
	calls, err := os.ReadFile(filepath.Join(front, "calls"))
	require.NoError(t, err)
	require.Equal(t, "ci --no-audit --no-fund\nrun build\n", string(calls))
	env, err := os.ReadFile(filepath.Join(front, "env"))
	require.NoError(t, err)
	require.NotContains(t, string(env), "s3cret")

	again := newTestPage(t, dir)
	defer again.close()
	require.Equal(t, http.StatusOK, get(again).Code, "what is built is served at once")
}

func TestABuildThatFailsIsSaidOnThePage(t *testing.T) {
	dir := checkout(t, "echo broken; exit 3")
	p := newTestPage(t, dir)
	defer p.close()
	p.working.Wait()
	got := get(p)
	require.Equal(t, http.StatusServiceUnavailable, got.Code)
	require.Contains(t, got.Body.String(), "could not be built")
	require.NotContains(t, got.Body.String(), "refresh")

	err := p.npm(t.Context(), filepath.Join(dir, "frontend"))
	require.ErrorContains(t, err, "npm ci")
	require.ErrorContains(t, err, "broken")
}

func TestWhatAKilledBuildLeftIsWaitedForAndMadeWhole(t *testing.T) {
	dir := checkout(t, `
case "$1" in
ci) mkdir -p node_modules; touch node_modules/whole ;;
run) [ -e node_modules/whole ] && echo '<title>Built</title>' > dist/index.html ;;
esac`)
	front := filepath.Join(dir, "frontend")
	require.NoError(t, os.Mkdir(filepath.Join(front, "node_modules"), 0o755)) // with nothing in it

	// A service that was killed leaves its npm, which holds the lock by itself.
	locks := filepath.Join(dir, ".tools", "locks")
	held, err := lock(t.Context(), locks, "npm-frontend")
	require.NoError(t, err)
	left := exec.Command("cat")
	left.ExtraFiles = []*os.File{held}
	end, err := left.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, left.Start())
	require.NoError(t, held.Close())

	p := newTestPage(t, dir)
	defer p.close()
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = lock(short, locks, "npm-frontend")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Contains(t, get(p).Body.String(), "being built")

	require.NoError(t, end.Close())
	require.NoError(t, left.Wait())
	require.Eventually(t, func() bool { return get(p).Code == http.StatusOK }, patience, 20*time.Millisecond)
}

func TestStoppingEndsABuildWithAllThatItStarted(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	dir := checkout(t, "touch begun; sleep 600 & sleep 600")
	p := newTestPage(t, dir)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "frontend", "begun"))
		return err == nil
	}, patience, 10*time.Millisecond)
	p.close()
	goleak.VerifyNone(t, leaks)
}

func TestThePageSaysWhatIsMissing(t *testing.T) {
	withoutNpm := newTestPage(t, checkout(t, ""))
	defer withoutNpm.close()
	require.Contains(t, get(withoutNpm).Body.String(), "Install Node.js")

	nothing := newTestPage(t, t.TempDir())
	defer nothing.close()
	require.Equal(t, http.StatusServiceUnavailable, get(nothing).Code)
	require.Contains(t, get(nothing).Body.String(), "FRONTEND_DIR")

	_, err := newPage(t.Context(), t.TempDir(), nil, t.TempDir(), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "FRONTEND_DIR")
}

func TestTheConfiguredPageComesBeforeTheEmbeddedOne(t *testing.T) {
	embedded := fstest.MapFS{"index.html": {Data: []byte("Embedded")}}
	log := slog.New(slog.DiscardHandler)
	p, err := newPage(context.Background(), builtPage(t), embedded, t.TempDir(), log)
	require.NoError(t, err)
	defer p.close()
	require.Contains(t, get(p).Body.String(), "Built")
	e, err := newPage(context.Background(), "", embedded, checkout(t, "exit 1"), log)
	require.NoError(t, err)
	defer e.close()
	require.Contains(t, get(e).Body.String(), "Embedded")
}
