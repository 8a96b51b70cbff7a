package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/postgrestest"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storetest"
)

func opened(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestPostgreSQLStore runs against one server, as starting it takes seconds.
func TestPostgreSQLStore(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a PostgreSQL, which takes seconds to start")
	}
	server := postgrestest.Start(t)
	t.Run("keeps the promises of stores", func(t *testing.T) {
		url := server.Database(t)
		storetest.Run(t, func(t *testing.T) session.Store {
			s := opened(t, url)
			_, err := s.pool.Exec(t.Context(), "TRUNCATE notebooks CASCADE")
			require.NoError(t, err)
			return s
		})
	})
	for _, part := range []struct {
		name string
		test func(t *testing.T, server *postgrestest.Server, url string)
	}{
		{"notebooks are there after reopening", reopening},
		{"services that start at once migrate once", startingAtOnce},
		{"a failed migration leaves the schema as it was", failedMigration},
		{"a newer schema is refused with the way out", newerSchema},
		{"a service that may only read and write tables starts", fewRights},
		{"changes of many services to one notebook come one after the other", manyServices},
		{"a lost session is replaced", lostSession},
		{"a database that is away is told apart from a fault", databaseAway},
		{"what the kernel sends outside UTF-8 is kept as what it can be", strangeBytes},
		{"no error shows a password", noPasswords},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, server, server.Database(t)) })
	}
}

func reopening(t *testing.T, _ *postgrestest.Server, url string) {
	n := storetest.Full("Kept")
	s := opened(t, url)
	require.NoError(t, s.Create(t.Context(), n))
	require.NoError(t, s.Close())
	require.Error(t, s.Ping(t.Context()), "closed")
	require.NoError(t, s.Close())
	got, err := opened(t, url).Get(t.Context(), n.ID)
	require.NoError(t, err)
	storetest.Same(t, n, got)
}

func startingAtOnce(t *testing.T, _ *postgrestest.Server, url string) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := Open(t.Context(), url)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer s.Close()
			if err := s.Create(t.Context(), storetest.Full("x")); err != nil {
				t.Errorf("create: %v", err)
			}
		})
	}
	wg.Wait()
	page, err := opened(t, url).List(t.Context(), session.Query{Limit: 100})
	require.NoError(t, err)
	require.Len(t, page.Notebooks, 4)
}

func version(t *testing.T, s *Store) (v int) {
	t.Helper()
	require.NoError(t, s.pool.QueryRow(t.Context(), "SELECT version FROM notebook_schema").Scan(&v))
	return v
}

func failedMigration(t *testing.T, _ *postgrestest.Server, url string) {
	s := opened(t, url)
	n := storetest.Full("Kept")
	require.NoError(t, s.Create(t.Context(), n))
	more := append(steps(), "CREATE TABLE extra (x int)", "SELECT nonsense()")
	require.ErrorContains(t, migrate(t.Context(), s.pool, more), fmt.Sprintf("to version %d", len(more)))
	require.Equal(t, len(steps()), version(t, s))
	require.NoError(t, migrate(t.Context(), s.pool, more[:len(more)-1]), "the first try left nothing behind")
	require.Equal(t, len(steps())+1, version(t, s))
	got, err := s.Get(t.Context(), n.ID)
	require.NoError(t, err)
	storetest.Same(t, n, got)
}

func newerSchema(t *testing.T, _ *postgrestest.Server, url string) {
	_, err := opened(t, url).pool.Exec(t.Context(), "UPDATE notebook_schema SET version = version + 1")
	require.NoError(t, err)
	_, err = Open(t.Context(), url)
	require.ErrorContains(t, err, "run a build at least as new as the one that wrote it")
	require.ErrorContains(t, err, "open database test_")
}

func fewRights(t *testing.T, server *postgrestest.Server, url string) {
	s := opened(t, url) // its owner has migrated
	_, err := s.pool.Exec(t.Context(), `CREATE ROLE clerk LOGIN PASSWORD 'clerk';
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk`)
	require.NoError(t, err)
	config := s.pool.Config().ConnConfig
	clerk := opened(t, fmt.Sprintf("postgres://clerk:clerk@127.0.0.1:%d/%s?sslmode=disable", server.Port, config.Database))
	n := storetest.Full("By the clerk")
	require.NoError(t, clerk.Create(t.Context(), n))
	require.NoError(t, clerk.Delete(t.Context(), n.ID, 0))
}

