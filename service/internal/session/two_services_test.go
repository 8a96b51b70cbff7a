package session_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/postgrestest"
	"github.com/reactive-notebook/reactive-notebook/service/internal/s3test"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// TestTwoServicesOverOneStore is what happens while a new version of the
// service takes over from the one before it.
func TestTwoServicesOverOneStore(t *testing.T) {
	stores := map[string]string{"SQLite": "sqlite:" + filepath.Join(t.TempDir(), "notebooks.db")}
	if !testing.Short() {
		stores["PostgreSQL"] = postgrestest.Start(t).Database(t)
		s3test.Start(t)
		stores["S3"] = "s3://" + s3test.Bucket + "/two"
	}
	host := newHost(t)
	for name, url := range stores {
		t.Run(name, func(t *testing.T) {
			for _, part := range []struct {
				name string
				test func(*testing.T, *pair)
			}{
				{"changes without a version are made on what is there", unconditional},
				{"what the other has made is known at once", madeElsewhere},
				{"a stale If-Match is refused with the current version", stale},
				{"a notebook that the other deleted is not found", deletedElsewhere},
				{"no write is lost while one drains", draining},
				{"who comes from the one that drained sees all that was shown there", comingOver},
			} {
				t.Run(part.name, func(t *testing.T) { part.test(t, newPair(t, url, host)) })
			}
		})
	}
}

// pair are two services over one store, and a notebook that both have open.
type pair struct {
	old, new fixture
	n        *notebook.Notebook
}

func newPair(t *testing.T, url string, host *kernel.Host) *pair {
	t.Helper()
	service := func() fixture {
		return newFixture(t, func(o *session.Options) { o.Store, o.Kernels, o.SharedStore = openStore(t, url), host, true })
	}
	p := &pair{old: service(), new: service()}
	p.n = p.old.notebook(notebook.Auto, "a = 1", "# mine", "# yours")
	p.old.get(p.n.ID)
	p.new.get(p.n.ID)
	return p
}

func (p *pair) cell(i int) string { return p.n.Cells[i].ID }

func unconditional(_ *testing.T, p *pair) {
	t := p.old.t
	name := "Renamed"
	_, err := p.old.Update(p.old.ctx, p.n.ID, session.AnyVersion, session.NotebookPatch{Name: &name})
	require.NoError(t, err)
	p.new.edit(p.n.ID, p.cell(1), "# new") // which has not heard of it
	p.old.edit(p.n.ID, p.cell(2), "# old")
	made, version, err := p.new.CreateCell(p.new.ctx, p.n.ID, session.AnyVersion, session.NewCell{Source: "# last"})
	require.NoError(t, err)
	require.EqualValues(t, 5, version)
	_, err = p.old.DeleteCell(p.old.ctx, p.n.ID, p.cell(0), session.AnyVersion)
	require.NoError(t, err)

	got := p.old.get(p.n.ID)
	require.Equal(t, "Renamed", got.Name)
	require.EqualValues(t, 6, got.Version)
	require.Equal(t, []string{"# new", "# old", "# last"}, []string{got.Cells[0].Source, got.Cells[1].Source, got.Cells[2].Source})
	require.Equal(t, made.ID, got.Cells[2].ID)
}

// madeElsewhere asks the new service for what only the old one knows of.
func madeElsewhere(_ *testing.T, p *pair) {
	t := p.old.t
	made, version, err := p.old.CreateCell(p.old.ctx, p.n.ID, session.AnyVersion, session.NewCell{Source: "# old"})
	require.NoError(t, err)
	source := "# new"
	_, _, err = p.new.UpdateCell(p.new.ctx, p.n.ID, made.ID, version, session.CellPatch{Source: &source})
	require.NoError(t, err, "neither the cell nor the version is unknown")

	p.old.edit(p.n.ID, made.ID, "# old again")
	p.new.edit(p.n.ID, made.ID, "# new") // which it takes for what is there
	require.Equal(t, "# new", p.new.get(p.n.ID).Cells[3].Source)
	kept, err := p.new.store.Get(p.new.ctx, p.n.ID)
	require.NoError(t, err)
	require.Equal(t, "# new", kept.Cells[3].Source)

	made, _, err = p.old.CreateCell(p.old.ctx, p.n.ID, session.AnyVersion, session.NewCell{Source: "print('ran')"})
	require.NoError(t, err)
	require.Equal(t, "ran\n", text(p.new.runs(p.n.ID, made.ID).Notebook.Cells[4]))
	made, _, err = p.old.CreateCell(p.old.ctx, p.n.ID, session.AnyVersion, session.NewCell{})
	require.NoError(t, err)
	_, err = p.new.DeleteCell(p.new.ctx, p.n.ID, made.ID, session.AnyVersion)
	require.NoError(t, err)
	_, err = p.new.DeleteCell(p.new.ctx, p.n.ID, made.ID, session.AnyVersion)
	require.ErrorIs(t, err, session.ErrCellNotFound)
}

