package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/relay"
)

// exchange is one viewer request on its way through the edge.
type exchange struct {
	edge     *Edge
	site     *site
	behavior *behavior
	viewer   *http.Request
	id       string

	uri, query string      // as the viewer-request function left them
	header     http.Header // likewise
}

// serve runs the viewer-request function, asks the origin, and answers.
func (x *exchange) serve(w http.ResponseWriter) {
	x.uri, x.query, x.header = x.viewer.URL.EscapedPath(), x.viewer.URL.RawQuery, x.viewer.Header
	if f := x.behavior.viewerRequest; f != nil {
		answered, err := x.runViewerRequest(w, f)
		if err != nil {
			x.edge.log.Warn("viewer-request function failed", "path", x.uri, "error", err)
			x.refuse(w, http.StatusServiceUnavailable, "The CloudFront function associated with the CloudFront distribution is invalid or could not run. "+err.Error())
			return
		}
		if answered {
			return
		}
	}
	if x.uri == "/" && x.site.defaultRoot != "" {
		x.uri = "/" + x.site.defaultRoot
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:        x.rewrite,
		Transport:      roundTripper(x.ask),
		FlushInterval:  -1,
		ModifyResponse: x.modify,
		ErrorLog:       slog.NewLogLogger(x.edge.log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil && x.viewer.Context().Err() != nil {
				panic(http.ErrAbortHandler) // the viewer has gone; there is nobody to answer
			}
			x.edge.log.Warn("origin did not answer", "path", x.uri, "origin", x.behavior.origin.id, "error", err)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				x.refuse(w, http.StatusGatewayTimeout, "CloudFront attempted to establish a connection with the origin, but either the attempt failed or the origin closed the connection or did not answer in time. "+err.Error())
				return
			}
			x.refuse(w, http.StatusBadGateway, "CloudFront wasn't able to connect to the origin. "+err.Error())
		},
	}
	// CloudFront never passes trailers or an origin's idea of the connection;
	// ReverseProxy already removes hop-by-hop headers.
	relay.Serve(proxy, w, x.viewer)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// runViewerRequest lets the function change the request or answer it.
func (x *exchange) runViewerRequest(w http.ResponseWriter, f *function) (answered bool, err error) {
	event := requestEvent(x, "viewer-request", x.uri, x.query)
	before := queryOf(event["request"].(map[string]any)["querystring"])
	result, err := f.call(event)
	if err != nil {
		return false, err
	}
	if status, ok := result["statusCode"]; ok {
		code, err := strconv.Atoi(fmt.Sprint(status))
		if err != nil || code < 200 || code > 599 {
			return false, fmt.Errorf("function %s answered with the status %v", f.name, status)
		}
		header := w.Header()
		maps.Copy(header, headersOf(result["headers"]))
		x.setCookies(header, result["cookies"])
		x.applyHeaders(header)
		x.localize(header)
		header.Set("X-Cache", "FunctionGeneratedResponse from cloudfront")
		w.WriteHeader(code)
		switch body := result["body"].(type) {
		case string:
			_, _ = io.WriteString(w, body)
		case map[string]any:
			_, _ = io.WriteString(w, fmt.Sprint(body["data"]))
		}
		return true, nil
	}
	uri, _ := result["uri"].(string)
	if !validURI(uri) {
		return false, fmt.Errorf("function %s returned neither a response nor a request with a valid uri", f.name)
	}
	x.uri = uri
	if after := queryOf(result["querystring"]); after != before {
		x.query = after
	}
	header := headersOf(result["headers"])
	header.Del("Host")
	if cookies, ok := result["cookies"].(map[string]any); ok && len(cookies) > 0 {
		var pairs []string
		for name, item := range cookies {
			if entry, ok := item.(map[string]any); ok {
				pairs = append(pairs, name+"="+fmt.Sprint(entry["value"]))
			}
		}
		header.Set("Cookie", strings.Join(pairs, "; "))
	}
	x.header = header
	return false, nil
}

func (x *exchange) setCookies(header http.Header, object any) {
	cookies, _ := object.(map[string]any)
	for name, item := range cookies {
		if entry, ok := item.(map[string]any); ok {
			line := name + "=" + fmt.Sprint(entry["value"])
			if attributes, ok := entry["attributes"].(string); ok && attributes != "" {
				line += "; " + attributes
			}
			header.Add("Set-Cookie", line)
		}
	}
}

