// Package s3 keeps each notebook as one object of an S3 bucket.
//
// It is for services that have no disk that lasts. It is not fast at lists of
// many thousand notebooks: S3 can't sort or search, so the list is put
// together from all objects, of which only those that changed since the last
// time are read.
//
// Invariant: an object is only ever replaced by a change to exactly what was
// read of it (conditional writes), so two services over one bucket never
// overwrite each other's changes.
package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storekit"
)

const (
	suffix   = ".json"
	readers  = 16 // objects read at once for a list
	attempts = 20 // of a conditional write against others who write

	readTimeout = time.Minute // of one object for a list
	jsonMedia   = "application/json"
)

// Store is a session.Store. Use Open.
type Store struct {
	client *s3.Client
	bucket string
	prefix string // "" or with a slash at its end

	index index
}

// Check tells whether a bucket and a prefix, written BUCKET/PREFIX, can be
// ones.
func Check(address string) error {
	bucket, prefix, _ := strings.Cut(address, "/")
	if len(bucket) < 3 || len(bucket) > 63 || strings.Trim(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return fmt.Errorf("%q is not the name of a bucket: write s3://BUCKET/PREFIX", bucket)
	}
	if prefix != "" && (prefix == "." || !fs.ValidPath(strings.TrimSuffix(prefix, "/"))) {
		return fmt.Errorf("%q is not a plain path: write s3://BUCKET/PREFIX", prefix)
	}
	return nil
}

// Open returns a store over BUCKET/PREFIX. The AWS SDK's usual environment
// says who it is, and which region and endpoint it talks to. The bucket must
// be there.
func Open(ctx context.Context, address string) (*Store, error) {
	if err := Check(address); err != nil {
		return nil, err
	}
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read AWS configuration: %w", err)
	}
	client := s3.NewFromConfig(c, func(o *s3.Options) {
		// Objects that others put there may lack a checksum; that is no news.
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	s := &Store{client: client, index: index{known: map[string]seen{}}}
	s.bucket, s.prefix, _ = strings.Cut(address, "/")
	if s.prefix = strings.TrimSuffix(s.prefix, "/"); s.prefix != "" {
		s.prefix += "/"
	}
	if err := s.Ping(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Close waits for what is written on the side. Requests end with their
// contexts.
func (s *Store) Close() error {
	s.index.writing.Wait()
	return nil
}

func (s *Store) key(id string) *string { return aws.String(s.prefix + id + suffix) }

// Ping is session.Store's.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &s.prefix, MaxKeys: aws.Int32(1)})
	if err != nil {
		return fmt.Errorf("ask bucket %s: %w", s.bucket, err)
	}
	return nil
}

// status returns the HTTP status of an error of S3's, or 0.
func status(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// read returns a notebook and the tag of the object that it came from.
func (s *Store) read(ctx context.Context, key *string) (*notebook.Notebook, string, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: key})
	if status(err) == http.StatusNotFound {
		return nil, "", session.ErrNotFound
	}
	if err != nil {
		return nil, "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		return nil, "", err
	}
	n := &notebook.Notebook{}
	if err := json.Unmarshal(body, n); err != nil {
		return nil, "", fmt.Errorf("decode object %s: %w", *key, err)
	}
	return n, aws.ToString(out.ETag), nil
}

// errChanged says that an object is not what it was expected to be.
var errChanged = errors.New("somebody else has changed the object")

// write puts the object if it still has the tag, or, with none, isn't there.
func (s *Store) write(ctx context.Context, n *notebook.Notebook, etag string) error {
	kept := *n
	kept.Kernel = notebook.Kernel{Status: notebook.KernelNone}
	body, err := json.Marshal(&kept)
	if err != nil {
		return fmt.Errorf("encode notebook %s: %w", n.ID, err)
	}
	in := &s3.PutObjectInput{Bucket: &s.bucket, Key: s.key(n.ID), Body: bytes.NewReader(body), ContentType: aws.String(jsonMedia)}
	if etag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &etag
	}
	out, err := s.client.PutObject(ctx, in)
	if err != nil {
		return changed(err)
	}
	s.index.learn(*in.Key, seen{aws.ToString(out.ETag), kept.Summary()})
	return nil
}

// changed turns the error of a conditional request whose condition no longer
// holds into errChanged.
func changed(err error) error {
	switch status(err) {
	case http.StatusPreconditionFailed, // it is another one now
		http.StatusConflict, // another write of it was under way
		http.StatusNotFound: // it was deleted
		return errChanged
	}
	return err
}

// errBusy is for a client that finds others writing each time.
var errBusy = &session.UnavailableError{Reason: "too many others write this notebook at once", RetryAfter: 1}

