// Command kernels measures the service's kernels beside a Jupyter kernel and
// plain Python: what a person waits for, and what a kernel costs. Every figure
// of the service is taken from outside, over HTTP and the WebSocket, with
// analysis, event log and store at work as they always are.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/reactive-notebook/reactive-notebook/test/bench/measure"
)

const (
	besideJupyter = "Jupyter kernel"
	besidePython  = "python3 into a pipe"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

// run takes the measures that only names, all of them if it is empty.
func run(ctx context.Context, only []string) error {
	service, err := measure.Start(ctx, "MAX_KERNELS=64")
	if err != nil {
		return err
	}
	defer service.Stop()
	jupyter, err := startJupyter(ctx)
	if err != nil {
		return err
	}
	defer jupyter.close()
	if err := jupyter.do(nil, "open"); err != nil {
		return err
	}
	b := bench{ctx: ctx, service: service, jupyter: jupyter}
	measures := []struct {
		name string
		take func() ([]measure.Result, error)
	}{
		{"cold", b.coldStart}, {"round", b.roundTrip}, {"prints", b.prints}, {"chain", b.chain},
		{"fan", b.fan}, {"edit", b.edit}, {"memory", b.memory},
	}
	for _, m := range measures {
		if len(only) > 0 && !slices.Contains(only, m.name) {
			continue
		}
		results, err := m.take()
		if err != nil {
			return err
		}
		for _, result := range results {
			if err := measure.Emit(os.Stdout, result); err != nil {
				return err
			}
		}
	}
	return nil
}

type bench struct {
	ctx     context.Context
	service *measure.Service
	jupyter *jupyter
}

func (b bench) open(sources ...string) (*book, error) { return open(b.ctx, b.service.URL, sources...) }

func (b bench) close(book *book) error { return book.close(b.ctx, b.service.URL) }

// timed returns how many seconds something takes.
func timed(do func() error) (float64, error) {
	begin := time.Now()
	err := do()
	return time.Since(begin).Seconds(), err
}

// coldStart is from "there is no notebook" to the first result.
func (b bench) coldStart() ([]measure.Result, error) {
	const source = "import pandas as pd\nx = 1"
	ours := func() (float64, error) {
		var opened *book
		seconds, err := timed(func() (err error) {
			if opened, err = b.open(source); err != nil {
				return err
			}
			return opened.run()
		})
		if err != nil {
			return 0, err
		}
		return seconds, b.close(opened)
	}
	medians, err := measure.Interleaved(9, ours, func() (float64, error) { return b.jupyter.seconds("cold", source) })
	if err != nil {
		return nil, err
	}
	return []measure.Result{{
		What: "cold start to first result, with pandas", Unit: "ms", Ours: medians[0] * 1e3, Theirs: medians[1] * 1e3, Beside: besideJupyter,
		Goal: measure.Goal{Ratio: 100}, Note: "new notebook, connection and run against start of a kernel, import and reply",
	}}, nil
}

func (b bench) roundTrip() ([]measure.Result, error) {
	const source, times = "x = 1", 200
	opened, err := b.open(source)
	if err != nil {
		return nil, err
	}
	ours := func() (float64, error) {
		var each []float64
		for range times {
			seconds, err := timed(func() error { return opened.run() })
			if err != nil {
				return 0, err
			}
			each = append(each, seconds)
		}
		return measure.Median(each), nil
	}
	theirs := func() (float64, error) {
		each, err := b.jupyter.each("execute", source, times)
		return measure.Median(each), err
	}
	medians, err := measure.Interleaved(5, ours, theirs)
	if err != nil {
		return nil, err
	}
	return []measure.Result{{
		What: "round trip of `x = 1`", Unit: "µs", Ours: medians[0] * 1e6, Theirs: medians[1] * 1e6, Beside: besideJupyter,
		Goal: measure.Goal{Ratio: 25}, Note: "run command to `run.finished` against execute to its reply",
	}}, b.close(opened)
}

func (b bench) prints() ([]measure.Result, error) {
	const source = "for i in range(1_000_000): print(i)"
	opened, err := b.open(source)
	if err != nil {
		return nil, err
	}
	received := 0
	ours := func() (float64, error) {
		seconds, err := timed(func() error { return opened.run() })
		received = opened.bytes
		return seconds, err
	}
	python := func() (float64, error) {
		return timed(func() error {
			cmd := exec.CommandContext(b.ctx, os.Getenv("KERNEL_PYTHON"), "-c", source)
			// A session of its own, as kernels have: on a busy machine Linux
			// shares the processors among sessions.
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			pipe, err := cmd.StdoutPipe()
			if err != nil {
				return err
			}
			if err := cmd.Start(); err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, pipe); err != nil {
				return err
			}
			return cmd.Wait()
		})
	}
	theirs := func() (float64, error) { return b.jupyter.seconds("show", source) }
	medians, err := measure.Interleaved(3, ours, python, theirs)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("the client got %.1f MiB of 6.6", float64(received)/(1<<20))
	return []measure.Result{
		{What: "a million `print(i)`", Unit: "ms", Ours: medians[0] * 1e3, Theirs: medians[1] * 1e3, Beside: besidePython, Goal: measure.Goal{Ratio: 0.5}, Note: note},
		{What: "a million `print(i)`", Unit: "ms", Ours: medians[0] * 1e3, Theirs: medians[2] * 1e3, Beside: besideJupyter},
	}, b.close(opened)
}

