package kernel

import (
	"context"
	"os/exec"
	"testing"
)

// runOnce runs a cell and discards what it shows.
func runOnce(b *testing.B, k *Kernel, source string) {
	b.Helper()
	if err := k.Run(Request{CellID: testCell, Source: source}); err != nil {
		b.Fatal(err)
	}
	for e := range k.Events() {
		switch e := e.(type) {
		case Finished:
			if e.Error != nil {
				b.Fatal(e.Error)
			}
			return
		case Died:
			b.Fatal(e.Reason)
		}
	}
}

func BenchmarkFirstResultFromASpare(b *testing.B) {
	h := sharedHost(b)
	for b.Loop() {
		b.StopTimer()
		waitSpare(h)
		b.StartTimer()
		k, err := h.Start(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		runOnce(b, k, "import pandas as pd\nx = 1")
		b.StopTimer()
		k.Close()
		b.StartTimer()
	}
}

func waitSpare(h *Host) {
	for {
		h.mu.Lock()
		ready := len(h.spares) > 0
		h.mu.Unlock()
		if ready {
			return
		}
		h.wantSpares()
		exec.Command("sleep", "0.01").Run()
	}
}

func BenchmarkFirstResultFromAFork(b *testing.B) {
	h := newTestHost(b, func(o *Options) { o.Spares, o.Preload = -1, []string{"pandas"} })
	for b.Loop() {
		k, err := h.Start(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		runOnce(b, k, "import pandas as pd\nx = 1")
		b.StopTimer()
		k.Close()
		b.StartTimer()
	}
}

func BenchmarkTrivialCell(b *testing.B) {
	k := startKernel(b, sharedHost(b))
	for b.Loop() {
		runOnce(b, k.Kernel, "x = 1")
	}
}

func BenchmarkCellThatPrints(b *testing.B) {
	k := startKernel(b, sharedHost(b))
	for b.Loop() {
		runOnce(b, k.Kernel, "print('x')")
	}
}

func BenchmarkMillionPrints(b *testing.B) {
	k := startKernel(b, sharedHost(b))
	for b.Loop() {
		runOnce(b, k.Kernel, "for i in range(1_000_000): print(i)")
	}
}

// BenchmarkMillionPrintsOfPlainPython is what the one above is held against.
func BenchmarkMillionPrintsOfPlainPython(b *testing.B) {
	python := sharedHost(b).probe.Executable
	for b.Loop() {
		out, err := exec.Command(python, "-c", "for i in range(1_000_000): print(i)").Output()
		if err != nil || len(out) < 6_000_000 {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnalyzeNewSource(b *testing.B) {
	h := sharedHost(b)
	source := []byte("value = compute(other, 100000)\n")
	for b.Loop() {
		for i := len(source) - 3; ; i-- { // count up, so that no source is cached
			if source[i]++; source[i] <= '9' {
				break
			}
			source[i] = '0'
		}
		if _, err := h.Analyze(context.Background(), []string{string(source)}); err != nil {
			b.Fatal(err)
		}
	}
}
