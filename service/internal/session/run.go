package session

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/reactive"
)

// request queues what was asked for.
func (s *Session) request(r RunRequest) (*run, error) {
	if r.Stale && len(r.Cells) > 0 {
		return nil, &notebook.FieldError{Field: "stale", Message: "name cells or ask for the stale ones, not both"}
	}
	for i, id := range r.Cells {
		if !s.engine.Has(id) {
			return nil, unknownCell(fmt.Sprintf("cells.%d", i), id)
		}
	}
	cells := r.Cells
	switch {
	case r.Stale:
		cells = s.engine.Stale()
	case len(cells) == 0:
		cells = s.engine.All()
	}
	return s.begin(s.engine.Request(cells), true), nil
}

// begin starts a run with what the plan queued, or adds it to the run under
// way. If nobody asked for a run, none begins that would run nothing.
func (s *Session) begin(plan reactive.Plan, asked bool) *run {
	if len(plan.Cells) == 0 && (!asked || s.run != nil) {
		s.report()
		return s.run
	}
	r := s.run
	if r == nil {
		r = &run{
			id: notebook.NewID(), done: make(chan struct{}), begun: time.Now(), status: RunRunning,
			order: []string{}, reasons: map[string]reactive.Reason{}, session: s,
		}
		s.run = r
		s.idleSince.Store(0)
		s.announced = time.Time{} // that it has begun is told at once
	}
	r.failed = r.failed || plan.Failed
	for id, reason := range plan.Reasons {
		r.reasons[id] = reason
	}
	s.emit("run.started", runStarted{r.id, append(append([]string{}, r.order...), s.engine.Queue()...), r.reasons})
	s.report()
	s.pump()
	return r
}

// pump gives the kernel the next cell, if it is free.
func (s *Session) pump() {
	for s.run != nil && s.running == "" {
		if !s.engine.Busy() {
			s.finishRun()
			return
		}
		if s.kernel == nil {
			s.startKernel()
			return
		}
		step, ok := s.engine.Next()
		if !ok {
			return
		}
		cell := s.page.thaw(s.page.cell(step.Cell))
		s.run.order = append(s.run.order, cell.ID)
		delete(s.full, cell.ID)
		if len(cell.Outputs) > 0 {
			cell.Outputs = []notebook.Output{}
			s.emit("cell.cleared", cellCleared{cell.ID})
		}
		now := notebook.Now()
		cell.ExecutionCount, cell.StartedAt, cell.DurationMS = cell.ExecutionCount+1, &now, nil
		s.setKernel(notebook.KernelBusy, "")
		s.report()
		s.running = cell.ID
		if cell.Kind == notebook.SQL {
			s.startSQL(cell, step.Remove)
			continue
		}
		err := s.kernel.Run(kernel.Request{
			CellID: cell.ID, Source: cell.Source, Remove: step.Remove, Forget: s.deleted, Defines: step.Defines,
			Timeout: s.m.opt.CellTimeout,
		})
		s.deleted = nil
		if err != nil {
			s.lostKernel(kernel.Died{Reason: err.Error(), Cause: kernel.CauseUnknown, CellID: cell.ID})
		}
	}
}

// handle takes an event of the kernel.
func (s *Session) handle(e kernel.Event) {
	switch e := e.(type) {
	case kernel.Output:
		s.output(e.CellID, e.Output)
	case kernel.Finished:
		if s.running == e.CellID {
			s.finishCell(e.Error, e.Duration)
			s.pump()
		}
	case kernel.Died:
		s.lostKernel(e)
	}
}

