package edge

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	awshttp "github.com/aws/smithy-go/transport/http"
)

// askBucket does what S3's REST API does for a request that CloudFront signs:
// the bucket's policy decides, then the object is read.
func (e *Edge) askBucket(r *http.Request, s *site, o *origin) (*http.Response, error) {
	escaped := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	key, err := url.PathUnescape(escaped)
	if err != nil {
		return s3Error(r, http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI."), nil
	}
	resource := "arn:aws:s3:::" + o.bucket
	if !o.signed || !o.policy.allows("s3:GetObject", resource+"/"+key, s.arn) || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return s3Error(r, http.StatusForbidden, "AccessDenied", "Access Denied"), nil
	}
	if key == "" {
		// A request for the bucket itself lists it.
		return s3Error(r, http.StatusForbidden, "AccessDenied", "Access Denied"), nil
	}
	input := &s3.GetObjectInput{
		Bucket: &o.bucket, Key: &key,
		Range: optional(r.Header.Get("Range")), IfMatch: optional(r.Header.Get("If-Match")),
		// A compressed answer has a weak entity tag; S3 knows the strong one.
		IfNoneMatch:     optional(strings.ReplaceAll(r.Header.Get("If-None-Match"), "W/", "")),
		IfModifiedSince: optionalTime(r.Header.Get("If-Modified-Since")), IfUnmodifiedSince: optionalTime(r.Header.Get("If-Unmodified-Since")),
	}
	if input.IfNoneMatch != nil {
		input.IfModifiedSince = nil // RFC 9110: the entity tag decides alone
	}
	var out *s3.GetObjectOutput
	if r.Method == http.MethodHead {
		var head *s3.HeadObjectOutput
		head, err = e.config.S3.HeadObject(r.Context(), &s3.HeadObjectInput{
			Bucket: input.Bucket, Key: input.Key, Range: input.Range, IfMatch: input.IfMatch, IfNoneMatch: input.IfNoneMatch,
			IfModifiedSince: input.IfModifiedSince, IfUnmodifiedSince: input.IfUnmodifiedSince,
		})
		if err == nil {
			out = &s3.GetObjectOutput{
				AcceptRanges: head.AcceptRanges, CacheControl: head.CacheControl, ContentDisposition: head.ContentDisposition,
				ContentEncoding: head.ContentEncoding, ContentLanguage: head.ContentLanguage, ContentLength: head.ContentLength,
				ContentRange: head.ContentRange, ContentType: head.ContentType, ETag: head.ETag, LastModified: head.LastModified,
				ServerSideEncryption: head.ServerSideEncryption, VersionId: head.VersionId, Body: http.NoBody,
			}
		}
	} else {
		out, err = e.config.S3.GetObject(r.Context(), input)
	}
	if err != nil {
		return e.objectError(r, s, o, resource, err)
	}

	response := newResponse(r, http.StatusOK)
	set := func(name string, text *string) {
		if text != nil && *text != "" {
			response.Header.Set(name, *text)
		}
	}
	set("Content-Type", out.ContentType)
	set("Etag", out.ETag)
	set("Cache-Control", out.CacheControl)
	set("Content-Disposition", out.ContentDisposition)
	set("Content-Encoding", out.ContentEncoding)
	set("Content-Language", out.ContentLanguage)
	set("X-Amz-Version-Id", out.VersionId)
	response.Header.Set("Accept-Ranges", "bytes")
	if out.ServerSideEncryption != "" {
		response.Header.Set("X-Amz-Server-Side-Encryption", string(out.ServerSideEncryption))
	}
	if out.LastModified != nil {
		response.Header.Set("Last-Modified", httpTime(*out.LastModified))
	}
	if value(out.ContentRange) != "" {
		response.StatusCode = http.StatusPartialContent
		set("Content-Range", out.ContentRange)
	}
	response.Body = out.Body
	if out.ContentLength != nil {
		response.ContentLength = *out.ContentLength
		response.Header.Set("Content-Length", strconv.FormatInt(*out.ContentLength, 10))
	}
	return response, nil
}

// objectError is S3's answer to a request that found nothing to send.
func (e *Edge) objectError(r *http.Request, s *site, o *origin, resource string, err error) (*http.Response, error) {
	status := 0
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	var noKey *types.NoSuchKey
	switch {
	case status == http.StatusNotModified:
		answer := newResponse(r, status)
		if etag := response.HTTPResponse().Header.Get("Etag"); etag != "" {
			answer.Header.Set("Etag", etag)
		}
		return answer, nil
	case errors.As(err, &noKey), status == http.StatusNotFound:
		// Who may not list a bucket is not told what is missing in it.
		if !o.policy.allows("s3:ListBucket", resource, s.arn) {
			return s3Error(r, http.StatusForbidden, "AccessDenied", "Access Denied"), nil
		}
		return s3Error(r, http.StatusNotFound, "NoSuchKey", "The specified key does not exist."), nil
	case status == http.StatusPreconditionFailed:
		return s3Error(r, status, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"), nil
	case status == http.StatusRequestedRangeNotSatisfiable:
		return s3Error(r, status, "InvalidRange", "The requested range is not satisfiable"), nil
	case status == http.StatusForbidden:
		return s3Error(r, status, "AccessDenied", "Access Denied"), nil
	}
	return nil, fmt.Errorf("read from bucket %s: %w", o.bucket, err)
}

func newResponse(r *http.Request, status int) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, Body: http.NoBody,
		Header: http.Header{"Server": {"AmazonS3"}, "Date": {httpTime(time.Now())}},
	}
}

func s3Error(r *http.Request, status int, code, message string) *http.Response {
	body, _ := xml.Marshal(struct {
		XMLName struct{} `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: message}) // two strings: it can't fail
	text := xml.Header + string(body)
	response := newResponse(r, status)
	response.Header.Set("Content-Type", "application/xml")
	response.ContentLength = int64(len(text))
	if r.Method == http.MethodHead {
		return response
	}
	response.Header.Set("Content-Length", strconv.Itoa(len(text)))
	response.Body = io.NopCloser(strings.NewReader(text))
	return response
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func optionalTime(text string) *time.Time {
	t, err := http.ParseTime(text)
	if err != nil {
		return nil
	}
	return &t
}
