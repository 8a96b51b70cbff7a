package relay_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/relay"
)

// twoProxies is a client's way through two of them to origin, as through an
// edge and a load balancer.
func twoProxies(t *testing.T, origin http.HandlerFunc) string {
	server := httptest.NewServer(origin)
	t.Cleanup(server.Close)
	for range 2 {
		next, err := url.Parse(server.URL)
		require.NoError(t, err)
		proxy := httputil.NewSingleHostReverseProxy(next)
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { relay.Serve(proxy, w, r) }))
		t.Cleanup(server.Close)
	}
	return server.URL
}

func post(t *testing.T, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	response, err := http.Post(url, "text/plain", body)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(text)
}

func TestRefusedBodyDoesNotCostTheNextRequest(t *testing.T) {
	address := twoProxies(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10)); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	large := make([]byte, 3<<20)
	for range 50 {
		response, _ := post(t, address, bytes.NewReader(large))
		require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
		response, _ = post(t, address, strings.NewReader("small"))
		require.Equal(t, http.StatusNoContent, response.StatusCode)
	}
}

func TestConnectionIsKeptAfterABodyThatWasRead(t *testing.T) {
	address := twoProxies(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	for range 50 {
		response, text := post(t, address, strings.NewReader("hello"))
		require.Equal(t, "hello", text)
		require.False(t, response.Close)
	}
}
