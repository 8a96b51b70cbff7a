package balancer

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"
)

const (
	balancerARN = "arn:aws:elasticloadbalancing:eu-north-1:1:loadbalancer/app/a/1"
	groupARN    = "arn:aws:elasticloadbalancing:eu-north-1:1:targetgroup/a/1"
)

// cloud describes one load balancer with one listener and one target group.
type cloud struct {
	rules      []types.Rule
	action     types.Action
	drain      string
	idle       string
	stickiness string
}

func (c *cloud) DescribeLoadBalancers(context.Context, *elb.DescribeLoadBalancersInput, ...func(*elb.Options)) (*elb.DescribeLoadBalancersOutput, error) {
	return &elb.DescribeLoadBalancersOutput{LoadBalancers: []types.LoadBalancer{{LoadBalancerArn: aws.String(balancerARN), DNSName: aws.String("a.elb.amazonaws.com")}}}, nil
}

func (c *cloud) DescribeLoadBalancerAttributes(context.Context, *elb.DescribeLoadBalancerAttributesInput, ...func(*elb.Options)) (*elb.DescribeLoadBalancerAttributesOutput, error) {
	return &elb.DescribeLoadBalancerAttributesOutput{Attributes: []types.LoadBalancerAttribute{{Key: aws.String("idle_timeout.timeout_seconds"), Value: &c.idle}}}, nil
}

func (c *cloud) DescribeListeners(context.Context, *elb.DescribeListenersInput, ...func(*elb.Options)) (*elb.DescribeListenersOutput, error) {
	return &elb.DescribeListenersOutput{Listeners: []types.Listener{{ListenerArn: aws.String("l"), Port: aws.Int32(80), DefaultActions: []types.Action{c.action}}}}, nil
}

func (c *cloud) DescribeRules(context.Context, *elb.DescribeRulesInput, ...func(*elb.Options)) (*elb.DescribeRulesOutput, error) {
	return &elb.DescribeRulesOutput{Rules: c.rules}, nil
}

func (c *cloud) DescribeTargetGroups(context.Context, *elb.DescribeTargetGroupsInput, ...func(*elb.Options)) (*elb.DescribeTargetGroupsOutput, error) {
	return &elb.DescribeTargetGroupsOutput{TargetGroups: []types.TargetGroup{{
		TargetGroupArn: aws.String(groupARN), Protocol: types.ProtocolEnumHttp, HealthCheckPath: aws.String("/health"),
		HealthCheckIntervalSeconds: aws.Int32(1), HealthCheckTimeoutSeconds: aws.Int32(20), UnhealthyThresholdCount: aws.Int32(2), HealthyThresholdCount: aws.Int32(2),
		Matcher: &types.Matcher{HttpCode: aws.String("200-204")},
	}}}, nil
}

func (c *cloud) DescribeTargetGroupAttributes(context.Context, *elb.DescribeTargetGroupAttributesInput, ...func(*elb.Options)) (*elb.DescribeTargetGroupAttributesOutput, error) {
	return &elb.DescribeTargetGroupAttributesOutput{Attributes: []types.TargetGroupAttribute{
		{Key: aws.String("deregistration_delay.timeout_seconds"), Value: &c.drain},
		{Key: aws.String("stickiness.enabled"), Value: &c.stickiness},
		{Key: aws.String("stickiness.lb_cookie.duration_seconds"), Value: aws.String("60")},
	}}, nil
}

