package stack

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cloudfronttypes "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

const (
	immutable = "public, max-age=31536000, immutable"
	noCache   = "no-cache"
)

// contentTypes is written out because a machine's own table differs from the next's.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".json": "application/json", ".map": "application/json", ".svg": "image/svg+xml",
	".png": "image/png", ".jpg": "image/jpeg", ".ico": "image/x-icon", ".webp": "image/webp", ".woff": "font/woff", ".woff2": "font/woff2",
	".ttf": "font/ttf", ".wasm": "application/wasm", ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
}

func contentType(name string) string {
	extension := strings.ToLower(path.Ext(name))
	if known, ok := contentTypes[extension]; ok {
		return known
	}
	if known := mime.TypeByExtension(extension); known != "" {
		return known
	}
	return "application/octet-stream"
}

// hashed matches names that change with their content, as the bundler makes them.
var hashed = regexp.MustCompile(`^assets/.+-[A-Za-z0-9_-]{8,}\.[a-z0-9.]+$`)

func cacheControl(name string) string {
	if hashed.MatchString(name) {
		return immutable
	}
	return noCache
}

// index is the document that makes a page visible; its tags say what release it
// is of. Tags, unlike metadata, are not served to visitors.
const index = "index.html"

// release is what is deployed together: a service's image and its page.
type release struct {
	Image  string `json:"image"`  // REPOSITORY@sha256:DIGEST
	Commit string `json:"commit"` // of the checkout that the page was built from; "unknown" outside git
}

func (r release) tags() string {
	return url.Values{"image": {r.Image}, "commit": {r.Commit}}.Encode()
}

// uploadPage copies the built page into the bucket: hashed assets first, and
// the documents that name them last, so that no visitor gets a page whose
// assets are not there yet. Old assets stay for the pages that are open, and
// old versions of the documents for a rollback. What is there already is not
// sent again, but for the index, which carries the release.
func uploadPage(ctx context.Context, api *s3.Client, bucket, dist string, r release) error {
	var assets, documents []string
	err := filepath.WalkDir(dist, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), ".") {
			return err
		}
		name, err := filepath.Rel(dist, file)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); hashed.MatchString(name) {
			assets = append(assets, name)
		} else if name != index {
			documents = append(documents, name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the built page: %w", err)
	}
	present, err := listBucket(ctx, api, bucket)
	if err != nil {
		return err
	}
	for _, batch := range []struct {
		names []string
		limit int
	}{{assets, 8}, {documents, 1}, {[]string{index}, 1}} {
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(batch.limit)
		for _, name := range batch.names {
			content, err := os.ReadFile(filepath.Join(dist, filepath.FromSlash(name)))
			if err != nil {
				return fmt.Errorf("read the built page: %w", err)
			}
			put := &s3.PutObjectInput{
				Bucket: &bucket, Key: &name, Body: bytes.NewReader(content),
				ContentType: aws.String(contentType(name)), CacheControl: aws.String(cacheControl(name)),
			}
			if name == index {
				put.Tagging = aws.String(r.tags())
			} else if sum := md5.Sum(content); present[name] == hex.EncodeToString(sum[:]) {
				continue
			}
			group.Go(func() error {
				if _, err := api.PutObject(groupCtx, put); err != nil {
					return fmt.Errorf("upload %s to bucket %s: %w", name, bucket, err)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// version is one version of a document of the page.
type version struct {
	key, id  string
	modified time.Time
}

// earlierPage is a page that was visible before the present one.
type earlierPage struct {
	release
	documents []version // one of each, the index last
}

// releases returns the release whose page is visible, and the one before it.
func releases(ctx context.Context, api *s3.Client, bucket string) (current release, previous *earlierPage, err error) {
	versions, err := listDocuments(ctx, api, bucket)
	if err != nil {
		return release{}, nil, err
	}
	found := false
	for _, v := range versions {
		if v.key != index {
			continue
		}
		tags, err := api.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &bucket, Key: &v.key, VersionId: &v.id})
		if err != nil {
			return release{}, nil, fmt.Errorf("read the tags of %s in bucket %s: %w", v.key, bucket, err)
		}
		var r release
		for _, tag := range tags.TagSet {
			switch aws.ToString(tag.Key) {
			case "image":
				r.Image = aws.ToString(tag.Value)
			case "commit":
				r.Commit = aws.ToString(tag.Value)
			}
		}
		switch {
		case r.Image == "": // somebody else's doing
		case !found:
			current, found = r, true
		case r != current:
			return current, &earlierPage{r, asOf(versions, v)}, nil
		}
	}
	return current, nil, nil
}

// asOf picks the documents that were visible with an index: the newest version
// of each that is not newer than it.
func asOf(versions []version, at version) []version {
	var documents []version
	seen := map[string]bool{index: true}
	for _, v := range versions {
		if !seen[v.key] && !v.modified.After(at.modified) {
			seen[v.key] = true
			documents = append(documents, v)
		}
	}
	return append(documents, at)
}

// listDocuments returns the versions of what is not a hashed asset, newest first.
func listDocuments(ctx context.Context, api *s3.Client, bucket string) ([]version, error) {
	var versions []version
	pages := s3.NewListObjectVersionsPaginator(api, &s3.ListObjectVersionsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the versions in bucket %s: %w", bucket, err)
		}
		for _, v := range page.Versions {
			if key := aws.ToString(v.Key); !hashed.MatchString(key) {
				versions = append(versions, version{key, aws.ToString(v.VersionId), aws.ToTime(v.LastModified)})
			}
		}
	}
	// S3 lists each key's versions newest first, and so they stay where their
	// times, which are whole seconds, are the same.
	slices.SortStableFunc(versions, func(a, b version) int { return b.modified.Compare(a.modified) })
	return versions, nil
}

// restorePage makes an earlier page the visible one, with copies of its
// documents. Its assets are still there.
func restorePage(ctx context.Context, api *s3.Client, bucket string, page *earlierPage) error {
	for _, v := range page.documents {
		_, err := api.CopyObject(ctx, &s3.CopyObjectInput{
			Bucket: &bucket, Key: &v.key, CopySource: aws.String(bucket + "/" + url.PathEscape(v.key) + "?versionId=" + url.QueryEscape(v.id)),
		})
		if err != nil {
			return fmt.Errorf("restore %s in bucket %s: %w", v.key, bucket, err)
		}
	}
	return nil
}

// listBucket returns the entity tag of every object.
func listBucket(ctx context.Context, api *s3.Client, bucket string) (map[string]string, error) {
	present := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(api, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list bucket %s: %w", bucket, err)
		}
		for _, object := range page.Contents {
			present[aws.ToString(object.Key)] = strings.Trim(aws.ToString(object.ETag), `"`)
		}
	}
	return present, nil
}

// invalidate makes the distribution forget what it has cached of the page.
// Hashed assets never change, so they are not named.
func invalidate(ctx context.Context, api *cloudfront.Client, distribution string) error {
	paths := []string{"/", "/index.html"}
	_, err := api.CreateInvalidation(ctx, &cloudfront.CreateInvalidationInput{
		DistributionId: &distribution,
		InvalidationBatch: &cloudfronttypes.InvalidationBatch{
			CallerReference: aws.String("stack-" + strconv.FormatInt(time.Now().UnixNano(), 36)),
			Paths:           &cloudfronttypes.Paths{Items: paths, Quantity: aws.Int32(int32(len(paths)))},
		},
	})
	if err != nil {
		return fmt.Errorf("invalidate the page in distribution %s: %w", distribution, err)
	}
	return nil
}
