package api

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-contrib/cors"
	"github.com/gin-gonic/gin"

	"github.com/reactive-notebook/reactive-notebook/service/internal/config"
)

// door decides who comes in: by token or session, by origin, by host.
type door struct {
	token      [sha256.Size]byte // hash of the token
	open       bool              // there is no token
	key        []byte            // signs sessions; made from the token, so that a new token ends them
	origins    []string
	anyAddress bool
	cors       gin.HandlerFunc // nil without origins
	proxies    []netip.Prefix  // whose X-Forwarded-For is believed
	signIns    failures
	bearers    failures
	signedOut  signedOut
}

func newDoor(token string, origins []string, anyAddress bool, proxies []netip.Prefix) *door {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("reactive notebook session"))
	d := &door{
		token: sha256.Sum256([]byte(token)), open: token == "", key: mac.Sum(nil),
		origins: origins, anyAddress: anyAddress, proxies: proxies,
		signIns: failures{atOnce: 10, every: 3 * time.Second},
		// Programs that go on with an old token must not shut others out that
		// share their address, so this only ends what tries tokens by the thousand.
		bearers: failures{atOnce: 10_000, every: 100 * time.Millisecond},
	}
	if len(origins) > 0 {
		d.cors = cors.New(cors.Config{
			AllowOrigins:     origins,
			AllowMethods:     []string{"GET", "HEAD", "POST", "PATCH", "DELETE"},
			AllowHeaders:     []string{"Authorization", "Content-Type", "If-Match"},
			ExposeHeaders:    []string{"Content-Disposition", "ETag", "Location", "Retry-After"},
			AllowCredentials: true,
			MaxAge:           10 * time.Minute,
		})
	}
	return d
}

const (
	sessionCookie = "notebook_session"
	// sessionLifetime is since the session was last used, about: it is renewed
	// in the second half of it. A sign-out is remembered by one process, so
	// this is also for how long a copied cookie may be of use elsewhere.
	sessionLifetime = 7 * 24 * time.Hour
)

// sessionID names a signed-in browser. Only the browser keeps it, signed.
type sessionID [16]byte

// keySession is where guard leaves the sessionID in a request's context.
const keySession = "session"

// guard is the door, before every route, also those that don't exist.
func (a *API) guard(c *gin.Context) {
	d, r := a.door, c.Request
	if d.open && !d.knownHost(r.Host) {
		// Else a page elsewhere could give its own name our address, and be
		// of our origin (DNS rebinding).
		a.fail(c, newProblem(http.StatusForbidden, "without a token the service answers only to this machine's own names, such as localhost"))
		return
	}
	if ofPage(r.URL.Path) {
		return
	}
	if d.cors != nil && d.listed(r) {
		// Only for origins that it allows: it would refuse the others, who
		// are to be answered without its headers.
		if d.cors(c); c.IsAborted() {
			return // it answered a preflight
		}
	}
	if r.URL.Path == "/health" || r.URL.Path == "/ready" || r.URL.Path == openAPIPath {
		return
	}

	if c.FullPath() == "" && c.Writer.Status() == http.StatusNotFound {
		return // gin found no route: there is nothing to guard, and a 404 helps more
	}

	changes := r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
	if d.open {
		// A browser sends such a request for any page without asking us first.
		if changes && !d.allowed(r) && !isJSON(r.Header.Get("Content-Type")) && r.Method == http.MethodPost {
			a.fail(c, newProblem(http.StatusForbidden, "this origin may not change anything here"))
		}
		return
	}
	if r.URL.Path == "/api/session" && r.Method == http.MethodPost { // the way in
		if !d.allowed(r) {
			// The session would be of no use there, and another page's visitors
			// are not to try tokens for it.
			a.fail(c, newProblem(http.StatusForbidden, "this origin may not sign in; ALLOWED_ORIGINS lists those that may"))
		}
		return
	}
	if token, ok := bearer(r); ok {
		if err := d.checkBearer(r, token); err != nil {
			a.fail(c, err)
		}
		return
	}
	id, ends, ok := d.session(r)
	if !ok {
		a.fail(c, unauthorized("sign in with POST /api/session, or send Authorization: Bearer with the token"))
		return
	}
	socket := strings.HasPrefix(r.URL.Path, "/api/ws/") // changes things later
	if (changes || socket) && (r.Header.Get("Origin") == "" || !d.allowed(r)) {
		a.fail(c, newProblem(http.StatusForbidden, "a session's changes must come from the page: the Origin is missing or not allowed"))
		return
	}
	c.Set(keySession, id)
	if now := time.Now(); ends.Sub(now) < sessionLifetime/2 {
		a.setCookie(c, d.newSession(id, now), int(sessionLifetime/time.Second))
	}
}

// checkBearer returns a problem unless the token is the right one.
func (d *door) checkBearer(r *http.Request, token string) error {
	if !d.bearers.empty() {
		if pause := d.bearers.pause(clientOf(r, d.proxies), time.Now()); pause > 0 {
			return tooMany(pause) // also of the right one, else trying would go on
		}
	}
	if d.isToken(token) {
		return nil
	}
	d.bearers.take(clientOf(r, d.proxies), time.Now())
	return unauthorized("the token is wrong")
}

func tooMany(pause time.Duration) *Problem {
	seconds := int((pause + time.Second - 1) / time.Second)
	return newProblem(http.StatusTooManyRequests, "too many wrong tokens: try again later").with("Retry-After", strconv.Itoa(seconds))
}

func unauthorized(detail string) *Problem {
	return newProblem(http.StatusUnauthorized, detail).with("WWW-Authenticate", `Bearer realm="notebook"`)
}

