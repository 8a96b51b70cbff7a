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
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/memory"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/postgres"
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
// that must be there; "postgres://…" is a database that must be there;
// "memory:" lasts as long as the process.
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
	case "postgres":
		return postgres.Open(ctx, rest)
	}
	return sqlite.Open(ctx, rest)
}

// Shared tells whether several services may be over the store that the URL
// names.
func Shared(url string) bool {
	scheme, _, _ := split(url)
	return scheme == "s3" || scheme == "postgres"
}

const forms = "sqlite:PATH, s3://BUCKET/PREFIX, postgres://USER:PASSWORD@HOST/DATABASE or memory:"

// Shown returns the URL as it may be logged: without a password.
func Shown(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	if scheme != "postgres" && scheme != "postgresql" {
		return url
	}
	// The settings behind the ? may hold secrets, too. The password may hold
	// anything, so what follows the last @ is the host.
	rest, _, _ = strings.Cut(rest[strings.LastIndexByte(rest, '@')+1:], "?")
	return scheme + "://" + rest
}

func split(url string) (scheme, rest string, err error) {
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok {
		return "", "", errors.New("it has no scheme: write " + forms)
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
		return "postgres", url, postgres.Check(url)
	default:
		return "", "", fmt.Errorf("unknown scheme %q: write "+forms, scheme)
	}
	return scheme, rest, nil
}