// rewrite makes the origin request out of the viewer's.
func (x *exchange) rewrite(p *httputil.ProxyRequest) {
	b, o := x.behavior, x.behavior.origin
	header := b.forwarded(x.header)
	for _, upgrade := range []string{"Connection", "Upgrade"} { // there for WebSockets only
		if values, ok := p.Out.Header[upgrade]; ok {
			header[upgrade] = values
		} else {
			delete(header, upgrade)
		}
	}
	for _, hop := range []string{"Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "X-Forwarded-Proto", "X-Real-Ip"} {
		delete(header, hop)
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", "Amazon CloudFront")
	}
	for _, name := range []string{"Origin", "Referer"} {
		if text := header.Get(name); text != "" {
			header.Set(name, ownOrigin(text, x.viewer.Host, x.site.domain))
		}
	}
	ip, _, _ := net.SplitHostPort(x.viewer.RemoteAddr)
	if prior := x.viewer.Header.Get("X-Forwarded-For"); prior != "" {
		ip = prior + ", " + ip
	}
	header.Set("X-Forwarded-For", ip)
	header.Set("Via", "1.1 "+viaName+" (CloudFront)")
	header.Set("X-Amz-Cf-Id", x.id)
	host := o.domain
	if b.request.headers.has("Host") || b.cache.headers.has("Host") {
		host = x.site.domain
	}
	header.Del("Host")
	for name, text := range o.headers {
		header.Set(name, text)
	}
	p.Out.Header, p.Out.Host = header, host
	escaped := o.path + x.uri
	path, err := url.PathUnescape(escaped)
	if err != nil {
		path = escaped
	}
	p.Out.URL = &url.URL{
		Scheme: o.scheme, Host: net.JoinHostPort(o.domain, strconv.Itoa(o.port)),
		Path: path, RawPath: escaped, RawQuery: b.query(x.query),
	}
}

// ask sends the request to the origin and puts the custom error page in the
// place of an error that has one.
func (x *exchange) ask(r *http.Request) (*http.Response, error) {
	response, err := x.askOrigin(r, x.behavior.origin)
	if err != nil {
		return nil, err
	}
	custom, ok := x.site.errors[response.StatusCode]
	if !ok || value(custom.ResponsePagePath) == "" || response.StatusCode == http.StatusSwitchingProtocols {
		return response, nil
	}
	return x.errorPage(r, response, custom)
}

func (x *exchange) errorPage(r *http.Request, failed *http.Response, custom types.CustomErrorResponse) (*http.Response, error) {
	pagePath := value(custom.ResponsePagePath)
	behavior := x.site.match(pagePath)
	page, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+behavior.origin.domain+behavior.origin.path+pagePath, nil)
	if err != nil {
		return failed, nil
	}
	page.URL.Scheme, page.URL.Host = behavior.origin.scheme, net.JoinHostPort(behavior.origin.domain, strconv.Itoa(behavior.origin.port))
	response, err := x.askOrigin(page, behavior.origin)
	if err != nil || response.StatusCode != http.StatusOK {
		if err == nil {
			_ = response.Body.Close()
		}
		return failed, nil
	}
	_ = failed.Body.Close()
	response.StatusCode = failed.StatusCode
	if code, err := strconv.Atoi(value(custom.ResponseCode)); err == nil {
		response.StatusCode = code
	}
	response.Status = ""
	response.Header.Set("X-Cache", "Error from cloudfront")
	return response, nil
}