// output appends to what a cell shows. A stream's text joins the output before
// it, if that is of the same stream.
func (s *Session) output(id string, o notebook.Output) {
	cell := s.page.cell(id)
	if cell == nil || cell.Kind == notebook.Markdown {
		return // deleted, or text by now, and what it started still prints
	}
	size := 0
	for _, before := range cell.Outputs {
		size += before.Size()
	}
	if _, full := s.full[id]; full {
		return
	}
	reason := ""
	switch {
	case len(cell.Outputs) >= maxOutputs || size+o.Size() > maxOutputSize:
		reason = fmt.Sprintf("This cell shows more than %d outputs or %d MiB", maxOutputs, maxOutputSize>>20)
	case size+o.Size() > smallOutputs && s.outputSize()+o.Size() > s.m.opt.MaxOutputBytes:
		reason = fmt.Sprintf("The cells of this notebook show more than %d MiB", s.m.opt.MaxOutputBytes>>20)
	}
	if reason != "" {
		s.full[id] = struct{}{}
		o = notebook.Output{Kind: notebook.OutputStream, Stream: "stderr", Text: "\n" + reason + ": the rest is left out.\n"}
		cell.Outputs = append(s.page.thaw(cell).Outputs, o)
		s.emit("cell.output", cellOutput{id, s.runID(), o})
		s.keep(id)
		return
	}
	s.page.thaw(cell)
	if last := len(cell.Outputs) - 1; last >= 0 && o.Kind == notebook.OutputStream &&
		cell.Outputs[last].Kind == notebook.OutputStream && cell.Outputs[last].Stream == o.Stream {
		cell.Outputs[last].Text += o.Text
	} else {
		cell.Outputs = append(cell.Outputs, o)
	}
	s.emit("cell.output", cellOutput{id, s.runID(), o})
	s.keep(id)
}

// outputSize is about how many bytes the outputs of all cells take.
func (s *Session) outputSize() (size int) {
	for _, cell := range s.doc.Cells {
		for _, o := range cell.Outputs {
			size += o.Size()
		}
	}
	return size
}

func (s *Session) runID() *string {
	if s.run == nil {
		return nil
	}
	return &s.run.id
}

// finishCell takes down how the running cell ended.
func (s *Session) finishCell(err *notebook.CellError, took time.Duration) {
	cell := s.page.cell(s.running)
	s.running = ""
	if cell != nil {
		if cell.Kind != notebook.Markdown { // which it may have become meanwhile
			ms := float64(took.Microseconds()) / 1000
			s.page.thaw(cell).DurationMS = &ms
		}
		s.run.failed = s.run.failed || err != nil
		s.m.opt.Record.CellRan(cell.Kind, err, took)
		s.keep(cell.ID)
	}
	s.engine.Finish(err)
	s.report()
}

func (s *Session) finishRun() {
	r := s.run
	s.run = nil
	switch {
	case r.interrupted:
		r.status = RunInterrupted
	case r.failed:
		r.status = RunError
	default:
		r.status = RunOK
	}
	if s.kernel != nil {
		s.setKernel(notebook.KernelIdle, "")
		s.idleSince.Store(time.Now().UnixNano())
	}
	s.used = time.Now()
	s.emit("run.finished", runFinished{r.id, r.status, float64(time.Since(r.begun).Microseconds()) / 1000})
	if s.closing {
		r.last = s.snapshot() // who waits can't ask for it any more
	}
	close(r.done)
	s.save()
}

// manyEvents is how many are published in one go, on a machine with one
// processor, before those who write them have their turn.
const manyEvents = 256

// report carries out what the engine decided: outputs that go, states that
// changed, names that leave the kernel.
func (s *Session) report() {
	for _, id := range s.engine.TakeCleared() {
		if cell := s.page.cell(id); cell != nil && len(cell.Outputs) > 0 {
			s.page.thaw(cell).Outputs = []notebook.Output{}
			s.emit("cell.cleared", cellCleared{id})
			s.keep(id)
		}
	}
	for _, id := range s.engine.TakeReread() {
		cell, references := s.page.cell(id), s.engine.References(id)
		if !slices.Equal(cell.References, references) {
			cell = s.page.thaw(cell)
			cell.References = references
			s.emit("cell.updated", cellUpdated{cellWithoutOutputs{Cell: s.page.frozen(cell)}, s.doc.Version})
		}
	}
	for i, id := range s.engine.TakeChanges() {
		if i%manyEvents == manyEvents-1 {
			runtime.Gosched() // else they fill the queues of clients that are not slow
		}
		cell := s.page.thaw(s.page.cell(id))
		show(s.engine, cell)
		s.emit("cell.status", cellStatus{
			id, s.runID(), cell.Status, cell.Error, cell.BlockedBy, cell.ExecutionCount, cell.DurationMS,
		})
		s.keep(id)
	}
	if s.running == "" && !s.engine.Busy() {
		names := s.engine.TakeRemovals()
		if s.kernel != nil && len(names)+len(s.deleted) > 0 {
			s.announceNow()
			if err := s.kernel.Forget(names, s.deleted); err != nil {
				s.lostKernel(kernel.Died{Reason: err.Error(), Cause: kernel.CauseUnknown})
			}
		}
		s.deleted = nil
	}
}

