// Package edge serves a CloudFront distribution on this machine, as it is
// configured: cache behaviours by path pattern, allowed methods, the
// viewer-request function's own JavaScript, the S3 origin by signed requests
// under the bucket's policy, VPC and load-balancer origins, WebSockets, origin
// request policies, response-headers policies, custom error responses,
// compression.
//
// It is no cache: every request goes to the origin, which is always correct
// and never fast. It has no TLS: plain http on a loopback name stands for the
// distribution's HTTPS domain, so the edge's own address in Origin and Referer
// becomes https://<distribution domain> towards the origin and is turned back
// in Location and Access-Control-Allow-Origin, and Secure is taken from
// cookies. Logging, WAF, geographic restrictions, signed URLs and field-level
// encryption are not there.
//
// Its invariant: nothing about paths, methods or headers is decided here; what
// the distribution does not say does not happen.
package edge

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// CloudFront is what the configuration is read from.
type CloudFront interface {
	GetDistribution(context.Context, *cloudfront.GetDistributionInput, ...func(*cloudfront.Options)) (*cloudfront.GetDistributionOutput, error)
	GetFunction(context.Context, *cloudfront.GetFunctionInput, ...func(*cloudfront.Options)) (*cloudfront.GetFunctionOutput, error)
	GetCachePolicy(context.Context, *cloudfront.GetCachePolicyInput, ...func(*cloudfront.Options)) (*cloudfront.GetCachePolicyOutput, error)
	GetOriginRequestPolicy(context.Context, *cloudfront.GetOriginRequestPolicyInput, ...func(*cloudfront.Options)) (*cloudfront.GetOriginRequestPolicyOutput, error)
	GetResponseHeadersPolicy(context.Context, *cloudfront.GetResponseHeadersPolicyInput, ...func(*cloudfront.Options)) (*cloudfront.GetResponseHeadersPolicyOutput, error)
	GetOriginAccessControl(context.Context, *cloudfront.GetOriginAccessControlInput, ...func(*cloudfront.Options)) (*cloudfront.GetOriginAccessControlOutput, error)
	GetVpcOrigin(context.Context, *cloudfront.GetVpcOriginInput, ...func(*cloudfront.Options)) (*cloudfront.GetVpcOriginOutput, error)
}

// S3 is what S3 origins are read from.
type S3 interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	GetBucketPolicy(context.Context, *s3.GetBucketPolicyInput, ...func(*s3.Options)) (*s3.GetBucketPolicyOutput, error)
}

// LoadBalancer is an origin that runs on this machine.
type LoadBalancer interface {
	ARN() string
	DNSName() string
	Addr(port int) (address string, ok bool) // where the listener of the port really listens
}

// Config says which distribution to serve.
type Config struct {
	CloudFront    CloudFront
	S3            S3
	Distribution  string // its id
	LoadBalancers []LoadBalancer
	Log           *slog.Logger
}

// Edge serves one distribution. It is an http.Handler.
type Edge struct {
	config    Config
	log       *slog.Logger
	site      atomic.Pointer[site]
	transport *http.Transport
	hosts     hosts
	pop       string
}

// New reads the distribution and returns its edge.
func New(ctx context.Context, config Config) (*Edge, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	e := &Edge{config: config, log: config.Log, pop: "LCL50-P1"}
	e.transport = &http.Transport{
		DialContext:         e.dial,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     5 * time.Second,
	}
	return e, e.Refresh(ctx)
}

// Refresh reads the distribution again; requests in flight keep the old one.
func (e *Edge) Refresh(ctx context.Context) error {
	site, err := e.load(ctx, e.site.Load())
	if err != nil {
		return err
	}
	e.site.Store(site)
	return nil
}

// Watch refreshes the edge until ctx ends, so that an apply onto a standing
// stack takes effect.
func (e *Edge) Watch(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := e.Refresh(ctx); err != nil && ctx.Err() == nil {
				e.log.Warn("read the distribution again", "error", err)
			}
		}
	}
}

// Domain returns the distribution's own domain name.
func (e *Edge) Domain() string { return e.site.Load().domain }

// Listen opens the edge's sockets. An address whose host is empty is every
// address of the machine; "localhost" is both loopback addresses. The returned
// name is the address to open in a browser.
func (e *Edge) Listen(address string) (listeners []net.Listener, origin string, err error) {
	listeners, e.hosts, origin, err = listen(address)
	return listeners, origin, err
}

// Check says whether the address is free, in one sentence when it is not.
func Check(address string) error {
	listeners, _, _, err := listen(address)
	for _, l := range listeners {
		_ = l.Close()
	}
	return err
}

// hosts are the names under which the edge is addressed.
type hosts struct {
	any  bool // it listens on every address: any literal address is its own
	name string
}

