package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// crowd are WebSocket clients that count the events that they get.
type crowd struct {
	conns []net.Conn
	work  sync.WaitGroup
	count atomic.Int64   // of the events that all got since the last reset
	times chan time.Time // when each event came, while somebody asks
	timed atomic.Bool
	fault atomic.Pointer[error]
}

// mark is how the text of an event begins.
const mark = `{"seq":`

// connect opens so many sockets, in turn on the notebooks, each with a buffer
// of so many bytes to read into.
func connect(addr string, clients, buffer int, notebooks []string, header string) (*crowd, error) {
	c := &crowd{times: make(chan time.Time, 1<<16)}
	for i := range clients {
		conn, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			c.close()
			return nil, err
		}
		c.conns = append(c.conns, conn)
		_, err = fmt.Fprintf(conn, "GET /api/ws/notebooks/%s HTTP/1.1\r\nHost: localhost\r\n%sConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", notebooks[i%len(notebooks)], header)
		if err != nil {
			c.close()
			return nil, err
		}
		in := bufio.NewReaderSize(conn, buffer)
		res, err := http.ReadResponse(in, nil)
		if err == nil && res.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("handshake: %s", res.Status)
		}
		if err != nil {
			c.close()
			return nil, err
		}
		c.work.Go(func() { c.read(in) })
	}
	return c, nil
}

func (c *crowd) close() {
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.work.Wait()
}

// read counts frames until the connection ends.
func (c *crowd) read(in *bufio.Reader) {
	for {
		event, err := frame(in)
		if err != nil {
			c.fault.CompareAndSwap(nil, &err)
			return
		}
		if event {
			if c.timed.Load() {
				c.times <- time.Now()
			}
			c.count.Add(1)
		}
	}
}

// frame reads one frame and tells whether it is an event.
func frame(in *bufio.Reader) (bool, error) {
	head, err := in.Peek(2)
	if err != nil {
		return false, err
	}
	skip, n := 2, int(head[1])
	switch head[1] {
	case 126:
		if head, err = in.Peek(4); err != nil {
			return false, err
		}
		skip, n = 4, int(binary.BigEndian.Uint16(head[2:]))
	case 127:
		if head, err = in.Peek(10); err != nil {
			return false, err
		}
		skip, n = 10, int(binary.BigEndian.Uint64(head[2:]))
	}
	if head[0]&0x0f == 8 {
		return false, fmt.Errorf("the server closed the socket: %w", io.EOF)
	}
	if n < len(mark) {
		_, err = in.Discard(skip + n)
		return false, err
	}
	if head, err = in.Peek(skip + len(mark)); err != nil {
		return false, err
	}
	event := string(head[skip:]) == mark
	_, err = in.Discard(skip + n)
	return event, err
}

// waitFor returns when so many events have come to the crowd.
func (c *crowd) waitFor(events int64) error {
	for end := time.Now().Add(patience); c.count.Load() < events; {
		if fault := c.fault.Load(); fault != nil {
			return *fault
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d events came within %v", c.count.Load(), events, patience)
		}
		time.Sleep(50 * time.Microsecond)
	}
	return nil
}

// burst has everybody get so many events, as fast as they come, and returns
// deliveries a second.
func (c *crowd) burst(events int, trigger func(events int) error) (float64, error) {
	c.count.Store(0)
	begin := time.Now()
	if err := trigger(events); err != nil {
		return 0, err
	}
	all := int64(events) * int64(len(c.conns))
	if err := c.waitFor(all); err != nil {
		return 0, err
	}
	return float64(all) / time.Since(begin).Seconds(), nil
}

// latency is how long after it was asked for an event came, in milliseconds:
// for half of the clients, for all but one in a hundred, and for the last.
type latency struct{ p50, p99, last float64 }

// one has everybody get single events, one after the other.
func (c *crowd) one(events int, trigger func(events int) error) (latency, error) {
	c.timed.Store(true)
	defer c.timed.Store(false)
	var all, lasts []float64
	for range events {
		c.count.Store(0)
		begin := time.Now()
		if err := trigger(1); err != nil {
			return latency{}, err
		}
		if err := c.waitFor(int64(len(c.conns))); err != nil {
			return latency{}, err
		}
		last := 0.0
		for range c.conns {
			ms := (<-c.times).Sub(begin).Seconds() * 1000
			all = append(all, ms)
			last = max(last, ms)
		}
		lasts = append(lasts, last)
		time.Sleep(5 * time.Millisecond)
	}
	slices.Sort(all)
	slices.Sort(lasts)
	return latency{all[len(all)/2], all[len(all)*99/100], lasts[len(lasts)/2]}, nil
}
