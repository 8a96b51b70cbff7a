package api

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const token = "correct-horse-battery-staple"

func withToken(o *Options) { o.Token = token }

func withOrigins(origins ...string) func(*Options) {
	return func(o *Options) { o.AllowedOrigins = origins }
}

// signIn returns the session cookie as a Cookie header.
func (s *served) signIn(headers ...string) string {
	s.t.Helper()
	got := s.do("POST", "/api/session", `{"token":"`+token+`"}`, headers...)
	require.Equal(s.t, http.StatusNoContent, got.StatusCode, got.body)
	require.Len(s.t, got.Cookies(), 1)
	return "Cookie: " + got.Cookies()[0].Name + "=" + got.Cookies()[0].Value
}

func TestTheDoorByToken(t *testing.T) {
	s := serve(t, withToken)
	n := s.notebook()
	cookie := s.signIn()
	for _, c := range []struct {
		name    string
		headers []string
		open    bool
	}{
		{"nothing", nil, false},
		{"the token", []string{"Authorization: Bearer " + token}, true},
		{"another case of the scheme", []string{"Authorization: bearer " + token}, true},
		{"a wrong token", []string{"Authorization: Bearer wrong"}, false},
		{"the beginning of the token", []string{"Authorization: Bearer " + token[:10]}, false},
		{"the token and more", []string{"Authorization: Bearer " + token + "x"}, false},
		{"another case of the token", []string{"Authorization: Bearer " + strings.ToUpper(token)}, false},
		{"an empty token", []string{"Authorization: Bearer  "}, false},
		{"another scheme", []string{"Authorization: Basic " + token}, false},
		{"the bare token", []string{"Authorization: " + token}, false},
		{"the session", []string{cookie}, true},
		{"the session beside another of the name", []string{"Cookie: notebook_session=x; " + strings.TrimPrefix(cookie, "Cookie: ")}, true},
		{"a wrong token beside a session", []string{cookie, "Authorization: Bearer wrong"}, false},
		{"the token as the session", []string{"Cookie: notebook_session=" + token}, false},
		{"a session cut short", []string{cookie[:len(cookie)-2]}, false},
		{"a session changed", []string{strings.Replace(cookie, "session=", "session=AAAA", 1)}, false},
		{"an empty session", []string{"Cookie: notebook_session="}, false},
		{"the token in a header of its own", []string{"X-Token: " + token, "Token: " + token}, false},
		{"the token as a password", []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+token))}, false},
		{"the token as a proxy's", []string{"Proxy-Authorization: Bearer " + token}, false},
		{"the token as a protocol of the socket", []string{"Sec-WebSocket-Protocol: " + token}, false},
		{"the token as another cookie", []string{"Cookie: token=" + token}, false},
		{"two tokens", []string{"Authorization: Bearer wrong, Bearer " + token}, false},
		{"the hash of the token", []string{fmt.Sprintf("Authorization: Bearer %x", sha256.Sum256([]byte(token)))}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range []string{"/api/notebooks", "/api/notebooks/" + n.ID, "/api/ws/notebooks/" + n.ID, "/api/session"} {
				got := s.do("GET", path, "", c.headers...)
				if c.open {
					require.NotEqual(t, 401, got.StatusCode, path)
					continue
				}
				got.problem(t, 401)
				require.Contains(t, got.Header.Get("WWW-Authenticate"), "Bearer")
			}
		})
	}
	s.do("GET", "/api/notebooks?token="+token, "").problem(t, 401)
	s.do("GET", "/api/ws/notebooks/"+n.ID+"?token="+token+"&access_token="+token, "").problem(t, 401)
	s.do("GET", "/api/notebooks", `{"token":"`+token+`"}`).problem(t, 401)
	s.do("GET", "/%61pi/notebooks", "").problem(t, 401)
	for _, nothing := range []string{"/api/nothing", "/api", "/api/../api/notebooks"} {
		s.do("GET", nothing, "").problem(t, 404) // where there is no route, there is nothing to guard
	}
	s.do("DELETE", "/api/notebooks/"+n.ID, "").problem(t, 401)
	s.do("OPTIONS", "/api/notebooks", "").problem(t, 401)
	require.Equal(t, 200, s.do("GET", "/health", "").StatusCode)
	require.Equal(t, 200, s.do("GET", "/ready", "").StatusCode)
}

