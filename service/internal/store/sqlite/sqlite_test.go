package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storetest"
)

func opened(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestSQLiteStoreKeepsThePromisesOfStores(t *testing.T) {
	storetest.Run(t, func(t *testing.T) session.Store {
		return opened(t, filepath.Join(t.TempDir(), "notebooks.db"))
	})
}

func TestNotebooksAreThereAfterReopeningAndNobodyElsesToRead(t *testing.T) {
	// A name that means something in a URL, in a directory that isn't there.
	path := filepath.Join(t.TempDir(), "new dir", "100% ?x=1 #.db")
	n := storetest.Full("Kept")
	s := opened(t, path)
	require.NoError(t, s.Create(t.Context(), n))

	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is open to others: %s", name, info.Mode())
	}
	require.NoError(t, s.Close())

	got, err := opened(t, path).Get(t.Context(), n.ID)
	require.NoError(t, err)
	storetest.Same(t, n, got)
}

func TestWritesAreDurableOnCommit(t *testing.T) {
	s := opened(t, filepath.Join(t.TempDir(), "notebooks.db"))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		require.NoError(t, s.writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
}

func TestAFileOfAnyEarlierVersionMigratesForwardByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notebooks.db")
	db, err := sql.Open("sqlite", dsn(path))
	require.NoError(t, err)
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	require.NoError(t, migrate(t.Context(), conn, steps()[:1]))
	id, cell := notebook.NewID(), notebook.NewID()
	_, err = conn.ExecContext(t.Context(), `
		INSERT INTO notebooks VALUES (?1, 'Old', 'old', 'auto', 7, 1, 1000, 2000);
		INSERT INTO cells VALUES (?1, ?2, 0, 'python', 'print(1)', 0, NULL, NULL);
		INSERT INTO results VALUES (?1, ?2, '{"status":"ok","execution_count":3}', '[{"kind":"stream","stream":"stdout","text":"1"}]')`, id, cell)
	require.NoError(t, errors.Join(err, conn.Close(), db.Close()))

	s := opened(t, path)
	n, err := s.Get(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 7, n.Version)
	require.Equal(t, "print(1)", n.Cells[0].Source)
	require.Equal(t, "1", n.Cells[0].Outputs[0].Text)
	older := n.Clone()
	older.Cells[0].ExecutionCount = 2
	older.Cells[0].Outputs = nil
	require.NoError(t, s.Apply(t.Context(), session.Change{Notebook: older, Ran: []string{cell}}))
	again, err := s.Get(t.Context(), id)
	require.NoError(t, err)
	storetest.Same(t, n, again)
}

func TestANewerSchemaIsRefusedWithTheWayOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notebooks.db")
	require.NoError(t, opened(t, path).Close())
	execute(t, path, fmt.Sprintf("PRAGMA user_version = %d", len(steps())+1))
	_, err := Open(t.Context(), path)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "run a build at least as new as the one that wrote it")
}

func TestAnotherProgramsDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	execute(t, path, "CREATE TABLE theirs (x)")
	_, err := Open(t.Context(), path)
	require.ErrorContains(t, err, "another program's database")

	text := filepath.Join(t.TempDir(), "text.db")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600))
	_, err = Open(t.Context(), text)
	require.ErrorContains(t, err, "not a database")
}

func TestAFailedMigrationLeavesTheSchemaAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notebooks.db")
	s := opened(t, path)
	n := storetest.Full("Kept")
	require.NoError(t, s.Create(t.Context(), n))
	require.NoError(t, s.Close())

	db, err := sql.Open("sqlite", dsn(path))
	require.NoError(t, err)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	require.Error(t, migrate(t.Context(), conn, append(steps(), "CREATE TABLE extra (x); SELECT nonsense()")))
	require.NoError(t, migrate(t.Context(), conn, append(steps(), "CREATE TABLE extra (x)")), "the first try left nothing behind")

	var version int
	require.NoError(t, conn.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&version))
	require.Equal(t, len(steps())+1, version)
}

func TestSeveralServicesMayOpenANewFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notebooks.db")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer s.Close()
			for range 5 {
				if err := s.Create(t.Context(), storetest.Full("x")); err != nil {
					t.Errorf("create: %v", err)
				}
			}
		})
	}
	wg.Wait()
	page, err := opened(t, path).List(t.Context(), session.Query{Limit: 100})
	require.NoError(t, err)
	require.Len(t, page.Notebooks, 20)
}

func TestCloseFinishesWhatWasQueuedAndRefusesTheRest(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "notebooks.db"))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := s.Create(context.Background(), storetest.Full("x")); err != nil && !errors.Is(err, errClosed) {
				t.Errorf("create: %v", err)
			}
		})
	}
	require.NoError(t, s.Close())
	wg.Wait()
	require.ErrorIs(t, s.Create(t.Context(), storetest.Full("x")), errClosed)
	require.ErrorIs(t, s.Ping(t.Context()), errClosed)
	require.NoError(t, s.Close())
}

// TestChangesThatWaitShareACommit holds the file until many wait.
func TestChangesThatWaitShareACommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notebooks.db")
	s := opened(t, path)
	before := commits(t, path)
	db, err := sql.Open("sqlite", dsn(path, busyTimeout))
	require.NoError(t, err)
	other, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	const editors = 100
	var wg sync.WaitGroup
	for range editors {
		wg.Go(func() {
			if err := s.Create(t.Context(), storetest.Full("x")); err != nil {
				t.Errorf("create: %v", err)
			}
		})
	}
	require.Eventually(t, func() bool { return len(s.jobs) > editors/2 }, time.Minute, time.Millisecond)
	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, errors.Join(err, other.Close(), db.Close()))
	wg.Wait()
	require.Less(t, commits(t, path)-before, editors/2+3, "those that waited were written at once")
}

// commits counts the transactions in the write-ahead log: frames that say how
// large the database is after them (https://sqlite.org/fileformat2.html#walformat).
func commits(t *testing.T, path string) (n int) {
	t.Helper()
	wal, err := os.ReadFile(path + "-wal")
	require.NoError(t, err)
	if len(wal) == 0 {
		return 0
	}
	frame := 24 + int(binary.BigEndian.Uint32(wal[8:]))
	salt := wal[16:24]
	for at := 32; at+frame <= len(wal) && bytes.Equal(wal[at+8:at+16], salt); at += frame {
		if binary.BigEndian.Uint32(wal[at+4:]) != 0 {
			n++
		}
	}
	return n
}

func execute(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), text)
	require.NoError(t, errors.Join(err, db.Close()))
}

// crashVar makes the test binary the process that is killed: it holds the path
// of the database.
const crashVar = "NOTEBOOK_STORE_CRASH_TEST"

// TestEveryAcknowledgedChangeSurvivesSIGKILL starts a process that writes and
// says what was acknowledged, kills it at a random instant, and looks.
func TestEveryAcknowledgedChangeSurvivesSIGKILL(t *testing.T) {
	if path := os.Getenv(crashVar); path != "" {
		crashWriter(path)
		return
	}
	path := filepath.Join(t.TempDir(), "notebooks.db")
	acknowledged := map[string]int64{} // notebook → version
	total, kills := 0, 20
	if testing.Short() {
		kills = 4
	}
	for range kills {
		total += killWriter(t, path, acknowledged)
		s, err := Open(t.Context(), path)
		require.NoError(t, err, "the file opens after a kill")
		for id, version := range acknowledged {
			n, err := s.Get(t.Context(), id)
			require.NoError(t, err)
			// The last change may be in the file without its acknowledgement
			// having been read.
			require.GreaterOrEqual(t, n.Version, version)
			require.Len(t, n.Cells, 1)
			want := fmt.Sprint("version ", n.Version)
			require.Equal(t, want, n.Cells[0].Source, "document and version belong together")
			require.Equal(t, want, n.Cells[0].Outputs[0].Text, "so do results")
			require.Equal(t, want, n.Name)
		}
		require.NoError(t, s.Close())
	}
	require.Greater(t, total, kills, "changes were acknowledged before the kills")
	t.Logf("%d changes acknowledged before %d kills, all found", total, kills)
}

