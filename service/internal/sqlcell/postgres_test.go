package sqlcell_test

import (
	"fmt"
	"testing"

	"github.com/reactive-notebook/reactive-notebook/service/internal/postgrestest"
)

// server is a real PostgreSQL that a test started.
type server struct{ *postgrestest.Server }

func startServer(t testing.TB) *server {
	t.Helper()
	return &server{postgrestest.Start(t)}
}

// settings name the server as a connection.
func (s *server) settings() string { return fmt.Sprintf(`{"pg":%q}`, s.URL()) }