func open(t *testing.T, change func(*cloud)) (*Balancer, string) {
	t.Helper()
	c := &cloud{action: types.Action{Type: types.ActionTypeEnumForward, TargetGroupArn: aws.String(groupARN)}, drain: "60", idle: "60", stickiness: "true"}
	if change != nil {
		change(c)
	}
	b, err := Open(context.Background(), c, balancerARN, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(b.Close)
	address, ok := b.Addr(80)
	require.True(t, ok)
	_, ok = b.Addr(443)
	require.False(t, ok)
	return b, "http://" + address
}

// app is a target: it says its name, can be ill, and can be slow.
type app struct {
	*httptest.Server
	ill   atomic.Bool
	slow  chan struct{}
	asked atomic.Int32
}

func newApp(t *testing.T, name string) *app {
	a := &app{slow: make(chan struct{})}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/health" && a.ill.Load():
			w.WriteHeader(http.StatusInternalServerError)
			return
		case r.URL.Path == "/health":
			return
		case r.URL.Path == "/slow":
			a.asked.Add(1)
			select {
			case <-a.slow:
			case <-r.Context().Done():
				return
			}
		}
		_, _ = fmt.Fprintf(w, "%s %s %s %s", name, r.Host, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Port"))
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *app) register(t *testing.T, b *Balancer) *Target {
	t.Helper()
	target, err := b.Register(groupARN, strings.TrimPrefix(a.URL, "http://"))
	require.NoError(t, err)
	return target
}

func healthy(t *testing.T, target *Target, want bool) {
	t.Helper()
	require.Eventually(t, func() bool { return target.Healthy() == want }, 60*time.Second, 10*time.Millisecond)
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	request.Host, request.Header = "origin.example", http.Header{"X-Forwarded-For": {"203.0.113.9"}}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func TestRequestsGoToHealthyTargetsInTurn(t *testing.T) {
	b, url := open(t, nil)
	one, two := newApp(t, "one"), newApp(t, "two")
	first, second := one.register(t, b), two.register(t, b)
	healthy(t, first, true)
	healthy(t, second, true)
	seen := map[string]int{}
	for range 10 {
		status, text := get(t, http.DefaultClient, url+"/")
		require.Equal(t, http.StatusOK, status)
		require.True(t, strings.HasSuffix(text, "origin.example 203.0.113.9, 127.0.0.1 80"), text)
		seen[strings.Fields(text)[0]]++
	}
	require.Equal(t, map[string]int{"one": 5, "two": 5}, seen)

	one.ill.Store(true)
	healthy(t, first, false)
	require.Contains(t, first.Reason(), "answered 500")
	for range 4 {
		_, text := get(t, http.DefaultClient, url+"/")
		require.True(t, strings.HasPrefix(text, "two"), text)
	}
	one.ill.Store(false)
	healthy(t, first, true)
}

func TestCookieKeepsAClientWithItsTarget(t *testing.T) {
	b, url := open(t, nil)
	one, two := newApp(t, "one"), newApp(t, "two")
	targets := map[string]*Target{"one": one.register(t, b), "two": two.register(t, b)}
	healthy(t, targets["one"], true)
	healthy(t, targets["two"], true)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Jar: jar}
	_, text := get(t, client, url+"/")
	mine := strings.Fields(text)[0]
	for range 5 {
		_, text := get(t, client, url+"/")
		require.Equal(t, mine, strings.Fields(text)[0])
	}
	targets[mine].Deregister(context.Background())
	_, text = get(t, client, url+"/")
	require.NotEqual(t, mine, strings.Fields(text)[0])
}

func TestWithoutTargetsItIsA503AndADeadOneIsA502(t *testing.T) {
	b, url := open(t, nil)
	status, _ := get(t, http.DefaultClient, url+"/")
	require.Equal(t, http.StatusServiceUnavailable, status)
	dead := newApp(t, "dead")
	dead.Close()
	dead.register(t, b)
	status, _ = get(t, http.DefaultClient, url+"/")
	require.Equal(t, http.StatusBadGateway, status)
}

func TestDrainingWaitsForRequestsInFlight(t *testing.T) {
	b, url := open(t, nil)
	a := newApp(t, "a")
	target := a.register(t, b)
	healthy(t, target, true)
	answer := make(chan string, 1)
	go func() {
		response, err := http.Get(url + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		answer <- string(text)
	}()
	require.Eventually(t, func() bool { return a.asked.Load() == 1 }, 30*time.Second, 5*time.Millisecond)
	drained := make(chan struct{})
	go func() { target.Deregister(context.Background()); close(drained) }()
	require.Eventually(t, func() bool {
		status, _ := get(t, http.DefaultClient, url+"/")
		return status == http.StatusServiceUnavailable
	}, 30*time.Second, 5*time.Millisecond)
	select {
	case <-drained:
		t.Fatal("drained with a request in flight")
	default:
	}
	close(a.slow)
	require.True(t, strings.HasPrefix(<-answer, "a "), "the request in flight is answered")
	<-drained
}

func TestDrainingEndsAfterTheDeregistrationDelay(t *testing.T) {
	b, url := open(t, func(c *cloud) { c.drain = "1" })
	a := newApp(t, "a")
	target := a.register(t, b)
	healthy(t, target, true)
	go func() {
		if response, err := http.Get(url + "/slow"); err == nil {
			_ = response.Body.Close()
		}
	}()
	require.Eventually(t, func() bool { return a.asked.Load() == 1 }, 30*time.Second, 5*time.Millisecond)
	begin := time.Now()
	target.Deregister(context.Background())
	require.GreaterOrEqual(t, time.Since(begin), time.Second)
}

func TestRulesDecideInTheOrderOfTheirPriority(t *testing.T) {
	fixed := func(body string) []types.Action {
		return []types.Action{{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: aws.String("403"), MessageBody: &body}}}
	}
	b, url := open(t, func(c *cloud) {
		c.rules = []types.Rule{
			{Priority: aws.String("default"), Actions: fixed("nobody")},
			{Priority: aws.String("20"), Actions: fixed("later"), Conditions: []types.RuleCondition{{Field: aws.String("path-pattern"), Values: []string{"/a/*"}}}},
			{Priority: aws.String("3"), Actions: fixed("secret"), Conditions: []types.RuleCondition{
				{Field: aws.String("path-pattern"), PathPatternConfig: &types.PathPatternConditionConfig{Values: []string{"/a/*"}}},
				{Field: aws.String("http-header"), HttpHeaderConfig: &types.HttpHeaderConditionConfig{HttpHeaderName: aws.String("X-Forwarded-For"), Values: []string{"203.*"}}},
			}},
			{Priority: aws.String("1"), Actions: fixed("never"), Conditions: []types.RuleCondition{{Field: aws.String("source-ip")}}},
		}
	})
	require.NotNil(t, b)
	_, text := get(t, http.DefaultClient, url+"/a/b/c")
	require.Equal(t, "secret", text)
	response, err := http.Get(url + "/a/b")
	require.NoError(t, err)
	defer response.Body.Close()
	later, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, "later", string(later))
	status, text := get(t, http.DefaultClient, url+"/b")
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, "nobody", text)
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	_, address := open(t, func(c *cloud) { c.idle = "1" })
	u, err := url.Parse(address)
	require.NoError(t, err)
	raw, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	defer raw.Close()
	require.NoError(t, raw.SetReadDeadline(time.Now().Add(60*time.Second)))
	_, err = raw.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}
