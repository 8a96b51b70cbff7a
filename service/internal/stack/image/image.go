// Package image makes sure that a commit's image is in the registry.
//
// It doesn't build images by itself: Docker does. Its invariant: a tag that the
// registry has is never built or pushed again, so that one commit is one image,
// wherever it is deployed.
package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Source says which image is wanted and where it belongs.
type Source struct {
	Root       string // of the checkout
	Repository string // HOST/NAME, without tag or digest
	Commit     string // the tag
	Platform   string // linux/arm64 or linux/amd64
	User       string // of the registry
	Password   string
}

// Docker runs the docker command in a directory.
type Docker func(ctx context.Context, dir string, args ...string) error

// Ensure returns the image by digest, REPOSITORY@sha256:…, after having built
// and pushed it where the registry didn't have it. say gets a line for each of
// the two that is really done.
func Ensure(ctx context.Context, source Source, docker Docker, say func(string)) (string, error) {
	tag, err := name.NewTag(source.Repository + ":" + source.Commit)
	if err != nil {
		return "", fmt.Errorf("name the image: %w", err)
	}
	options := []remote.Option{
		remote.WithContext(ctx), remote.WithAuth(&authn.Basic{Username: source.User, Password: source.Password}),
	}
	present, err := remote.Head(tag, options...)
	if err == nil {
		return source.Repository + "@" + present.Digest.String(), nil
	}
	var refused *transport.Error
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusNotFound {
		return "", fmt.Errorf("look for %s: %w", tag, err)
	}

	dir, err := os.MkdirTemp("", "stack-image-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	archive := filepath.Join(dir, "image.tar")
	say("building " + tag.String() + " for " + source.Platform)
	if err := docker(ctx, source.Root, "build", "--platform", source.Platform, "--file", "service/Dockerfile",
		"--build-arg", "RELEASE="+source.Commit, "--tag", tag.String(), "."); err != nil {
		return "", fmt.Errorf("build the image: %w", err)
	}
	if err := docker(ctx, source.Root, "save", "--output", archive, tag.String()); err != nil {
		return "", fmt.Errorf("save the image: %w", err)
	}
	built, err := tarball.ImageFromPath(archive, &tag)
	if err != nil {
		return "", fmt.Errorf("read the built image: %w", err)
	}
	config, err := built.ConfigFile()
	if err != nil {
		return "", fmt.Errorf("read the built image: %w", err)
	}
	if got := config.OS + "/" + config.Architecture; got != source.Platform {
		return "", fmt.Errorf("docker built the image for %s in place of %s: it needs emulation for that, docker run --privileged tonistiigi/binfmt --install all", got, source.Platform)
	}
	say("pushing " + tag.String())
	if err := remote.Write(tag, built, options...); err != nil {
		return "", fmt.Errorf("push %s: %w", tag, err)
	}
	digest, err := built.Digest()
	if err != nil {
		return "", fmt.Errorf("read the built image: %w", err)
	}
	return source.Repository + "@" + digest.String(), nil
}
