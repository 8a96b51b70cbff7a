// Package balancer stands in for an Application Load Balancer on this machine:
// listeners, rules, target groups, stickiness, health checks and draining, all
// read from the ELBv2 API.
//
// It is not a general proxy, and it enforces neither security groups nor TLS
// (an HTTPS listener is served in plain HTTP, as there is no certificate
// here). Its invariant: a target gets no new request once Deregister was
// called, and Deregister returns only when none is in flight.
package balancer

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/relay"
)

// API is what the balancer reads its configuration from.
type API interface {
	DescribeLoadBalancers(context.Context, *elb.DescribeLoadBalancersInput, ...func(*elb.Options)) (*elb.DescribeLoadBalancersOutput, error)
	DescribeLoadBalancerAttributes(context.Context, *elb.DescribeLoadBalancerAttributesInput, ...func(*elb.Options)) (*elb.DescribeLoadBalancerAttributesOutput, error)
	DescribeListeners(context.Context, *elb.DescribeListenersInput, ...func(*elb.Options)) (*elb.DescribeListenersOutput, error)
	DescribeRules(context.Context, *elb.DescribeRulesInput, ...func(*elb.Options)) (*elb.DescribeRulesOutput, error)
	DescribeTargetGroups(context.Context, *elb.DescribeTargetGroupsInput, ...func(*elb.Options)) (*elb.DescribeTargetGroupsOutput, error)
	DescribeTargetGroupAttributes(context.Context, *elb.DescribeTargetGroupAttributesInput, ...func(*elb.Options)) (*elb.DescribeTargetGroupAttributesOutput, error)
}

// Balancer is one running load balancer.
type Balancer struct {
	arn, dnsName string
	log          *slog.Logger
	transport    *http.Transport
	listeners    map[int]*listener
	groups       map[string]*group
	ctx          context.Context
	cancel       context.CancelFunc
	wg           sync.WaitGroup
}

type listener struct {
	port   int
	socket net.Listener
	server *http.Server
	rules  []rule
}

// Open reads the load balancer's configuration and starts its listeners, each
// on a free port of the loopback interface.
func Open(ctx context.Context, api API, arn string, log *slog.Logger) (*Balancer, error) {
	described, err := api.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn}})
	if err != nil {
		return nil, fmt.Errorf("describe load balancer %s: %w", arn, err)
	}
	if len(described.LoadBalancers) == 0 {
		return nil, fmt.Errorf("load balancer %s does not exist", arn)
	}
	attributes, err := api.DescribeLoadBalancerAttributes(ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: &arn})
	if err != nil {
		return nil, fmt.Errorf("describe the attributes of load balancer %s: %w", arn, err)
	}
	idle := 60 * time.Second
	for _, attribute := range attributes.Attributes {
		if value(attribute.Key) == "idle_timeout.timeout_seconds" {
			idle = seconds(value(attribute.Value), idle)
		}
	}

	b := &Balancer{
		arn: arn, dnsName: value(described.LoadBalancers[0].DNSName), log: log,
		transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			DisableCompression:    true,
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       30 * time.Second,
			ResponseHeaderTimeout: idle,
		},
		listeners: map[int]*listener{}, groups: map[string]*group{},
	}
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := b.open(ctx, api, idle); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Balancer) open(ctx context.Context, api API, idle time.Duration) error {
	listeners, err := api.DescribeListeners(ctx, &elb.DescribeListenersInput{LoadBalancerArn: &b.arn})
	if err != nil {
		return fmt.Errorf("describe the listeners of load balancer %s: %w", b.arn, err)
	}
	for _, declared := range listeners.Listeners {
		rules, err := api.DescribeRules(ctx, &elb.DescribeRulesInput{ListenerArn: declared.ListenerArn})
		if err != nil {
			return fmt.Errorf("describe the rules of listener %s: %w", value(declared.ListenerArn), err)
		}
		l := &listener{port: int(*cmp.Or(declared.Port, new(int32)))}
		for _, declaredRule := range rules.Rules {
			parsed := parseRule(declaredRule)
			if parsed.fallback && len(parsed.actions) == 0 {
				parsed.actions = declared.DefaultActions
			}
			l.rules = append(l.rules, parsed)
		}
		if !slices.ContainsFunc(l.rules, func(r rule) bool { return r.fallback }) {
			l.rules = append(l.rules, rule{fallback: true, priority: lowest, actions: declared.DefaultActions})
		}
		slices.SortStableFunc(l.rules, func(x, y rule) int { return cmp.Compare(x.priority, y.priority) })
		for _, r := range l.rules {
			for _, arn := range r.targetGroups() {
				if err := b.openGroup(ctx, api, arn); err != nil {
					return err
				}
			}
		}
		if l.socket, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("listen for load balancer %s: %w", b.arn, err)
		}
		l.server = &http.Server{
			Handler:           b.handler(l),
			ReadHeaderTimeout: 60 * time.Second,
			// WebSockets are no longer the server's to close: they end with this.
			BaseContext: func(net.Listener) context.Context { return b.ctx },
			ErrorLog:    slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
		}
		b.listeners[l.port] = l
		b.wg.Go(func() { _ = l.server.Serve(idleListener{l.socket, idle}) })
	}
	return nil
}

