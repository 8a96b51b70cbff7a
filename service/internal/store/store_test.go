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
		"":                            "no scheme",
		"data/notebooks.db":           "no scheme",
		"sqlite:":                     "names no file",
		"sqlite:///data/notebooks.db": "right behind the colon",
		"memory:x":                    "nothing may follow",
		"s3://":                       "not the name of a bucket",
		"s3:bucket":                   "write s3://BUCKET/PREFIX",
		"s3://bucket//x":              "not a plain path",
		"postgres://u:secret@host/db": "not supported by this build yet",
		"mysql://u:secret@host/db":    "unknown scheme",
	} {
		require.ErrorContains(t, store.Check(url), want, url)
		_, err := store.Open(t.Context(), url)
		require.ErrorContains(t, err, want, url)
		require.NotContains(t, err.Error(), "secret")
	}
}
