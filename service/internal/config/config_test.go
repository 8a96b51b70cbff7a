package config

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func load(pairs ...string) (Config, error) {
	values := map[string]string{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		values[name] = value
	}
	return Load(func(name string) string { return values[name] })
}

func TestDefaultsAreThoseOfTheTable(t *testing.T) {
	c, err := load()
	require.NoError(t, err)
	require.Equal(t, Config{
		Addr: "127.0.0.1:8000", Environment: "local", StoreURL: "sqlite:data/notebooks.db",
		KernelPython: "python3", KernelPreload: []string{"numpy", "pandas", "matplotlib.pyplot", "plotly"},
		KernelMemory: 1 << 30, KernelProcesses: 64, KernelFiles: 256, KernelFileSize: 4 << 30, KernelIdleTimeout: 30 * time.Minute,
		LogLevel: slog.LevelInfo, ShutdownGrace: 25 * time.Second, MaxBodyBytes: 8 << 20,
	}, c)
}

func TestEveryVariableTakesEffect(t *testing.T) {
	pairs := []string{
		"ADDR=:9000", "ENVIRONMENT=dev", "ALLOWED_ORIGINS=https://a.example, http://localhost:5173,http://[::1]:1", "NOTEBOOK_TOKEN=s3cret",
		"TRUSTED_PROXIES=10.0.0.0/16, 192.0.2.7,2001:db8::/32", "STORE_URL=memory:", "FRONTEND_DIR=" + t.TempDir(), "KERNEL_PYTHON=/usr/bin/python3", "KERNEL_PRELOAD=json,xml.dom",
		"KERNEL_MEMORY=512MiB", "KERNEL_PROCESSES=9", "KERNEL_FILES=99", "KERNEL_FILE_SIZE=9MiB", "KERNEL_CELL_TIMEOUT=90s",
		"KERNEL_IDLE_TIMEOUT=0", "MAX_KERNELS=3", "LOG_LEVEL=debug", "LOG_FORMAT=json", "SHUTDOWN_GRACE=5s", "MAX_BODY_BYTES=1048576",
		`SQL_CONNECTIONS={"a":"sqlite:a.db"}`, "METRICS_ADDR=127.0.0.1:9090",
	}
	want := Config{
		Addr: ":9000", Environment: "dev", AllowedOrigins: []string{"https://a.example", "http://localhost:5173", "http://[::1]:1"}, Token: "s3cret",
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32")},
		StoreURL:       "memory:", FrontendDir: strings.TrimPrefix(pairs[6], "FRONTEND_DIR="), KernelPython: "/usr/bin/python3", KernelPreload: []string{"json", "xml.dom"},
		KernelMemory: 512 << 20, KernelProcesses: 9, KernelFiles: 99, KernelFileSize: 9 << 20, KernelCellTimeout: 90 * time.Second,
		MaxKernels: 3, LogLevel: slog.LevelDebug, LogFormat: "json", ShutdownGrace: 5 * time.Second, MaxBodyBytes: 1 << 20,
		SQLConnections: `{"a":"sqlite:a.db"}`, MetricsAddr: "127.0.0.1:9090",
	}
	if os.Geteuid() == 0 {
		pairs = append(pairs, "KERNEL_USER=20000-20010")
		want.KernelUsers = Users{20000, 20010}
	}
	c, err := load(pairs...)
	require.NoError(t, err)
	require.Equal(t, want, c)

	named := strings.Join(pairs, " ") + " INSECURE_NO_TOKEN= KERNEL_USER="
	for _, v := range variables() {
		require.Contains(t, named, v.name+"=", "this test sets every variable")
	}
}

func TestEveryFaultIsNamedAtOnce(t *testing.T) {
	_, err := load("ADDR=nonsense", "LOG_LEVEL=loud", "KERNEL_MEMORY=lots", "BUS_URL=redis://localhost")
	for _, want := range []string{"ADDR: ", "LOG_LEVEL: ", "KERNEL_MEMORY: ", "BUS_URL: is not supported by this build yet"} {
		require.ErrorContains(t, err, want)
	}
}

