package api

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync/atomic"
)

const requestIDHeader = "X-Request-Id"

// requestIDs names requests, so that an answer can be found in the log.
type requestIDs struct {
	prefix string // of this process
	last   *atomic.Uint64
}

func newRequestIDs() requestIDs {
	random := make([]byte, 6)
	_, _ = rand.Read(random) // never fails
	return requestIDs{hex.EncodeToString(random) + "-", new(atomic.Uint64)}
}

const maxRequestID = 128

// of returns the name that the client gave the request, if it is one that a log
// can hold as it is, else a new one.
func (ids requestIDs) of(r *http.Request) string {
	given := r.Header.Get(requestIDHeader)
	if given == "" || len(given) > maxRequestID {
		return ids.next()
	}
	for i := range len(given) {
		if c := given[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return ids.next()
		}
	}
	return given
}

func (ids requestIDs) next() string {
	var name [32]byte
	return string(strconv.AppendUint(append(name[:0], ids.prefix...), ids.last.Add(1), 36))
}
