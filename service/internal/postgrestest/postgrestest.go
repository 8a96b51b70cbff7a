// Package postgrestest starts a real PostgreSQL for tests, with the machine's
// own programs and fresh data.
//
// It is for tests only: the data isn't synced, as it ends with the test.
// Invariant: no server outlives the test that started it, however that ends.
package postgrestest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// The superuser, whose password has everything that a URL must encode.
const (
	User     = "cells"
	Password = "p@ss/w:rd?s3cret"
)

// Server is a real PostgreSQL that a test started, on a port of its own of
// 127.0.0.1.
type Server struct {
	Port        int
	Certificate string // file of the server's own, in PEM

	command   *exec.Cmd
	databases atomic.Int64
}

// URL returns the address of the database that is there from the start.
func (s *Server) URL() string { return s.url("postgres") }

func (s *Server) url(database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(User, Password), Host: fmt.Sprintf("127.0.0.1:%d", s.Port),
		Path: database, RawQuery: "sslmode=disable",
	}).String()
}

// Database makes an empty database and returns its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.databases.Add(1))
	s.Admin(t, "CREATE DATABASE "+name)
	return s.url(name)
}

// Start starts a server with fresh data that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	bin := serverPrograms(t)
	// Not t.TempDir: the server's own user must be able to enter it.
	dir, err := os.MkdirTemp("", "postgres-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 { // as whom the server refuses to run
		uid, gid := otherUser(t)
		require.NoError(t, os.Chown(dir, uid, gid))
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	password := filepath.Join(dir, "password")
	require.NoError(t, os.WriteFile(password, []byte(Password), 0o644))
	data := filepath.Join(dir, "data")

	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--no-sync", "--no-instructions", "--username", User,
		"--pwfile", password, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--pgdata", data)
	initdb.SysProcAttr, initdb.Dir = as, dir
	out, err := initdb.CombinedOutput()
	require.NoError(t, err, "initdb: %s", out)

	s := &Server{Port: FreePort(t), Certificate: filepath.Join(dir, "server.crt")}
	key := filepath.Join(dir, "server.key")
	writeCertificate(t, s.Certificate, key)
	if as.Credential != nil { // the key must be the server's alone
		require.NoError(t, os.Chown(key, int(as.Credential.Uid), int(as.Credential.Gid)))
	}
	var log bytes.Buffer
	s.command = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(s.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
		"-c", "ssl=on", "-c", "ssl_cert_file="+s.Certificate, "-c", "ssl_key_file="+key, "-c", "max_connections=20", "-c", "shared_buffers=16MB", "-c", "timezone=UTC")
	s.command.SysProcAttr, s.command.Dir = as, dir
	s.command.Stdout, s.command.Stderr = &log, &log
	// A thread that ends takes the server with it through Pdeathsig, so one
	// is kept for it.
	started, ended := make(chan error), make(chan struct{})
	go onOwnThread(func() {
		started <- s.command.Start()
		if s.command.Process != nil {
			_ = s.command.Wait()
		}
		close(ended)
	})
	require.NoError(t, <-started)
	t.Cleanup(func() {
		_ = s.command.Process.Signal(syscall.SIGINT) // the fast shutdown
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = s.command.Process.Kill()
			<-ended
		}
	})
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		conn, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			require.NoError(t, conn.Close(ctx))
			return s
		}
		select {
		case <-ended:
			require.Fail(t, "the server ended", log.String())
		default:
		}
		require.Less(t, time.Since(start), time.Minute, "the server does not answer: %v", err)
	}
}

// writeCertificate makes a certificate for 127.0.0.1 that is its own authority.
func writeCertificate(t testing.TB, certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "postgres test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o644))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
}

func serverPrograms(t testing.TB) string {
	t.Helper()
	candidates := []string{}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		candidates = append(candidates, filepath.Dir(path))
	}
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	candidates = append(candidates, versions...)
	for i := len(candidates) - 1; i >= 0; i-- {
		_, noServer := os.Stat(filepath.Join(candidates[i], "postgres"))
		_, noInit := os.Stat(filepath.Join(candidates[i], "initdb"))
		if noServer == nil && noInit == nil {
			return candidates[i]
		}
	}
	require.FailNow(t, "PostgreSQL is not installed: these tests start a server of their own and need "+
		"its programs initdb and postgres on PATH (Debian and Ubuntu: apt-get install postgresql)")
	return ""
}

func otherUser(t testing.TB) (uid, gid int) {
	t.Helper()
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, err := strconv.Atoi(u.Uid)
			require.NoError(t, err)
			gid, err := strconv.Atoi(u.Gid)
			require.NoError(t, err)
			return uid, gid
		}
	}
	return 65534, 65534
}

// FreePort returns a port on which nothing listens.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// onOwnThread runs f on a thread that nothing else uses.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
}

// Admin runs a statement beside the connections under test and returns the
// first value of the first row, or "".
func (s *Server) Admin(t testing.TB, query string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(ctx)) }()
	results, err := conn.PgConn().Exec(ctx, query).ReadAll()
	require.NoError(t, err)
	last := results[len(results)-1]
	if len(last.Rows) == 0 {
		return ""
	}
	return string(last.Rows[0][0])
}
