// Package config reads the service's settings from environment variables.
//
// It reads no file and no flag, and starts nothing. The one table in this
// package is what Load goes by, what the help prints, and what is checked.
//
// Invariant: a Config that Load returned without an error can be served as it
// is; a variable that is set either takes effect or is a fault.
package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store"
)

// Config is how the service runs.
type Config struct {
	Addr            string         // to listen on
	Environment     string         // in logs
	AllowedOrigins  []string       // exact: scheme://host[:port]
	TrustedProxies  []netip.Prefix // whose X-Forwarded-For is believed
	Token           string         // "" lets everybody in who can connect
	InsecureNoToken bool

	StoreURL    string
	FrontendDir string // "" is the embedded page

	KernelPython      string
	KernelPreload     []string // modules that the warm parent imports
	KernelMemory      int64    // bytes of one kernel
	KernelProcesses   int
	KernelFiles       int
	KernelFileSize    int64         // bytes of one file that a kernel writes
	KernelUsers       Users         // the zero value: by whether the service is root
	KernelCellTimeout time.Duration // 0: none
	KernelIdleTimeout time.Duration // 0: none
	MaxKernels        int           // 0: by memory

	SQLConnections string // as sqlcell.Open takes them; "" is the sample database. Holds passwords

	MetricsAddr string // to serve metrics on; "" is not at all

	LogLevel      slog.Level
	LogFormat     string // "text", "json", or "" for what suits the output
	ShutdownGrace time.Duration
	MaxBodyBytes  int64
}

// Users is a range of user ids, each for one kernel at a time.
type Users struct{ First, Last uint32 }

// LoopbackOnly tells whether only this machine can connect.
func (c Config) LoopbackOnly() bool {
	host, _, err := net.SplitHostPort(c.Addr)
	return err == nil && Loopback(host)
}

// Loopback tells whether a host, written without a port and without brackets,
// is a name or an address of the machine itself.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// variable is one row of the table.
type variable struct {
	name     string
	fallback string // used when it isn't set, if not empty
	shown    string // the default in words, where fallback doesn't say it
	help     string
	set      func(c *Config, value string) error
}

func variables() []variable {
	return []variable{
		{"ADDR", "127.0.0.1:8000", "", "address to listen on, HOST:PORT; an empty host is every address",
			func(c *Config, v string) (err error) { c.Addr, err = address(v); return }},
		{"ENVIRONMENT", "local", "", "name of the environment, in every log line",
			func(c *Config, v string) error { c.Environment = v; return nil }},
		{"ALLOWED_ORIGINS", "", "none", "comma-separated origins of other front ends, exact: scheme://host[:port]",
			func(c *Config, v string) (err error) { c.AllowedOrigins, err = origins(v); return }},
		{"TRUSTED_PROXIES", "", "none", "comma-separated addresses or networks of load balancers and proxies before the service, such as 10.0.0.0/16; only their X-Forwarded-For says who signs in",
			func(c *Config, v string) (err error) { c.TrustedProxies, err = networks(v); return }},
		{"NOTEBOOK_TOKEN", "", "none", "the secret that opens the API; without one only this machine is listened to",
			func(c *Config, v string) (err error) { c.Token, err = token(v); return }},
		{"INSECURE_NO_TOKEN", "false", "", "true serves everybody who can connect, without a token",
			func(c *Config, v string) (err error) { c.InsecureNoToken, err = boolean(v); return }},
		{"STORE_URL", "sqlite:data/notebooks.db", "", "where notebooks last: sqlite:PATH, s3://BUCKET/PREFIX, postgres://USER:PASSWORD@HOST/DATABASE or memory:",
			func(c *Config, v string) error { c.StoreURL = v; return store.Check(v) }},
		{"FRONTEND_DIR", "", "the embedded build", "directory of the built page, served at /",
			func(c *Config, v string) error { c.FrontendDir = v; return directory(v) }},
		{"KERNEL_PYTHON", "python3", "", "the interpreter that runs cells",
			func(c *Config, v string) error { c.KernelPython = v; return nil }},
		{"KERNEL_PRELOAD", "numpy,pandas,matplotlib.pyplot,plotly", "", "modules that are imported once, before any notebook is opened; those that aren't installed are left out; - is none",
			func(c *Config, v string) (err error) { c.KernelPreload, err = modules(v); return }},
		{"KERNEL_MEMORY", "1GiB", "", "memory of one kernel, such as 512MiB",
			func(c *Config, v string) (err error) { c.KernelMemory, err = size(v, 64<<20); return }},
		{"KERNEL_PROCESSES", "64", "", "processes and threads of one kernel",
			func(c *Config, v string) (err error) { c.KernelProcesses, err = integer(v, 1); return }},
		{"KERNEL_FILES", "256", "", "open files of one process of a kernel",
			func(c *Config, v string) (err error) { c.KernelFiles, err = integer(v, 32); return }},
		{"KERNEL_FILE_SIZE", "4GiB", "", "size of one file that a kernel writes",
			func(c *Config, v string) (err error) { c.KernelFileSize, err = size(v, 1<<20); return }},
		{"KERNEL_USER", "", "a range of its own if the service is root", "user ids for kernels, FIRST-LAST, one for each; needs root",
			func(c *Config, v string) (err error) { c.KernelUsers, err = users(v); return }},
		{"KERNEL_CELL_TIMEOUT", "0", "0 (none)", "how long one cell may run, such as 10m",
			func(c *Config, v string) (err error) { c.KernelCellTimeout, err = duration(v, 0); return }},
		{"KERNEL_IDLE_TIMEOUT", "30m", "", "a kernel without a run and a client is stopped after it; 0 is never",
			func(c *Config, v string) (err error) { c.KernelIdleTimeout, err = duration(v, 0); return }},
		{"MAX_KERNELS", "", "by memory", "kernels at one time; beyond it the longest idle one is stopped",
			func(c *Config, v string) (err error) { c.MaxKernels, err = integer(v, 1); return }},
		{"SQL_CONNECTIONS", "", "a sample SQLite database, named " + sqlcell.SampleName, `databases for SQL cells, a JSON object {"NAME":"postgres://USER:PASSWORD@HOST/DATABASE","OTHER":"sqlite:PATH"}`,
			func(c *Config, v string) error { c.SQLConnections = v; return sqlcell.Check(v) }},
		{"METRICS_ADDR", "", "none", "address to serve Prometheus metrics on at /metrics, HOST:PORT; without authentication, so one that only a collector reaches",
			func(c *Config, v string) (err error) { c.MetricsAddr, err = address(v); return }},
		{"LOG_LEVEL", "info", "", "debug, info, warn or error",
			func(c *Config, v string) (err error) { c.LogLevel, err = level(v); return }},
		{"LOG_FORMAT", "", "text on a terminal, else json", "text or json",
			func(c *Config, v string) error { c.LogFormat = v; return oneOf(v, "text", "json") }},
		{"SHUTDOWN_GRACE", "25s", "", "how long requests and runs may take to end after SIGTERM",
			func(c *Config, v string) (err error) { c.ShutdownGrace, err = duration(v, time.Second); return }},
		{"MAX_BODY_BYTES", "8MiB", "", "largest body of a request",
			func(c *Config, v string) (err error) { c.MaxBodyBytes, err = size(v, 1<<10); return }},
	}
}