// all measures the run of a whole notebook against all its cells in Jupyter.
func (b bench) all(rounds int, sources []string) (ours, theirs float64, err error) {
	opened, err := b.open(sources...)
	if err != nil {
		return 0, 0, err
	}
	medians, err := measure.Interleaved(rounds,
		func() (float64, error) { return timed(func() error { return opened.run() }) },
		func() (float64, error) { return b.jupyter.seconds("all", sources) },
	)
	if err != nil {
		return 0, 0, err
	}
	return medians[0], medians[1], b.close(opened)
}

func (b bench) chain() ([]measure.Result, error) {
	const count = 300
	sources := []string{"c0 = 0"}
	for i := 1; i < count; i++ {
		sources = append(sources, fmt.Sprintf("c%d = c%d + 1", i, i-1))
	}
	ours, theirs, err := b.all(9, sources)
	return []measure.Result{{
		What: "chain of 300 cells, a cell", Unit: "µs", Ours: ours / count * 1e6, Theirs: theirs / count * 1e6, Beside: besideJupyter,
		Goal: measure.Goal{Ours: 100}, Note: "scheduling, running and events together",
	}}, err
}

func (b bench) fan() ([]measure.Result, error) {
	sources := []string{"root = 1"}
	for i := range 1000 {
		sources = append(sources, fmt.Sprintf("f%d = root + %d", i, i))
	}
	ours, theirs, err := b.all(3, sources)
	return []measure.Result{{
		What: "fan of 1,000 cells", Unit: "ms", Ours: ours * 1e3, Theirs: theirs * 1e3, Beside: besideJupyter,
	}}, err
}

// edit is a change in the middle of a notebook of 5,000 cells, in chains of ten.
func (b bench) edit() ([]measure.Result, error) {
	const count, times = 5000, 50
	sources := make([]string, count)
	for i := range sources {
		if i%10 == 0 {
			sources[i] = fmt.Sprintf("e%d = %d", i, i)
		} else {
			sources[i] = fmt.Sprintf("e%d = e%d + 1", i, i-1)
		}
	}
	opened, err := b.open(sources...)
	if err != nil {
		return nil, err
	}
	if err := opened.run(); err != nil {
		return nil, err
	}
	at, edits := count/2+5, 0
	const pause = 20 * time.Millisecond // nobody edits again before the last results are written
	ours := func() (float64, error) {
		var each []float64
		for range times {
			edits++
			time.Sleep(pause)
			seconds, err := opened.edit(opened.cells[at], fmt.Sprintf("e%d = e%d + 1 + %d", at, at-1, edits))
			if err != nil {
				return 0, err
			}
			each = append(each, seconds)
		}
		return measure.Median(each), nil
	}
	theirs := func() (float64, error) {
		each, err := b.jupyter.each("starts", "e = 1", times)
		return measure.Median(each), err
	}
	medians, err := measure.Interleaved(5, ours, theirs)
	if err != nil {
		return nil, err
	}
	return []measure.Result{{
		What: "edit in a notebook of 5,000 cells until the cell starts", Unit: "ms", Ours: medians[0] * 1e3, Theirs: medians[1] * 1e3, Beside: besideJupyter,
		Goal: measure.Goal{Ours: 2}, Note: "saved, analysed and planned, against execute to `execute_input`",
	}}, b.close(opened)
}