// failed wraps an error with what was being done. If S3 is away or asks for
// less, the error says so to clients.
func failed(err error, doing string, args ...any) error {
	doing = fmt.Sprintf(doing, args...)
	var sent *smithyhttp.RequestSendError
	if code := status(err); code >= 500 || code == http.StatusTooManyRequests || errors.As(err, &sent) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w: %w", doing, &session.UnavailableError{Reason: "the bucket does not answer: try again", RetryAfter: 2}, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// Create is session.Store's.
func (s *Store) Create(ctx context.Context, n *notebook.Notebook) error {
	if err := s.write(ctx, n, ""); err != nil {
		return failed(err, "create notebook %s", n.ID)
	}
	return nil
}

// Get is session.Store's.
func (s *Store) Get(ctx context.Context, id string) (*notebook.Notebook, error) {
	n, _, err := s.read(ctx, s.key(id))
	if err != nil {
		return nil, failed(err, "read notebook %s", id)
	}
	return n, nil
}

// Apply is session.Store's.
func (s *Store) Apply(ctx context.Context, c session.Change) error {
	if err := storekit.CheckChange(c); err != nil {
		return err
	}
	if err := s.apply(ctx, c); err != nil {
		return failed(err, "change notebook %s", c.Notebook.ID)
	}
	return nil
}

func (s *Store) apply(ctx context.Context, c session.Change) error {
	for range attempts {
		n, etag, err := s.read(ctx, s.key(c.Notebook.ID))
		if err != nil {
			return err
		}
		if err := storekit.Merge(n, c); err != nil {
			return err
		}
		if err := s.write(ctx, n, etag); !errors.Is(err, errChanged) {
			return err
		}
		// What has changed decides: a version conflict, or a result beside ours.
	}
	return errBusy
}

// Delete is session.Store's.
func (s *Store) Delete(ctx context.Context, id string, base int64) error {
	if err := s.delete(ctx, id, base); err != nil {
		return failed(err, "delete notebook %s", id)
	}
	return nil
}

func (s *Store) delete(ctx context.Context, id string, base int64) error {
	for range attempts {
		n, etag, err := s.read(ctx, s.key(id))
		if err != nil {
			return err
		}
		if err := storekit.CheckBase(n, base); err != nil {
			return err
		}
		in := &s3.DeleteObjectInput{Bucket: &s.bucket, Key: s.key(id)}
		if base != 0 {
			in.IfMatch = &etag
		}
		_, err = s.client.DeleteObject(ctx, in)
		if err = changed(err); !errors.Is(err, errChanged) {
			return err
		}
	}
	return errBusy
}

// List is session.Store's.
func (s *Store) List(ctx context.Context, q session.Query) (session.Page, error) {
	var from *storekit.Place
	if q.Cursor != "" {
		place, err := storekit.ParseCursor(q.Cursor)
		if err != nil {
			return session.Page{}, err
		}
		from = &place
	}
	all, err := s.all(ctx)
	if err != nil {
		return session.Page{}, failed(err, "list notebooks")
	}
	search := storekit.Fold(q.Search)
	found := []notebook.Summary{}
	for _, one := range all {
		if strings.Contains(storekit.Fold(one.Name), search) {
			found = append(found, one)
		}
	}
	return storekit.Page(found, from, q.Limit), nil
}

// all returns what is in the bucket now.
func (s *Store) all(ctx context.Context) ([]notebook.Summary, error) {
	s.recall(ctx)
	var objects []types.Object
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &s.prefix})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, object := range out.Contents {
			id, ok := strings.CutSuffix(strings.TrimPrefix(aws.ToString(object.Key), s.prefix), suffix)
			if ok && notebook.ValidID(id) { // else it is not ours
				objects = append(objects, object)
			}
		}
	}
	now := make([]*notebook.Summary, len(objects)) // nil: deleted meanwhile
	var reads errgroup.Group
	reads.SetLimit(readers)
	for i, object := range objects {
		if known, ok := s.index.look(*object.Key); ok && known.etag == aws.ToString(object.ETag) {
			now[i] = &known.summary
			continue
		}
		reads.Go(func() (err error) {
			now[i], err = s.summary(ctx, object)
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return nil, err
	}
	all := make([]notebook.Summary, 0, len(now))
	for _, one := range now {
		if one != nil {
			all = append(all, *one)
		}
	}
	s.index.forget(objects)
	s.keepIndex(ctx)
	return all, nil
}

// summary reads an object that the list doesn't know in its present state.
// Those who want the same one at the same time share the reading.
func (s *Store) summary(ctx context.Context, object types.Object) (*notebook.Summary, error) {
	result := s.index.reading.DoChan(*object.Key+" "+aws.ToString(object.ETag), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		n, etag, err := s.read(ctx, object.Key)
		if errors.Is(err, session.ErrNotFound) {
			return (*notebook.Summary)(nil), nil
		}
		if err != nil {
			return nil, err
		}
		summary := n.Summary()
		s.index.learn(*object.Key, seen{etag, summary})
		return &summary, nil
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*notebook.Summary), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
