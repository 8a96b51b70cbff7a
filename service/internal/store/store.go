// Package store opens the place where notebooks last, by its URL.
//
// It is only the choice: each kind of store is a package of its own below this
// one, and what they promise is written down in session.Store and checked by
// storetest, which all of them pass.
//
// Invariant: a change that was acknowledged by a durable store is found again
// after the process was killed at any instant.
package store

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/memory"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/s3"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/sqlite"
)

// Store is a session.Store that holds resources until it is closed. After
// Close every method returns an error.
type Store interface {
	session.Store
	io.Closer
}

// Check tells whether Open would know what to do with the URL. It opens
// nothing.
func Check(url string) error {
	_, _, err := split(url)
	return err
}

// Open opens the store that the URL names: "sqlite:PATH" is a database file,
// made with its directory if it isn't there; "s3://BUCKET/PREFIX" is a bucket
// that must be there; "memory:" lasts as long as the process.
func Open(ctx context.Context, url string) (Store, error) {
	scheme, rest, err := split(url)
	if err != nil {
		return nil, err
	}
	switch scheme {
	case "memory":
		return memory.New(), nil
	case "s3":
		return s3.Open(ctx, rest)
	}
	return sqlite.Open(ctx, rest)
}

func split(url string) (scheme, rest string, err error) {
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok {
		return "", "", fmt.Errorf("%q has no scheme: write sqlite:PATH, s3://BUCKET/PREFIX or memory:", url)
	}
	switch scheme {
	case "memory":
		if rest != "" {
			return "", "", fmt.Errorf("%q: nothing may follow memory:", url)
		}
	case "sqlite":
		if rest == "" {
			return "", "", fmt.Errorf("%q names no file: write sqlite:PATH", url)
		}
		if strings.HasPrefix(rest, "//") {
			return "", "", fmt.Errorf("%q: write the path right behind the colon, such as sqlite:data/notebooks.db or sqlite:/var/lib/notebook/notebooks.db", url)
		}
	case "s3":
		address, ok := strings.CutPrefix(rest, "//")
		if !ok {
			return "", "", fmt.Errorf("%q: write s3://BUCKET/PREFIX", url)
		}
		if err := s3.Check(address); err != nil {
			return "", "", err
		}
		return scheme, address, nil
	case "postgres", "postgresql":
		// Only the scheme is named, as the rest may hold a password.
		return "", "", fmt.Errorf("%s:// stores are not supported by this build yet: use sqlite:PATH or s3://BUCKET/PREFIX", scheme)
	default:
		return "", "", fmt.Errorf("unknown scheme %q: write sqlite:PATH, s3://BUCKET/PREFIX or memory:", scheme)
	}
	return scheme, rest, nil
}
