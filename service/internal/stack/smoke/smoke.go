// Package smoke tries a standing stack from outside: the page, the API and the
// WebSocket through the address a browser would use.
//
// It is no substitute for tests: it makes one notebook, looks at the least
// that must work, and deletes it. Its invariant: it leaves the stack as it
// found it, also when a check fails.
package smoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Target is the stack to try.
type Target struct {
	Address string // scheme://host[:port], no path
	Token   string // bearer token of the API; "" where the API wants none
}

const (
	waitForRun = 60 // seconds; a first run starts a Python process
	stepLimit  = 90 * time.Second
)

type probe struct {
	target Target
	client *http.Client
}

// Run makes every check and returns the first that fails. passed, if not nil,
// is called with the name of each check that holds.
func Run(ctx context.Context, target Target, passed func(check string)) (err error) {
	p := &probe{target: target, client: &http.Client{
		Timeout:       stepLimit,
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	notebook := ""
	defer func() {
		if notebook != "" {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			if deleteErr := p.delete(ctx, notebook); deleteErr != nil && err == nil {
				err = fmt.Errorf("smoke test: delete the notebook: %w", deleteErr)
			}
		}
	}()
	for _, check := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"the page is served", func(ctx context.Context) error { return p.page(ctx, "/") }},
		{"an address within the app gives the app", func(ctx context.Context) error { return p.page(ctx, "/notebooks/smoke-test") }},
		{"an unknown API path is a JSON 404", p.unknownPath},
		{"the service is healthy", p.health},
		{"a change is seen by what depends on it", func(ctx context.Context) error { return p.dependents(ctx, &notebook) }},
		{"the WebSocket begins with a snapshot", func(ctx context.Context) error { return p.socket(ctx, notebook) }},
	} {
		if err := check.run(ctx); err != nil {
			return fmt.Errorf("smoke test: %s: %w", check.name, err)
		}
		if passed != nil {
			passed(check.name)
		}
	}
	return nil
}

// call sends a request and returns the answer with its body read.
func (p *probe) call(ctx context.Context, method, path string, body any) (*http.Response, []byte, error) {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, nil, err
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, p.target.Address+path, reader)
	if err != nil {
		return nil, nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if p.target.Token != "" && strings.HasPrefix(path, "/api/") {
		request.Header.Set("Authorization", "Bearer "+p.target.Token)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	return response, text, err
}

// want sends a request and decodes the answer of the expected status.
func (p *probe) want(ctx context.Context, status int, method, path string, body, into any) error {
	response, text, err := p.call(ctx, method, path, body)
	if err != nil {
		return err
	}
	if response.StatusCode != status {
		return fmt.Errorf("%s %s answered %d, not %d: %s", method, path, response.StatusCode, status, excerpt(text))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s %s: %w in %s", method, path, err, excerpt(text))
	}
	return nil
}

func (p *probe) page(ctx context.Context, path string) error {
	response, text, err := p.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	kind := response.Header.Get("Content-Type")
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/html") || !bytes.Contains(text, []byte(`<div id="root"`)) {
		return fmt.Errorf("GET %s answered %d %s without the app: %s", path, response.StatusCode, kind, excerpt(text))
	}
	return nil
}

func (p *probe) unknownPath(ctx context.Context) error {
	const path = "/api/nope"
	response, text, err := p.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	kind := response.Header.Get("Content-Type")
	if response.StatusCode != http.StatusNotFound || !strings.HasPrefix(kind, "application/problem+json") || !json.Valid(text) {
		return fmt.Errorf("GET %s answered %d %s: %s", path, response.StatusCode, kind, excerpt(text))
	}
	return nil
}

func (p *probe) health(ctx context.Context) error {
	var health struct {
		Status string `json:"status"`
	}
	if err := p.want(ctx, http.StatusOK, http.MethodGet, "/health", nil, &health); err != nil {
		return err
	}
	if health.Status != "ok" {
		return fmt.Errorf("GET /health says %q", health.Status)
	}
	return nil
}