func stale(_ *testing.T, p *pair) {
	t := p.old.t
	source := "# old"
	_, version, err := p.old.UpdateCell(p.old.ctx, p.n.ID, p.cell(1), 1, session.CellPatch{Source: &source})
	require.NoError(t, err)
	require.EqualValues(t, 2, version)

	var conflict *session.VersionError
	source = "# new"
	_, _, err = p.new.UpdateCell(p.new.ctx, p.n.ID, p.cell(1), 1, session.CellPatch{Source: &source})
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, session.VersionError{Given: 1, Current: 2}, *conflict)
	require.Equal(t, "# old", p.new.get(p.n.ID).Cells[1].Source, "and the service knows now what is there")

	p.old.edit(p.n.ID, p.cell(1), "# older")
	require.ErrorAs(t, p.new.Delete(p.new.ctx, p.n.ID, 2), &conflict)
	require.EqualValues(t, 3, conflict.Current)
	_, version, err = p.new.UpdateCell(p.new.ctx, p.n.ID, p.cell(1), 3, session.CellPatch{Source: &source})
	require.NoError(t, err)
	require.EqualValues(t, 4, version)
}

func deletedElsewhere(_ *testing.T, p *pair) {
	t := p.old.t
	sub, err := p.new.Subscribe(p.new.ctx, p.n.ID, "", 0)
	require.NoError(t, err)
	defer sub.Close()
	require.NoError(t, p.old.Delete(p.old.ctx, p.n.ID, session.AnyVersion))
	source := "# new"
	_, _, err = p.new.UpdateCell(p.new.ctx, p.n.ID, p.cell(1), session.AnyVersion, session.CellPatch{Source: &source})
	require.ErrorIs(t, err, session.ErrNotFound)
	for err = nil; err == nil; {
		_, err = sub.Next(p.new.ctx)
	}
	require.NotErrorIs(t, err, context.DeadlineExceeded, "the subscription ends")

	// Also for who only looks.
	n := p.old.notebook(notebook.Auto, "a = 1")
	p.new.get(n.ID)
	require.NoError(t, p.old.Delete(p.old.ctx, n.ID, session.AnyVersion))
	require.Eventually(t, func() bool {
		_, err := p.new.Get(p.new.ctx, n.ID)
		return errors.Is(err, session.ErrNotFound)
	}, patience, 100*time.Millisecond)

	// A run whose results have no place any more ends, too.
	n = p.old.notebook(notebook.Auto, "import time\ntime.sleep(600)")
	_, err = p.old.Run(p.old.ctx, n.ID, session.RunRequest{})
	require.NoError(t, err)
	running, err := p.old.Subscribe(p.old.ctx, n.ID, "", 0)
	require.NoError(t, err)
	defer running.Close()
	require.NoError(t, p.new.Delete(p.new.ctx, n.ID, session.AnyVersion))
	for err = nil; err == nil; {
		_, err = running.Next(p.old.ctx)
	}
	require.ErrorIs(t, err, events.ErrDeleted)
}

