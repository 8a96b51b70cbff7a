package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// site is a distribution's configuration, read whole and never changed.
type site struct {
	etag, arn, domain string
	enabled           bool
	defaultRoot       string
	behaviors         []*behavior // by precedence, the default one last
	errors            map[int]types.CustomErrorResponse
}

type behavior struct {
	pattern       string // "" matches every path
	origin        *origin
	methods       []string
	compress      bool // Compress, and a cache policy that allows gzip
	cache         forwarding
	request       forwarding
	headers       *types.ResponseHeadersPolicyConfig
	viewerRequest *function
	viewerAnswer  *function
}

type origin struct {
	id, domain, path string
	headers          map[string]string // custom headers towards the origin
	readTimeout      time.Duration

	bucket string        // S3 origin: the bucket's name
	signed bool          // with an origin access control that always signs
	policy *bucketPolicy // nil: no policy

	scheme string // other origins
	port   int
	fault  string // why the origin can't be reached at all
}

// load reads the distribution; an unchanged one gives the site as it was, with
// the bucket policies read anew.
func (e *Edge) load(ctx context.Context, known *site) (*site, error) {
	out, err := e.config.CloudFront.GetDistribution(ctx, &cloudfront.GetDistributionInput{Id: &e.config.Distribution})
	if err != nil {
		return nil, fmt.Errorf("read distribution %s: %w", e.config.Distribution, err)
	}
	if out.Distribution == nil || out.Distribution.DistributionConfig == nil {
		return nil, fmt.Errorf("read distribution %s: the answer has no configuration", e.config.Distribution)
	}
	d, config := out.Distribution, out.Distribution.DistributionConfig
	s := &site{
		etag: value(out.ETag), arn: value(d.ARN), domain: value(d.DomainName), enabled: yes(config.Enabled),
		defaultRoot: value(config.DefaultRootObject), errors: map[int]types.CustomErrorResponse{},
	}
	origins := map[string]*origin{}
	if config.Origins != nil {
		for _, declared := range config.Origins.Items {
			o, err := e.loadOrigin(ctx, declared)
			if err != nil {
				return nil, fmt.Errorf("origin %s of distribution %s: %w", value(declared.Id), e.config.Distribution, err)
			}
			origins[o.id] = o
		}
	}
	if config.CustomErrorResponses != nil {
		for _, response := range config.CustomErrorResponses.Items {
			if response.ErrorCode != nil {
				s.errors[int(*response.ErrorCode)] = response
			}
		}
	}
	var declared []types.CacheBehavior
	if config.CacheBehaviors != nil {
		declared = append(declared, config.CacheBehaviors.Items...)
	}
	if b := config.DefaultCacheBehavior; b != nil {
		declared = append(declared, types.CacheBehavior{
			TargetOriginId: b.TargetOriginId, ViewerProtocolPolicy: b.ViewerProtocolPolicy, AllowedMethods: b.AllowedMethods,
			CachePolicyId: b.CachePolicyId, Compress: b.Compress, FunctionAssociations: b.FunctionAssociations,
			OriginRequestPolicyId: b.OriginRequestPolicyId, ResponseHeadersPolicyId: b.ResponseHeadersPolicyId,
			ForwardedValues: b.ForwardedValues, LambdaFunctionAssociations: b.LambdaFunctionAssociations,
		})
	}
	for _, item := range declared {
		b, err := e.loadBehavior(ctx, item, origins, known)
		if err != nil {
			return nil, fmt.Errorf("behavior %q of distribution %s: %w", cmp.Or(value(item.PathPattern), "default"), e.config.Distribution, err)
		}
		s.behaviors = append(s.behaviors, b)
	}
	if config.DefaultCacheBehavior == nil {
		return nil, fmt.Errorf("distribution %s has no default behavior", e.config.Distribution)
	}
	return s, nil
}

