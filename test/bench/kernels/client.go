package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// patience bounds every wait for one answer.
const patience = 2 * time.Minute

// book is a notebook of the service with a WebSocket open on it.
type book struct {
	id    string
	cells []string // ids in page order
	conn  *websocket.Conn
	bytes int // received since the last run began
}

type event struct {
	Type    string `json:"type"`
	CellID  string `json:"cell_id"`
	Status  string `json:"status"`
	OK      *bool  `json:"ok"`
	Problem any    `json:"problem"`
}

type cell struct {
	Kind   string `json:"kind"`
	Source string `json:"source"`
}

// call makes a request of the API and decodes its answer.
func call(ctx context.Context, method, url string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %.300s", method, url, response.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// open makes a notebook of the sources and connects to it.
func open(ctx context.Context, service string, sources ...string) (*book, error) {
	cells := make([]cell, len(sources))
	for i, source := range sources {
		cells[i] = cell{"python", source}
	}
	var made struct {
		ID    string
		Cells []struct{ ID string }
	}
	if err := call(ctx, http.MethodPost, service+"/api/notebooks", map[string]any{"name": "Benchmark", "cells": cells}, &made); err != nil {
		return nil, err
	}
	b := &book{id: made.ID}
	for _, c := range made.Cells {
		b.cells = append(b.cells, c.ID)
	}
	conn, response, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(service, "http")+"/api/ws/notebooks/"+made.ID, nil)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	b.conn = conn
	return b, b.until(func(e event) bool { return e.Type == "snapshot" })
}

// until reads events until done says so of one.
func (b *book) until(done func(event) bool) error {
	if err := b.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for {
		_, data, err := b.conn.ReadMessage()
		if err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		b.bytes += len(data)
		var e event
		if err := json.Unmarshal(data, &e); err != nil {
			return err
		}
		if e.OK != nil && !*e.OK {
			return fmt.Errorf("the service refused: %v", e.Problem)
		}
		if done(e) {
			return nil
		}
		if e.Type == "run.finished" && e.Status != "ok" {
			return fmt.Errorf("the run ended with status %q", e.Status)
		}
	}
}

// run asks for cells, every cell without any, and waits for the run's end.
func (b *book) run(cells ...string) error {
	b.bytes = 0
	if err := b.conn.WriteJSON(map[string]any{"type": "run", "cells": append([]string{}, cells...)}); err != nil {
		return err
	}
	return b.finished()
}

func (b *book) finished() error {
	return b.until(func(e event) bool { return e.Type == "run.finished" && e.Status == "ok" })
}

// edit saves a cell's source and runs it, as Shift-Enter does, and returns how
// long it took until the cell began, in seconds.
func (b *book) edit(id, source string) (float64, error) {
	begin := time.Now()
	if err := b.conn.WriteJSON(map[string]any{"type": "cell.update", "cell_id": id, "source": source}); err != nil {
		return 0, err
	}
	if err := b.conn.WriteJSON(map[string]any{"type": "run", "cells": []string{id}}); err != nil {
		return 0, err
	}
	if err := b.until(func(e event) bool { return e.Type == "cell.status" && e.CellID == id && e.Status == "running" }); err != nil {
		return 0, err
	}
	elapsed := time.Since(begin).Seconds()
	return elapsed, b.finished()
}

// close deletes the notebook, and its kernel with it.
func (b *book) close(ctx context.Context, service string) error {
	defer b.conn.Close()
	return call(ctx, http.MethodDelete, service+"/api/notebooks/"+b.id, nil, nil)
}

// result returns the plain text of a cell's last output.
func (b *book) result(ctx context.Context, service, id string) (string, error) {
	var got struct {
		Cells []struct {
			ID      string
			Outputs []struct{ Data map[string]any }
		}
	}
	if err := call(ctx, http.MethodGet, service+"/api/notebooks/"+b.id, nil, &got); err != nil {
		return "", err
	}
	for _, c := range got.Cells {
		if c.ID == id && len(c.Outputs) > 0 {
			text, _ := c.Outputs[len(c.Outputs)-1].Data["text/plain"].(string)
			return text, nil
		}
	}
	return "", fmt.Errorf("cell %s has no output", id)
}
