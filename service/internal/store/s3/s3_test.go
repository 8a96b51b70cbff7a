package s3

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/s3test"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storetest"
)

func opened(t *testing.T, address string) *Store {
	t.Helper()
	s, err := Open(t.Context(), address)
	require.NoError(t, err)
	return s
}

func TestS3Store(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes moto, which takes seconds to start")
	}
	client := s3test.Start(t)
	prefixes := 0
	t.Run("keeps the promises of stores", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) session.Store {
			prefixes++
			return opened(t, fmt.Sprintf("notebooks/p%d", prefixes))
		})
	})
	t.Run("leaves alone what isn't its own", func(t *testing.T) {
		s, bare := opened(t, "notebooks/mine/"), opened(t, "notebooks")
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("notebooks"), Key: aws.String("mine/readme.json"), Body: strings.NewReader("{")})
		require.NoError(t, err)
		n := storetest.Full("Mine")
		require.NoError(t, s.Create(t.Context(), n))
		page, err := s.List(t.Context(), session.Query{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Notebooks, 1)
		page, err = bare.List(t.Context(), session.Query{Limit: 10})
		require.NoError(t, err)
		require.Empty(t, page.Notebooks, "a prefix is not its prefix's prefix")
	})
	t.Run("two services never lose each other's changes", func(t *testing.T) {
		a, b := opened(t, "notebooks/two"), opened(t, "notebooks/two")
		n := notebook.New("N", notebook.Auto)
		n.Cells = append(n.Cells, notebook.NewCell(notebook.Python, ""))
		require.NoError(t, a.Create(t.Context(), n.Clone()))
		const each = 10
		var wg sync.WaitGroup
		for _, s := range []*Store{a, b} {
			wg.Go(func() {
				for done := 0; done < each; {
					now, err := s.Get(t.Context(), n.ID)
					if err != nil {
						t.Errorf("get: %v", err)
						return
					}
					base := now.Version
					now.Cells[0].Source += "x"
					now.Changed()
					if s.Apply(t.Context(), session.Change{Notebook: now, Base: base, Written: []string{now.Cells[0].ID}}) == nil {
						done++
					}
				}
			})
		}
		wg.Wait()
		got, err := a.Get(t.Context(), n.ID)
		require.NoError(t, err)
		require.Len(t, got.Cells[0].Source, 2*each)
		require.EqualValues(t, 1+2*each, got.Version)
		page, err := b.List(t.Context(), session.Query{Limit: 10})
		require.NoError(t, err)
		require.EqualValues(t, 1+2*each, page.Notebooks[0].Version, "a list is never older than the objects")
	})
	t.Run("a service that has just started reads no object to list them", func(t *testing.T) {
		behind, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
		require.NoError(t, err)
		var reads atomic.Int64
		proxy := httputil.NewSingleHostReverseProxy(behind)
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, ".json") {
				reads.Add(1)
			}
			proxy.ServeHTTP(w, r)
		}))
		defer front.Close()
		t.Setenv("AWS_ENDPOINT_URL", front.URL)
		list := func(s *Store) []notebook.Summary {
			page, err := s.List(t.Context(), session.Query{Limit: 500})
			require.NoError(t, err)
			return page.Notebooks
		}
		writer := opened(t, "notebooks/index")
		const many = learnedEnough + 10
		for range many {
			require.NoError(t, writer.Create(t.Context(), notebook.New("N", notebook.Auto)))
		}
		want := list(writer)
		require.Len(t, want, many)
		require.EqualValues(t, 1, reads.Load(), "it wrote them itself, and asked for an index")
		require.NoError(t, writer.Close())

		reads.Store(0)
		n, err := writer.Get(t.Context(), want[0].ID)
		require.NoError(t, err)
		n.Name = "Renamed"
		n.Changed()
		require.NoError(t, writer.Apply(t.Context(), session.Change{Notebook: n, Base: 1}))
		require.NoError(t, writer.Delete(t.Context(), want[1].ID, 0))
		reads.Store(0)
		got := list(opened(t, "notebooks/index"))
		require.EqualValues(t, 2, reads.Load(), "the index, and what it doesn't know in this state")
		want[0] = n.Summary()
		require.Equal(t, append(want[:1:1], want[2:]...), got)

		// An index that says nothing of use is none.
		_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("notebooks"), Key: aws.String("index/index.json"), Body: strings.NewReader("{")})
		require.NoError(t, err)
		fresh := opened(t, "notebooks/index")
		reads.Store(0)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if page, err := fresh.List(t.Context(), session.Query{Limit: 500}); err != nil || len(page.Notebooks) != many-1 {
					t.Errorf("%d notebooks: %v", len(page.Notebooks), err)
				}
			})
		}
		wg.Wait()
		require.Less(t, reads.Load(), int64(2*many), "lists at the same time share what they read")
		require.NoError(t, fresh.Close())
	})
	t.Run("a bucket that does not answer is told apart from a fault", func(t *testing.T) {
		behind, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL"))
		require.NoError(t, err)
		var busy atomic.Bool
		proxy := httputil.NewSingleHostReverseProxy(behind)
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if busy.Load() {
				w.WriteHeader(http.StatusServiceUnavailable) // SlowDown
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		defer front.Close()
		t.Setenv("AWS_ENDPOINT_URL", front.URL)
		t.Setenv("AWS_MAX_ATTEMPTS", "1")
		s := opened(t, "notebooks/away")
		n := storetest.Full("N")
		require.NoError(t, s.Create(t.Context(), n))
		away := func() {
			t.Helper()
			_, getErr := s.Get(t.Context(), n.ID)
			_, listErr := s.List(t.Context(), session.Query{Limit: 1})
			for _, err := range []error{
				getErr, listErr, s.Create(t.Context(), storetest.Full("x")), s.Delete(t.Context(), n.ID, 0),
				s.Apply(t.Context(), session.Change{Notebook: n, Ran: []string{n.Cells[0].ID}}),
			} {
				var unavailable *session.UnavailableError
				require.ErrorAs(t, err, &unavailable)
				require.Positive(t, unavailable.RetryAfter)
			}
		}
		busy.Store(true)
		away()
		busy.Store(false)
		got, err := s.Get(t.Context(), n.ID)
		require.NoError(t, err)
		storetest.Same(t, n, got)
		front.Close()
		away()
	})
	t.Run("a bucket that isn't there is said at once", func(t *testing.T) {
		_, err := Open(t.Context(), "elsewhere/x")
		require.ErrorContains(t, err, "ask bucket elsewhere")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, opened(t, "notebooks").Ping(ctx), context.Canceled)
	})
}

func TestAddressesThatAreNoBucketsAreRefused(t *testing.T) {
	for _, good := range []string{"bucket", "bucket/", "bucket/prefix", "my.bucket-1/a/b/"} {
		require.NoError(t, Check(good), good)
	}
	for _, bad := range []string{"", "/", "/x", "Bucket", "b", "bucket//x", "bucket/a//b", "bucket/../x", "bucket/./x", "bu cket", strings.Repeat("x", 64)} {
		require.Error(t, Check(bad), bad)
	}
}