// knownHost tells whether a Host header names this machine, or what it is
// meant to be reached by.
func (d *door) knownHost(hostport string) bool {
	host := hostport
	if name, port, err := net.SplitHostPort(hostport); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		host = name
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	if config.Loopback(host) {
		return true
	}
	// Nobody can make an address mean another machine, as they can a name.
	return d.anyAddress && (net.ParseIP(host) != nil || slices.ContainsFunc(d.origins, func(origin string) bool {
		return strings.HasSuffix(origin, "://"+strings.ToLower(hostport))
	}))
}

// listed tells whether the request's origin is one of the configured ones.
func (d *door) listed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	return len(origins) == 1 && slices.Contains(d.origins, origins[0])
}

// allowed tells whether a request comes from no page, from our own, or from a
// page of a configured origin.
func (d *door) allowed(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	return len(origins) == 0 || d.listed(r) || (len(origins) == 1 && ownOrigin(origins[0], r))
}

// ownOrigin tells whether an origin is the request's own host. The scheme
// counts where it is known; without TLS here there may be some before us.
func ownOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || !strings.EqualFold(origin, u.Scheme+"://"+u.Host) {
		return false
	}
	standard := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if standard == "" || (r.TLS != nil && u.Scheme != "https") {
		return false
	}
	return strings.EqualFold(withPort(u.Host, standard), withPort(r.Host, standard))
}

func withPort(host, port string) string {
	if _, given, err := net.SplitHostPort(host); err == nil && given != "" {
		return host
	}
	return strings.TrimSuffix(host, ":") + ":" + port
}

// bearer returns the token of an Authorization header, if it holds one.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.Trim(token, " "), ok && strings.EqualFold(scheme, "Bearer")
}

// isToken compares in a time that depends on nothing that the caller doesn't
// know: hashes are of one length.
func (d *door) isToken(given string) bool {
	hash := sha256.Sum256([]byte(given))
	return !d.open && hmac.Equal(hash[:], d.token[:])
}

const sessionBytes = len(sessionID{}) + 8 // and when it ends

// newSession returns the value of a cookie that session accepts.
func (d *door) newSession(id sessionID, now time.Time) string {
	value := make([]byte, sessionBytes, sessionBytes+sha256.Size)
	copy(value, id[:])
	binary.BigEndian.PutUint64(value[len(id):], uint64(now.Add(sessionLifetime).Unix()))
	return base64.RawURLEncoding.EncodeToString(d.sign(value))
}

func (d *door) sign(value []byte) []byte {
	mac := hmac.New(sha256.New, d.key)
	mac.Write(value)
	return mac.Sum(value)
}

// session returns the session of a request's cookie, and when it ends. Of several cookies of the
// name any may be ours.
func (d *door) session(r *http.Request) (id sessionID, ends time.Time, ok bool) {
	for _, cookie := range r.CookiesNamed(sessionCookie) {
		raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
		if err != nil || len(raw) != sessionBytes+sha256.Size || !hmac.Equal(raw, d.sign(slices.Clone(raw[:sessionBytes]))) {
			continue
		}
		id = sessionID(raw[:len(sessionID{})])
		ends = time.Unix(int64(binary.BigEndian.Uint64(raw[len(id):sessionBytes])), 0)
		if time.Now().Before(ends) && !d.signedOut.has(id) {
			return id, ends, true
		}
	}
	return sessionID{}, time.Time{}, false
}

func (a *API) signIn(c *gin.Context) error {
	o, err := a.body(c, true)
	if err != nil {
		return err
	}
	token := o.text("token")
	if err := o.finish(); err != nil {
		return err
	}
	if err := missing(map[string]bool{"token": token != nil}); err != nil {
		return err
	}
	if a.door.open {
		c.Status(http.StatusNoContent) // there is nothing to sign in to
		return nil
	}
	client, now := clientOf(c.Request, a.door.proxies), time.Now()
	if pause := a.door.signIns.take(client, now); pause > 0 {
		return tooMany(pause)
	}
	if !a.door.isToken(*token) {
		a.log.Warn("sign-in with a wrong token", "client", client)
		return unauthorized("the token is wrong")
	}
	a.door.signIns.give(client, now)
	var id sessionID
	_, _ = rand.Read(id[:]) // it never fails, or ends the program
	a.setCookie(c, a.door.newSession(id, now), int(sessionLifetime/time.Second))
	c.Status(http.StatusNoContent)
	return nil
}

// signOut ends the session: in the browser, for its sockets, and for anybody
// who has copied the cookie.
func (a *API) signOut(c *gin.Context) error {
	if id, ok := c.Get(keySession); ok {
		a.door.signedOut.add(id.(sessionID), time.Now())
		a.sockets.revoke(id.(sessionID))
	}
	a.setCookie(c, "", -1)
	c.Status(http.StatusNoContent)
	return nil
}

func (a *API) setCookie(c *gin.Context, value string, maxAge int) {
	host := c.Request.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	http.SetCookie(c.Writer, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: !config.Loopback(strings.Trim(host, "[]")),
	})
}

// signedOut are sessions that ended before their time.
type signedOut struct {
	mu    sync.Mutex
	until map[sessionID]time.Time
}

func (s *signedOut) has(id sessionID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.until[id]
	return ok
}

func (s *signedOut) add(id sessionID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, until := range s.until {
		if until.Before(now) {
			delete(s.until, other) // its cookie is out of date by itself
		}
	}
	if s.until == nil {
		s.until = map[sessionID]time.Time{}
	}
	s.until[id] = now.Add(sessionLifetime)
}