// manyServices has several stores add a cell each, remove it, and keep results
// beside, on one notebook.
func manyServices(t *testing.T, _ *postgrestest.Server, url string) {
	n := notebook.New("N", notebook.Auto)
	shared := notebook.NewCell(notebook.Python, "")
	n.Cells = append(n.Cells, shared)
	require.NoError(t, opened(t, url).Create(t.Context(), n.Clone()))
	const services, each = 4, 15
	var wg sync.WaitGroup
	for range services {
		s := opened(t, url)
		wg.Go(func() {
			for done := 0; done < each; {
				now, err := s.Get(t.Context(), n.ID)
				if err != nil {
					t.Errorf("get: %v", err)
					return
				}
				base := now.Version
				fresh := notebook.NewCell(notebook.Python, "fresh")
				change := session.Change{Base: base, Written: []string{shared.ID, fresh.ID}, Ran: []string{shared.ID}}
				now.Cells[0].Source += "x"
				if len(now.Cells) > 3 {
					change.Removed = []string{now.Cells[3].ID}
					now.Remove(now.Cells[3].ID)
				}
				now.Cells = append(now.Cells, fresh)
				now.Changed()
				change.Notebook = now
				err = s.Apply(t.Context(), change)
				var conflict *session.VersionError
				if err != nil && !errors.As(err, &conflict) {
					t.Errorf("apply: %v", err)
					return
				}
				if err == nil {
					done++
				}
				late := []string{shared.ID, fresh.ID}
				if err := s.Apply(t.Context(), session.Change{Notebook: now, Ran: late}); err != nil {
					t.Errorf("keep results: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	got, err := opened(t, url).Get(t.Context(), n.ID)
	require.NoError(t, err)
	require.Len(t, got.Cells[0].Source, services*each)
	require.EqualValues(t, 1+services*each, got.Version)
}

func lostSession(t *testing.T, server *postgrestest.Server, url string) {
	s := opened(t, url)
	n := storetest.Full("N")
	require.NoError(t, s.Create(t.Context(), n))
	server.Admin(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+s.pool.Config().ConnConfig.Database+"'")
	var unavailable *session.UnavailableError
	_, err := s.Get(t.Context(), n.ID)
	if err != nil { // the pool may have noticed before
		require.ErrorAs(t, err, &unavailable)
	}
	_, err = s.Get(t.Context(), n.ID)
	require.NoError(t, err)
}

func databaseAway(t *testing.T, server *postgrestest.Server, url string) {
	away := strings.Replace(url, fmt.Sprint(":", server.Port, "/"), fmt.Sprint(":", postgrestest.FreePort(t), "/"), 1)
	_, err := Open(t.Context(), away)
	require.ErrorContains(t, err, "127.0.0.1")

	s := opened(t, url)
	require.NoError(t, s.Ping(t.Context()))
	name := s.pool.Config().ConnConfig.Database
	server.Admin(t, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	server.Admin(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	for range 2 { // first the session that was lost, then one that can't be had
		var unavailable *session.UnavailableError
		require.ErrorAs(t, s.Create(t.Context(), storetest.Full("x")), &unavailable)
		require.Positive(t, unavailable.RetryAfter)
	}
	server.Admin(t, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
	require.NoError(t, s.Create(t.Context(), storetest.Full("x")))

	var conflict *session.UnavailableError
	require.False(t, errors.As(s.Apply(t.Context(), session.Change{Notebook: storetest.Full("x"), Base: 1}), &conflict), "not there is not away")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, errors.As(s.Ping(ctx), &conflict))
}

func strangeBytes(t *testing.T, _ *postgrestest.Server, url string) {
	s := opened(t, url)
	n := storetest.Full("N")
	n.Cells[0].Outputs[1].Data["text/plain"] = []byte("\"a\xffb\"")
	connection := "\x00"
	n.Cells[2].Connection = &connection
	require.NoError(t, s.Create(t.Context(), n))
	got, err := s.Get(t.Context(), n.ID)
	require.NoError(t, err)
	require.JSONEq(t, `"a\ufffdb"`, string(got.Cells[0].Outputs[1].Data["text/plain"]))
	require.Equal(t, "\x00", *got.Cells[2].Connection)
	page, err := s.List(t.Context(), session.Query{Limit: 1, Search: "\x00"})
	require.NoError(t, err)
	require.Empty(t, page.Notebooks)
}

func noPasswords(t *testing.T, server *postgrestest.Server, _ string) {
	for _, url := range []string{
		fmt.Sprintf("postgres://%s:n0t-the-one@127.0.0.1:%d/postgres?sslmode=disable", postgrestest.User, server.Port),
		fmt.Sprintf("postgres://%s:n0t-the-one@127.0.0.1:%d/nowhere", postgrestest.User, server.Port),
		fmt.Sprintf("postgres://%s:n0t-the-one@127.0.0.1:%d/postgres", postgrestest.User, postgrestest.FreePort(t)),
		fmt.Sprintf("postgres://%s:n0t/the-one@127.0.0.1:%d/postgres", postgrestest.User, server.Port),
		fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?password=n0t-the-one&sslmode=wrong", postgrestest.User, server.Port),
	} {
		_, err := Open(t.Context(), url)
		require.Error(t, err, url)
		require.NotContains(t, err.Error(), "the-one")
	}
}
