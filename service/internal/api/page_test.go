package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"log/slog"

	"github.com/stretchr/testify/require"
)

func servePage(t *testing.T) (*served, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index.html": "<!doctype html><title>App</title>", "assets/app-1a2b.js": strings.Repeat("let x = 1;", 1000),
		"assets/logo-3c.png": "\x89PNG", "assets/sandbox-4d5e6f70.html": "<!doctype html>", "favicon.svg": "<svg/>", ".env": "SECRET=1", "assets/.hidden": "x",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	return serve(t, func(o *Options) { o.Page = NewPage(root.FS(), slog.New(slog.DiscardHandler)) }), dir
}

func TestThePageIsServedWithItsAddresses(t *testing.T) {
	s, _ := servePage(t)
	for _, path := range []string{"/", "/index.html", "/notebooks", "/notebooks/0198-abc", "/a/b/c", "/apix", "/healthy"} {
		got := s.do("GET", path, "")
		require.Equal(t, 200, got.StatusCode, path)
		require.Contains(t, got.body, "<title>App</title>", path)
		require.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
		require.Equal(t, "no-cache", got.Header.Get("Cache-Control"))
		require.Equal(t, PagePolicy, got.Header.Get("Content-Security-Policy"))
		require.Equal(t, "nosniff", got.Header.Get("X-Content-Type-Options"))
	}
	for _, path := range []string{
		"/assets/missing-00.js", "/assets/", "/assets", "/assets/x/y", "/missing.js", "/notebooks/x.html", "/.env", "/assets/.hidden", "/api/x", "/api",
		"/../../etc/passwd.txt", "/%2e%2e/%2e%2e/etc/hosts.x", "/..%2f.env",
	} {
		s.do("GET", path, "").problem(t, 404)
	}
	got := s.do("POST", "/notebooks", `{}`)
	got.problem(t, 405)
	require.Equal(t, "GET, HEAD", got.Header.Get("Allow"))
	require.Empty(t, s.do("HEAD", "/", "").body)
}

func TestAssetsAreCachedForEverAndCompressed(t *testing.T) {
	s, dir := servePage(t)
	plain := s.do("GET", "/assets/app-1a2b.js", "", "Accept-Encoding: identity")
	require.Equal(t, "public, max-age=31536000, immutable", plain.Header.Get("Cache-Control"))
	require.Equal(t, "text/javascript; charset=utf-8", plain.Header.Get("Content-Type"))
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	for accept, gzipped := range map[string]bool{
		"gzip": true, "br, gzip;q=0.5": true, "GZIP": true, "*": true,
		"gzip;q=0": false, "gzip; q=0.0, *": false, "br": false, "identity": false,
	} {
		got := s.do("GET", "/assets/app-1a2b.js", "", "Accept-Encoding: "+accept)
		require.Equal(t, gzipped, got.Header.Get("Content-Encoding") == "gzip", accept)
		require.Equal(t, "Accept-Encoding", got.Header.Get("Vary"))
		if gzipped {
			require.NotEqual(t, plain.Header.Get("ETag"), got.Header.Get("ETag"), "other bytes, other tag")
			r, err := gzip.NewReader(bytes.NewReader([]byte(got.body)))
			require.NoError(t, err)
			body, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, plain.body, string(body))
		}
	}
	image := s.do("GET", "/assets/logo-3c.png", "", "Accept-Encoding: gzip")
	require.Empty(t, image.Header.Get("Content-Encoding"), "it is compressed already")
	require.Equal(t, "image/png", image.Header.Get("Content-Type"))

	index := s.do("GET", "/", "")
	again := s.do("GET", "/notebooks/x", "", "If-None-Match: "+index.Header.Get("ETag"))
	require.Equal(t, 304, again.StatusCode)
	require.Empty(t, again.body)

	// A new build shows without a restart.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.html"), []byte("<title>New build</title>"), 0o644))
	require.NoError(t, os.Chtimes(filepath.Join(dir, "index.html"), time.Now(), time.Now().Add(time.Minute)))
	require.Contains(t, s.do("GET", "/", "").body, "New build")
}

func TestTheSandboxHasAPolicyOfItsOwn(t *testing.T) {
	s, _ := servePage(t)
	got := s.do("GET", "/assets/sandbox-4d5e6f70.html", "")
	require.Equal(t, 200, got.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", got.Header.Get("Content-Type"))
	require.Equal(t, SandboxPolicy, got.Header.Get("Content-Security-Policy"))
	require.Equal(t, "SAMEORIGIN", got.Header.Get("X-Frame-Options"))
	// Even opened by itself, or by a path that leads elsewhere, it has no origin of ours.
	require.NotContains(t, SandboxPolicy, "allow-same-origin")
	for _, path := range []string{"/assets/sandbox-4d5e6f70.html/../../index.html", "/assets/sandbox-x", "/assets/sandbox-%2e%2e/%2e%2e/index.html"} {
		other := s.do("GET", path, "")
		if policy := other.Header.Get("Content-Security-Policy"); policy != PagePolicy {
			require.Contains(t, policy, "sandbox", path)
		}
	}
	require.Equal(t, "DENY", s.do("GET", "/assets/app-1a2b.js", "").Header.Get("X-Frame-Options"))
}

func TestLinksOutOfThePageAreNotFollowed(t *testing.T) {
	s, dir := servePage(t)
	secret := filepath.Join(t.TempDir(), "secret.txt")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o644))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "link.txt")))
	got := s.do("GET", "/link.txt", "")
	require.NotEqual(t, 200, got.StatusCode)
	require.NotContains(t, got.body, "secret")
}

func TestAnEmbeddedPageIsServedToo(t *testing.T) {
	s := serve(t, func(o *Options) {
		o.Page = NewPage(fstest.MapFS{"index.html": {Data: []byte("embedded")}}, slog.New(slog.DiscardHandler))
	})
	require.Equal(t, "embedded", s.do("GET", "/x", "").body)
}