func TestValuesThatCanNotBeAcceptedAreFaults(t *testing.T) {
	for pair, want := range map[string]string{
		"ADDR=8000":                                 "HOST:PORT",
		"ADDR=127.0.0.1:99999":                      "from 0 to 65535",
		"ADDR=127.0.0.1:http":                       "from 0 to 65535",
		"ALLOWED_ORIGINS=*":                         "pattern",
		"ALLOWED_ORIGINS=https://*.cloudfront.net":  "pattern",
		"ALLOWED_ORIGINS=https://a.example/":        "not an origin",
		"ALLOWED_ORIGINS=a.example":                 "not an origin",
		"ALLOWED_ORIGINS=null":                      "not an origin",
		"ALLOWED_ORIGINS=https://A.example":         "not an origin",
		"ALLOWED_ORIGINS=https://u@a.example":       "not an origin",
		"ALLOWED_ORIGINS=ftp://a.example":           "not an origin",
		"ALLOWED_ORIGINS=https://a.example:443":     "default port",
		"ALLOWED_ORIGINS=http://a.example:80":       "default port",
		"ALLOWED_ORIGINS=http://a.example:080":      "port",
		"ALLOWED_ORIGINS=http://a.example:70000":    "port",
		"ALLOWED_ORIGINS=/^https:.*$/":              "pattern",
		"TRUSTED_PROXIES=alb.internal":              "neither an address nor a network",
		"TRUSTED_PROXIES=10.0.0.0/33":               "neither an address nor a network",
		"TRUSTED_PROXIES=10.0.0.1/16":               "which is 10.0.0.0/16",
		"TRUSTED_PROXIES=0.0.0.0/0":                 "everybody",
		"TRUSTED_PROXIES=::/0":                      "everybody",
		"NOTEBOOK_TOKEN=two words":                  "printable ASCII",
		"NOTEBOOK_TOKEN=schlüssel":                  "printable ASCII",
		"INSECURE_NO_TOKEN=1":                       "neither true nor false",
		"STORE_URL=postgres://":                     "is not a valid URL postgres://",
		"STORE_URL=notebooks.db":                    "no scheme",
		"FRONTEND_DIR=/does/not/exist":              "no such file",
		"FRONTEND_DIR=" + os.Args[0]:                "not a directory",
		"KERNEL_PRELOAD=numpy; import os":           "not the name of a Python module",
		"KERNEL_MEMORY=1GB":                         "not a size",
		"KERNEL_MEMORY=1MiB":                        "less than",
		"KERNEL_MEMORY=99999999TiB":                 "too large",
		"KERNEL_PROCESSES=0":                        "less than",
		"KERNEL_FILES=many":                         "not a whole number",
		"KERNEL_FILE_SIZE=1KiB":                     "less than the 1048576 bytes",
		"KERNEL_USER=1000":                          "range of user ids",
		"KERNEL_USER=0-10":                          "begin at 1000",
		"KERNEL_USER=3000-2000":                     "must rise",
		"KERNEL_CELL_TIMEOUT=10":                    "not a duration",
		"KERNEL_CELL_TIMEOUT=-1s":                   "less than",
		"MAX_KERNELS=0":                             "less than",
		"LOG_FORMAT=xml":                            "none of text, json",
		"SHUTDOWN_GRACE=0":                          "less than",
		"MAX_BODY_BYTES=1":                          "less than",
		"SQL_CONNECTIONS=postgres://localhost":      "must be a JSON object",
		`SQL_CONNECTIONS={"a":"mysql://localhost"}`: `connection "a"`,
		"BUS_URL=redis://localhost":                 "not supported by this build yet",
		"METRICS_ADDR=9090":                         "is not HOST:PORT",
	} {
		name, _, _ := strings.Cut(pair, "=")
		_, err := load(pair)
		require.ErrorContains(t, err, want, pair)
		require.ErrorContains(t, err, name+": ", pair)
		var fault *Fault
		require.ErrorAs(t, err, &fault)
	}
}

func TestWithoutATokenOnlyTheMachineItselfIsListenedTo(t *testing.T) {
	for addr, open := range map[string]bool{
		"127.0.0.1:8000": true, "127.8.8.8:1": true, "[::1]:8000": true, "localhost:8000": true, "LOCALHOST:8000": true, "127.0.0.1:0": true,
		":8000": false, "0.0.0.0:8000": false, "[::]:8000": false, "10.0.0.1:8000": false, "example.com:80": false,
		"127.0.0.1.example.com:80": false, "localhost.example.com:80": false, "[::ffff:10.0.0.1]:80": false,
	} {
		_, err := load("ADDR=" + addr)
		if open {
			require.NoError(t, err, addr)
		} else {
			require.ErrorContains(t, err, "INSECURE_NO_TOKEN=true", addr)
		}
		_, err = load("ADDR="+addr, "NOTEBOOK_TOKEN=s3cret")
		require.NoError(t, err, addr)
		_, err = load("ADDR="+addr, "INSECURE_NO_TOKEN=true")
		require.NoError(t, err, addr)
	}
	_, err := load("NOTEBOOK_TOKEN=s3cret", "INSECURE_NO_TOKEN=true")
	require.ErrorContains(t, err, "contradicts")
	require.NotContains(t, err.Error(), "s3cret")
}

func TestTheAddressAloneIsReadWhateverElseIsWrong(t *testing.T) {
	get := func(addr string) (string, error) {
		return Addr(func(name string) string { return map[string]string{"ADDR": addr, "LOG_LEVEL": "loud"}[name] })
	}
	addr, err := get(":9000")
	require.NoError(t, err)
	require.Equal(t, ":9000", addr)
	addr, err = get("")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8000", addr)
	_, err = get("x")
	require.ErrorContains(t, err, "ADDR: ")
}

func TestSQLConnectionsAreTakenAsTheyAreAndNoFaultTellsAPassword(t *testing.T) {
	const settings = `{"warehouse":"postgres://me:hush@localhost/data"}`
	c, err := load("SQL_CONNECTIONS=" + settings)
	require.NoError(t, err)
	require.Equal(t, settings, c.SQLConnections)
	_, err = load(`SQL_CONNECTIONS={"warehouse":"mysql://me:hush@localhost/data"}`)
	require.ErrorContains(t, err, "SQL_CONNECTIONS: ")
	require.NotContains(t, err.Error(), "hush")
	var out bytes.Buffer
	require.NoError(t, WriteTable(&out))
	require.Contains(t, out.String(), "named sample")
}

func TestHelpNamesEveryVariable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteTable(&out))
	for _, v := range variables() {
		require.Contains(t, out.String(), "\n  "+v.name+" ")
	}
	for _, name := range notYet {
		require.NotContains(t, out.String(), name)
	}
	require.NotContains(t, out.String(), "  \t", "no column is empty")
}
