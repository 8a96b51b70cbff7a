package stack

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
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

// uploadPage copies the built page into the bucket: hashed assets first, and
// the documents that name them last, so that no visitor gets a page whose
// assets are not there yet. Old assets stay for the pages that are open.
// It returns how many files were sent; those that are there already are not.
func uploadPage(ctx context.Context, api *s3.Client, bucket, dist string) (int, error) {
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
		} else {
			documents = append(documents, name)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read the built page: %w", err)
	}
	// index.html is the very last: it is what makes the new page visible.
	sort.Slice(documents, func(i, j int) bool { return documents[i] != "index.html" && documents[j] == "index.html" })
	present, err := listBucket(ctx, api, bucket)
	if err != nil {
		return 0, err
	}
	sent := 0
	for _, batch := range []struct {
		names []string
		limit int
	}{{assets, 8}, {documents, 1}} {
		group, groupCtx := errgroup.WithContext(ctx)
		group.SetLimit(batch.limit)
		for _, name := range batch.names {
			content, err := os.ReadFile(filepath.Join(dist, filepath.FromSlash(name)))
			if err != nil {
				return sent, fmt.Errorf("read the built page: %w", err)
			}
			sum := md5.Sum(content)
			if present[name] == hex.EncodeToString(sum[:]) {
				continue
			}
			sent++
			group.Go(func() error {
				_, err := api.PutObject(groupCtx, &s3.PutObjectInput{
					Bucket: &bucket, Key: &name, Body: strings.NewReader(string(content)),
					ContentType: aws.String(contentType(name)), CacheControl: aws.String(cacheControl(name)),
				})
				if err != nil {
					return fmt.Errorf("upload %s to bucket %s: %w", name, bucket, err)
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return sent, err
		}
	}
	return sent, nil
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
