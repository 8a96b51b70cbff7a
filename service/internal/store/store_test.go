package store_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/store"
)

func TestStoresAreOpenedByURL(t *testing.T) {
	for _, url := range []string{"memory:", "sqlite:" + filepath.Join(t.TempDir(), "a", "b.db")} {
		require.NoError(t, store.Check(url))
		s, err := store.Open(t.Context(), url)
		require.NoError(t, err)
		require.NoError(t, s.Ping(t.Context()))
		require.NoError(t, s.Close())
	}
}

func TestURLsThatNameNoStoreAreRefusedWithTheWayOut(t *testing.T) {
	for url, want := range map[string]string{
		"":                                  "no scheme",
		"data/notebooks.db":                 "no scheme",
		"sqlite:":                           "names no file",
		"sqlite:///data/notebooks.db":       "right behind the colon",
		"memory:x":                          "nothing may follow",
		"s3://":                             "not the name of a bucket",
		"s3:bucket":                         "write s3://BUCKET/PREFIX",
		"s3://bucket//x":                    "not a plain path",
		"postgres://u:se/cret@host/db":      "percent-encode what is special",
		"postgres://u:secret@host:99999/db": "its port",
		"postgresql://u:secret@host/db?sslmode=no": "sslmode",
		"mysql://u:secret@host/db":                 "unknown scheme",
	} {
		require.ErrorContains(t, store.Check(url), want, url)
		_, err := store.Open(t.Context(), url)
		require.ErrorContains(t, err, want, url)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestNoLogShowsAPassword(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://u:se/cr@et@host:5432/db?password=secret&sslmode=require": "postgres://host:5432/db",
		"postgresql://host/db": "postgresql://host/db",
		"sqlite:data/x.db":     "sqlite:data/x.db",
		"s3://bucket/prefix":   "s3://bucket/prefix",
	} {
		require.Equal(t, want, store.Shown(url))
	}
}

func TestSharedStoresAreThoseThatTheNetworkReaches(t *testing.T) {
	for url, shared := range map[string]bool{"s3://bucket": true, "postgres://host/db": true, "postgresql://host/db": true, "sqlite:x.db": false, "memory:": false} {
		require.Equal(t, shared, store.Shared(url), url)
	}
}
