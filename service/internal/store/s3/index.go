package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/singleflight"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// index is what the list says of each object, so that only objects that are
// not in the state that is known are read. It is kept in the bucket, too, for
// a service that has just started. It can't be wrong, only old: what it says
// counts for an object with that tag alone.
type index struct {
	mu      sync.Mutex
	known   map[string]seen // by key
	learned int             // since it was kept last
	keptAt  time.Time       // the last time
	asked   bool            // for the one in the bucket

	reading singleflight.Group
	writing sync.WaitGroup
}

// seen is what the list says of an object in that state.
type seen struct {
	etag    string
	summary notebook.Summary
}

// indexName can't be that of a notebook.
const indexName = "index" + suffix

const (
	learnedEnough = 64               // objects are worth keeping the index for
	keepEvery     = 10 * time.Minute // at most, as a versioned bucket keeps each
)

func (x *index) look(key string) (seen, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	one, ok := x.known[key]
	return one, ok
}

func (x *index) learn(key string, one seen) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.known[key] = one
	x.learned++
}

// forget drops what is not among the objects that there are. What was written
// since they were listed is read once more.
func (x *index) forget(objects []types.Object) {
	there := make(map[string]struct{}, len(objects))
	for _, o := range objects {
		there[*o.Key] = struct{}{}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for key := range x.known {
		if _, ok := there[key]; !ok {
			delete(x.known, key)
		}
	}
}

// kept is a line of the index in the bucket.
type kept struct {
	Key     string           `json:"key"`
	ETag    string           `json:"etag"`
	Summary notebook.Summary `json:"summary"`
}

// recall takes over the index in the bucket, once. Without it, or if it can't
// be read, objects are.
func (s *Store) recall(ctx context.Context) {
	s.index.mu.Lock()
	asked := s.index.asked
	s.index.mu.Unlock()
	if asked {
		return
	}
	done := s.index.reading.DoChan(indexName, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		lines := s.readIndex(ctx)
		s.index.mu.Lock()
		defer s.index.mu.Unlock()
		s.index.asked = true
		for _, line := range lines {
			if _, ok := s.index.known[line.Key]; !ok {
				s.index.known[line.Key] = seen{line.ETag, line.Summary}
			}
		}
		return nil, nil
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (s *Store) readIndex(ctx context.Context) (lines []kept) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + indexName)})
	if err != nil {
		return nil
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil || json.Unmarshal(body, &lines) != nil {
		return nil
	}
	return lines
}

// keepIndex puts the index into the bucket, on the side, if it has learned
// enough since the last time. Of several services the last one's stands.
func (s *Store) keepIndex(ctx context.Context) {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	if s.index.learned < learnedEnough || time.Since(s.index.keptAt) < keepEvery {
		return
	}
	s.index.learned, s.index.keptAt = 0, time.Now()
	lines := make([]kept, 0, len(s.index.known))
	for key, one := range s.index.known {
		lines = append(lines, kept{key, one.etag, one.summary})
	}
	s.index.writing.Go(func() {
		body, err := json.Marshal(lines)
		if err != nil {
			return // then there is none
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		_, _ = s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.bucket, Key: aws.String(s.prefix + indexName), Body: bytes.NewReader(body), ContentType: aws.String(jsonMedia),
		})
	})
}