func killWriter(t *testing.T, path string, acknowledged map[string]int64) (count int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestEveryAcknowledgedChangeSurvivesSIGKILL$")
	cmd.Env = append(os.Environ(), crashVar+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var timer *time.Timer
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var id string
		var version int64
		if _, err := fmt.Sscanf(lines.Text(), "ack %s %d", &id, &version); err != nil {
			continue // cut off by the kill
		}
		acknowledged[id] = max(version, acknowledged[id])
		if count++; count == 1 {
			timer = time.AfterFunc(time.Duration(rand.IntN(80_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Process.Kill()
	err = cmd.Wait()
	require.NotNil(t, timer, "the writer never wrote: %v", err)
	timer.Stop()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.False(t, exit.Exited(), "the writer ended by itself: %v", err)
	return count
}

func crashWriter(path string) {
	ctx := context.Background()
	s, err := Open(ctx, path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for range 4 {
		go func() {
			n := notebook.New("version 1", notebook.Auto)
			c := notebook.NewCell(notebook.Python, "")
			n.Cells = append(n.Cells, c)
			describe := func() {
				n.Name = fmt.Sprint("version ", n.Version)
				c.Source = n.Name
				c.Outputs = []notebook.Output{{Kind: notebook.OutputStream, Stream: "stdout", Text: n.Name}}
			}
			describe()
			err := s.Create(ctx, n.Clone())
			for err == nil {
				// One write, so that lines of goroutines don't mix.
				_, _ = os.Stdout.WriteString(fmt.Sprintf("ack %s %d\n", n.ID, n.Version))
				base := n.Version
				n.Changed()
				describe()
				err = s.Apply(ctx, session.Change{Notebook: n.Clone(), Base: base, Written: []string{c.ID}, Ran: []string{c.ID}})
			}
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}()
	}
	time.Sleep(time.Minute) // the parent kills long before
	os.Exit(1)
}

func TestAListThatIsKeptEndsWithAnyChangeOfTheDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notebooks.db")
	ours, theirs := opened(t, path), opened(t, path)
	names := func() (found []string, stamp session.Stamp) {
		page, err := ours.List(t.Context(), session.Query{Limit: 10})
		require.NoError(t, err)
		for _, n := range page.Notebooks {
			found = append(found, n.Name)
		}
		return found, page.Stamp
	}
	empty, first := names()
	require.Empty(t, empty)
	_, again := names()
	require.Equal(t, first, again, "nothing has changed")
	require.NotZero(t, first.Store)
	for i, s := range []*Store{ours, theirs} {
		require.NoError(t, s.Create(t.Context(), notebook.New(fmt.Sprint("n", i), notebook.Auto)))
		found, stamp := names()
		require.Len(t, found, i+1, "whoever has changed it")
		require.NotEqual(t, first, stamp)
	}
	// Under concurrency a page is never older than what was acknowledged before
	// it was asked for.
	var work sync.WaitGroup
	for w := range 4 {
		work.Go(func() {
			for i := range 20 {
				n := notebook.New(fmt.Sprint("w", w, "-", i), notebook.Auto)
				if !assert.NoError(t, theirs.Create(t.Context(), n)) {
					return
				}
				page, err := ours.List(t.Context(), session.Query{Limit: 100})
				if !assert.NoError(t, err) {
					return
				}
				assert.True(t, slices.ContainsFunc(page.Notebooks, func(s notebook.Summary) bool { return s.ID == n.ID }), n.Name)
			}
		})
	}
	work.Wait()
}
