package edge

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

const (
	domain          = "d123.cloudfront.net"
	distributionARN = "arn:aws:cloudfront::123456789012:distribution/E1"
	balancerName    = "internal-app.eu-north-1.elb.amazonaws.com"
	balancerARN     = "arn:aws:elasticloadbalancing:eu-north-1:123456789012:loadbalancer/app/app/1"
	spaFunction     = `
async function handler(event) {
  const request = event.request;
  if (request.uri === '/teapot') {
    return { statusCode: 418, statusDescription: 'teapot', headers: { 'x-made-by': { value: 'function' } }, body: 'short and stout' };
  }
  if (request.uri === '/broken') { return null; }
  if (!request.uri.includes('.') && !request.uri.startsWith('/api/')) { request.uri = '/index.html'; }
  return request;
}`
)

// cloud answers with one distribution, which each test may change first.
type cloud struct {
	config   types.DistributionConfig
	headers  types.ResponseHeadersPolicyConfig
	function string
	vpcARN   string
}

func (c *cloud) GetDistribution(context.Context, *cloudfront.GetDistributionInput, ...func(*cloudfront.Options)) (*cloudfront.GetDistributionOutput, error) {
	return &cloudfront.GetDistributionOutput{ETag: aws.String("1"), Distribution: &types.Distribution{
		ARN: aws.String(distributionARN), DomainName: aws.String(domain), DistributionConfig: &c.config,
	}}, nil
}

func (c *cloud) GetFunction(context.Context, *cloudfront.GetFunctionInput, ...func(*cloudfront.Options)) (*cloudfront.GetFunctionOutput, error) {
	return &cloudfront.GetFunctionOutput{FunctionCode: []byte(c.function)}, nil
}

func (c *cloud) GetCachePolicy(context.Context, *cloudfront.GetCachePolicyInput, ...func(*cloudfront.Options)) (*cloudfront.GetCachePolicyOutput, error) {
	return nil, fmt.Errorf("no such policy")
}

func (c *cloud) GetOriginRequestPolicy(_ context.Context, in *cloudfront.GetOriginRequestPolicyInput, _ ...func(*cloudfront.Options)) (*cloudfront.GetOriginRequestPolicyOutput, error) {
	return &cloudfront.GetOriginRequestPolicyOutput{OriginRequestPolicy: &types.OriginRequestPolicy{OriginRequestPolicyConfig: &types.OriginRequestPolicyConfig{
		HeadersConfig:      &types.OriginRequestPolicyHeadersConfig{HeaderBehavior: "whitelist", Headers: &types.Headers{Items: []string{"X-Wanted"}}},
		CookiesConfig:      &types.OriginRequestPolicyCookiesConfig{CookieBehavior: "whitelist", Cookies: &types.CookieNames{Items: []string{"wanted"}}},
		QueryStringsConfig: &types.OriginRequestPolicyQueryStringsConfig{QueryStringBehavior: "whitelist", QueryStrings: &types.QueryStringNames{Items: []string{"wanted"}}},
	}}}, nil
}

func (c *cloud) GetResponseHeadersPolicy(context.Context, *cloudfront.GetResponseHeadersPolicyInput, ...func(*cloudfront.Options)) (*cloudfront.GetResponseHeadersPolicyOutput, error) {
	return &cloudfront.GetResponseHeadersPolicyOutput{ResponseHeadersPolicy: &types.ResponseHeadersPolicy{ResponseHeadersPolicyConfig: &c.headers}}, nil
}

func (c *cloud) GetOriginAccessControl(context.Context, *cloudfront.GetOriginAccessControlInput, ...func(*cloudfront.Options)) (*cloudfront.GetOriginAccessControlOutput, error) {
	return &cloudfront.GetOriginAccessControlOutput{OriginAccessControl: &types.OriginAccessControl{OriginAccessControlConfig: &types.OriginAccessControlConfig{
		OriginAccessControlOriginType: types.OriginAccessControlOriginTypesS3, SigningBehavior: types.OriginAccessControlSigningBehaviorsAlways,
	}}}, nil
}

