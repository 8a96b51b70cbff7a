package session

import (
	"context"
	"fmt"
	"sync"
)

// slots limits how many sessions have a kernel.
type slots struct {
	max int

	mu      sync.Mutex
	holders map[*Session]struct{}
}

// take gives the session a slot for a kernel, unless it has one. Where none is
// free, the kernel that has been idle for longest is stopped. It must not be
// called by a session's own goroutine, as it asks others.
func (l *slots) take(ctx context.Context, s *Session) error {
	if l.max <= 0 {
		return nil
	}
	for {
		l.mu.Lock()
		_, has := l.holders[s]
		if has || len(l.holders) < l.max {
			l.holders[s] = struct{}{}
			l.mu.Unlock()
			return nil
		}
		var victim *Session
		for h := range l.holders {
			if since := h.idleSince.Load(); h != s && since > 0 && (victim == nil || since < victim.idleSince.Load()) {
				victim = h
			}
		}
		l.mu.Unlock()
		if victim == nil {
			return &UnavailableError{
				Reason:     fmt.Sprintf("all %d kernels are busy: try again when a run has finished, or raise MAX_KERNELS", l.max),
				RetryAfter: 5,
			}
		}
		stopped := make(chan struct{})
		select {
		case victim.calls <- func() { defer close(stopped); victim.stopIdle("stopped to make room for another notebook's kernel") }:
			<-stopped
		case <-victim.done:
			l.free(victim)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// free gives the session's slot back.
func (l *slots) free(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.holders, s)
}
