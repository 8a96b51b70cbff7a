package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Page serves a built single-page app: files by their names, and index.html
// for the addresses that exist inside the app only.
type Page struct {
	files fs.FS
	log   *slog.Logger

	mu     sync.Mutex
	assets map[string]*asset // of files that exist, so it is bounded by them
}

// asset is a file in memory, in the form in which it is sent.
type asset struct {
	modified time.Time
	size     int64
	body     []byte
	zipped   []byte // nil if that would not make it smaller
	kind     string
	etag     string
}

// NewPage returns a handler for the files, index.html at their root.
func NewPage(files fs.FS, log *slog.Logger) *Page {
	return &Page{files: files, log: log, assets: map[string]*asset{}}
}

func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	hashed := name == "assets" || strings.HasPrefix(name, "assets/")
	a, err := p.open(name)
	if errors.Is(err, fs.ErrNotExist) && !hashed && path.Ext(name) == "" {
		// Not a file, so an address of the app's.
		name = "index.html"
		a, err = p.open(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		newProblem(http.StatusNotFound, "there is no such file").write(w)
		return
	}
	if err != nil {
		p.log.Error("read page", "file", name, "error", err)
		newProblem(http.StatusInternalServerError, "the page could not be read; the log says why").write(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", a.etag)
	switch {
	case hashed: // its name changes with its content
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	default:
		h.Set("Cache-Control", "no-cache")
	}
	body := a.body
	if a.zipped != nil && acceptsGzip(r) {
		body = a.zipped
		h.Set("Content-Encoding", "gzip")
		h.Set("ETag", strings.TrimSuffix(a.etag, `"`)+`-gzip"`)
	}
	// With an empty name and no time it goes by our headers.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// open returns a file, read and compressed once, and again when it changed.
func (p *Page) open(name string) (*asset, error) {
	if name == "" {
		name = "index.html"
	}
	for _, part := range strings.Split(name, "/") {
		if strings.HasPrefix(part, ".") {
			return nil, fs.ErrNotExist // not meant for anybody
		}
	}
	info, err := fs.Stat(p.files, name)
	if errors.Is(err, fs.ErrInvalid) || (err == nil && info.IsDir()) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock() // one builds it, the others wait for that
	if a, ok := p.assets[name]; ok && a.modified.Equal(info.ModTime()) && a.size == info.Size() {
		return a, nil
	}
	body, err := fs.ReadFile(p.files, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	a := &asset{
		modified: info.ModTime(), size: info.Size(), body: body, kind: contentType(name),
		etag: `"` + hex.EncodeToString(sum[:16]) + `"`,
	}
	if compressible(a.kind) {
		if a.zipped, err = zipped(body); err != nil {
			return nil, fmt.Errorf("compress %s: %w", name, err)
		}
	}
	p.assets[name] = a
	return a, nil
}

func zipped(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if out.Len() >= len(body) {
		return nil, nil
	}
	return out.Bytes(), nil
}

// contentType does not ask the machine first, as minimal ones know nothing and
// others know strange things.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".woff":
		return "font/woff"
	case ".ttf":
		return "font/ttf"
	case ".wasm":
		return "application/wasm"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

func compressible(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	switch kind {
	case "application/json", "application/manifest+json", "application/wasm", "image/svg+xml", "font/ttf", "image/x-icon":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// acceptsGzip reads Accept-Encoding as far as gzip is concerned.
func acceptsGzip(r *http.Request) bool {
	any := false
	for _, one := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, params, _ := strings.Cut(one, ";")
		wanted := true
		if q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q="); ok {
			weight, err := strconv.ParseFloat(q, 64)
			wanted = err == nil && weight > 0
		}
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip":
			return wanted
		case "*":
			any = wanted
		}
	}
	return any
}
