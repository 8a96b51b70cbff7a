package api

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// clientOf returns who a request comes from, as far as that can be known: the
// other end of the connection or, if that is a trusted proxy, the last one in
// X-Forwarded-For that isn't. Each proxy adds at the end whom it was called
// by, so what a client claims for itself stands further to the front and is
// never looked at.
//
// Of an IPv6 address it is the network, as one client has all of a /64.
func clientOf(r *http.Request, trusted []netip.Prefix) string {
	client, ok := address(r.RemoteAddr)
	if !ok {
		return r.RemoteAddr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && among(trusted, client); i-- {
		before, ok := address(strings.TrimSpace(hops[i]))
		if !ok {
			break // no proxy writes this: the one that we trust was told by nobody
		}
		client = before
	}
	if client.Is6() {
		if network, err := client.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return client.String()
}

// address reads an address with or without a port.
func address(text string) (netip.Addr, bool) {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr().Unmap(), true
	}
	bare, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return bare.Unmap(), err == nil
}

func among(networks []netip.Prefix, a netip.Addr) bool {
	for _, network := range networks {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// failures slows clients down who try tokens: so many at once, then one each
// so often.
type failures struct {
	atOnce int
	every  time.Duration

	mu   sync.Mutex
	seen map[string]time.Time // when all of a client's failures are forgotten
}

const failuresKept = 10_000 // clients

// pause returns how long a client must wait before it may try again.
func (f *failures) pause(client string, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left(client, now)
}

func (f *failures) left(client string, now time.Time) time.Duration {
	until, ok := f.seen[client]
	if !ok {
		return 0
	}
	return max(0, until.Add(-time.Duration(f.atOnce-1)*f.every).Sub(now))
}

// take counts a try as a failure until it is given back, so that no more are
// under way at once than may fail. If there is a pause, nothing is counted.
func (f *failures) take(client string, now time.Time) (pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pause = f.left(client, now); pause > 0 {
		return pause
	}
	if f.seen == nil || len(f.seen) >= failuresKept {
		kept := map[string]time.Time{}
		for other, until := range f.seen {
			if until.After(now) && len(kept) < failuresKept/2 {
				kept[other] = until
			}
		}
		f.seen = kept
	}
	from := f.seen[client]
	if from.Before(now) {
		from = now
	}
	f.seen[client] = from.Add(f.every)
	return 0
}

// give takes back a try that was none of a failure.
func (f *failures) give(client string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	until, ok := f.seen[client]
	if until = until.Add(-f.every); ok && until.After(now) {
		f.seen[client] = until
		return
	}
	delete(f.seen, client)
}

// empty tells whether nobody has failed of late.
func (f *failures) empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen) == 0
}