func (b *Balancer) openGroup(ctx context.Context, api API, arn string) error {
	if _, ok := b.groups[arn]; ok {
		return nil
	}
	described, err := api.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: []string{arn}})
	if err != nil {
		return fmt.Errorf("describe target group %s: %w", arn, err)
	}
	if len(described.TargetGroups) == 0 {
		return fmt.Errorf("target group %s does not exist", arn)
	}
	attributes, err := api.DescribeTargetGroupAttributes(ctx, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: &arn})
	if err != nil {
		return fmt.Errorf("describe the attributes of target group %s: %w", arn, err)
	}
	g, err := parseGroup(described.TargetGroups[0], attributes.Attributes)
	if err != nil {
		return err
	}
	b.groups[arn] = g
	return nil
}

// ARN returns the load balancer's ARN.
func (b *Balancer) ARN() string { return b.arn }

// DNSName returns the name that the real load balancer would have.
func (b *Balancer) DNSName() string { return b.dnsName }

// Addr returns the loopback address on which the listener that is declared
// for the port really listens.
func (b *Balancer) Addr(port int) (string, bool) {
	l, ok := b.listeners[port]
	if !ok {
		return "", false
	}
	return l.socket.Addr().String(), true
}

// Close stops the listeners and the health checks; open connections are cut.
func (b *Balancer) Close() {
	b.cancel()
	for _, l := range b.listeners {
		_ = l.server.Close()
	}
	for _, g := range b.groups {
		g.close()
	}
	b.wg.Wait()
	b.transport.CloseIdleConnections()
}

// handler serves one listener: the first rule that matches decides.
func (b *Balancer) handler(l *listener) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, rule := range l.rules {
			if rule.matches(r) {
				b.act(w, r, l, rule)
				return
			}
		}
		answer(w, http.StatusNotFound)
	})
}

func (b *Balancer) act(w http.ResponseWriter, r *http.Request, l *listener, rule rule) {
	for _, action := range rule.actions {
		switch action.Type {
		case types.ActionTypeEnumFixedResponse:
			fixed := action.FixedResponseConfig
			status, err := strconv.Atoi(value(fixed.StatusCode))
			if err != nil {
				status = http.StatusServiceUnavailable
			}
			w.Header().Set("Server", "awselb/2.0")
			w.Header().Set("Content-Type", cmp.Or(value(fixed.ContentType), "text/plain"))
			w.WriteHeader(status)
			_, _ = io.WriteString(w, value(fixed.MessageBody))
			return
		case types.ActionTypeEnumRedirect:
			redirect(w, r, l, action.RedirectConfig)
			return
		case types.ActionTypeEnumForward:
			groups := forwardGroups(action)
			if len(groups) == 0 {
				answer(w, http.StatusServiceUnavailable)
				return
			}
			b.forward(w, r, l, b.groups[pick(groups)])
			return
		}
	}
	answer(w, http.StatusServiceUnavailable)
}