func TestTheSessionCookie(t *testing.T) {
	s := serve(t, withToken)
	for host, secure := range map[string]bool{
		"localhost:8080": false, "127.0.0.1": false, "127.9.9.9:1": false, "[::1]:8000": false, "[::1]": false,
		"notebooks.example.com": true, "localhost.example.com": true, "10.0.0.1:8000": true, "d111.cloudfront.net": true,
	} {
		got := s.do("POST", "/api/session", `{"token":"`+token+`"}`, "Host: "+host)
		require.Equal(t, http.StatusNoContent, got.StatusCode)
		require.Empty(t, got.body)
		cookie := got.Cookies()[0]
		require.True(t, cookie.HttpOnly)
		require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
		require.Equal(t, "/", cookie.Path)
		require.Empty(t, cookie.Domain)
		require.Equal(t, secure, cookie.Secure, host)
		require.NotContains(t, cookie.Value, token)
	}
	require.NotEqual(t, s.signIn(), s.signIn(), "each session is its own")

	cookie := s.signIn()
	origin := "Origin: " + s.http.URL
	out := s.do("DELETE", "/api/session", "", cookie, origin)
	require.Equal(t, http.StatusNoContent, out.StatusCode)
	require.Negative(t, out.Cookies()[0].MaxAge)
	s.do("GET", "/api/notebooks", "", cookie).problem(t, 401) // also for who copied it

	other := serve(t, func(o *Options) { o.Token = token + "2" })
	other.do("GET", "/api/notebooks", "", s.signIn()).problem(t, 401) // a changed token ends all sessions

	aged := func(age time.Duration) string {
		return "Cookie: " + sessionCookie + "=" + s.api.door.newSession(sessionID{7}, time.Now().Add(-age))
	}
	require.Empty(t, s.do("GET", "/api/notebooks", "", aged(sessionLifetime/3)).Cookies())
	used := s.do("GET", "/api/notebooks", "", aged(sessionLifetime*2/3))
	require.Equal(t, 200, used.StatusCode)
	require.Len(t, used.Cookies(), 1, "who uses a session stays signed in")
	renewed := "Cookie: " + sessionCookie + "=" + used.Cookies()[0].Value
	require.Equal(t, 204, s.do("DELETE", "/api/session", "", aged(0), origin).StatusCode)
	s.do("GET", "/api/notebooks", "", renewed).problem(t, 401) // it is the same session

	late := s.api.door.newSession(sessionID{8}, time.Now().Add(-sessionLifetime-time.Second))
	s.do("GET", "/api/notebooks", "", "Cookie: "+sessionCookie+"="+late).problem(t, 401)
}

func TestWrongSignInsAreRefusedAndSlowedDown(t *testing.T) {
	s := serve(t, withToken)
	s.do("POST", "/api/session", `{}`).problem(t, 422)
	s.do("POST", "/api/session", `{"token":1}`).problem(t, 400)
	s.do("POST", "/api/session", `token=`+token, "Content-Type: application/x-www-form-urlencoded").problem(t, 415)
	limited := 0
	for range s.api.door.signIns.atOnce + 3 {
		got := s.do("POST", "/api/session", `{"token":"wrong"}`)
		require.Empty(t, got.Cookies())
		if got.StatusCode == http.StatusTooManyRequests {
			limited++
			require.NotEmpty(t, got.Header.Get("Retry-After"))
			continue
		}
		got.problem(t, 401)
	}
	require.GreaterOrEqual(t, limited, 1)
	require.NotContains(t, s.logs.String(), `"wrong"`, "what people typed isn't logged")
	require.Equal(t, 429, s.do("POST", "/api/session", `{"token":"`+token+`"}`).StatusCode, "else trying would go on")
	require.Equal(t, 200, s.do("GET", "/api/notebooks", "", "Authorization: Bearer "+token).StatusCode, "who has the token works on")
}