func (x *exchange) askOrigin(r *http.Request, o *origin) (*http.Response, error) {
	if o.bucket != "" {
		return x.edge.askBucket(r, x.site, o)
	}
	if o.fault != "" {
		return nil, &unreachable{o.fault}
	}
	if o.scheme != "http" {
		return nil, &unreachable{fmt.Sprintf("origin %s is asked by HTTPS, which nothing on this machine serves", o.id)}
	}
	// The origin's read timeout counts from the last byte sent or received.
	ctx, cancel := context.WithCancelCause(r.Context())
	watch := &silence{limit: o.readTimeout}
	watch.timer = time.AfterFunc(o.readTimeout, func() {
		cancel(&unreachable{fmt.Sprintf("origin %s was silent for %s", o.id, o.readTimeout)})
	})
	r = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &heard{ReadCloser: r.Body, silence: watch}
	}
	response, err := x.edge.transport.RoundTrip(r)
	if err != nil {
		watch.end()
		cause := context.Cause(ctx)
		cancel(nil)
		var timeout *unreachable
		if errors.As(cause, &timeout) {
			return nil, timeout
		}
		return nil, err
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		// A WebSocket may be silent for longer: its two ends ping each other.
		watch.end()
		context.AfterFunc(r.Context(), func() { cancel(nil) })
		return response, nil
	}
	watch.touch()
	response.Body = &heard{ReadCloser: response.Body, silence: watch, closed: func() { cancel(nil) }}
	return response, nil
}

// silence is a timer that every byte puts back.
type silence struct {
	mu    sync.Mutex
	timer *time.Timer
	limit time.Duration
	over  bool
}

func (s *silence) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.timer.Reset(s.limit)
	}
}

func (s *silence) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.timer.Stop()
}

// heard is a body whose every read is a sign of life.
type heard struct {
	io.ReadCloser
	silence *silence
	closed  func()
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.silence.touch()
	return n, err
}

func (h *heard) Close() error {
	if h.closed != nil {
		h.silence.end()
		defer h.closed()
	}
	return h.ReadCloser.Close()
}

// modify makes the viewer's response out of the origin's.
func (x *exchange) modify(response *http.Response) error {
	header := response.Header
	for _, own := range []string{"Via", "X-Amz-Cf-Pop", "X-Amz-Cf-Id"} {
		header.Del(own) // the edge's own are set already
	}
	if header.Get("X-Cache") == "" {
		header.Set("X-Cache", "Miss from cloudfront")
		if response.StatusCode >= 400 {
			header.Set("X-Cache", "Error from cloudfront")
		}
	}
	b := x.behavior
	if b.request.cookies.mode == "" && b.cache.cookies.mode == "" {
		header.Del("Set-Cookie")
	}
	x.applyHeaders(header)
	if b.viewerAnswer != nil {
		if err := x.runViewerResponse(response); err != nil {
			return err
		}
	}
	x.localize(response.Header)
	if b.compress {
		x.compress(response)
	}
	return nil
}

func (x *exchange) runViewerResponse(response *http.Response) error {
	event := requestEvent(x, "viewer-response", x.uri, x.query)
	headers := map[string]any{}
	for name, values := range response.Header {
		if name != "Set-Cookie" {
			headers[strings.ToLower(name)] = multi(values)
		}
	}
	event["response"] = map[string]any{
		"statusCode": response.StatusCode, "statusDescription": http.StatusText(response.StatusCode), "headers": headers, "cookies": map[string]any{},
	}
	result, err := x.behavior.viewerAnswer.call(event)
	if err != nil {
		return err
	}
	changed := headersOf(result["headers"])
	changed["Set-Cookie"] = response.Header["Set-Cookie"]
	x.setCookies(changed, result["cookies"])
	response.Header = changed
	if code, err := strconv.Atoi(fmt.Sprint(result["statusCode"])); err == nil {
		response.StatusCode, response.Status = code, ""
	}
	return nil
}

// localize turns the distribution's address back into the viewer's, and drops
// what only holds under TLS.
func (x *exchange) localize(header http.Header) {
	own := "http://" + x.viewer.Host
	for _, name := range []string{"Location", "Access-Control-Allow-Origin"} {
		text := header.Get(name)
		for _, prefix := range []string{"https://" + x.site.domain, "http://" + x.site.domain} {
			if rest, ok := strings.CutPrefix(text, prefix); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
				header.Set(name, own+rest)
				break
			}
		}
	}
	cookies := header["Set-Cookie"]
	for i, cookie := range cookies {
		parts := strings.Split(cookie, ";")
		kept := parts[:1]
		for _, part := range parts[1:] {
			if !strings.EqualFold(strings.TrimSpace(part), "Secure") {
				kept = append(kept, part)
			}
		}
		cookies[i] = strings.Join(kept, ";")
	}
}