func (b *Balancer) forward(w http.ResponseWriter, r *http.Request, l *listener, g *group) {
	target, request, done := g.acquire(r)
	if target == nil {
		answer(w, http.StatusServiceUnavailable)
		return
	}
	defer done()
	proxy := &httputil.ReverseProxy{
		Transport:     b.transport,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", target.address
			p.Out.Host = p.In.Host
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
			p.SetXForwarded()
			p.Out.Header.Del("X-Forwarded-Host") // a load balancer does not send it
			p.Out.Header.Set("X-Forwarded-Port", strconv.Itoa(l.port))
			// SetXForwarded speaks of the connection, which is plain HTTP here as it is there.
		},
		ModifyResponse: func(response *http.Response) error {
			if g.sticky > 0 {
				response.Header.Add("Set-Cookie", (&http.Cookie{
					Name: stickyCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(target.address)),
					Path: "/", Expires: time.Now().Add(g.sticky),
				}).String())
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			var timeout net.Error
			status := http.StatusBadGateway
			if errors.As(err, &timeout) && timeout.Timeout() {
				status = http.StatusGatewayTimeout
			}
			b.log.Debug("target did not answer", "target", target.address, "path", r.URL.Path, "error", err)
			answer(w, status)
		},
	}
	relay.Serve(proxy, w, request)
}

const stickyCookie = "AWSALB"

// answer gives the load balancer's own error page.
func answer(w http.ResponseWriter, status int) {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	w.Header().Set("Server", "awselb/2.0")
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body>\r\n</html>\r\n", text, text)
}

func redirect(w http.ResponseWriter, r *http.Request, l *listener, config *types.RedirectActionConfig) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	replace := strings.NewReplacer(
		"#{protocol}", "http", "#{host}", host, "#{port}", strconv.Itoa(l.port),
		"#{path}", strings.TrimPrefix(r.URL.Path, "/"), "#{query}", r.URL.RawQuery)
	expand := func(configured *string, otherwise string) string {
		return replace.Replace(cmp.Or(value(configured), otherwise))
	}
	location := url.URL{
		Scheme:   strings.ToLower(expand(config.Protocol, "#{protocol}")),
		Host:     net.JoinHostPort(expand(config.Host, "#{host}"), expand(config.Port, "#{port}")),
		Path:     expand(config.Path, "/#{path}"),
		RawQuery: expand(config.Query, "#{query}"),
	}
	status := http.StatusFound
	if config.StatusCode == types.RedirectActionStatusCodeEnumHttp301 {
		status = http.StatusMovedPermanently
	}
	w.Header().Set("Server", "awselb/2.0")
	w.Header().Set("Location", location.String())
	w.WriteHeader(status)
}

// idleListener closes connections on which nothing was read or written for a while.
type idleListener struct {
	net.Listener
	idle time.Duration
}

func (l idleListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &idleConn{Conn: conn, idle: l.idle, timer: time.AfterFunc(l.idle, func() { _ = conn.Close() })}, nil
}

type idleConn struct {
	net.Conn
	idle  time.Duration
	timer *time.Timer
}

func (c *idleConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.timer.Reset(c.idle)
	return n, err
}

func (c *idleConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.timer.Reset(c.idle)
	return n, err
}

func (c *idleConn) Close() error {
	c.timer.Stop()
	return c.Conn.Close()
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func seconds(text string, otherwise time.Duration) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil {
		return otherwise
	}
	return time.Duration(n) * time.Second
}