func (e *Edge) loadOrigin(ctx context.Context, declared types.Origin) (*origin, error) {
	o := &origin{
		id: value(declared.Id), domain: value(declared.DomainName), path: value(declared.OriginPath),
		headers: map[string]string{}, readTimeout: 30 * time.Second,
	}
	if declared.CustomHeaders != nil {
		for _, header := range declared.CustomHeaders.Items {
			o.headers[value(header.HeaderName)] = value(header.HeaderValue)
		}
	}
	switch {
	case declared.VpcOriginConfig != nil:
		vpc, err := e.config.CloudFront.GetVpcOrigin(ctx, &cloudfront.GetVpcOriginInput{Id: declared.VpcOriginConfig.VpcOriginId})
		if err != nil {
			return nil, fmt.Errorf("read VPC origin %s: %w", value(declared.VpcOriginConfig.VpcOriginId), err)
		}
		if vpc.VpcOrigin == nil || vpc.VpcOrigin.VpcOriginEndpointConfig == nil {
			return nil, fmt.Errorf("VPC origin %s has no endpoint", value(declared.VpcOriginConfig.VpcOriginId))
		}
		endpoint := vpc.VpcOrigin.VpcOriginEndpointConfig
		o.readTimeout = secondsOr(declared.VpcOriginConfig.OriginReadTimeout, o.readTimeout)
		o.scheme, o.port = schemeAndPort(endpoint.OriginProtocolPolicy, endpoint.HTTPPort, endpoint.HTTPSPort)
		// The request goes to the endpoint, whatever the origin's domain name says.
		o.fault = fmt.Sprintf("VPC origin %s leads to %s, which is not part of this stack", value(vpc.VpcOrigin.Id), value(endpoint.Arn))
		for _, balancer := range e.config.LoadBalancers {
			if balancer.ARN() != value(endpoint.Arn) {
				continue
			}
			o.fault = ""
			if !strings.EqualFold(balancer.DNSName(), o.domain) {
				o.fault = fmt.Sprintf("origin domain %s is not the name of the load balancer of VPC origin %s, %s", o.domain, value(vpc.VpcOrigin.Id), balancer.DNSName())
			}
		}
	case declared.CustomOriginConfig != nil:
		custom := declared.CustomOriginConfig
		o.readTimeout = secondsOr(custom.OriginReadTimeout, o.readTimeout)
		o.scheme, o.port = schemeAndPort(custom.OriginProtocolPolicy, custom.HTTPPort, custom.HTTPSPort)
	default:
		bucket, ok := bucketOf(o.domain)
		if !ok {
			return nil, fmt.Errorf("%s is not the REST endpoint of a bucket", o.domain)
		}
		o.bucket = bucket
		if id := value(declared.OriginAccessControlId); id != "" {
			control, err := e.config.CloudFront.GetOriginAccessControl(ctx, &cloudfront.GetOriginAccessControlInput{Id: &id})
			if err != nil {
				return nil, fmt.Errorf("read origin access control %s: %w", id, err)
			}
			if control.OriginAccessControl != nil && control.OriginAccessControl.OriginAccessControlConfig != nil {
				c := control.OriginAccessControl.OriginAccessControlConfig
				o.signed = c.SigningBehavior != types.OriginAccessControlSigningBehaviorsNever &&
					c.OriginAccessControlOriginType == types.OriginAccessControlOriginTypesS3
			}
		}
		policy, err := e.config.S3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &bucket})
		switch {
		case err == nil:
			if o.policy, err = parsePolicy(value(policy.Policy)); err != nil {
				return nil, fmt.Errorf("policy of bucket %s: %w", bucket, err)
			}
		case !isCode(err, "NoSuchBucketPolicy", "NoSuchBucket"):
			return nil, fmt.Errorf("read the policy of bucket %s: %w", bucket, err)
		}
	}
	return o, nil
}

func schemeAndPort(policy types.OriginProtocolPolicy, http, https *int32) (string, int) {
	// A viewer comes by HTTPS as far as the configuration knows.
	if policy == types.OriginProtocolPolicyHttpOnly {
		return "http", portOr(http, 80)
	}
	return "https", portOr(https, 443)
}

// bucketOf takes the bucket's name out of NAME.s3.REGION.amazonaws.com or
// NAME.s3.amazonaws.com.
func bucketOf(domain string) (string, bool) {
	if !strings.HasSuffix(domain, ".amazonaws.com") {
		return "", false
	}
	i := strings.LastIndex(domain, ".s3.")
	if i < 0 {
		return "", false
	}
	return domain[:i], i > 0
}

