package api

import (
	"bufio"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// paced gives each part of an answer a time to leave in, so that a client that
// doesn't read holds no goroutine for ever. The answer as a whole has no limit:
// a run may be waited for as long as it takes.
type paced struct {
	gin.ResponseWriter
	connection deadlines
	write      time.Duration
	allowed    time.Time // when the time last began
	hijacked   bool
}

// deadlines is what net/http's writers have besides http.ResponseWriter.
type deadlines interface {
	SetWriteDeadline(time.Time) error
}

// pace hands the writer to all that come after it.
func (a *API) pace(c *gin.Context) {
	under, ok := c.Writer.(interface{ Unwrap() http.ResponseWriter })
	if !ok {
		return
	}
	connection, ok := under.Unwrap().(deadlines)
	if !ok {
		return // a recorder of a test's needs none
	}
	p := &paced{ResponseWriter: c.Writer, connection: connection, write: a.sockets.timing.write}
	c.Writer = p
	p.allow() // the connection still has the limit of the answer before
	c.Next()
	p.allow() // what is left in buffers, or an answer without a body
}

// part is how much of an answer must leave in the time of a write.
const part = 256 << 10

// allow begins the time anew, unless it has only just begun: to set a deadline
// costs as much as a small answer can be made for.
func (p *paced) allow() {
	now := time.Now()
	if p.hijacked || now.Sub(p.allowed) < p.write/8 {
		return
	}
	p.allowed = now
	_ = p.connection.SetWriteDeadline(now.Add(p.write)) // it fails if the peer is gone; so will the write
}

func (p *paced) Write(b []byte) (n int, err error) {
	for {
		p.allow()
		wrote, err := p.ResponseWriter.Write(b[n:min(n+part, len(b))])
		if n += wrote; err != nil || n == len(b) {
			return n, err
		}
	}
}

func (p *paced) WriteString(s string) (int, error) { return p.Write([]byte(s)) }

// Hijack leaves the connection's limits to who takes it over.
func (p *paced) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	p.hijacked = true
	return p.ResponseWriter.Hijack()
}
