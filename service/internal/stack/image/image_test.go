package image_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/image"
)

// engine stands for Docker: what it builds is an image with nothing of use in it.
type engine struct {
	*testing.T
	architecture string
	builds       int
	err          error
}

func (e *engine) docker(_ context.Context, _ string, args ...string) error {
	switch args[0] {
	case "build":
		e.builds++
		return e.err
	case "save":
		built, err := random.Image(1<<10, 2)
		require.NoError(e, err)
		built, err = mutate.ConfigFile(built, configOf(e.T, built, e.architecture))
		require.NoError(e, err)
		tag, err := name.NewTag(args[3])
		require.NoError(e, err)
		return tarball.WriteToFile(args[2], tag, built)
	}
	return errors.New("unexpected docker " + args[0])
}

func configOf(t *testing.T, built v1.Image, architecture string) *v1.ConfigFile {
	config, err := built.ConfigFile()
	require.NoError(t, err)
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	return config
}

func TestImageIsBuiltAndPushedOnceForEachCommit(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	source := image.Source{
		Root: t.TempDir(), Repository: strings.TrimPrefix(server.URL, "http://") + "/notebook", Commit: strings.Repeat("a1", 20),
		Platform: "linux/arm64", User: "AWS", Password: "secret",
	}
	e := &engine{T: t, architecture: "arm64"}
	var said []string
	say := func(line string) { said = append(said, line) }

	first, err := image.Ensure(t.Context(), source, e.docker, say)
	require.NoError(t, err)
	require.Regexp(t, `/notebook@sha256:[0-9a-f]{64}$`, first)
	reference, err := name.ParseReference(first)
	require.NoError(t, err)
	pushed, err := remote.Image(reference)
	require.NoError(t, err, "the registry has it by that digest")
	layers, err := pushed.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 2)
	require.True(t, slices.ContainsFunc(said, func(line string) bool { return strings.HasPrefix(line, "pushing ") }))

	said = nil
	again, err := image.Ensure(t.Context(), source, e.docker, say)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 1, e.builds, "what the registry has is not built again")
	require.Empty(t, said)

	source.Commit = strings.Repeat("b2", 20)
	other, err := image.Ensure(t.Context(), source, e.docker, say)
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	require.Equal(t, 2, e.builds)
}

func TestImageOfAnotherArchitectureIsNotPushed(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	source := image.Source{Root: t.TempDir(), Repository: strings.TrimPrefix(server.URL, "http://") + "/notebook", Commit: "c3", Platform: "linux/arm64"}
	e := &engine{T: t, architecture: "amd64"}
	_, err := image.Ensure(t.Context(), source, e.docker, func(string) {})
	require.ErrorContains(t, err, "linux/amd64 in place of linux/arm64")
	tag, err := name.NewTag(source.Repository + ":c3")
	require.NoError(t, err)
	_, err = remote.Head(tag)
	require.Error(t, err)
}

func TestFailedBuildAndUnreachableRegistryAreToldApart(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	source := image.Source{Root: t.TempDir(), Repository: strings.TrimPrefix(server.URL, "http://") + "/notebook", Commit: "d4", Platform: "linux/arm64"}
	e := &engine{T: t, err: errors.New("no space left on device")}
	_, err := image.Ensure(t.Context(), source, e.docker, func(string) {})
	require.ErrorContains(t, err, "build the image: no space left on device")
	server.Close()
	_, err = image.Ensure(t.Context(), source, e.docker, func(string) {})
	require.ErrorContains(t, err, "look for ")
	require.Equal(t, 1, e.builds, "nothing is built for a registry that doesn't answer")
}
