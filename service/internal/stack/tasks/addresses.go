package tasks

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"sync"
)

// Addresses gives each task an address of its own, which stands for the
// network interface that awsvpc would give it.
type Addresses interface {
	Take(ports []int) (host string, err error)
	Release(host string)
}

// Loopback hands out addresses of 127.64.0.0/10, which no one else uses by
// habit, beginning at a place of its own so that stacks do not get in each
// other's way. Where the system has no such addresses (only Linux has all of
// 127.0.0.0/8), it is 127.0.0.1, for one task at a time.
type Loopback struct {
	mu    sync.Mutex
	base  uint32
	taken map[string]bool
}

// NewLoopback returns a pool of loopback addresses.
func NewLoopback() *Loopback {
	return &Loopback{base: rand.Uint32N(1<<22-1<<10) &^ 0xff, taken: map[string]bool{}}
}

// Take returns an address on which all the ports are free.
func (l *Loopback) Take(ports []int) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if runtime.GOOS != "linux" {
		if l.taken["127.0.0.1"] {
			return "", errors.New("only one task can run on a system that has no loopback address but 127.0.0.1")
		}
		l.taken["127.0.0.1"] = true
		return "127.0.0.1", nil
	}
	for i := uint32(1); i < 1<<10; i++ {
		n := l.base + i
		host := net.IPv4(127, byte(64+n>>16), byte(n>>8), byte(n)).String()
		if n&0xff == 0 || n&0xff == 0xff || l.taken[host] || !free(host, ports) {
			continue
		}
		l.taken[host] = true
		return host, nil
	}
	return "", fmt.Errorf("no loopback address is free on ports %v", ports)
}

// Release gives the address back.
func (l *Loopback) Release(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.taken, host)
}

func free(host string, ports []int) bool {
	for _, port := range ports {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return false
		}
		_ = listener.Close()
	}
	return true
}
