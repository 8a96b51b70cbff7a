package balancer

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// group is a target group. Its lock is held for bookkeeping only, never over
// a request.
type group struct {
	arn         string
	check       check
	drain       time.Duration // deregistration_delay
	sticky      time.Duration // 0: off
	mu          sync.Mutex
	targets     []*Target
	next        int
	checkClient *http.Client
}

type check struct {
	path               string
	port               string // "traffic-port" or a number
	interval, timeout  time.Duration
	healthy, unhealthy int
	matcher            string
}

// Target is one registered address of a target group.
type Target struct {
	group    *group
	address  string
	healthy  atomic.Bool
	reason   atomic.Value // string
	stop     context.CancelFunc
	draining bool // under group.mu, like the two below
	inFlight map[int]context.CancelFunc
	requests int
	idle     chan struct{} // closed when draining and nothing is in flight
}

func parseGroup(declared types.TargetGroup, attributes []types.TargetGroupAttribute) (*group, error) {
	arn := value(declared.TargetGroupArn)
	if declared.Protocol != types.ProtocolEnumHttp && declared.Protocol != "" {
		return nil, fmt.Errorf("target group %s speaks %s to its targets; a local stack has HTTP only", arn, declared.Protocol)
	}
	number := func(n *int32, otherwise int) int {
		if n == nil || *n == 0 {
			return otherwise
		}
		return int(*n)
	}
	g := &group{
		arn: arn, drain: 300 * time.Second,
		check: check{
			path:      value(declared.HealthCheckPath),
			port:      value(declared.HealthCheckPort),
			interval:  time.Duration(number(declared.HealthCheckIntervalSeconds, 30)) * time.Second,
			timeout:   time.Duration(number(declared.HealthCheckTimeoutSeconds, 5)) * time.Second,
			healthy:   number(declared.HealthyThresholdCount, 5),
			unhealthy: number(declared.UnhealthyThresholdCount, 2),
			matcher:   "200",
		},
	}
	if g.check.path == "" {
		g.check.path = "/"
	}
	if declared.Matcher != nil && value(declared.Matcher.HttpCode) != "" {
		g.check.matcher = value(declared.Matcher.HttpCode)
	}
	stickiness, duration := false, 24*time.Hour
	for _, attribute := range attributes {
		switch value(attribute.Key) {
		case "deregistration_delay.timeout_seconds":
			g.drain = seconds(value(attribute.Value), g.drain)
		case "stickiness.enabled":
			stickiness = value(attribute.Value) == "true"
		case "stickiness.lb_cookie.duration_seconds":
			duration = seconds(value(attribute.Value), duration)
		}
	}
	if stickiness {
		g.sticky = duration
	}
	g.checkClient = &http.Client{
		Timeout:       g.check.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext},
	}
	return g, nil
}

// Register adds host:port to a target group and begins to check its health;
// the first check that passes makes it healthy.
func (b *Balancer) Register(groupARN, address string) (*Target, error) {
	g, ok := b.groups[groupARN]
	if !ok {
		return nil, fmt.Errorf("no listener of load balancer %s forwards to target group %s", b.arn, groupARN)
	}
	t := &Target{group: g, address: address, inFlight: map[int]context.CancelFunc{}, idle: make(chan struct{})}
	t.reason.Store("not checked yet")
	ctx, cancel := context.WithCancel(b.ctx)
	t.stop = cancel
	g.mu.Lock()
	g.targets = append(g.targets, t)
	g.mu.Unlock()
	b.wg.Go(func() { t.watch(ctx) })
	return t, nil
}

// Healthy reports whether the target passes its group's health check.
func (t *Target) Healthy() bool { return t.healthy.Load() }

// Reason tells what the last health check that failed saw.
func (t *Target) Reason() string { return t.reason.Load().(string) }

// Deregister takes the target out: it gets no new request from now on, and the
// call returns when those in flight have ended, at the latest after the
// group's deregistration delay or when ctx ends; what then still runs is cut.
func (t *Target) Deregister(ctx context.Context) {
	g := t.group
	t.stop()
	g.mu.Lock()
	if !t.draining {
		t.draining = true
		if len(t.inFlight) == 0 {
			close(t.idle)
		}
	}
	g.mu.Unlock()
	t.healthy.Store(false)

	timer := time.NewTimer(g.drain)
	defer timer.Stop()
	select {
	case <-t.idle:
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	for _, cut := range t.inFlight {
		cut()
	}
	g.targets = slices.DeleteFunc(g.targets, func(other *Target) bool { return other == t })
	g.mu.Unlock()
	<-t.idle
}

// acquire chooses a target for a request: the one its cookie names if that is
// healthy, else the healthy ones in turn. With no healthy target every
// registered one is tried, as a real load balancer fails open.
func (g *group) acquire(r *http.Request) (*Target, *http.Request, func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var candidates []*Target
	for _, healthyOnly := range []bool{true, false} {
		for _, t := range g.targets {
			if !t.draining && (t.healthy.Load() || !healthyOnly) {
				candidates = append(candidates, t)
			}
		}
		if len(candidates) > 0 {
			break
		}
	}
	if len(candidates) == 0 {
		return nil, nil, nil
	}
	var t *Target
	if g.sticky > 0 {
		for _, cookie := range r.CookiesNamed(stickyCookie) {
			if name, err := base64.RawURLEncoding.DecodeString(cookie.Value); err == nil {
				if i := slices.IndexFunc(candidates, func(c *Target) bool { return c.address == string(name) }); i >= 0 {
					t = candidates[i]
				}
			}
		}
	}
	if t == nil {
		g.next++
		t = candidates[g.next%len(candidates)]
	}
	ctx, cancel := context.WithCancel(r.Context())
	t.requests++
	id := t.requests
	t.inFlight[id] = cancel
	return t, r.WithContext(ctx), func() {
		cancel()
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(t.inFlight, id)
		if t.draining && len(t.inFlight) == 0 {
			close(t.idle)
		}
	}
}

func (g *group) close() { g.checkClient.CloseIdleConnections() }

// watch checks the target's health until ctx ends.
func (t *Target) watch(ctx context.Context) {
	check := t.group.check
	address := t.address
	if check.port != "" && check.port != "traffic-port" {
		host, _, _ := net.SplitHostPort(t.address)
		address = net.JoinHostPort(host, check.port)
	}
	passed, failed, everPassed := 0, 0, false
	// A process that has just begun needs a moment to listen. Until the first
	// check has passed, failing ones come in quick succession, so that a start
	// here does not take a whole interval; they do not count against it faster.
	quick := min(check.interval, 500*time.Millisecond)
	for {
		err := t.probe(ctx, "http://"+address+check.path)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			passed, failed = passed+1, 0
			if !everPassed || passed >= check.healthy {
				t.healthy.Store(true)
			}
			everPassed = true
		} else {
			passed, failed = 0, failed+1
			t.reason.Store(err.Error())
			if failed >= check.unhealthy {
				t.healthy.Store(false)
			}
		}
		wait := check.interval
		if !everPassed {
			wait = quick
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (t *Target) probe(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	response, err := t.group.checkClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if !statusMatches(t.group.check.matcher, response.StatusCode) {
		return fmt.Errorf("%s answered %d, the health check wants %s", url, response.StatusCode, t.group.check.matcher)
	}
	return nil
}

// statusMatches understands "200", "200,202" and "200-299".
func statusMatches(matcher string, status int) bool {
	for _, part := range strings.Split(matcher, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(low)
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(high); err != nil {
				continue
			}
		}
		if status >= from && status <= to {
			return true
		}
	}
	return false
}