func (c *cloud) GetVpcOrigin(context.Context, *cloudfront.GetVpcOriginInput, ...func(*cloudfront.Options)) (*cloudfront.GetVpcOriginOutput, error) {
	return &cloudfront.GetVpcOriginOutput{VpcOrigin: &types.VpcOrigin{Id: aws.String("vo_1"), VpcOriginEndpointConfig: &types.VpcOriginEndpointConfig{
		Arn: &c.vpcARN, HTTPPort: aws.Int32(80), HTTPSPort: aws.Int32(443), OriginProtocolPolicy: types.OriginProtocolPolicyHttpOnly,
	}}}, nil
}

// bucket is S3's REST API for one bucket, as much as the SDK asks of it.
type bucket struct {
	policy  string
	objects map[string][]byte
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, code string) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>-</Message></Error>", code)
	}
	if r.URL.Query().Has("policy") {
		if b.policy == "" {
			fail(http.StatusNotFound, "NoSuchBucketPolicy")
			return
		}
		_, _ = io.WriteString(w, b.policy)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		fail(http.StatusForbidden, "AccessDenied")
		return
	}
	object, ok := b.objects[strings.TrimPrefix(r.URL.Path, "/pages/")]
	if !ok {
		fail(http.StatusNotFound, "NoSuchKey")
		return
	}
	sum := md5.Sum(object)
	w.Header().Set("Etag", `"`+hex.EncodeToString(sum[:])+`"`)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), bytes.NewReader(object))
}