func listen(address string) ([]net.Listener, hosts, string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, hosts{}, "", fmt.Errorf("EDGE_ADDR %q is not HOST:PORT or :PORT", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return nil, hosts{}, "", fmt.Errorf("EDGE_ADDR %q is not HOST:PORT or :PORT", address)
	}
	binds := []string{host}
	if host == "localhost" {
		binds = []string{"127.0.0.1", "::1"}
	}
	var listeners []net.Listener
	for i, bind := range binds {
		l, err := net.Listen("tcp", net.JoinHostPort(bind, port))
		if err != nil && i > 0 && !inUse(err) {
			continue // a machine without IPv6
		}
		if err != nil {
			for _, open := range listeners {
				_ = open.Close()
			}
			if inUse(err) {
				return nil, hosts{}, "", fmt.Errorf("%s is in use by another program: stop it, or choose another address with EDGE_ADDR=HOST:PORT", address)
			}
			return nil, hosts{}, "", fmt.Errorf("listen on %s: %w", address, err)
		}
		port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port) // the second takes the port the first was given
		listeners = append(listeners, l)
	}
	ip, ipErr := netip.ParseAddr(host)
	own := hosts{name: host, any: host == "" || (ipErr == nil && ip.IsUnspecified())}
	if own.any || host == "127.0.0.1" || host == "::1" {
		own.name = "localhost"
	}
	if host == "127.0.0.1" || host == "::1" {
		return listeners, own, "http://" + net.JoinHostPort(host, port), nil
	}
	return listeners, own, "http://" + net.JoinHostPort(own.name, port), nil
}

// owns reports whether a Host header names this machine. Anything else is
// turned away, as CloudFront turns away names that are not the distribution's;
// it also keeps a foreign name that resolves to the loopback address out. The
// port may be another one: that of a tunnel to here.
func (h hosts) owns(header string) bool {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = strings.Trim(header, "[]")
	}
	if strings.EqualFold(host, h.name) || strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() || h.any)
}

// ServeHTTP serves one viewer request.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := e.site.Load()
	x := &exchange{edge: e, site: s, viewer: r, id: requestID()}
	w.Header().Set("Via", "1.1 "+viaName+" (CloudFront)")
	w.Header().Set("X-Amz-Cf-Pop", e.pop)
	w.Header().Set("X-Amz-Cf-Id", x.id)
	if !e.hosts.owns(r.Host) {
		x.refuse(w, http.StatusForbidden, "The distribution is not configured to answer for this host name.")
		return
	}
	if !s.enabled {
		x.refuse(w, http.StatusForbidden, "The distribution is disabled.")
		return
	}
	path := r.URL.EscapedPath()
	if path == "" || !strings.HasPrefix(path, "/") {
		x.refuse(w, http.StatusBadRequest, "Bad request.")
		return
	}
	x.behavior = s.match(path)
	if !slices.Contains(x.behavior.methods, r.Method) {
		x.refuse(w, http.StatusForbidden, "This distribution is not configured to allow the HTTP request method that was used for this request. The distribution supports only cachable requests.")
		return
	}
	x.serve(w)
}

const viaName = "local.cloudfront.net"

// refuse gives CloudFront's own error page.
func (x *exchange) refuse(w http.ResponseWriter, status int, reason string) {
	header := w.Header()
	header.Set("Server", "CloudFront")
	header.Set("X-Cache", "Error from cloudfront")
	header.Set("Content-Type", "text/html")
	header.Del("Content-Length")
	header.Del("Content-Encoding")
	w.WriteHeader(status)
	if x.viewer.Method == http.MethodHead {
		return
	}
	_, _ = fmt.Fprintf(w, `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN" "http://www.w3.org/TR/html4/loose.dtd">
<HTML><HEAD><META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=iso-8859-1">
<TITLE>ERROR: The request could not be satisfied</TITLE>
</HEAD><BODY>
<H1>%d ERROR</H1>
<H2>The request could not be satisfied.</H2>
<HR noshade size="1px">
%s
<HR noshade size="1px">
<PRE>
Generated by cloudfront (CloudFront)
Request ID: %s
</PRE>
</BODY></HTML>
`, status, html.EscapeString(reason), x.id)
}

func requestID() string {
	id := make([]byte, 30)
	_, _ = rand.Read(id)
	return base64.RawURLEncoding.EncodeToString(id) + "=="
}

// dial reaches origins by the names they have in the cloud. Only what runs on
// this machine can be reached: an origin the stack does not run is an error of
// the configuration here, never a request to the outside.
func (e *Edge) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, _ := strconv.Atoi(port)
	for _, balancer := range e.config.LoadBalancers {
		if strings.EqualFold(host, balancer.DNSName()) {
			local, ok := balancer.Addr(number)
			if !ok {
				return nil, &unreachable{fmt.Sprintf("load balancer %s has no listener on port %s", host, port)}
			}
			return (&net.Dialer{}).DialContext(ctx, network, local)
		}
	}
	return nil, &unreachable{fmt.Sprintf("origin %s is not part of this stack", host)}
}

// unreachable is an origin that can't be connected to.
type unreachable struct{ reason string }

func (u *unreachable) Error() string { return u.reason }

// Timeout makes it a net.Error: packets to nowhere are not answered.
func (u *unreachable) Timeout() bool   { return true }
func (u *unreachable) Temporary() bool { return false }

// ownOrigin turns the address at which a viewer asked into the distribution's,
// where an Origin or Referer header has it, and leaves every other as it is:
// another port of this machine is another origin, though it shares the cookies.
func ownOrigin(header, viewerHost, domain string) string {
	u, err := url.Parse(header)
	if err != nil || u.Scheme != "http" || !strings.EqualFold(u.Host, viewerHost) {
		return header
	}
	u.Scheme, u.Host = "https", domain
	return u.String()
}

func inUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE)
}
