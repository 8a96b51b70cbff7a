package main

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAServiceAtRestHoldsLittleMoreMemoryThanItUses(t *testing.T) {
	held := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapSys - m.HeapReleased
	}
	const work = 256 << 20
	blocks := make([][]byte, 256)
	for i := range blocks {
		blocks[i] = make([]byte, work/len(blocks))
		for at := 0; at < len(blocks[i]); at += 4096 {
			blocks[i][at] = 1
		}
	}
	busy := held()
	require.Greater(t, busy, uint64(work))
	runtime.KeepAlive(blocks)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); returnMemory(ctx) }()
	require.Eventually(t, func() bool { return held() < busy-work*3/4 }, time.Minute, 50*time.Millisecond)
	cancel()
	<-ended
}
