// Package s3test starts an emulator of S3 for tests.
//
// It is for tests only. Its invariant: conditional requests are decided and
// carried out in one step, as S3 does it.
package s3test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

// Bucket is there in every emulator that Start starts.
const Bucket = "notebooks"

// Start starts the emulator, from PATH or from the repository's environment,
// and points the AWS SDK at it for as long as the test takes.
func Start(t *testing.T) *s3.Client {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		module, failed := exec.Command("go", "env", "GOMOD").Output()
		require.NoError(t, failed)
		program = filepath.Join(filepath.Dir(string(module)), ".venv/bin/moto_server")
		_, err = os.Stat(program)
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
		Bucket:                    aws.String(Bucket),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraintEuNorth1},
	})
	require.NoError(t, err)
	return client
}