// interrupt stops the running cell and drops the queue.
func (s *Session) interrupt() {
	s.engine.Interrupt()
	if s.run == nil {
		return
	}
	s.run.interrupted = true
	s.report()
	if s.running != "" {
		s.stopCell()
		return
	}
	s.pump()
}

// stopCell interrupts the running cell.
func (s *Session) stopCell() {
	if s.sql != nil {
		s.sql.cancel()
		return
	}
	s.kernel.Interrupt()
}

func (s *Session) restart(all bool) error {
	s.stopKernel("the kernel was restarted")
	s.startKernel()
	if !all {
		return nil
	}
	_, err := s.request(RunRequest{})
	return err
}

// quietKernel returns the kernel, or nil if there is none, or ErrBusy.
func (s *Session) quietKernel() (*kernel.Kernel, error) {
	if s.run != nil && s.kernel != nil {
		return nil, ErrBusy
	}
	return s.kernel, nil
}

// startKernel has a kernel made; loop gets it by starting.
func (s *Session) startKernel() {
	if s.starting != nil {
		return
	}
	s.setKernel(notebook.KernelStarting, "")
	starting := make(chan started, 1)
	s.starting = starting
	go func() {
		ctx, cancel := context.WithTimeout(s.m.ctx, kernelStart)
		defer cancel()
		var k started
		if k.err = s.m.slots.take(ctx, s); k.err == nil {
			k.kernel, k.err = s.m.opt.Kernels.Start(ctx)
		}
		starting <- k
	}()
}

const kernelStart = time.Minute // for a kernel to start, the imports of a new parent included

func (s *Session) gotKernel(k started) {
	s.starting = nil
	if k.err != nil {
		s.m.opt.Log.ErrorContext(s.about, "kernel did not start", "error", k.err)
		s.m.slots.free(s)
		s.engine.KernelGone()
		s.setKernel(notebook.KernelDead, "the kernel did not start: "+k.err.Error())
		if s.run != nil {
			s.run.failed = true
		}
		s.report()
		s.pump()
		return
	}
	s.kernel = k.kernel
	s.setKernel(notebook.KernelIdle, "")
	s.idleSince.Store(time.Now().UnixNano())
	if s.run != nil {
		s.idleSince.Store(0)
	}
	s.pump()
}

// lostKernel goes on without a kernel that ended by itself.
func (s *Session) lostKernel(d kernel.Died) {
	s.m.opt.Log.ErrorContext(s.about, "kernel died", "reason", d.Cause, "detail", d.Reason, "cell", d.CellID)
	s.m.opt.Record.KernelDied(d.Cause)
	s.dropKernel()
	kind := d.Kind
	if kind == "" {
		kind = notebook.ErrKernelDied
	}
	s.setKernel(notebook.KernelDead, d.Reason)
	s.endRun(notebook.NewError(kind, "KernelDied", d.Reason))
}

// stopKernel ends the kernel, if there is one, and the run that it is in.
func (s *Session) stopKernel(reason string) {
	if s.kernel == nil && s.starting == nil {
		return
	}
	s.dropKernel()
	s.setKernel(notebook.KernelNone, reason)
	if s.run != nil {
		s.run.interrupted = true
	}
	s.endRun(notebook.NewError(notebook.ErrInterrupted, "KeyboardInterrupt", reason))
}

// stopIdle ends a kernel that does nothing.
func (s *Session) stopIdle(reason string) {
	if s.run == nil {
		s.stopKernel(reason)
	}
}

// endRun ends the run whose kernel is gone.
func (s *Session) endRun(err *notebook.CellError) {
	if id := s.running; id != "" {
		s.output(id, errorOutput(err))
		took := time.Duration(0)
		if cell := s.page.cell(id); cell != nil && cell.StartedAt != nil {
			took = time.Since(cell.StartedAt.Time)
		}
		s.finishCell(err, took)
	}
	s.engine.KernelGone()
	s.report()
	s.pump()
}

