package stack

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress tells the operator what goes on: a line for each step when it
// begins and when it ends, with the time since the command began. It may be
// used from several goroutines.
type Progress struct {
	mu    sync.Mutex
	out   io.Writer
	json  bool
	begun time.Time
}

// NewProgress writes lines for people, or one JSON object a line for machines.
func NewProgress(out io.Writer, asJSON bool) *Progress {
	return &Progress{out: out, json: asJSON, begun: time.Now()}
}

// Say writes one line.
func (p *Progress) Say(text string) { p.line(text, "note", 0, nil) }

// Step begins a step; the returned function ends it.
func (p *Progress) Step(name string) (end func(error)) {
	began := time.Now()
	p.line(name, "begin", 0, nil)
	return func(err error) {
		state := "done"
		if err != nil {
			state = "failed"
		}
		p.line(name, state, time.Since(began), err)
	}
}

// Ready writes the address of the stack that stands. For people it is the
// last line of the command, with the token in the fragment, which a browser
// keeps to itself; machines read the token from Secrets Manager, where it is.
func (p *Progress) Ready(address, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		p.encode(map[string]any{"state": "ready", "address": address, "elapsed_ms": time.Since(p.begun).Milliseconds()})
		return
	}
	if token != "" {
		address += "/#token=" + token
	}
	fmt.Fprintf(p.out, "open %s\n", address)
}

func (p *Progress) line(name, state string, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.begun)
	if p.json {
		event := map[string]any{"step": name, "state": state, "elapsed_ms": elapsed.Milliseconds()}
		if state == "done" || state == "failed" {
			event["took_ms"] = took.Milliseconds()
		}
		if err != nil {
			event["error"] = err.Error()
		}
		p.encode(event)
		return
	}
	switch state {
	case "done":
		fmt.Fprintf(p.out, "%7.1fs  %s: done in %.1fs\n", elapsed.Seconds(), name, took.Seconds())
	case "failed":
		fmt.Fprintf(p.out, "%7.1fs  %s: failed after %.1fs\n", elapsed.Seconds(), name, took.Seconds())
	default:
		fmt.Fprintf(p.out, "%7.1fs  %s\n", elapsed.Seconds(), name)
	}
}

func (p *Progress) encode(event map[string]any) {
	_ = json.NewEncoder(p.out).Encode(event) // standard output is gone: nobody reads
}
