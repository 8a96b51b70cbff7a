package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/reactive-notebook/reactive-notebook/service/internal/api"
	"github.com/reactive-notebook/reactive-notebook/service/internal/config"
	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/logs"
	"github.com/reactive-notebook/reactive-notebook/service/internal/metrics"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store"
)

const (
	headerTimeout = 10 * time.Second // for a request's header to arrive
	// bodyTimeout is for a whole request; sockets have their own.
	bodyTimeout = 2 * time.Minute
	// idleTimeout is longer than a load balancer keeps a connection for reuse
	// (60 s by default), else it would send requests into a closing one.
	idleTimeout = 2 * time.Minute
	// quickRequests is how long requests under way may end by themselves
	// before runs are interrupted.
	quickRequests = time.Second
	// strongToken is how many characters keep trying tokens hopeless.
	strongToken = 16
)

// serve runs the service until the context ends, and then ends it within the
// grace that is configured. It returns nil if it ended as it should.
func serve(ctx context.Context, c config.Config, log *slog.Logger) (err error) {
	// First what fails most often and costs least.
	listener, err := listen(ctx, "ADDR", c.Addr)
	if err != nil {
		return err
	}
	closeListener := func() error {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil // the server did it
	}
	defer func() { err = errors.Join(err, closeListener()) }()

	measured := metrics.New(c.Environment, version())
	if c.MetricsAddr != "" {
		stopMetrics, err := serveMetrics(ctx, c.MetricsAddr, measured, log)
		if err != nil {
			return err
		}
		defer stopMetrics()
	}

	page, err := choosePage(ctx, c.FrontendDir, ".", log)
	if err != nil {
		return err
	}
	defer page.close()

	notebooks, err := store.Open(ctx, c.StoreURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, notebooks.Close()) }()

	connections, err := sqlcell.Open(ctx, c.SQLConnections)
	if err != nil {
		return fmt.Errorf("open SQL_CONNECTIONS: %w", err)
	}
	defer func() { err = errors.Join(err, connections.Close()) }()

	kernels, err := kernel.NewHost(ctx, kernelOptions(c, log))
	if err != nil {
		return fmt.Errorf("start the kernel host: %w", err)
	}
	defer func() { err = errors.Join(err, kernels.Close()) }()

	manager := session.NewManager(session.Options{
		Store: notebooks, SharedStore: store.Shared(c.StoreURL), Kernels: kernels, SQL: connections, Log: log, Record: measured,
		MaxKernels: maxKernels(c), CellTimeout: c.KernelCellTimeout, IdleTimeout: c.KernelIdleTimeout,
	})
	handler := api.New(api.Options{
		Notebooks: manager, Page: page, Log: log, Record: measured,
		Token: c.Token, AllowedOrigins: c.AllowedOrigins, AnyAddress: c.InsecureNoToken && !c.LoopbackOnly(),
		TrustedProxies: c.TrustedProxies,
		MaxBodyBytes:   c.MaxBodyBytes,
	})
	measured.Watch(sources{manager, handler})
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug), // clients' faults
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	go returnMemory(ctx)

	info := kernels.Info()
	for module, why := range info.Missing {
		log.Warn("a module of KERNEL_PRELOAD can't be imported", "module", module, "reason", why)
	}
	if c.Token != "" && len(c.Token) < strongToken {
		log.Warn("NOTEBOOK_TOKEN is short: one of 32 random characters can't be guessed", "characters", len(c.Token))
	}
	if c.Token == "" && !c.LoopbackOnly() {
		log.Warn("INSECURE_NO_TOKEN=true: everybody who can connect can run code here", "addr", listener.Addr().String())
	}
	log.Info("serving", "url", "http://"+reachable(listener.Addr().String()), "version", version(), "store", store.Shown(c.StoreURL),
		"python", info.Version, "preloaded", strings.Join(info.Preloaded, ","))

	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serve: %w", err), stop(c.ShutdownGrace, server, handler, manager, log))
	case <-ctx.Done():
		return stop(c.ShutdownGrace, server, handler, manager, log)
	}
}