func TestProgramsThatTryTokensAreSlowedDownToo(t *testing.T) {
	s := serve(t, withToken)
	s.api.door.bearers.atOnce = 3
	for range 3 {
		s.do("GET", "/api/notebooks", "", "Authorization: Bearer wrong").problem(t, 401)
	}
	got := s.do("GET", "/api/notebooks", "", "Authorization: Bearer wrong")
	got.problem(t, 429)
	require.Equal(t, "1", got.Header.Get("Retry-After"))
	cookie := s.signIn()
	require.Equal(t, 200, s.do("GET", "/api/notebooks", "", cookie).StatusCode, "signing in is another matter")
	require.Eventually(t, func() bool {
		return s.do("GET", "/api/notebooks", "", "Authorization: Bearer "+token).StatusCode == 200
	}, patience, 50*time.Millisecond, "it passes")
}

func TestFailuresAreCountedByClientAndForgotten(t *testing.T) {
	f := failures{atOnce: 10, every: 3 * time.Second}
	now := time.Now()
	for range 10 {
		require.Zero(t, f.take("a", now))
	}
	require.Equal(t, 3*time.Second, f.take("a", now))
	require.Equal(t, 3*time.Second, f.take("a", now), "a refused try is not counted")
	require.Zero(t, f.pause("b", now), "others aren't held up")
	require.Zero(t, f.pause("a", now.Add(3*time.Second)), "it passes")
	f.give("a", now)
	require.Zero(t, f.pause("a", now), "what turned out right is not counted")

	for range 100 { // who signs in leaves nothing behind
		require.Zero(t, f.take("c", now))
		f.give("c", now)
	}
	require.NotContains(t, f.seen, "c")
	var none failures
	require.True(t, none.empty())

	var wg sync.WaitGroup
	var let atomic.Int64
	for range 50 {
		wg.Go(func() {
			if f.take("d", now) == 0 {
				let.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 10, let.Load(), "tries at the same time count one by one")

	for i := range failuresKept * 2 {
		f.take(strconv.Itoa(i), now)
	}
	require.LessOrEqual(t, len(f.seen), failuresKept, "and the memory is bounded")
}

func TestWhoSignsInIsTakenFromTrustedProxiesAlone(t *testing.T) {
	vpc := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		trusted      []netip.Prefix
		want         string
	}{
		{"nothing is trusted", "10.0.1.2:4711", []string{"203.0.113.7"}, nil, "10.0.1.2"},
		{"a client that claims to be another", "198.51.100.1:4711", []string{"203.0.113.7"}, vpc, "198.51.100.1"},
		{"a load balancer", "10.0.1.2:4711", []string{"203.0.113.7"}, vpc, "203.0.113.7"},
		{"CloudFront and a load balancer", "10.0.1.2:4711", []string{"203.0.113.7, 10.0.9.9"}, vpc, "203.0.113.7"},
		{"a claim before what CloudFront adds", "10.0.1.2:4711", []string{"1.1.1.1, 203.0.113.7, 10.0.9.9"}, vpc, "203.0.113.7"},
		{"a claim to be within", "10.0.1.2:4711", []string{"10.0.5.5, 203.0.113.7, 10.0.9.9"}, vpc, "203.0.113.7"},
		{"in several lines", "10.0.1.2:4711", []string{"1.1.1.1", "203.0.113.7", "10.0.9.9"}, vpc, "203.0.113.7"},
		{"with ports", "10.0.1.2:4711", []string{"203.0.113.7:55, 10.0.9.9:1"}, vpc, "203.0.113.7"},
		{"nobody told the load balancer", "10.0.1.2:4711", nil, vpc, "10.0.1.2"},
		{"nonsense", "10.0.1.2:4711", []string{"203.0.113.7, unknown"}, vpc, "10.0.1.2"},
		{"nonsense in front", "10.0.1.2:4711", []string{"'; --, 203.0.113.7"}, vpc, "203.0.113.7"},
		{"only those within", "10.0.1.2:4711", []string{"10.0.7.7"}, vpc, "10.0.7.7"},
		{"IPv6 is its network", "[2001:db8:1:2:3:4:5:6]:4711", nil, vpc, "2001:db8:1:2::/64"},
		{"IPv6 behind a proxy", "[2001:db8:ffff::1]:4711", []string{"[2001:db8:1:2:9::9]:80"}, vpc, "2001:db8:1:2::/64"},
		{"bare IPv6 behind a proxy", "10.0.1.2:4711", []string{"2001:db8:1:2:9::9"}, vpc, "2001:db8:1:2::/64"},
		{"IPv4 in IPv6", "[::ffff:10.0.1.2]:4711", []string{"::ffff:203.0.113.7"}, vpc, "203.0.113.7"},
		{"a socket without an address", "@", []string{"203.0.113.7"}, vpc, "@"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/api/session", nil)
			r.RemoteAddr = c.remote
			r.Header["X-Forwarded-For"] = c.forwarded
			require.Equal(t, c.want, clientOf(r, c.trusted))
		})
	}

	// Behind a proxy one client's failures are not another's; without one,
	// nobody escapes by inventing addresses.
	wrong := func(s *served, client string) int {
		return s.do("POST", "/api/session", `{"token":"wrong"}`, "X-Forwarded-For: "+client).StatusCode
	}
	behind := serve(t, withToken, func(o *Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	for range behind.api.door.signIns.atOnce {
		require.Equal(t, 401, wrong(behind, "203.0.113.7"))
	}
	require.Equal(t, 429, wrong(behind, "203.0.113.7"))
	require.Equal(t, 429, wrong(behind, "192.0.2.99, 203.0.113.7"))
	require.Equal(t, 401, wrong(behind, "203.0.113.8"))
	alone := serve(t, withToken)
	for i := range alone.api.door.signIns.atOnce {
		require.Equal(t, 401, wrong(alone, fmt.Sprint("203.0.113.", i)))
	}
	require.Equal(t, 429, wrong(alone, "203.0.113.200"))
}

func TestOrigins(t *testing.T) {
	const host = "notebooks.example.com"
	for _, c := range []struct {
		origin  string
		listed  bool // gets CORS headers
		allowed bool // may change things with a session, and connect
	}{
		{"https://app.example.com", true, true},
		{"http://localhost:5173", true, true},
		{"http://[::1]:5173", true, true},
		{"http://notebooks.example.com", false, true}, // our own, whoever ends TLS
		{"https://notebooks.example.com", false, true},
		{"https://notebooks.example.com:443", false, true},
		{"http://notebooks.example.com:80", false, true},
		{"https://notebooks.example.com:80", false, false},
		{"http://notebooks.example.com:8000", false, false},
		{"http://app.example.com", false, false},           // another scheme
		{"https://app.example.com:8443", false, false},     // another port
		{"http://localhost", false, false},                 // no port
		{"http://localhost:51730", false, false},           // a longer port
		{"https://app.example.com.evil.com", false, false}, // look-alikes
		{"https://evilapp.example.com", false, false},
		{"https://app-example.com", false, false},
		{"https://app.example.comevil", false, false},
		{"https://evil.com/https://app.example.com", false, false},
		{"https://app.example.com@evil.com", false, false},
		{"https://evil@notebooks.example.com", false, false},
		{"https://notebooks.example.com.", false, false},
		{"https://notebooks.example.com/", false, false},
		{"https://app.example.com/", false, false},
		{"https://sub.app.example.com", false, false},
		{"http://[::1]", false, false},
		{"http://127.0.0.1:5173", false, false},
		{"null", false, false},
		{"*", false, false},
		{"file://", false, false},
		{"chrome-extension://notebooks.example.com", false, false},
		{"//notebooks.example.com", false, false},
		{"notebooks.example.com", false, false},
	} {
		t.Run(c.origin, func(t *testing.T) {
			s := serve(t, withToken, withOrigins("https://app.example.com", "http://localhost:5173", "http://[::1]:5173"))
			n := s.notebook()
			auth, origin, to := "Authorization: Bearer "+token, "Origin: "+c.origin, "Host: "+host
			cookie := s.signIn(to)

			cors := func(got answer, allowed bool) {
				t.Helper()
				h := got.Header
				if allowed {
					require.Equal(t, []string{c.origin}, h.Values("Access-Control-Allow-Origin"))
					require.Equal(t, "true", h.Get("Access-Control-Allow-Credentials"))
				} else {
					for name := range h {
						require.False(t, strings.HasPrefix(name, "Access-Control-"), name)
					}
				}
				require.Contains(t, strings.Join(h.Values("Vary"), ","), "Origin")
			}
			// Plain HTTP is answered; what a page may read of it, browsers decide.
			got := s.do("GET", "/api/notebooks", "", auth, origin, to)
			require.Equal(t, 200, got.StatusCode)
			cors(got, c.listed)
			if c.listed {
				require.Contains(t, strings.ToLower(got.Header.Get("Access-Control-Expose-Headers")), "etag")
				require.Contains(t, strings.ToLower(got.Header.Get("Access-Control-Expose-Headers")), "location")
			}
			cors(s.do("GET", "/api/notebooks", "", origin, to), c.listed) // errors, too
			cors(s.do("GET", "/api/nothing", "", auth, origin, to), c.listed)
			got = s.do("POST", "/api/notebooks", `{"name":"x"}`, auth, origin, to)
			require.Equal(t, 201, got.StatusCode)
			cors(got, c.listed)

			preflight := s.do("OPTIONS", "/api/notebooks/"+n.ID, "", origin, to,
				"Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: if-match,content-type,authorization")
			cors(preflight, c.listed)
			if c.listed {
				require.Equal(t, http.StatusNoContent, preflight.StatusCode)
				require.Contains(t, preflight.Header.Get("Access-Control-Allow-Methods"), "PATCH")
				for _, name := range []string{"if-match", "authorization", "content-type"} {
					require.Contains(t, strings.ToLower(preflight.Header.Get("Access-Control-Allow-Headers")), name)
				}
			} else {
				require.GreaterOrEqual(t, preflight.StatusCode, 400)
			}

			// A session is sent by the browser for whoever asks: its origin counts.
			require.Equal(t, 200, s.do("GET", "/api/notebooks", "", cookie, origin, to).StatusCode)
			got = s.do("PATCH", "/api/notebooks/"+n.ID, `{"name":"x"}`, cookie, origin, to)
			connect := s.handshake(n.ID, cookie, origin, to)
			byToken := s.handshake(n.ID, auth, origin, to)
			again := s.do("POST", "/api/session", `{"token":"`+token+`"}`, cookie, origin, to)
			if c.allowed {
				require.Equal(t, 200, got.StatusCode, got.body)
				require.Equal(t, 204, again.StatusCode, again.body)
				require.Equal(t, 101, connect.StatusCode)
				require.Equal(t, 101, byToken.StatusCode)
			} else {
				got.problem(t, 403)
				again.problem(t, 403)
				require.Empty(t, again.Cookies())
				require.Equal(t, 403, connect.StatusCode)
				require.Equal(t, 403, byToken.StatusCode)
			}
		})
	}
}

func TestASessionWithoutAnOriginChangesNothing(t *testing.T) {
	s := serve(t, withToken)
	n := s.notebook()
	cookie := s.signIn()
	require.Equal(t, 200, s.do("GET", "/api/notebooks", "", cookie).StatusCode)
	for _, method := range []string{"POST", "PATCH", "DELETE", "PUT"} {
		s.do(method, "/api/notebooks/"+n.ID, `{}`, cookie).problem(t, 403)
	}
	s.do("DELETE", "/api/session", "", cookie).problem(t, 403)
	require.Equal(t, 403, s.handshake(n.ID, cookie).StatusCode)
	require.Equal(t, 101, s.handshake(n.ID, "Authorization: Bearer "+token).StatusCode, "a program sends no origin")
	require.Equal(t, 401, s.handshake(n.ID).StatusCode)
}

func TestTheSchemeOfAnOriginCountsBehindOwnTLS(t *testing.T) {
	r := httptest.NewRequest("GET", "https://a.example/", nil)
	r.TLS = &tls.ConnectionState{}
	require.True(t, ownOrigin("https://a.example", r))
	require.False(t, ownOrigin("http://a.example", r))
	r.Header["Origin"] = []string{"https://a.example", "https://evil.example"}
	require.False(t, newDoor("", nil, false, nil).allowed(r), "two origins are none")
}

func TestWithoutATokenAForeignHostIsRefused(t *testing.T) {
	s := serve(t)
	any := serve(t, func(o *Options) { o.AnyAddress = true }, withOrigins("https://app.example.com"))
	for host, c := range map[string]struct{ local, any bool }{
		"localhost": {true, true}, "localhost:8000": {true, true}, "LOCALHOST:1": {true, true},
		"127.0.0.1:8000": {true, true}, "127.1.2.3": {true, true}, "[::1]:8000": {true, true}, "[::1]": {true, true},
		"evil.com": {false, false}, "evil.com:8000": {false, false}, "localhost.evil.com": {false, false}, "127.0.0.1.evil.com:8000": {false, false},
		"127.0.0.1.nip.io": {false, false}, "localhost:evil": {false, false}, "0.0.0.0:8000": {false, true},
		"10.0.0.1:8000": {false, true}, "app.example.com": {false, true}, "example.com": {false, false},
	} {
		for _, path := range []string{"/health", "/api/notebooks", "/"} {
			got := s.do("GET", path, "", "Host: "+host)
			require.Equal(t, c.local, got.StatusCode != 403, "%s%s", host, path)
			got = any.do("GET", path, "", "Host: "+host)
			require.Equal(t, c.any, got.StatusCode != 403, "%s%s for any address", host, path)
		}
	}
	n := s.notebook()
	require.Equal(t, 403, s.handshake(n.ID, "Host: evil.com", "Origin: http://evil.com").StatusCode)
	require.Equal(t, 200, serve(t, withToken).do("GET", "/health", "", "Host: evil.com").StatusCode)
}

func TestWithoutATokenAForeignPageStartsNothing(t *testing.T) {
	s := serve(t)
	n := s.notebook()
	evil := "Origin: https://evil.com"
	for _, body := range []string{"", `{"stale":true}`} {
		// What browsers send without a preflight.
		s.do("POST", "/api/notebooks/"+n.ID+"/run", body, evil, "Content-Type: text/plain").problem(t, 403)
	}
	s.do("POST", "/api/notebooks/"+n.ID+"/interrupt", "", evil).problem(t, 403)
	require.Equal(t, 202, s.do("POST", "/api/notebooks/"+n.ID+"/interrupt", "").StatusCode)
	require.Equal(t, 202, s.do("POST", "/api/notebooks/"+n.ID+"/interrupt", "", "Origin: "+s.http.URL).StatusCode)
	require.Equal(t, 403, s.handshake(n.ID, evil).StatusCode)
	require.Equal(t, 101, s.handshake(n.ID, "Origin: "+s.http.URL).StatusCode)
	require.Equal(t, http.StatusNoContent, s.do("POST", "/api/session", `{"token":"x"}`).StatusCode, "there is nothing to sign in to")
}

// handshake asks for a WebSocket and closes it.
func (s *served) handshake(nb string, headers ...string) answer {
	return s.do("GET", "/api/ws/notebooks/"+nb, "", append([]string{
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}, headers...)...)
}