func errorOutput(err *notebook.CellError) notebook.Output {
	return notebook.Output{Kind: notebook.OutputError, Name: err.Name, Message: err.Message, Traceback: err.Traceback}
}

// dropKernel lets go of the kernel, which ends with all that it started, and
// of the SQL cell that was run for it.
func (s *Session) dropKernel() {
	if s.sql != nil {
		s.sql.cancel()
		s.sql = nil
	}
	if starting := s.starting; starting != nil {
		s.starting = nil
		go func() {
			if k := <-starting; k.kernel != nil {
				s.close(k.kernel)
			}
		}()
	}
	if k := s.kernel; k != nil {
		s.kernel = nil
		s.close(k)
	}
	s.idleSince.Store(0)
	s.m.slots.free(s)
}

func (s *Session) close(k *kernel.Kernel) {
	s.announceNow()
	if err := k.Close(); err != nil {
		s.m.opt.Log.ErrorContext(s.about, "kernel did not stop cleanly", "error", err)
	}
	go func() {
		for range k.Events() { // what it had still to say
		}
	}()
}

func (s *Session) setKernel(status notebook.KernelStatus, reason string) {
	next := notebook.Kernel{Status: status}
	if reason != "" {
		next.Reason = &reason
	}
	now := s.doc.Kernel
	if now.Status == next.Status && equal(now.Reason, next.Reason) {
		return
	}
	s.doc.Kernel = next
	s.status.Store(status)
	s.m.kernelChanges.Add(1)
	s.emit("kernel.status", next)
}

// keep makes the results of a cell be written to the store soon.
func (s *Session) keep(id string) {
	s.ran[id] = struct{}{}
	if s.flushAt == nil {
		s.flushAt = time.After(flushEvery)
	}
}

// save begins to write the results that are not in the store yet.
func (s *Session) save() {
	if s.saving != nil || len(s.ran) == 0 {
		return
	}
	s.writing, s.ran = s.ran, map[string]struct{}{}
	change := Change{Notebook: s.snapshot()}
	for id := range s.writing {
		change.Ran = append(change.Ran, id)
	}
	saving := make(chan error, 1)
	s.saving = saving
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		saving <- s.m.opt.Store.Apply(ctx, change)
	}()
}

// lastSaves is how often the last results of a session that ends are tried to
// be written, lastPause the time between.
const (
	lastSaves = 5
	lastPause = 300 * time.Millisecond
)

// saved takes down how the write ended. What was not written is tried again,
// but not for ever if the session is about to end.
func (s *Session) saved(err error) {
	s.saving = nil
	switch {
	case err == nil:
		s.unsaved = 0
	case errors.Is(err, ErrNotFound):
		s.endDeleted()
	default:
		s.m.opt.Log.ErrorContext(s.about, "results were not saved", "error", err, "cells", len(s.writing))
		if s.unsaved++; s.closing && s.unsaved < lastSaves {
			time.Sleep(lastPause) // nothing else is left to do
		}
		if !s.closing || s.unsaved < lastSaves {
			for id := range s.writing {
				s.keep(id)
			}
		}
	}
	s.writing = nil
	switch {
	case len(s.ran) == 0:
		for _, w := range s.waiting {
			close(w)
		}
		s.waiting = nil
	case s.run == nil && err == nil:
		s.save() // what came while the rest was written
	case s.flushAt == nil:
		s.flushAt = time.After(flushEvery)
	}
}

// endDeleted ends the session of a notebook that was deleted.
func (s *Session) endDeleted() {
	s.events.End(events.ErrDeleted)
	s.stopKernel("the notebook was deleted")
	clear(s.ran)
	s.closing = true
}

// kept returns a channel that is closed when the results that are there now
// are in the store.
func (s *Session) kept() <-chan struct{} {
	w := make(chan struct{})
	if len(s.ran) == 0 && s.saving == nil {
		close(w)
		return w
	}
	s.waiting = append(s.waiting, w)
	s.save()
	return w
}

// finishSaving waits for the write under way.
func (s *Session) finishSaving() {
	for s.saving != nil {
		s.saved(<-s.saving)
	}
}
