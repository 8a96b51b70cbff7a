package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A client that costs little beside the server that it measures: the request is
// written as it is, and of the answer only the status and the length are read.

// connection is one kept-alive connection.
type connection struct {
	net.Conn
	in *bufio.Reader
}

func dial(addr string) (*connection, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &connection{conn, bufio.NewReaderSize(conn, 16<<10)}, nil
}

var lengthHeader = []byte("Content-Length: ")

// do sends a request and reads its answer.
func (c *connection) do(request []byte, keep bool) (status int, body []byte, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("answer begins with %q", line)
	}
	length := 0
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if len(line) > len(lengthHeader) && bytes.EqualFold(line[:len(lengthHeader)], lengthHeader) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthHeader):]))); err != nil {
				return 0, nil, err
			}
		}
	}
	if keep {
		body = make([]byte, length)
		_, err = io.ReadFull(c.in, body)
		return status, body, err
	}
	_, err = c.in.Discard(length)
	return status, nil, err
}

// request returns the bytes of a request.
func request(method, path, body string, headers ...string) []byte {
	text := method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n"
	for _, header := range headers {
		text += header + "\r\n"
	}
	if body != "" {
		text += "Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return []byte(text + "\r\n" + body)
}

// rate returns how many requests a second so many connections get answered,
// each with one under way.
func rate(addr string, connections int, during time.Duration, status int, request []byte) (float64, error) {
	var (
		work  sync.WaitGroup
		count atomic.Int64
		fault atomic.Pointer[error]
		begin = time.Now()
		end   = begin.Add(during)
	)
	for range connections {
		conn, err := dial(addr)
		if err != nil {
			return 0, err
		}
		work.Go(func() {
			defer conn.Close()
			for n := int64(0); ; n++ {
				if !time.Now().Before(end) {
					count.Add(n)
					return
				}
				got, _, err := conn.do(request, false)
				if err == nil && got != status {
					err = fmt.Errorf("%s: status %d, not %d", strings.SplitN(string(request), "\r\n", 2)[0], got, status)
				}
				if err != nil {
					fault.Store(&err)
					return
				}
			}
		})
	}
	work.Wait()
	if err := fault.Load(); err != nil {
		return 0, *err
	}
	return float64(count.Load()) / time.Since(begin).Seconds(), nil
}