// notYet are variables of deployments that this build can't serve: someone who
// sets one counts on what it does.
var notYet = []string{"BUS_URL"}

// Fault is a variable that can't be accepted.
type Fault struct{ Variable, Message string }

func (f *Fault) Error() string { return f.Variable + ": " + f.Message }

// Load reads every variable by getenv, which is os.Getenv outside tests. An
// empty value counts as not set. The error joins a *Fault for each variable
// that is wrong.
func Load(getenv func(string) string) (Config, error) {
	var c Config
	var faults []error
	fault := func(name, format string, args ...any) {
		faults = append(faults, &Fault{name, fmt.Sprintf(format, args...)})
	}
	for _, v := range variables() {
		value := getenv(v.name)
		if value == "" {
			value = v.fallback
		}
		if value == "" {
			continue
		}
		if err := v.set(&c, value); err != nil {
			fault(v.name, "%v", err)
		}
	}
	for _, name := range notYet {
		if getenv(name) != "" {
			fault(name, "is not supported by this build yet: unset it")
		}
	}
	if c.Token != "" && c.InsecureNoToken {
		fault("INSECURE_NO_TOKEN", "contradicts NOTEBOOK_TOKEN: unset one of them")
	}
	if c.Addr != "" && c.Token == "" && !c.InsecureNoToken && !c.LoopbackOnly() {
		fault("ADDR", "%s can be reached by others, and no NOTEBOOK_TOKEN is set: set one, or listen on 127.0.0.1, or let everybody in with INSECURE_NO_TOKEN=true", c.Addr)
	}
	if err := errors.Join(faults...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Addr reads the address alone, for who only wants to find the service.
func Addr(getenv func(string) string) (string, error) {
	for _, v := range variables() {
		if v.name != "ADDR" {
			continue
		}
		var c Config
		value := getenv(v.name)
		if value == "" {
			value = v.fallback
		}
		if err := v.set(&c, value); err != nil {
			return "", &Fault{v.name, err.Error()}
		}
		return c.Addr, nil
	}
	panic("the table has no ADDR")
}

// WriteTable prints every variable with its default and its meaning.
func WriteTable(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "  VARIABLE\tDEFAULT\tMEANING")
	for _, v := range variables() {
		shown := v.shown
		if shown == "" {
			shown = v.fallback
		}
		fmt.Fprintf(out, "  %s\t%s\t%s\n", v.name, shown, v.help)
	}
	return out.Flush()
}

func address(v string) (string, error) {
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		return "", fmt.Errorf("%q is not HOST:PORT, such as 127.0.0.1:8000 or :8000", v)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q: the port must be a number from 0 to 65535", v)
	}
	if strings.ContainsAny(host, " /\\@*") {
		return "", fmt.Errorf("%q: the host is neither a name nor an address", v)
	}
	return v, nil
}