type cell struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Outputs []struct {
		Kind string         `json:"kind"`
		Data map[string]any `json:"data"`
	} `json:"outputs"`
}

type run struct {
	Status   string   `json:"status"`
	Order    []string `json:"order"`
	Notebook struct {
		Cells []cell `json:"cells"`
	} `json:"notebook"`
}

// dependents runs two cells of which one needs the other, changes the first,
// runs that one alone, and looks for the second's new result.
func (p *probe) dependents(ctx context.Context, notebook *string) error {
	var made struct {
		ID    string `json:"id"`
		Cells []cell `json:"cells"`
	}
	err := p.want(ctx, http.StatusCreated, http.MethodPost, "/api/notebooks", map[string]any{
		"name":  "Smoke test",
		"cells": []map[string]any{{"kind": "python", "source": "smoke = 20"}, {"kind": "python", "source": "smoke + 1"}},
	}, &made)
	if err != nil {
		return err
	}
	*notebook = made.ID
	if len(made.Cells) != 2 {
		return fmt.Errorf("the notebook was made with %d cells, not 2", len(made.Cells))
	}
	path := "/api/notebooks/" + made.ID
	if err := p.result(ctx, path, nil, "21"); err != nil {
		return err
	}
	first := made.Cells[0].ID
	if err := p.want(ctx, http.StatusOK, http.MethodPatch, path+"/cells/"+first, map[string]any{"source": "smoke = 41"}, nil); err != nil {
		return err
	}
	return p.result(ctx, path, []string{first}, "42")
}

func (p *probe) result(ctx context.Context, path string, cells []string, want string) error {
	var finished run
	body := map[string]any{}
	if cells != nil {
		body["cells"] = cells
	}
	if err := p.want(ctx, http.StatusOK, http.MethodPost, fmt.Sprintf("%s/run?wait=%d", path, waitForRun), body, &finished); err != nil {
		return err
	}
	if finished.Status != "ok" || len(finished.Notebook.Cells) != 2 {
		return fmt.Errorf("the run ended with %q", finished.Status)
	}
	for _, output := range finished.Notebook.Cells[1].Outputs {
		if output.Kind == "result" && output.Data["text/plain"] == want {
			return nil
		}
	}
	return fmt.Errorf("the second cell does not show %s", want)
}

func (p *probe) socket(ctx context.Context, notebook string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	address := "ws" + strings.TrimPrefix(p.target.Address, "http") + "/api/ws/notebooks/" + notebook
	header := http.Header{"Origin": {p.target.Address}} // as a browser on this page would say
	if p.target.Token != "" {
		header.Set("Authorization", "Bearer "+p.target.Token)
	}
	conn, response, err := websocket.DefaultDialer.DialContext(ctx, address, header)
	if err != nil {
		if response != nil {
			return fmt.Errorf("the handshake was answered by %d: %w", response.StatusCode, err)
		}
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetReadDeadline(deadline)
	}
	var first struct {
		Type     string `json:"type"`
		Notebook struct {
			ID string `json:"id"`
		} `json:"notebook"`
	}
	if err := conn.ReadJSON(&first); err != nil {
		return err
	}
	if first.Type != "snapshot" || first.Notebook.ID != notebook {
		return fmt.Errorf("the first message is %q of notebook %q", first.Type, first.Notebook.ID)
	}
	return nil
}

func (p *probe) delete(ctx context.Context, notebook string) error {
	path := "/api/notebooks/" + notebook
	if err := p.want(ctx, http.StatusNoContent, http.MethodDelete, path, nil, nil); err != nil {
		return err
	}
	response, _, err := p.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusNotFound {
		return errors.New("it is still there")
	}
	return nil
}

func excerpt(text []byte) string {
	const limit = 300
	one := strings.Join(strings.Fields(string(text)), " ")
	if len(one) > limit {
		one = one[:limit] + "…"
	}
	return one
}
