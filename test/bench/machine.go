package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine says in a sentence or two what the figures were measured on and
// with, which they mean nothing without.
func machine(ctx context.Context) string {
	hardware := fmt.Sprintf("%d × %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name"))
	if memory, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		hardware += fmt.Sprintf(", %.0f GiB", memory/(1<<20))
	}
	commit := output(ctx, "git", "describe", "--always", "--dirty", "--abbrev=10", "--match=-")
	versions := []string{
		"Go " + strings.TrimPrefix(runtime.Version(), "go"),
		output(ctx, os.Getenv("KERNEL_PYTHON"), "--version"),
		output(ctx, os.Getenv("BENCH_PYTHON"), "-c", `
import importlib.metadata as m
print(", ".join(f"{p} {m.version(p)}" for p in ("pandas", "ipykernel", "jupyter-client", "fastapi", "uvicorn", "pydantic", "websockets")))`),
		"Linux " + output(ctx, "uname", "-r"),
	}
	load, _, _ := strings.Cut(output(ctx, "cat", "/proc/loadavg"), " ")
	return fmt.Sprintf("Measured on %s at commit %s: %s; load before it %s.\n%s.\n",
		time.Now().UTC().Format(time.DateOnly), commit, hardware, load, strings.Join(versions, ", "))
}

// field returns the value of the first line NAME: VALUE of a file.
func field(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