// draining edits through both services while one of them drains.
func draining(_ *testing.T, p *pair) {
	t := p.old.t
	p.old.edit(p.n.ID, p.cell(0), "import time\nprint('begun', flush=True)\ntime.sleep(600)")
	_, err := p.old.Run(p.old.ctx, p.n.ID, session.RunRequest{Cells: []string{p.cell(0)}})
	require.NoError(t, err)
	p.old.eventually(p.n.ID, func(n *notebook.Notebook) bool { return strings.Contains(text(n.Cells[0]), "begun") })

	var wg sync.WaitGroup
	drained := make(chan struct{})
	type editor struct{ acknowledged, refused atomic.Int64 }
	editors := map[string]*editor{}
	for i, f := range map[int]fixture{1: p.old, 2: p.new} {
		e := &editor{}
		editors[p.cell(i)] = e
		wg.Go(func() {
			for number := 1; ; number++ {
				source := strconv.Itoa(number)
				_, _, err := f.UpdateCell(f.ctx, p.n.ID, p.cell(i), session.AnyVersion, session.CellPatch{Source: &source})
				var unavailable *session.UnavailableError
				switch {
				case err == nil:
					e.acknowledged.Store(int64(number))
				case errors.Is(err, session.ErrDraining):
					return // as the editors of a service that drains are told
				case errors.As(err, &unavailable):
					e.refused.Add(1)
				default:
					t.Errorf("edit: %v", err)
					return
				}
				select {
				case <-drained:
					if e.acknowledged.Load() == int64(number) {
						return
					}
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
	require.Eventually(t, func() bool {
		return editors[p.cell(1)].acknowledged.Load() >= 3 && editors[p.cell(2)].acknowledged.Load() >= 3
	}, time.Minute, time.Millisecond, "both edit")
	require.NoError(t, p.old.Close(p.old.ctx))
	close(drained)
	wg.Wait()

	third := newFixture(t, func(o *session.Options) { o.Store, o.Kernels = p.new.store, p.new.kernels })
	kept := third.get(p.n.ID)
	for i := 1; i <= 2; i++ {
		e := editors[p.cell(i)]
		found, err := strconv.Atoi(kept.Cells[i].Source)
		require.NoError(t, err)
		// What was refused or cut off may have been done.
		require.GreaterOrEqual(t, int64(found), e.acknowledged.Load(), "editor %d was refused %d times", i, e.refused.Load())
	}
	p.new.eventually(p.n.ID, func(n *notebook.Notebook) bool {
		return n.Version == kept.Version && strings.Contains(text(n.Cells[0]), "begun")
	})
	require.Contains(t, text(kept.Cells[0]), "begun", "what the interrupted cell had shown is kept")
	require.Equal(t, notebook.ErrInterrupted, kept.Cells[0].Error.Kind)
}

// comingOver opens a notebook at the new service before the old one keeps the
// results of its last run there.
func comingOver(_ *testing.T, p *pair) {
	t := p.old.t
	p.old.edit(p.n.ID, p.cell(0), "print('shown at the old one')")
	p.new.get(p.n.ID)
	p.old.runs(p.n.ID, p.cell(0))
	p.new.edit(p.n.ID, p.cell(1), "# at the new one") // it learns of the edit, and of the run's results

	p.old.edit(p.n.ID, p.cell(2), "print('and this')")
	before := p.new.get(p.n.ID)
	require.Empty(t, before.Cells[2].Outputs)
	sub, err := p.old.Subscribe(p.old.ctx, p.n.ID, "", 0)
	require.NoError(t, err)
	p.old.runs(p.n.ID, p.cell(2))
	require.NoError(t, p.old.Close(p.old.ctx))
	for err == nil {
		_, err = sub.Next(p.old.ctx)
	}
	require.ErrorIs(t, err, events.ErrDraining)

	require.Eventually(t, func() bool { // within the second for which a service trusts its memory
		again, err := p.new.Subscribe(p.new.ctx, p.n.ID, "of the old one", 17)
		if err != nil {
			return false
		}
		defer again.Close()
		frames, err := again.Next(p.new.ctx)
		return err == nil && strings.Contains(string(frames[0]), `"type":"snapshot"`) &&
			strings.Contains(string(frames[0]), "shown at the old one") && strings.Contains(string(frames[0]), "and this")
	}, patience, 100*time.Millisecond)
	// What the new one remembers of before puts nothing back.
	p.new.edit(p.n.ID, p.cell(0), "print('changed')")
	require.Contains(t, text(p.new.get(p.n.ID).Cells[2]), "and this")
}
