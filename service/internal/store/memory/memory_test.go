package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/memory"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storetest"
)

func TestMemoryStoreKeepsThePromisesOfStores(t *testing.T) {
	storetest.Run(t, func(t *testing.T) session.Store { return memory.New() })
}

func TestClosedMemoryStoreRefusesEverything(t *testing.T) {
	s := memory.New()
	require.NoError(t, s.Close())
	require.Error(t, s.Ping(t.Context()))
	require.Error(t, s.Create(t.Context(), storetest.Full("x")))
}
