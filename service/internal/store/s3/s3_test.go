package s3

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storetest"
)

// emulator starts moto, from PATH or from the repository's environment, and
// points the AWS SDK at it.
func emulator(t *testing.T) *s3.Client {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		if program, err = filepath.Abs("../../../../.venv/bin/moto_server"); err == nil {
			_, err = os.Stat(program)
		}
	}
	if err != nil {
		t.Fatal("moto_server is neither on PATH nor in the repository's .venv: make test installs it")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	require.NoError(t, free.Close())
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", port)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		res, err := http.Get("http://" + addr + "/moto-api/data.json")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, 2*time.Minute, 100*time.Millisecond, "moto starts")
	// S3 decides a condition and writes in one step; moto does it in two, on
	// several threads. One request at a time makes it the same.
	var one sync.Mutex
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	atomic := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(atomic.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": atomic.URL, "AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
	c, err := config.LoadDefaultConfig(t.Context())
	require.NoError(t, err)
	client := s3.NewFromConfig(c)
	_, err = client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket:                    aws.String("notebooks"),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraintEuNorth1},
	})
	require.NoError(t, err)
	return client
}

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
	client := emulator(t)
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
