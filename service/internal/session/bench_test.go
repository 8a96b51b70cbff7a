package session_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store"
)

// benchNotebook opens a notebook of the sources in a manager with real parts,
// and runs it once.
func benchNotebook(b *testing.B, sources []string) (*session.Manager, *notebook.Notebook) {
	b.Helper()
	ctx := context.Background()
	host, err := kernel.NewHost(ctx, kernel.Options{Python: python(), Preload: []string{}, Dir: b.TempDir(), Log: quiet()})
	require.NoError(b, err)
	b.Cleanup(func() { _ = host.Close() })
	kept, err := store.Open(ctx, "sqlite:"+filepath.Join(b.TempDir(), "notebooks.db"))
	require.NoError(b, err)
	b.Cleanup(func() { _ = kept.(io.Closer).Close() })
	m := session.NewManager(session.Options{Store: kept, Kernels: host, Log: quiet()})
	b.Cleanup(func() { _ = m.Close(ctx) })
	n := session.NewNotebook{Name: "Benchmark"}
	for _, source := range sources {
		n.Cells = append(n.Cells, session.NewCell{Source: source})
	}
	doc, err := m.Create(ctx, n)
	require.NoError(b, err)
	_, err = m.RunAndWait(ctx, doc.ID, session.RunRequest{}, patience)
	require.NoError(b, err)
	return m, doc
}

func BenchmarkChainOf300Cells(b *testing.B) {
	sources := []string{"c0 = 0"}
	for i := 1; i < 300; i++ {
		sources = append(sources, fmt.Sprintf("c%d = c%d + 1", i, i-1))
	}
	m, doc := benchNotebook(b, sources)
	for b.Loop() {
		_, err := m.RunAndWait(context.Background(), doc.ID, session.RunRequest{}, patience)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/300, "µs/cell")
}

// BenchmarkEditAmong5000Cells is the edit of one cell, and its run.
func BenchmarkEditAmong5000Cells(b *testing.B) {
	sources := make([]string, 5000)
	for i := range sources {
		sources[i] = fmt.Sprintf("e%d = %d", i, i)
	}
	m, doc := benchNotebook(b, sources)
	cell := doc.Cells[2500].ID
	n := 0
	for b.Loop() {
		n++
		source := fmt.Sprintf("e2500 = %d", -n)
		_, _, err := m.UpdateCell(context.Background(), doc.ID, cell, session.AnyVersion, session.CellPatch{Source: &source})
		require.NoError(b, err)
		_, err = m.RunAndWait(context.Background(), doc.ID, session.RunRequest{Cells: []string{cell}}, time.Minute)
		require.NoError(b, err)
	}
}