func (e *Edge) loadBehavior(ctx context.Context, declared types.CacheBehavior, origins map[string]*origin, known *site) (*behavior, error) {
	b := &behavior{
		pattern: value(declared.PathPattern),
		origin:  origins[value(declared.TargetOriginId)], methods: []string{http.MethodGet, http.MethodHead},
	}
	if b.origin == nil {
		return nil, fmt.Errorf("its origin %q does not exist", value(declared.TargetOriginId))
	}
	if declared.AllowedMethods != nil && len(declared.AllowedMethods.Items) > 0 {
		b.methods = nil
		for _, method := range declared.AllowedMethods.Items {
			b.methods = append(b.methods, string(method))
		}
	}
	if declared.LambdaFunctionAssociations != nil && len(declared.LambdaFunctionAssociations.Items) > 0 {
		return nil, errors.New("it has Lambda@Edge functions, which a local stack cannot run")
	}
	gzip := false
	if id := value(declared.CachePolicyId); id != "" {
		policy, err := e.cachePolicy(ctx, id)
		if err != nil {
			return nil, err
		}
		b.cache, gzip = policy.forwarding, policy.gzip
	} else if declared.ForwardedValues != nil {
		b.cache, gzip = legacyForwarding(declared.ForwardedValues), true
	}
	b.compress = gzip && yes(declared.Compress)
	if id := value(declared.OriginRequestPolicyId); id != "" {
		var err error
		if b.request, err = e.originRequestPolicy(ctx, id); err != nil {
			return nil, err
		}
	}
	if id := value(declared.ResponseHeadersPolicyId); id != "" {
		out, err := e.config.CloudFront.GetResponseHeadersPolicy(ctx, &cloudfront.GetResponseHeadersPolicyInput{Id: &id})
		if err != nil {
			return nil, fmt.Errorf("read response headers policy %s: %w", id, err)
		}
		if out.ResponseHeadersPolicy == nil || out.ResponseHeadersPolicy.ResponseHeadersPolicyConfig == nil {
			return nil, fmt.Errorf("response headers policy %s is empty", id)
		}
		b.headers = out.ResponseHeadersPolicy.ResponseHeadersPolicyConfig
	}
	if declared.FunctionAssociations != nil {
		for _, association := range declared.FunctionAssociations.Items {
			f, err := e.loadFunction(ctx, value(association.FunctionARN), known)
			if err != nil {
				return nil, err
			}
			switch association.EventType {
			case types.EventTypeViewerRequest:
				b.viewerRequest = f
			case types.EventTypeViewerResponse:
				b.viewerAnswer = f
			default:
				return nil, fmt.Errorf("function %s is associated with %s, which CloudFront Functions do not have", value(association.FunctionARN), association.EventType)
			}
		}
	}
	return b, nil
}

// loadFunction reads the published code; code that has not changed keeps its
// compiled program.
func (e *Edge) loadFunction(ctx context.Context, arn string, known *site) (*function, error) {
	_, name, ok := strings.Cut(arn, ":function/")
	if !ok {
		return nil, fmt.Errorf("%s is not the ARN of a function", arn)
	}
	out, err := e.config.CloudFront.GetFunction(ctx, &cloudfront.GetFunctionInput{Name: &name, Stage: types.FunctionStageLive})
	if err != nil {
		return nil, fmt.Errorf("read the published code of function %s: %w", name, err)
	}
	if known != nil {
		for _, b := range known.behaviors {
			for _, f := range []*function{b.viewerRequest, b.viewerAnswer} {
				if f != nil && f.name == name && f.source == string(out.FunctionCode) {
					return f, nil
				}
			}
		}
	}
	return newFunction(name, string(out.FunctionCode))
}

// match returns the behavior of a path: the first whose pattern matches, in
// the order they are listed.
func (s *site) match(escapedPath string) *behavior {
	for _, b := range s.behaviors {
		if b.pattern == "" || matchPattern(b.pattern, escapedPath) {
			return b
		}
	}
	return s.behaviors[len(s.behaviors)-1]
}

// matchPattern is CloudFront's: case matters, * is any text, slashes included,
// ? is one character, a leading slash is optional in the pattern.
func matchPattern(pattern, escapedPath string) bool {
	if !strings.HasPrefix(pattern, "/") && !strings.HasPrefix(pattern, "*") {
		pattern = "/" + pattern
	}
	const slash = "\x00" // path.Match stops * at slashes; a path holds no NUL
	pattern = strings.NewReplacer(`\`, `\\`, "[", `\[`, "/", slash).Replace(pattern)
	ok, err := path.Match(pattern, strings.ReplaceAll(escapedPath, "/", slash))
	return err == nil && ok
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func yes(b *bool) bool { return b != nil && *b }

func portOr(n *int32, otherwise int) int {
	if n == nil || *n == 0 {
		return otherwise
	}
	return int(*n)
}

func secondsOr(n *int32, otherwise time.Duration) time.Duration {
	if n == nil || *n == 0 {
		return otherwise
	}
	return time.Duration(*n) * time.Second
}
