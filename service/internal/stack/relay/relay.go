// Package relay serves a reverse proxy to clients that keep their connections.
//
// It is not a proxy: those are net/http/httputil's. Its invariant: a connection
// that can't carry a further request is announced as closed by the answer, so
// that no client sends its next request into it and loses it.
package relay

import (
	"io"
	"net/http"
	"sync/atomic"
)

// Serve lets proxy answer r, also where the answer overtakes the request's body.
//
// Without full duplex the server ends the body as soon as the answer begins,
// and a transport that is about to see the body's end by itself takes that for
// a failure and cuts the answer short. With it, the server leaves the rest of
// the body alone, and closes the connection after the answer without having
// said so; a client that has sent everything by then takes the connection for
// free and sends the next request into it. Hence the announcement here.
func Serve(proxy http.Handler, w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/1 servers can
	if r.Body == nil || r.Body == http.NoBody {
		proxy.ServeHTTP(w, r)
		return
	}
	watched := &body{ReadCloser: r.Body}
	r = r.WithContext(r.Context()) // the server goes on with its own request
	r.Body = watched
	proxy.ServeHTTP(&writer{w, watched}, r)
}

// body knows whether it was read to its end.
type body struct {
	io.ReadCloser
	read atomic.Bool // the transport reads in a goroutine of its own
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.read.Store(true)
	}
	return n, err
}

// writer announces the end of the connection. Proxies call WriteHeader for
// every answer; what else they ask of a writer they find by Unwrap.
type writer struct {
	http.ResponseWriter
	body *body
}

func (w *writer) WriteHeader(status int) {
	if status >= http.StatusOK && !w.body.read.Load() {
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