// stop ends the service: no new requests, sockets told to come back, runs
// interrupted and kept, all within the grace.
func stop(grace time.Duration, server *http.Server, handler *api.API, manager *session.Manager, log *slog.Logger) error {
	log.Info("stopping", "grace", grace.String())
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()

	// Listening goes on to the end, so that who asks is told: /ready says 503
	// while runs are being ended, and what can't be done any more is a 503 too.
	handler.Drain()
	server.SetKeepAlivesEnabled(false)
	quick, done := context.WithTimeout(ctx, quickRequests)
	handler.Quiet(quick) // those left wait for runs, which end with their sessions
	done()
	errs := []error{manager.Close(ctx), handler.Wait(ctx)}
	if err := server.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("finish requests: %w", err), server.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop within SHUTDOWN_GRACE: %w", err)
	}
	log.Info("stopped", "duration_ms", time.Since(start).Milliseconds())
	return nil
}

func listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("another program listens on %s already: stop it, or set %s to another port", addr, variable)
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", variable, err)
	}
	return listener, nil
}

// serveMetrics serves metrics until it is told to stop: to the end, so that a
// collector sees how the service stopped.
func serveMetrics(ctx context.Context, addr string, m *metrics.Metrics, log *slog.Logger) (stop func(), err error) {
	listener, err := listen(ctx, "METRICS_ADDR", addr)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: m.Handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: bodyTimeout}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
		}
	}()
	log.Info("serving metrics", "url", "http://"+reachable(listener.Addr().String())+"/metrics")
	return func() {
		_ = server.Close() // also answers under way: nothing is lost by it
		<-served
	}, nil
}

// sources are what metrics are asked of.
type sources struct {
	*session.Manager
	*api.API
}

// reachable turns an address that means every one into one to open.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || (ip != nil && ip.IsUnspecified())) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}

func kernelOptions(c config.Config, log *slog.Logger) kernel.Options {
	o := kernel.Options{
		Python: c.KernelPython, Preload: c.KernelPreload, Log: log,
		Modules: map[string]string{"sqlvalues.py": sqlcell.PythonSource()},
		Limits:  kernel.Limits{Memory: c.KernelMemory, Processes: c.KernelProcesses, Files: c.KernelFiles, FileSize: c.KernelFileSize},
	}
	if c.KernelUsers != (config.Users{}) {
		o.UserIDs = [2]int{int(c.KernelUsers.First), int(c.KernelUsers.Last-c.KernelUsers.First) + 1}
	}
	return o
}

// fewestKernels are allowed however little memory there is: the limit of one
// kernel is a ceiling that few come near.
const fewestKernels = 4

// maxKernels returns how many kernels may be at once: as configured, or as many
// as fit into the memory if each took all that it may.
func maxKernels(c config.Config) int {
	if c.MaxKernels > 0 {
		return c.MaxKernels
	}
	return int(max(fewestKernels, memory()/c.KernelMemory))
}

// memory returns how many bytes this process and its children may use: the
// machine's, or its container's if that is less.
func memory() int64 {
	var info unix.Sysinfo_t
	total := int64(1 << 40)
	if err := unix.Sysinfo(&info); err == nil {
		total = int64(info.Totalram) * int64(info.Unit)
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the other version of control groups, or none
		}
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil { // else it is "max"
			total = min(total, limit)
		}
	}
	return total
}

// logger writes to the given output as the settings say.
func logger(c config.Config, out io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.LogLevel}
	format := c.LogFormat
	if format == "" {
		format = "json"
		if file, ok := out.(*os.File); ok && isTerminal(file) {
			format = "text"
		}
	}
	var h slog.Handler = slog.NewJSONHandler(out, o)
	if format == "text" {
		h = slog.NewTextHandler(out, o)
	}
	return slog.New(logs.Handler{Handler: h}).With("environment", c.Environment)
}

func isTerminal(file *os.File) bool {
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}