// work is what each of the 20 kernels does before its memory is read.
const work = `import numpy as np
import pandas as pd
_random = np.random.default_rng(1)
frame = pd.DataFrame({"key": _random.integers(0, 50, 10_000), "value": _random.normal(size=10_000)})
totals = frame.groupby("key")["value"].agg(["mean", "sum", "count"])
joined = frame.merge(totals, on="key").sort_values("value")
described = frame.describe()
`

func (b bench) memory() ([]measure.Result, error) {
	const (
		count = 20
		mib   = 1 << 20
	)
	var books []*book
	var kernels []int
	for range count {
		opened, err := b.open("import os\nimport pandas\nos.getpid()", work)
		if err != nil {
			return nil, err
		}
		books = append(books, opened)
		if err := opened.run(opened.cells[0]); err != nil {
			return nil, err
		}
		text, err := opened.result(b.ctx, b.service.URL, opened.cells[0])
		if err != nil {
			return nil, err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		kernels = append(kernels, pid)
	}
	fresh, err := median(kernels)
	if err != nil {
		return nil, err
	}
	for _, opened := range books {
		if err := opened.run(opened.cells[1]); err != nil {
			return nil, err
		}
	}
	var jupyters []int
	if err := b.jupyter.do(&jupyters, "crowd", count, "import pandas"); err != nil {
		return nil, err
	}
	theirsFresh, err := median(jupyters)
	if err != nil {
		return nil, err
	}
	if err := b.jupyter.do(nil, "crowd_runs", work); err != nil {
		return nil, err
	}
	all, err := family(b.service.PID)
	if err != nil {
		return nil, err
	}
	ours, err := median(kernels)
	if err != nil {
		return nil, err
	}
	together, err := sum(all)
	if err != nil {
		return nil, err
	}
	theirs, err := median(jupyters)
	if err != nil {
		return nil, err
	}
	theirsTogether, err := sum(jupyters)
	if err != nil {
		return nil, err
	}
	for _, opened := range books {
		if err := b.close(opened); err != nil {
			return nil, err
		}
	}
	return []measure.Result{
		{
			What: "memory of one of 20 kernels that imported pandas", Unit: "MiB", Ours: fresh.proportional / mib, Theirs: theirsFresh.proportional / mib, Beside: besideJupyter,
			Note: fmt.Sprintf("proportional; resident %.0f and %.0f", fresh.resident/mib, theirsFresh.resident/mib),
		},
		{
			What: "the same after groups, a join, a sort and statistics of a frame", Unit: "MiB", Ours: ours.proportional / mib, Theirs: theirs.proportional / mib, Beside: besideJupyter,
			Goal: measure.Goal{Ours: 10}, Note: fmt.Sprintf("proportional; resident %.0f and %.0f", ours.resident/mib, theirs.resident/mib),
		},
		{
			What: "memory of the 20 with all that serves them", Unit: "MiB", Ours: together / mib, Theirs: theirsTogether / mib, Beside: "20 Jupyter kernels",
			Note: "proportional; ours with the service, its warm parent and spare kernels",
		},
	}, b.jupyter.do(nil, "close")
}

// median returns the middle figures of several processes.
func median(pids []int) (memory, error) {
	var resident, proportional []float64
	for _, pid := range pids {
		m, err := memoryOf(pid)
		if err != nil {
			return memory{}, err
		}
		resident, proportional = append(resident, m.resident), append(proportional, m.proportional)
	}
	return memory{measure.Median(resident), measure.Median(proportional)}, nil
}

// sum returns the proportional memory of several processes together.
func sum(pids []int) (float64, error) {
	total := 0.0
	for _, pid := range pids {
		m, err := memoryOf(pid)
		if err != nil {
			return 0, err
		}
		total += m.proportional
	}
	return total, nil
}
