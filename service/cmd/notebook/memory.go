package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// When the service counts as at rest: it has allocated less than restBytes
// since the last look, and more than workBytes since memory was last returned.
const (
	restLook  = 500 * time.Millisecond
	restBytes = 512 << 10
	workBytes = 16 << 20
)

// returnMemory returns to the system what is free, whenever the service comes to
// rest after work. The collector alone keeps about as much free as is in use,
// for work that may come; here that would be memory which kernels could have.
func returnMemory(ctx context.Context) {
	look := time.NewTicker(restLook)
	defer look.Stop()
	before, returned := allocated(), uint64(0)
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		now := allocated()
		if now-before < restBytes && now-returned > workBytes {
			debug.FreeOSMemory()
			returned = now
		}
		before = now
	}
}

// allocated returns how many bytes the program has ever allocated.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
