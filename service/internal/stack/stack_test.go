package stack

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/process"
	"github.com/reactive-notebook/reactive-notebook/service/internal/toolchain"
)

func TestOnlyNamesThatChangeWithTheirContentAreImmutable(t *testing.T) {
	for name, want := range map[string]string{
		"assets/index-Dx3kA9_q.js":         immutable,
		"assets/editor.worker-BEAwYRt6.js": immutable,
		"assets/codicon-DF1abBS2.ttf":      immutable,
		"assets/logo.svg":                  noCache,
		"index.html":                       noCache,
		"favicon.svg":                      noCache,
		"index-Dx3kA9_q.js":                noCache,
	} {
		require.Equal(t, want, cacheControl(name), name)
	}
}

func TestContentTypesDoNotDependOnTheMachine(t *testing.T) {
	for name, want := range map[string]string{
		"index.html": "text/html; charset=utf-8", "a/b.js": "text/javascript; charset=utf-8", "x.CSS": "text/css; charset=utf-8",
		"x.woff2": "font/woff2", "x.svg": "image/svg+xml", "no-extension": "application/octet-stream",
	} {
		require.Equal(t, want, contentType(name), name)
	}
}

func TestTerraformsErrorsBecomeOneSentence(t *testing.T) {
	framed := "exit status 1\n╷\n│ Error: creating ELBv2 Load Balancer (x): operation error: AccessDenied: not\n│ authorized.\n│ \n│   with module.ecs.aws_lb.this,\n│   on alb.tf line 3\n╵\n│ Error: another\n"
	require.Equal(t, "creating ELBv2 Load Balancer (x): operation error: AccessDenied: not authorized", firstError(framed))
	require.Equal(t, "exit status 1", firstError("exit status 1\n\nsomething else"))
}

func TestOneUpAtATimeHoldsTheWorkFolder(t *testing.T) {
	w := workspace{filepath.Join(t.TempDir(), "stack", "dev")}
	release, _, err := w.lock()
	require.NoError(t, err)
	require.NotNil(t, release)
	second, holder, err := w.lock()
	require.NoError(t, err)
	require.Nil(t, second)
	require.Equal(t, process.Self(), holder)
	release()
	require.NoDirExists(t, filepath.Dir(w.dir), "nothing is left behind")
	third, _, err := w.lock()
	require.NoError(t, err)
	require.NotNil(t, third)
	third()
}

func TestRootsAreCopiedWithTheirPlacesAndTheirStateKeptHere(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, name := range []string{
		"modules/network/main.tf", "modules/network/tests/a.tftest.hcl", "envs/dev/main.tf", "envs/dev/.terraform.lock.hcl",
		"envs/dev/terraform.tfstate", "envs/dev/.terraform/providers/x", "envs/shared/main.tf",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(from, name), []byte("x"), 0o644))
	}
	require.NoError(t, copyRoots(from, to))
	for name, want := range map[string]bool{
		"modules/network/main.tf": true, "modules/network/tests": false, "envs/dev/.terraform.lock.hcl": true, "envs/dev/terraform.tfstate": false,
		"envs/dev/.terraform": false, "envs/dev/backend_override.tf": true, "envs/shared/backend_override.tf": true, "modules/network/backend_override.tf": false,
	} {
		require.Equal(t, want, exists(filepath.Join(to, name)), name)
	}
}

func TestLocalTerraformSeesNoAccountOfTheOperator(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_PROFILE": "production", "AWS_ENDPOINT_URL_S3": "https://s3.example", "TF_VAR_image": "x", "TF_WORKSPACE": "y", "HTTPS_PROXY": "http://proxy",
	} {
		t.Setenv(name, value)
	}
	env := localEnvironment([]string{"AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_PROFILE="}, toolchain.Terraform{Config: "/config"}, "/tmp/x")
	for name := range env {
		require.False(t, strings.HasPrefix(name, "TF_") && name != "TF_CLI_CONFIG_FILE", name)
	}
	require.NotContains(t, env, "AWS_ENDPOINT_URL_S3")
	require.NotContains(t, env, "HTTPS_PROXY")
	require.Empty(t, env["AWS_PROFILE"])
	require.Equal(t, "http://127.0.0.1:1", env["AWS_ENDPOINT_URL"])
	require.Equal(t, "/config", env["TF_CLI_CONFIG_FILE"])
}

func TestMachinesAreNotToldTheToken(t *testing.T) {
	var people, machines bytes.Buffer
	NewProgress(&people, false).Ready("http://localhost:1", "secret")
	require.Equal(t, "open http://localhost:1/#token=secret\n", people.String())
	p := NewProgress(&machines, true)
	p.Step("apply")(errors.New("broken"))
	p.Ready("http://localhost:1", "secret")
	require.NotContains(t, machines.String(), "secret")
	require.Contains(t, machines.String(), `"state":"ready"`)
	require.Contains(t, machines.String(), `"error":"broken"`)
}

func TestImagesAreNamedByDigest(t *testing.T) {
	good := "1.dkr.ecr.eu-north-1.amazonaws.com/app@sha256:" + strings.Repeat("0a", 32)
	for image, ok := range map[string]bool{good: true, "": false, "app:latest": false, good + "0": false, "app@sha256:xyz": false} {
		_, err := imageVariable(image)
		require.Equal(t, ok, err == nil, image)
	}
}
