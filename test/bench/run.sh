#!/usr/bin/env bash
# Prepares what the benchmark measures, and measures against, and runs it.
# Arguments go to the runner: names of parts, -write FILE.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$(.tools/stack setup go python page bench browser chromium)
tool() { sed -n "s/^$1=//p" <<<"$tools"; }

KERNEL_PYTHON=$(tool PYTHON)
BENCH_PYTHON=$(tool BENCH)
FRONTEND_DIR=$(tool PAGE)
BROWSER_MODULES=$(tool BROWSER)/node_modules
CHROMIUM=$(tool CHROMIUM)
NOTEBOOK=$PWD/.tools/notebook
export KERNEL_PYTHON BENCH_PYTHON FRONTEND_DIR BROWSER_MODULES CHROMIUM NOTEBOOK
unset NOTEBOOK_TOKEN # the services of the benchmark are open, on loopback
unset PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE # plain Python as most have it
go build -buildvcs=false -o "$NOTEBOOK" ./service/cmd/notebook
go build -buildvcs=false -o .tools/bench-runner ./test/bench
exec .tools/bench-runner "$@"
