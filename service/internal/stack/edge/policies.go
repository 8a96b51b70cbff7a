package edge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
)

// forwarding says what of a viewer's request reaches the origin. Its zero
// value forwards nothing.
type forwarding struct {
	headers, cookies, query selection
}

type selection struct {
	mode  string // "", "whitelist", "all", "allExcept"
	names []string
}

func (s selection) has(name string) bool {
	listed := slices.ContainsFunc(s.names, func(n string) bool { return strings.EqualFold(n, name) })
	switch s.mode {
	case "all":
		return true
	case "whitelist":
		return listed
	case "allExcept":
		return !listed
	}
	return false
}

type cachePolicy struct {
	forwarding
	gzip bool
}

// AWS's managed policies are the same in every account and are documented, so
// an API that does not list them does not matter.
var (
	managedCache = map[string]cachePolicy{
		"658327ea-f89d-4fab-a63d-7e88639e58f6": {gzip: true}, // CachingOptimized
		"b2884449-e4de-46a7-ac36-70bc7f1ddd6d": {},           // CachingOptimizedForUncompressedObjects
		"4135ea2d-6df8-44a3-9df3-4b5a84be39ad": {},           // CachingDisabled
		"83da9c7e-98b4-4e11-a168-04f0df8e2c65": { // UseOriginCacheControlHeaders
			gzip: true, forwarding: forwarding{headers: selection{"whitelist", []string{"Host", "Origin", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"}}, cookies: selection{mode: "all"}}},
	}
	managedRequest = map[string]forwarding{
		"216adef6-5c7f-47e4-b989-5492eafa07d3": {selection{mode: "all"}, selection{mode: "all"}, selection{mode: "all"}},                                                 // AllViewer
		"b689b0a8-53d0-40ab-baf2-68738e2966ac": {selection{"allExcept", []string{"Host"}}, selection{mode: "all"}, selection{mode: "all"}},                               // AllViewerExceptHostHeader
		"88a5eaf4-2fd4-4709-b370-b4c650ea3fcf": {headers: selection{"whitelist", []string{"Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method"}}}, // CORS-S3Origin
		"59781a5b-3903-41f3-afcb-af62929ccde1": {headers: selection{"whitelist", []string{"Origin"}}},                                                                    // CORS-CustomOrigin
	}
)

func (e *Edge) cachePolicy(ctx context.Context, id string) (cachePolicy, error) {
	if policy, ok := managedCache[id]; ok {
		return policy, nil
	}
	out, err := e.config.CloudFront.GetCachePolicy(ctx, &cloudfront.GetCachePolicyInput{Id: &id})
	if err != nil {
		return cachePolicy{}, fmt.Errorf("read cache policy %s: %w", id, err)
	}
	if out.CachePolicy == nil || out.CachePolicy.CachePolicyConfig == nil {
		return cachePolicy{}, fmt.Errorf("cache policy %s is empty", id)
	}
	var policy cachePolicy
	if key := out.CachePolicy.CachePolicyConfig.ParametersInCacheKeyAndForwardedToOrigin; key != nil {
		policy.gzip = yes(key.EnableAcceptEncodingGzip)
		if c := key.HeadersConfig; c != nil && c.Headers != nil {
			policy.headers = choose(string(c.HeaderBehavior), c.Headers.Items)
		}
		if c := key.CookiesConfig; c != nil {
			policy.cookies = choose(string(c.CookieBehavior), nil)
			if c.Cookies != nil {
				policy.cookies.names = c.Cookies.Items
			}
		}
		if c := key.QueryStringsConfig; c != nil {
			policy.query = choose(string(c.QueryStringBehavior), nil)
			if c.QueryStrings != nil {
				policy.query.names = c.QueryStrings.Items
			}
		}
	}
	return policy, nil
}

func (e *Edge) originRequestPolicy(ctx context.Context, id string) (forwarding, error) {
	if policy, ok := managedRequest[id]; ok {
		return policy, nil
	}
	out, err := e.config.CloudFront.GetOriginRequestPolicy(ctx, &cloudfront.GetOriginRequestPolicyInput{Id: &id})
	if err != nil {
		return forwarding{}, fmt.Errorf("read origin request policy %s: %w", id, err)
	}
	if out.OriginRequestPolicy == nil || out.OriginRequestPolicy.OriginRequestPolicyConfig == nil {
		return forwarding{}, fmt.Errorf("origin request policy %s is empty", id)
	}
	var policy forwarding
	config := out.OriginRequestPolicy.OriginRequestPolicyConfig
	if c := config.HeadersConfig; c != nil {
		policy.headers = choose(string(c.HeaderBehavior), nil)
		if c.Headers != nil {
			policy.headers.names = c.Headers.Items
		}
	}
	if c := config.CookiesConfig; c != nil {
		policy.cookies = choose(string(c.CookieBehavior), nil)
		if c.Cookies != nil {
			policy.cookies.names = c.Cookies.Items
		}
	}
	if c := config.QueryStringsConfig; c != nil {
		policy.query = choose(string(c.QueryStringBehavior), nil)
		if c.QueryStrings != nil {
			policy.query.names = c.QueryStrings.Items
		}
	}
	return policy, nil
}

func choose(behavior string, names []string) selection {
	switch behavior {
	case "all", "allViewer", "allViewerAndWhitelistCloudFront":
		return selection{mode: "all"}
	case "whitelist", "allExcept":
		return selection{behavior, names}
	}
	return selection{}
}

// legacyForwarding reads the deprecated way to say the same.
func legacyForwarding(values *types.ForwardedValues) forwarding {
	var f forwarding
	if values.Headers != nil && len(values.Headers.Items) > 0 {
		f.headers = selection{"whitelist", values.Headers.Items}
		if slices.Contains(values.Headers.Items, "*") {
			f.headers = selection{mode: "all"}
		}
	}
	if values.Cookies != nil {
		f.cookies = choose(string(values.Cookies.Forward), nil)
		if values.Cookies.WhitelistedNames != nil {
			f.cookies.names = values.Cookies.WhitelistedNames.Items
		}
	}
	if yes(values.QueryString) {
		f.query = selection{mode: "all"}
	}
	return f
}

// forwarded returns the viewer's headers that reach the origin.
func (b *behavior) forwarded(viewer http.Header) http.Header {
	out := http.Header{}
	for name, values := range viewer {
		switch {
		case name == "Cookie":
			continue
		case alwaysForwarded[name] || b.request.headers.has(name) || b.cache.headers.has(name):
			out[name] = append([]string{}, values...)
		}
	}
	var cookies []string
	for _, line := range viewer["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if b.request.cookies.has(name) || b.cache.cookies.has(name) {
				cookies = append(cookies, strings.TrimSpace(pair))
			}
		}
	}
	if len(cookies) > 0 {
		out.Set("Cookie", strings.Join(cookies, "; "))
	}
	return out
}

// alwaysForwarded are what a body and its range and conditions need; CloudFront
// passes them whatever the policies say.
var alwaysForwarded = map[string]bool{
	"Content-Type": true, "Content-Length": true, "Content-Encoding": true, "Content-Md5": true,
	"Range": true, "If-Range": true, "If-Match": true, "If-None-Match": true, "If-Modified-Since": true, "If-Unmodified-Since": true,
}

// query returns the part of the query string that reaches the origin, as the
// viewer wrote it.
func (b *behavior) query(raw string) string {
	if b.request.query.mode == "all" || b.cache.query.mode == "all" {
		return raw
	}
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		if pair != "" && (b.request.query.has(name) || b.cache.query.has(name)) {
			kept = append(kept, pair)
		}
	}
	return strings.Join(kept, "&")
}