func origins(v string) ([]string, error) {
	var list []string
	var faults []error
	for _, one := range strings.Split(v, ",") {
		one = strings.TrimSpace(one)
		if one == "" {
			continue
		}
		if err := CheckOrigin(one); err != nil {
			faults = append(faults, err)
			continue
		}
		list = append(list, one)
	}
	return list, errors.Join(faults...)
}

var hostForm = regexp.MustCompile(`^(\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?)(:[0-9]{1,5})?$`)

// CheckOrigin returns an error for anything but an origin in the one spelling
// that browsers send: lower case, no path, no default port.
func CheckOrigin(origin string) error {
	if strings.Contains(origin, "*") {
		return fmt.Errorf("%q is a pattern: list each origin exactly, such as https://notebooks.example.com", origin)
	}
	u, err := url.Parse(origin)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || origin != u.Scheme+"://"+u.Host || !hostForm.MatchString(u.Host) {
		return fmt.Errorf("%q is not an origin: write scheme://host[:port] in lower case with nothing behind it, such as https://notebooks.example.com", origin)
	}
	port := u.Port()
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return fmt.Errorf("%q: the port must be a number from 1 to 65535", origin)
		}
	}
	if (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
		return fmt.Errorf("%q: browsers leave the default port out, so must this list", origin)
	}
	return nil
}

// networks reads addresses and networks in CIDR notation.
func networks(v string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, one := range strings.Split(v, ",") {
		one = strings.TrimSpace(one)
		if one == "" {
			continue
		}
		network, err := netip.ParsePrefix(one)
		if err != nil {
			var alone netip.Addr
			if alone, err = netip.ParseAddr(one); err == nil {
				network, err = alone.Prefix(alone.BitLen())
			}
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is neither an address nor a network, such as 10.0.0.0/16", one)
		case network != network.Masked():
			return nil, fmt.Errorf("%q is not the first address of its network, which is %s", one, network.Masked())
		case network.Bits() == 0:
			return nil, fmt.Errorf("%q is everybody, and everybody could claim to be anybody: name the proxies", one)
		}
		list = append(list, network)
	}
	return list, nil
}

func token(v string) (string, error) {
	for _, r := range v {
		if r <= ' ' || r > '~' {
			// Its value is never said.
			return "", errors.New("must be printable ASCII without spaces, as it travels in a header")
		}
	}
	return v, nil
}

func boolean(v string) (bool, error) {
	switch v {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", v)
}

func directory(v string) error {
	info, err := os.Stat(v)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", v)
	}
	return nil
}

var moduleForm = regexp.MustCompile(`^[\pL_][\pL\pN_]*(\.[\pL_][\pL\pN_]*)*$`)

func modules(v string) ([]string, error) {
	list := []string{}
	if v == "-" {
		return list, nil
	}
	for _, name := range strings.Split(v, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if !moduleForm.MatchString(name) {
			return nil, fmt.Errorf("%q is not the name of a Python module", name)
		}
		list = append(list, name)
	}
	return list, nil
}

var sizeForm = regexp.MustCompile(`^([0-9]+)(B|KiB|MiB|GiB|TiB)?$`)

func size(v string, least int64) (int64, error) {
	parts := sizeForm.FindStringSubmatch(v)
	if parts == nil {
		return 0, fmt.Errorf("%q is not a size, such as 512MiB or 1GiB", v)
	}
	shift := map[string]int{"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}[parts[2]]
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is too large", v)
	}
	if n <<= shift; n < least {
		return 0, fmt.Errorf("%q is less than the %d bytes that it takes", v, least)
	}
	return n, nil
}

func integer(v string, least int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", v)
	}
	if n < least {
		return 0, fmt.Errorf("%d is less than %d", n, least)
	}
	return n, nil
}

func duration(v string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration, such as 30s, 10m or 1h30m", v)
	}
	if d < least {
		return 0, fmt.Errorf("%s is less than %s", d, least)
	}
	return d, nil
}

func users(v string) (Users, error) {
	first, last, ok := strings.Cut(v, "-")
	a, errA := strconv.ParseUint(first, 10, 32)
	b, errB := strconv.ParseUint(last, 10, 32)
	if !ok || errA != nil || errB != nil {
		return Users{}, fmt.Errorf("%q is not a range of user ids, such as 20000-20999", v)
	}
	if a < 1000 || b < a || b >= math.MaxUint32 {
		return Users{}, fmt.Errorf("%q: the range must rise, and begin at 1000 or above, where no system account is", v)
	}
	if os.Geteuid() != 0 {
		return Users{}, errors.New("only a service that runs as root can give kernels users of their own: unset it")
	}
	return Users{uint32(a), uint32(b)}, nil
}

func level(v string) (slog.Level, error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	l, ok := levels[v]
	if !ok {
		return 0, fmt.Errorf("%q is none of debug, info, warn, error", v)
	}
	return l, nil
}

func oneOf(v string, values ...string) error {
	for _, one := range values {
		if v == one {
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", v, strings.Join(values, ", "))
}