func policy(action, source string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::pages/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}},
		{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"},"Action":%q,"Resource":["arn:aws:s3:::pages/*","arn:aws:s3:::pages"],
		 "Condition":{"StringEquals":{"AWS:SourceArn":%q}}}]}`, action, source)
}

type loadBalancer struct{ address string }

func (l loadBalancer) ARN() string     { return balancerARN }
func (l loadBalancer) DNSName() string { return balancerName }
func (l loadBalancer) Addr(port int) (string, bool) {
	return l.address, port == 80
}

type bench struct {
	*testing.T
	edge    *Edge
	address string
	client  *http.Client
}

// serve puts an edge before a bucket and an API. change may alter what is
// configured before it is read.
func serve(t *testing.T, api http.Handler, change func(*cloud, *bucket)) *bench {
	t.Helper()
	b, err := tryServe(t, api, change)
	require.NoError(t, err)
	return b
}

func tryServe(t *testing.T, api http.Handler, change func(*cloud, *bucket)) (*bench, error) {
	t.Helper()
	all := []types.Method{"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"}
	apiBehavior := func(pattern string) types.CacheBehavior {
		return types.CacheBehavior{
			PathPattern: &pattern, TargetOriginId: aws.String("api"), ViewerProtocolPolicy: types.ViewerProtocolPolicyHttpsOnly, Compress: aws.Bool(true),
			AllowedMethods: &types.AllowedMethods{Items: all}, CachePolicyId: aws.String("4135ea2d-6df8-44a3-9df3-4b5a84be39ad"),
			OriginRequestPolicyId: aws.String("b689b0a8-53d0-40ab-baf2-68738e2966ac"), ResponseHeadersPolicyId: aws.String("own"),
		}
	}
	c := &cloud{
		vpcARN: balancerARN, function: spaFunction,
		headers: types.ResponseHeadersPolicyConfig{SecurityHeadersConfig: &types.ResponseHeadersPolicySecurityHeadersConfig{
			ContentSecurityPolicy: &types.ResponseHeadersPolicyContentSecurityPolicy{ContentSecurityPolicy: aws.String("default-src 'self'"), Override: aws.Bool(true)},
			FrameOptions:          &types.ResponseHeadersPolicyFrameOptions{FrameOption: types.FrameOptionsListDeny, Override: aws.Bool(false)},
		}},
		config: types.DistributionConfig{
			Enabled: aws.Bool(true), DefaultRootObject: aws.String("index.html"),
			Origins: &types.Origins{Items: []types.Origin{
				{Id: aws.String("pages"), DomainName: aws.String("pages.s3.eu-north-1.amazonaws.com"), OriginAccessControlId: aws.String("oac"), S3OriginConfig: &types.S3OriginConfig{}},
				{Id: aws.String("api"), DomainName: aws.String(balancerName), VpcOriginConfig: &types.VpcOriginConfig{VpcOriginId: aws.String("vo_1"), OriginReadTimeout: aws.Int32(1)}},
			}},
			CacheBehaviors: &types.CacheBehaviors{Items: []types.CacheBehavior{apiBehavior("/api/*"), apiBehavior("/health")}},
			DefaultCacheBehavior: &types.DefaultCacheBehavior{
				TargetOriginId: aws.String("pages"), ViewerProtocolPolicy: types.ViewerProtocolPolicyRedirectToHttps, Compress: aws.Bool(true),
				CachePolicyId: aws.String("658327ea-f89d-4fab-a63d-7e88639e58f6"), ResponseHeadersPolicyId: aws.String("own"),
				FunctionAssociations: &types.FunctionAssociations{Items: []types.FunctionAssociation{{
					EventType: types.EventTypeViewerRequest, FunctionARN: aws.String("arn:aws:cloudfront::123456789012:function/spa"),
				}}},
			},
		},
	}
	store := &bucket{policy: policy("s3:GetObject", distributionARN), objects: map[string][]byte{
		"index.html": []byte("<!doctype html><title>the app</title>"), "assets/app.js": bytes.Repeat([]byte("let x = 1;\n"), 1000), "a b.txt": []byte("spaced"),
	}}
	if change != nil {
		change(c, store)
	}
	s3Server := httptest.NewServer(store)
	t.Cleanup(s3Server.Close)
	origin := httptest.NewServer(api)
	t.Cleanup(origin.Close)
	e, err := New(context.Background(), Config{
		CloudFront: c, Distribution: "E1", LoadBalancers: []LoadBalancer{loadBalancer{strings.TrimPrefix(origin.URL, "http://")}},
		S3: s3.New(s3.Options{
			Region: "eu-north-1", BaseEndpoint: &s3Server.URL, UsePathStyle: true, RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
		}),
	})
	if err != nil {
		return nil, err
	}
	listeners, address, err := e.Listen("127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}
	for _, l := range listeners {
		go func() { _ = server.Serve(l) }()
	}
	t.Cleanup(func() { _ = server.Close() })
	return &bench{T: t, edge: e, address: address, client: &http.Client{
		Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (b *bench) do(method, path string, header http.Header, body io.Reader) (*http.Response, string) {
	b.Helper()
	request, err := http.NewRequest(method, b.address+path, body)
	require.NoError(b, err)
	for name, values := range header {
		request.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		request.Host = host
	}
	response, err := b.client.Do(request)
	require.NoError(b, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(b, err)
	return response, string(text)
}

func (b *bench) get(path string, header http.Header) (*http.Response, string) {
	b.Helper()
	return b.do(http.MethodGet, path, header, nil)
}

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	_, _ = fmt.Fprintf(w, "%s %s host=%s body=%d\n", r.Method, r.RequestURI, r.Host, len(body))
	_ = r.Header.Write(w)
}

func TestPathPatternsMatchAsCloudFrontMatchesThem(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"/api/*", "/api/notebooks", true},
		{"/api/*", "/api/", true},
		{"/api/*", "/api/a/b/c", true},
		{"/api/*", "/api", false},
		{"/api/*", "/API/x", false},
		{"api/*", "/api/x", true},
		{"/health", "/health", true},
		{"/health", "/health/", false},
		{"/health", "/healthy", false},
		{"*.jpg", "/a/b.jpg", true},
		{"/images/?.png", "/images/a.png", true},
		{"/images/?.png", "/images/ab.png", false},
		{"/a[b]/*", "/a[b]/c", true},
		{"/a[b]/*", "/ab/c", false},
		{"*", "/anything/at all", true},
	} {
		require.Equal(t, c.want, matchPattern(c.pattern, c.path), "%s against %s", c.pattern, c.path)
	}
}

func TestPageComesFromTheBucket(t *testing.T) {
	b := serve(t, http.HandlerFunc(echo), nil)
	for _, path := range []string{"/", "/index.html", "/notebooks/0190", "/notebooks/0190?x=1"} {
		response, text := b.get(path, nil)
		require.Equal(t, http.StatusOK, response.StatusCode, path)
		require.Contains(t, text, "the app")
		require.Equal(t, "default-src 'self'", response.Header.Get("Content-Security-Policy"))
		require.Equal(t, "DENY", response.Header.Get("X-Frame-Options"))
	}
	_, text := b.get("/a%20b.txt", nil)
	require.Equal(t, "spaced", text)
}

func TestFunctionMayAnswerByItself(t *testing.T) {
	b := serve(t, http.HandlerFunc(echo), nil)
	response, text := b.get("/teapot", nil)
	require.Equal(t, http.StatusTeapot, response.StatusCode)
	require.Equal(t, "short and stout", text)
	require.Equal(t, "function", response.Header.Get("X-Made-By"))
}

func TestFunctionThatFailsIsA503(t *testing.T) {
	b := serve(t, http.HandlerFunc(echo), nil)
	response, _ := b.get("/broken", nil)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)

	b = serve(t, http.HandlerFunc(echo), func(c *cloud, _ *bucket) { c.function = "function handler(event) { while (true) {} }" })
	response, text := b.get("/", nil)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	require.Contains(t, text, "longer")

	_, err := tryServe(t, http.HandlerFunc(echo), func(c *cloud, _ *bucket) { c.function = "function handler(" })
	require.ErrorContains(t, err, "function spa")
}

func TestMissingObjectIsForbiddenUnlessTheBucketMayBeListed(t *testing.T) {
	b := serve(t, http.HandlerFunc(echo), nil)
	response, text := b.get("/assets/gone.js", nil)
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	require.Contains(t, text, "<Code>AccessDenied</Code>")

	b = serve(t, http.HandlerFunc(echo), func(_ *cloud, s *bucket) { s.policy = policy("s3:*", distributionARN) })
	response, text = b.get("/assets/gone.js", nil)
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	require.Contains(t, text, "<Code>NoSuchKey</Code>")
}

func TestBucketPolicyDecidesWhoReads(t *testing.T) {
	for name, change := range map[string]func(*cloud, *bucket){
		"no policy":                func(_ *cloud, s *bucket) { s.policy = "" },
		"another distribution's":   func(_ *cloud, s *bucket) { s.policy = policy("s3:GetObject", distributionARN+"2") },
		"another action":           func(_ *cloud, s *bucket) { s.policy = policy("s3:PutObject", distributionARN) },
		"no origin access control": func(c *cloud, _ *bucket) { c.config.Origins.Items[0].OriginAccessControlId = nil },
		"a denial": func(_ *cloud, s *bucket) {
			s.policy = strings.ReplaceAll(s.policy, `"aws:SecureTransport":"false"`, `"aws:SecureTransport":"true"`)
		},
		"a denial not understood": func(_ *cloud, s *bucket) {
			s.policy = strings.ReplaceAll(s.policy, `"aws:SecureTransport"`, `"aws:Unknown"`)
		},
	} {
		b := serve(t, http.HandlerFunc(echo), change)
		response, _ := b.get("/index.html", nil)
		require.Equal(t, http.StatusForbidden, response.StatusCode, name)
	}
}

func TestConditionalAndRangeRequestsReachTheBucket(t *testing.T) {
	b := serve(t, http.HandlerFunc(echo), nil)
	response, _ := b.get("/index.html", nil)
	etag := response.Header.Get("Etag")
	require.NotEmpty(t, etag)
	response, text := b.get("/index.html", http.Header{"If-None-Match": {"W/" + etag}})
	require.Equal(t, http.StatusNotModified, response.StatusCode)
	require.Empty(t, text)
	response, text = b.get("/index.html", http.Header{"Range": {"bytes=0-8"}})
	require.Equal(t, http.StatusPartialContent, response.StatusCode)
	require.Equal(t, "<!doctype", text)
	response, text = b.do(http.MethodHead, "/index.html", nil, nil)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Empty(t, text)
}

func TestOnlyAllowedMethodsPass(t *testing.T) {
	b := serve(t, http.HandlerFunc(echo), nil)
	response, _ := b.do(http.MethodPost, "/", nil, strings.NewReader("x"))
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	require.Equal(t, "CloudFront", response.Header.Get("Server"))
	response, text := b.do(http.MethodDelete, "/api/x", nil, nil)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Contains(t, text, "DELETE /api/x")
}

func TestOriginSeesTheDistributionsAddress(t *testing.T) {
	b := serve(t, http.HandlerFunc(echo), nil)
	response, text := b.get("/api/x%2Fy?b=2&a=%20", http.Header{
		"Origin": {b.address}, "Referer": {b.address + "/notebooks"}, "Cookie": {"session=1"}, "Authorization": {"Bearer t"}, "X-Forwarded-Proto": {"gopher"},
	})
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Contains(t, text, "GET /api/x%2Fy?b=2&a=%20 host="+balancerName)
	require.Contains(t, text, "Origin: https://"+domain+"\r\n")
	require.Contains(t, text, "Referer: https://"+domain+"/notebooks\r\n")
	require.Contains(t, text, "Cookie: session=1\r\n")
	require.Contains(t, text, "Authorization: Bearer t\r\n")
	require.Contains(t, text, "Via: 1.1 ")
	require.NotContains(t, text, "gopher")

	for _, foreign := range []string{"https://evil.example", "http://localhost:3000", "http://127.0.0.1:3000", "null"} {
		_, text = b.get("/api/x", http.Header{"Origin": {foreign}})
		require.Contains(t, text, "Origin: "+foreign+"\r\n")
	}
	_, text = b.get("/api/x", http.Header{"Host": {"localhost:9000"}, "Origin": {"http://localhost:9000"}})
	require.Contains(t, text, "Origin: https://"+domain+"\r\n", "through a tunnel")
}

func TestViewerSeesItsOwnAddress(t *testing.T) {
	b := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		w.Header().Set("Location", "https://"+domain+"/api/notebooks/1")
		w.Header().Add("Set-Cookie", "session=1; HttpOnly; Secure; SameSite=Strict")
		w.WriteHeader(http.StatusCreated)
	}), nil)
	response, _ := b.do(http.MethodPost, "/api/notebooks", http.Header{"Origin": {b.address}}, strings.NewReader("{}"))
	require.Equal(t, b.address, response.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, b.address+"/api/notebooks/1", response.Header.Get("Location"))
	require.Equal(t, "session=1; HttpOnly; SameSite=Strict", response.Header.Get("Set-Cookie"))
}

func TestWithoutAnOriginRequestPolicyNothingOptionalIsForwarded(t *testing.T) {
	sent := http.Header{"Cookie": {"wanted=1; other=2"}, "X-Wanted": {"yes"}, "X-Other": {"no"}, "Authorization": {"Bearer t"}}
	b := serve(t, http.HandlerFunc(echo), func(c *cloud, _ *bucket) { c.config.CacheBehaviors.Items[0].OriginRequestPolicyId = nil })
	_, text := b.get("/api/x?wanted=1&other=2", sent)
	require.Contains(t, text, "GET /api/x host=")
	for _, secret := range []string{"Cookie", "X-Wanted", "X-Other", "Authorization"} {
		require.NotContains(t, text, secret)
	}

	b = serve(t, http.HandlerFunc(echo), func(c *cloud, _ *bucket) { c.config.CacheBehaviors.Items[0].OriginRequestPolicyId = aws.String("own") })
	_, text = b.get("/api/x?other=2&wanted=1", sent)
	require.Contains(t, text, "GET /api/x?wanted=1 host=")
	require.Contains(t, text, "Cookie: wanted=1\r\n")
	require.Contains(t, text, "X-Wanted: yes\r\n")
	require.NotContains(t, text, "X-Other")
}

func TestForeignHostIsTurnedAway(t *testing.T) {
	b := serve(t, http.HandlerFunc(echo), nil)
	u, err := url.Parse(b.address)
	require.NoError(t, err)
	for host, status := range map[string]int{
		"evil.example:" + u.Port(): http.StatusForbidden, "evil.example": http.StatusForbidden,
		"localhost:" + u.Port(): http.StatusOK, "[::1]:" + u.Port(): http.StatusOK, "10.0.0.1:" + u.Port(): http.StatusForbidden, "localhost:9000": http.StatusOK,
	} {
		response, _ := b.get("/health", http.Header{"Host": {host}})
		require.Equal(t, status, response.StatusCode, host)
	}
}

func TestCompressesWhatCloudFrontWould(t *testing.T) {
	b := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `"`+strings.Repeat("x", 5000)+`"`)
	}), nil)
	response, text := b.get("/assets/app.js", http.Header{"Accept-Encoding": {"br, gzip"}})
	require.Equal(t, "gzip", response.Header.Get("Content-Encoding"))
	require.True(t, strings.HasPrefix(response.Header.Get("Etag"), `W/"`))
	reader, err := gzip.NewReader(strings.NewReader(text))
	require.NoError(t, err)
	plain, err := io.ReadAll(reader)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("let x = 1;\n", 1000), string(plain))

	for _, accept := range []string{"", "br", "gzip;q=0"} {
		response, text = b.get("/assets/app.js", http.Header{"Accept-Encoding": {accept}})
		require.Empty(t, response.Header.Get("Content-Encoding"), accept)
		require.Len(t, text, 11000)
	}
	response, _ = b.get("/index.html", http.Header{"Accept-Encoding": {"gzip"}})
	require.Empty(t, response.Header.Get("Content-Encoding"), "too small")
	response, _ = b.get("/api/x", http.Header{"Accept-Encoding": {"gzip"}})
	require.Empty(t, response.Header.Get("Content-Encoding"), "CachingDisabled turns compression off")
}

func TestLargeBodiesStream(t *testing.T) {
	const size = 24 << 20
	b := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("X-Size", strconv.FormatInt(n, 10))
		_, _ = io.CopyN(w, zeros{}, size)
	}), nil)
	response, text := b.do(http.MethodPut, "/api/big", nil, io.LimitReader(zeros{}, size))
	require.Equal(t, strconv.Itoa(size), response.Header.Get("X-Size"))
	require.Len(t, text, size)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestSilentOriginIsA504(t *testing.T) {
	release := make(chan struct{})
	b := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}), nil)
	defer close(release)
	response, text := b.get("/api/slow", nil)
	require.Equal(t, http.StatusGatewayTimeout, response.StatusCode)
	require.Contains(t, text, "silent for 1s")
	require.Equal(t, "Error from cloudfront", response.Header.Get("X-Cache"))
}

func TestMistakesOfTheConfigurationAreSeen(t *testing.T) {
	b := serve(t, http.HandlerFunc(echo), func(c *cloud, _ *bucket) { c.vpcARN = balancerARN + "2" })
	response, text := b.get("/api/x", nil)
	require.Equal(t, http.StatusGatewayTimeout, response.StatusCode)
	require.Contains(t, text, "not part of this stack")

	b = serve(t, http.HandlerFunc(echo), func(c *cloud, _ *bucket) { c.config.CacheBehaviors.Items = c.config.CacheBehaviors.Items[1:] })
	response, _ = b.get("/api/x", nil)
	require.Equal(t, http.StatusForbidden, response.StatusCode, "without its behavior the API is looked for in the bucket")

	_, err := tryServe(t, http.HandlerFunc(echo), func(c *cloud, _ *bucket) { c.config.CacheBehaviors.Items[0].TargetOriginId = aws.String("gone") })
	require.ErrorContains(t, err, `"gone" does not exist`)
}

func TestCustomErrorResponsesReplaceTheOriginsAnswer(t *testing.T) {
	b := serve(t, http.NotFoundHandler(), func(c *cloud, _ *bucket) {
		c.config.CustomErrorResponses = &types.CustomErrorResponses{Items: []types.CustomErrorResponse{{
			ErrorCode: aws.Int32(404), ResponseCode: aws.String("200"), ResponsePagePath: aws.String("/index.html"),
		}}}
	})
	response, text := b.get("/api/nope", nil)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Contains(t, text, "the app")
}

func TestWebSocketsPass(t *testing.T) {
	upgrader := websocket.Upgrader{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "https://"+domain }}
	closed := make(chan struct{})
	b := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer close(closed)
		defer conn.Close()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, append([]byte("echo "), message...)) != nil {
				return
			}
		}
	}), nil)
	address := "ws" + strings.TrimPrefix(b.address, "http") + "/api/ws"
	_, response, err := websocket.DefaultDialer.Dial(address, http.Header{"Origin": {"https://evil.example"}})
	require.Error(t, err)
	require.Equal(t, http.StatusForbidden, response.StatusCode)

	conn, _, err := websocket.DefaultDialer.Dial(address, http.Header{"Origin": {b.address}})
	require.NoError(t, err)
	defer conn.Close()
	time.Sleep(1200 * time.Millisecond) // longer than the origin's read timeout: a socket may be silent
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("hello")))
	_, message, err := conn.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "echo hello", string(message))
	require.NoError(t, conn.Close())
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("the origin does not learn that the viewer has gone")
	}
}

func TestBusyAddressIsOneSentence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	address := "localhost:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	require.EqualError(t, Check(address), address+" is in use by another program: stop it, or choose another address with EDGE_ADDR=HOST:PORT")
	require.ErrorContains(t, Check("8080"), "is not HOST:PORT")
	require.ErrorContains(t, Check("localhost:http99"), "is not HOST:PORT")
	require.NoError(t, Check("localhost:0"))
}
