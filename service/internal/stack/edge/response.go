package edge

import (
	"compress/gzip"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
)

// applyHeaders applies the behavior's response-headers policy.
func (x *exchange) applyHeaders(header http.Header) {
	policy := x.behavior.headers
	if policy == nil {
		return
	}
	set := func(name, text string, override *bool) {
		if yes(override) || header.Get(name) == "" {
			header.Set(name, text)
		}
	}
	if policy.RemoveHeadersConfig != nil {
		for _, item := range policy.RemoveHeadersConfig.Items {
			header.Del(value(item.Header))
		}
	}
	if cors := policy.CorsConfig; cors != nil {
		x.applyCORS(header, cors)
	}
	if security := policy.SecurityHeadersConfig; security != nil {
		if c := security.ContentSecurityPolicy; c != nil {
			set("Content-Security-Policy", value(c.ContentSecurityPolicy), c.Override)
		}
		if c := security.ContentTypeOptions; c != nil {
			set("X-Content-Type-Options", "nosniff", c.Override)
		}
		if c := security.FrameOptions; c != nil {
			set("X-Frame-Options", string(c.FrameOption), c.Override)
		}
		if c := security.ReferrerPolicy; c != nil {
			set("Referrer-Policy", string(c.ReferrerPolicy), c.Override)
		}
		if c := security.StrictTransportSecurity; c != nil {
			text := "max-age=0"
			if c.AccessControlMaxAgeSec != nil {
				text = "max-age=" + strconv.Itoa(int(*c.AccessControlMaxAgeSec))
			}
			if yes(c.IncludeSubdomains) {
				text += "; includeSubDomains"
			}
			if yes(c.Preload) {
				text += "; preload"
			}
			set("Strict-Transport-Security", text, c.Override)
		}
		if c := security.XSSProtection; c != nil {
			text := "0"
			if yes(c.Protection) {
				text = "1"
				if yes(c.ModeBlock) {
					text += "; mode=block"
				} else if value(c.ReportUri) != "" {
					text += "; report=" + value(c.ReportUri)
				}
			}
			set("X-XSS-Protection", text, c.Override)
		}
	}
	if policy.CustomHeadersConfig != nil {
		for _, item := range policy.CustomHeadersConfig.Items {
			set(value(item.Header), value(item.Value), item.Override)
		}
	}
	if timing := policy.ServerTimingHeadersConfig; timing != nil && yes(timing.Enabled) {
		if timing.SamplingRate == nil || rand.Float64()*100 < *timing.SamplingRate {
			header.Add("Server-Timing", `cdn-cache-miss,cdn-pop;desc="`+x.edge.pop+`",cdn-rid;desc="`+x.id+`"`)
		}
	}
}

func (x *exchange) applyCORS(header http.Header, cors *types.ResponseHeadersPolicyCorsConfig) {
	origin := x.viewer.Header.Get("Origin")
	if origin == "" || (header.Get("Access-Control-Allow-Origin") != "" && !yes(cors.OriginOverride)) {
		return
	}
	origin = ownOrigin(origin, x.viewer.Host, x.site.domain)
	allowed := ""
	if cors.AccessControlAllowOrigins != nil {
		for _, pattern := range cors.AccessControlAllowOrigins.Items {
			if pattern == "*" && !yes(cors.AccessControlAllowCredentials) {
				allowed = "*"
			} else if anyMatch([]string{pattern}, origin, false) || anyMatch([]string{"https://" + pattern}, origin, false) {
				allowed = origin
			}
			if allowed != "" {
				break
			}
		}
	}
	if allowed == "" {
		return
	}
	header.Set("Access-Control-Allow-Origin", allowed)
	if yes(cors.AccessControlAllowCredentials) {
		header.Set("Access-Control-Allow-Credentials", "true")
	}
	if cors.AccessControlExposeHeaders != nil && len(cors.AccessControlExposeHeaders.Items) > 0 {
		header.Set("Access-Control-Expose-Headers", strings.Join(cors.AccessControlExposeHeaders.Items, ", "))
	}
	if x.viewer.Method == http.MethodOptions && x.viewer.Header.Get("Access-Control-Request-Method") != "" {
		if cors.AccessControlAllowMethods != nil {
			methods := make([]string, len(cors.AccessControlAllowMethods.Items))
			for i, method := range cors.AccessControlAllowMethods.Items {
				methods[i] = string(method)
			}
			header.Set("Access-Control-Allow-Methods", strings.Join(methods, ", "))
		}
		if cors.AccessControlAllowHeaders != nil {
			header.Set("Access-Control-Allow-Headers", strings.Join(cors.AccessControlAllowHeaders.Items, ", "))
		}
		if cors.AccessControlMaxAgeSec != nil {
			header.Set("Access-Control-Max-Age", strconv.Itoa(int(*cors.AccessControlMaxAgeSec)))
		}
	}
}

const compressMin, compressMax = 1000, 10_000_000 // bytes; CloudFront's limits

// compressible are patterns of the media types that CloudFront compresses.
var compressible = []string{
	"text/*", "application/javascript", "application/x-javascript", "application/json", "application/*+json", "application/xml", "application/*+xml",
	"application/wasm", "application/vnd.ms-fontobject", "application/x-font-*", "font/otf", "font/ttf", "font/opentype", "image/svg+xml", "image/bmp", "image/x-icon",
}

// compress compresses what CloudFront would, with gzip.
func (x *exchange) compress(response *http.Response) {
	header := response.Header
	switch response.StatusCode {
	case http.StatusOK, http.StatusForbidden, http.StatusNotFound:
	default:
		return
	}
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || header.Get("Content-Encoding") != "" || response.ContentLength < compressMin || response.ContentLength > compressMax {
		return
	}
	matches := false
	for _, pattern := range compressible {
		if ok, _ := path.Match(pattern, kind); ok {
			matches = true
			break
		}
	}
	if !matches {
		return
	}
	header.Add("Vary", "Accept-Encoding")
	if !acceptsGzip(x.viewer.Header.Get("Accept-Encoding")) || x.viewer.Header.Get("Range") != "" {
		return
	}
	if etag := header.Get("Etag"); etag != "" && !strings.HasPrefix(etag, "W/") {
		header.Set("Etag", "W/"+etag)
	}
	header.Set("Content-Encoding", "gzip")
	header.Del("Content-Length")
	header.Del("Accept-Ranges")
	response.ContentLength = -1
	if x.viewer.Method == http.MethodHead {
		return
	}
	original := response.Body
	reader, writer := io.Pipe()
	response.Body = &piped{reader, original}
	go func() {
		zip, _ := gzip.NewWriterLevel(writer, 5) // the level is valid
		_, err := io.Copy(zip, original)
		if err == nil {
			err = zip.Close()
		}
		_ = writer.CloseWithError(err) // nil is the end of the body
	}()
}

type piped struct {
	*io.PipeReader
	original io.Closer
}

func (p *piped) Close() error {
	_ = p.PipeReader.Close() // stops the compressor
	return p.original.Close()
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name = strings.TrimSpace(name); name != "gzip" && name != "*" {
			continue
		}
		quality, ok := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
		if !ok {
			return true
		}
		q, err := strconv.ParseFloat(quality, 64)
		return err == nil && q > 0
	}
	return false
}

func httpTime(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
