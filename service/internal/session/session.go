package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/logs"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/reactive"
)

// Session is one open notebook. Its fields belong to the goroutine of loop,
// but for the channels and the atomics.
type Session struct {
	m     *Manager
	about context.Context // for log lines: whose call is carried out, and the notebook
	own   context.Context // what it is between calls
	calls chan func()     // for loop to carry out, one after the other
	done  chan struct{}   // closed when loop has ended

	idleSince atomic.Int64 // Unix nanoseconds since when the kernel could be stopped; 0: it can't
	status    atomic.Value // of the kernel: a notebook.KernelStatus
	compared  atomic.Int64 // Unix nanoseconds when the notebook was last read from the store

	doc    *notebook.Notebook
	page   *page // the cells of doc
	engine *reactive.Engine
	events *events.Log

	kernel   *kernel.Kernel
	starting chan started        // of the kernel that is being started, else nil
	running  string              // the cell that runs, or ""
	sql      *sqlStep            // how, if it is a SQL cell, else nil
	full     map[string]struct{} // cells the rest of whose outputs is left out
	deleted  []string            // cells that the kernel has still to forget
	run      *run

	ran     map[string]struct{} // cells whose results are not in the store yet
	writing map[string]struct{} // cells whose results are being written
	saving  chan error          // of that write, else nil
	waiting []chan struct{}     // to be closed when all results are in the store
	unsaved int                 // writes of results that failed, one after the other
	flushAt <-chan time.Time    // when the next write of results is due
	used    time.Time           // when somebody last asked for something
	closing bool

	unannounced bool             // there are events that clients were not woken for
	announced   time.Time        // when they last were
	announceAt  <-chan time.Time // when they are next, at the latest
}

type started struct {
	kernel *kernel.Kernel
	err    error
}

// run is a run of cells. Its fields belong to the session's goroutine, but for
// id and done.
type run struct {
	id          string
	done        chan struct{} // closed when it has finished
	begun       time.Time
	status      RunStatus
	order       []string // cells as they started
	reasons     map[string]reactive.Reason
	failed      bool
	interrupted bool
	last        *notebook.Notebook // as the run left it, if the session ends with it
	session     *Session
}

const (
	flushEvery    = 2 * time.Second  // results are written at most so often during a run
	announceEvery = time.Millisecond // clients are woken at most so often during a run
	tick          = 10 * time.Second // how often idleness is looked at
	closeGrace    = 5 * time.Second  // for an interrupted cell to end when the service stops
	maxOutputs    = 5_000            // of one cell
	maxOutputSize = 32 << 20         // bytes of one cell's outputs
	smallOutputs  = 64 << 10         // bytes of one cell's outputs that are kept however many the notebook has
)

func (m *Manager) newSession(ctx context.Context, doc *notebook.Notebook) (*Session, error) {
	engine, err := m.engine(ctx, doc)
	if err != nil {
		return nil, err
	}
	s := &Session{
		m: m, own: logs.With(context.Background(), slog.String(logs.Notebook, doc.ID)),
		calls: make(chan func()), done: make(chan struct{}),
		doc: doc, page: newPage(doc.Cells), engine: engine, events: events.NewLog(notebook.NewID(), events.DefaultLimits),
		ran: map[string]struct{}{}, full: map[string]struct{}{}, used: time.Now(),
	}
	s.about = s.own
	doc.Kernel = notebook.Kernel{Status: notebook.KernelNone}
	s.status.Store(notebook.KernelNone)
	s.compared.Store(time.Now().UnixNano())
	for _, c := range doc.Cells {
		show(engine, c)
	}
	return s, nil
}

func (s *Session) kernelStatus() notebook.KernelStatus {
	return s.status.Load().(notebook.KernelStatus)
}

// loop owns the session until nobody needs it any more.
func (s *Session) loop() {
	defer close(s.done)
	period := tick
	if limit := s.m.opt.IdleTimeout; limit > 0 {
		period = min(period, limit)
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	stop := s.m.ctx.Done()
	var deadline <-chan time.Time
	for !s.ended() {
		s.announce()
		var fromKernel <-chan kernel.Event
		if s.kernel != nil {
			fromKernel = s.kernel.Events()
		}
		var fromSQL <-chan sqlEnd
		if s.sql != nil {
			fromSQL = s.sql.ended
		}
		select {
		case call := <-s.calls:
			s.used = time.Now()
			call()
		case e, open := <-fromKernel:
			if open {
				s.handle(e)
			} else {
				s.lostKernel(kernel.Died{Reason: "the kernel ended", Cause: kernel.CauseUnknown})
			}
		case end := <-fromSQL:
			s.endSQL(end)
		case k := <-s.starting:
			s.gotKernel(k)
		case err := <-s.saving:
			s.saved(err)
		case <-s.flushAt:
			s.flushAt = nil
			s.save()
		case <-s.announceAt:
			s.announceNow()
		case <-ticker.C:
			s.rest()
		case <-stop:
			stop = nil
			s.closing = true
			s.interrupt()
			deadline = time.After(closeGrace)
		case <-deadline:
			s.stopKernel("the service is stopping")
		}
	}
}

// ended tells whether the session has nothing left to do, after it did the last.
func (s *Session) ended() bool {
	if !s.closing || s.run != nil || s.saving != nil {
		return false
	}
	s.stopKernel("")
	if len(s.ran) > 0 {
		s.save()
		return false
	}
	s.events.End(events.ErrDraining)
	s.m.slots.free(s)
	return true
}

// rest stops what has been idle for long: first the kernel, then the session.
func (s *Session) rest() {
	if s.run != nil || s.events.Clients() > 0 {
		return
	}
	idle := time.Since(s.used)
	if limit := s.m.opt.IdleTimeout; s.kernel != nil && limit > 0 && idle >= limit {
		s.stopIdle(fmt.Sprintf("stopped after %v without use", limit))
	}
	if s.kernel == nil && s.starting == nil && idle >= closeIdle {
		s.closing = true
	}
}

// emit publishes an event; see announce.
func (s *Session) emit(typ string, fields any) {
	s.unannounced = true
	if err := s.events.Add(typ, fields); err != nil {
		s.m.opt.Log.ErrorContext(s.about, "event was not published", "type", typ, "error", err)
	}
}

// announce wakes clients for what was published, at the end of each step of
// loop. In a run that is at most once in announceEvery, and at its end: to send
// what a small cell says costs more than to run it.
func (s *Session) announce() {
	switch {
	case !s.unannounced:
	case s.run == nil || time.Since(s.announced) >= announceEvery:
		s.announceNow()
	case s.announceAt == nil:
		s.announceAt = time.After(announceEvery)
	}
}

// announceNow is also for before what may take a while.
func (s *Session) announceNow() {
	s.events.Announce()
	s.unannounced, s.announced, s.announceAt = false, time.Now(), nil
}

// snapshot returns the notebook as it is now; the copy never changes.
func (s *Session) snapshot() *notebook.Notebook {
	n := *s.doc
	n.Cells = s.page.snapshot(s.doc.Cells)
	return &n
}

// compare ends the session if the notebook in the store is a later one than
// the one in memory here; nil is one that was deleted. Results alone are no
// reason to end a kernel.
func (s *Session) compare(kept *notebook.Notebook) error {
	switch {
	case kept == nil:
		s.endDeleted()
		return &outdatedError{ErrNotFound}
	case kept.Version > s.doc.Version:
		return s.outdated(&VersionError{Given: s.doc.Version, Current: kept.Version})
	case s.kernel != nil || s.starting != nil || s.run != nil:
		return nil
	}
	for _, c := range kept.Cells {
		if mine := s.page.cell(c.ID); mine != nil && c.ExecutionCount > mine.ExecutionCount {
			s.closing = true
			return &outdatedError{ErrBusy}
		}
	}
	return nil
}

func (s *Session) subscribe(epoch string, after uint64) (*events.Subscriber, error) {
	return s.events.Subscribe(epoch, after, func() (any, error) {
		return struct {
			Notebook *notebook.Notebook `json:"notebook"`
		}{s.snapshot()}, nil
	})
}

// commit makes a change to the document: f changes a draft and says what it
// did; the draft is written to the store, and only then it is the document.
func (s *Session) commit(ifMatch int64, f func(draft *notebook.Notebook) (Change, error)) error {
	if ifMatch != AnyVersion && ifMatch != s.doc.Version {
		return &VersionError{Given: ifMatch, Current: s.doc.Version}
	}
	draft := *s.doc
	draft.Cells = append([]*notebook.Cell{}, s.doc.Cells...)
	change, err := f(&draft)
	if err != nil {
		return err
	}
	s.finishSaving() // writes of one notebook come one after the other
	change.Base = s.doc.Version
	draft.Changed()
	kept := draft
	kept.Cells = s.page.snapshot(draft.Cells)
	change.Notebook = &kept
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := s.m.opt.Store.Apply(ctx, change); err != nil {
		return s.outdated(err)
	}
	s.doc, s.page = &draft, s.page.follow(draft.Cells, kept.Cells)
	return nil
}

// outdatedError says that what was asked for could not be done because another
// service has changed the notebook since this session read it. The session
// ends, and the next one can be asked again.
type outdatedError struct{ error }

func (e *outdatedError) Unwrap() error { return e.error }

// outdated ends the session if an error of the store tells that what is in
// memory here is not the notebook any more.
func (s *Session) outdated(err error) error {
	var version *VersionError
	if !errors.As(err, &version) && !errors.Is(err, ErrNotFound) {
		return err
	}
	s.m.opt.Log.WarnContext(s.about, "the notebook was changed by another service; it is read again", "error", err)
	s.closing = true
	s.interrupt()
	return &outdatedError{err}
}

// The fields of events.
type (
	notebookUpdated struct {
		Name    string        `json:"name"`
		Mode    notebook.Mode `json:"mode"`
		Version int64         `json:"version"`
	}
	cellCreated struct {
		Cell    *notebook.Cell `json:"cell"`
		After   *string        `json:"after"`
		Version int64          `json:"version"`
	}
	cellUpdated struct {
		Cell    cellWithoutOutputs `json:"cell"`
		Version int64              `json:"version"`
	}
	cellMoved struct {
		CellID  string  `json:"cell_id"`
		After   *string `json:"after"`
		Version int64   `json:"version"`
	}
	cellDeleted struct {
		CellID  string `json:"cell_id"`
		Version int64  `json:"version"`
	}
	cellCleared struct {
		CellID string `json:"cell_id"`
	}
	cellStatus struct {
		CellID         string              `json:"cell_id"`
		RunID          *string             `json:"run_id"`
		Status         notebook.Status     `json:"status"`
		Error          *notebook.CellError `json:"error"`
		BlockedBy      []string            `json:"blocked_by"`
		ExecutionCount int                 `json:"execution_count"`
		DurationMS     *float64            `json:"duration_ms"`
	}
	cellOutput struct {
		CellID string          `json:"cell_id"`
		RunID  *string         `json:"run_id"`
		Output notebook.Output `json:"output"`
	}
	runStarted struct {
		RunID   string                     `json:"run_id"`
		Cells   []string                   `json:"cells"`
		Reasons map[string]reactive.Reason `json:"reasons"`
	}
	runFinished struct {
		RunID      string    `json:"run_id"`
		Status     RunStatus `json:"status"`
		DurationMS float64   `json:"duration_ms"`
	}
)

// cellWithoutOutputs hides the outputs of the cell that it embeds.
type cellWithoutOutputs struct {
	*notebook.Cell
	Outputs *json.RawMessage `json:"outputs,omitempty"`
}

func (s *Session) update(ifMatch int64, p NotebookPatch) error {
	same := (p.Name == nil || *p.Name == s.doc.Name) && (p.Mode == nil || *p.Mode == s.doc.Mode)
	if same {
		return s.unchanged(ifMatch)
	}
	err := s.commit(ifMatch, func(draft *notebook.Notebook) (Change, error) {
		if p.Name != nil {
			draft.Name = *p.Name
		}
		if p.Mode != nil {
			draft.Mode = *p.Mode
		}
		return Change{}, nil
	})
	if err != nil {
		return err
	}
	s.engine.SetMode(s.doc.Mode)
	s.emit("notebook.updated", notebookUpdated{s.doc.Name, s.doc.Mode, s.doc.Version})
	return nil
}

func (s *Session) matches(ifMatch int64) error {
	if ifMatch != AnyVersion && ifMatch != s.doc.Version {
		return &VersionError{Given: ifMatch, Current: s.doc.Version}
	}
	return nil
}

// unchanged is for a change that would change nothing. Whether that is so, only
// the store knows if others write to it.
func (s *Session) unchanged(ifMatch int64) error {
	if err := s.matches(ifMatch); err != nil || !s.m.opt.SharedStore {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	kept, err := s.m.opt.Store.Get(ctx, s.doc.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return s.compare(kept)
}

func (s *Session) delete(ifMatch int64) error {
	if err := s.matches(ifMatch); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	base := s.doc.Version
	if ifMatch == AnyVersion {
		base = 0 // whatever it has become
	}
	if err := s.m.opt.Store.Delete(ctx, s.doc.ID, base); err != nil {
		return s.outdated(err)
	}
	s.endDeleted()
	s.finishSaving()
	clear(s.ran)
	return nil
}

func (s *Session) createCell(ifMatch int64, cell *notebook.Cell, at notebook.Place, a reactive.Analysis) error {
	err := s.commit(ifMatch, func(draft *notebook.Notebook) (Change, error) {
		if len(draft.Cells) >= notebook.MaxCells {
			return Change{}, &notebook.FieldError{Field: "cells", Message: fmt.Sprintf("a notebook has at most %d", notebook.MaxCells)}
		}
		if err := draft.Insert(cell, at); err != nil {
			return Change{}, err
		}
		return Change{Written: []string{cell.ID}, Moved: true}, draft.CheckSize()
	})
	if err != nil {
		return err
	}
	s.engine.Insert(source(cell, a), s.page.index(cell.ID))
	show(s.engine, s.page.thaw(cell))
	s.keep(cell.ID)
	s.emit("cell.created", cellCreated{s.page.frozen(cell), s.doc.Above(cell.ID), s.doc.Version})
	s.report()
	return nil
}

func (s *Session) updateCell(id string, ifMatch int64, p CellPatch) error {
	old := s.page.cell(id)
	if old == nil {
		return ErrCellNotFound
	}
	next := old.Clone()
	if p.Source != nil {
		next.Source = *p.Source
	}
	if p.Kind != nil {
		next.Kind = *p.Kind
	}
	if p.Disabled != nil {
		next.Disabled = *p.Disabled
	}
	if p.Connection != nil {
		next.Connection = *p.Connection
	}
	if p.Result != nil {
		next.Result = *p.Result
	}
	written := next.Source != old.Source || next.Kind != old.Kind || next.Disabled != old.Disabled ||
		!equal(next.Connection, old.Connection) || !equal(next.Result, old.Result)
	moved, err := s.moves(id, p.At)
	if err != nil {
		return err
	}
	if !written && !moved {
		return s.unchanged(ifMatch)
	}
	// In the cache, as the source was analysed before this call's turn.
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	analysis, err := s.m.analyseCell(ctx, next)
	if err != nil {
		return err
	}
	toText := next.Kind == notebook.Markdown && old.Kind != notebook.Markdown
	if toText {
		next.Outputs, next.ExecutionCount, next.StartedAt, next.DurationMS = []notebook.Output{}, 0, nil, nil
	}
	err = s.commit(ifMatch, func(draft *notebook.Notebook) (Change, error) {
		change := Change{Moved: moved}
		if written {
			at := s.page.index(id)
			draft.Cells[at] = next
			change.Written = []string{id}
			if !moved {
				change.At = []int{at}
			}
			if len(next.Source) > len(old.Source) {
				if err := draft.CheckSize(); err != nil {
					return Change{}, err
				}
			}
		}
		if toText {
			change.Ran = []string{id} // with the document, as results alone never count fewer runs
		}
		if moved {
			cell := draft.Remove(id)
			return change, draft.Insert(cell, p.At)
		}
		return change, nil
	})
	if err != nil {
		return err
	}
	if moved {
		s.engine.Move(id, s.page.index(id))
		s.emit("cell.moved", cellMoved{id, s.doc.Above(id), s.doc.Version})
	}
	if !written {
		s.report()
		return nil
	}
	s.engine.Edit(source(next, analysis))
	if toText {
		s.emit("cell.cleared", cellCleared{id})
	}
	plan := s.engine.SetDisabled(id, next.Disabled)
	show(s.engine, s.page.thaw(next))
	s.emit("cell.updated", cellUpdated{cellWithoutOutputs{Cell: s.page.frozen(next)}, s.doc.Version})
	s.begin(plan, false)
	return nil
}

func equal(a, b *string) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// moves tells whether the place is another than the one where the cell is.
func (s *Session) moves(id string, at notebook.Place) (bool, error) {
	switch {
	case !at.Given:
		return false, nil
	case at.After == id:
		return false, &notebook.FieldError{Field: "after", Message: "a cell can't stand after itself"}
	case at.After != "" && s.page.index(at.After) < 0:
		return false, unknownCell("after", at.After)
	}
	above := s.doc.Above(id)
	return above == nil && at.After != "" || above != nil && *above != at.After, nil
}

func unknownCell(field, id string) error {
	return &notebook.FieldError{Field: field, Message: fmt.Sprintf("no cell %s in this notebook", id)}
}

func (s *Session) deleteCell(id string, ifMatch int64) error {
	old := s.page.cell(id)
	if old == nil {
		return ErrCellNotFound
	}
	err := s.commit(ifMatch, func(draft *notebook.Notebook) (Change, error) {
		draft.Remove(id)
		return Change{Removed: []string{id}}, nil
	})
	if err != nil {
		return err
	}
	delete(s.ran, id)
	delete(s.full, id)
	plan := s.engine.Delete(id)
	s.deleted = append(s.deleted, id)
	s.emit("cell.deleted", cellDeleted{id, s.doc.Version})
	if s.running == id {
		s.stopCell() // nobody can see what it does any more
	}
	s.begin(plan, false)
	return nil
}

func (s *Session) graph() Graph {
	g := Graph{Cells: make([]GraphCell, len(s.doc.Cells)), Edges: []GraphEdge{}}
	for i, c := range s.doc.Cells {
		g.Cells[i] = GraphCell{c.ID, c.Defines, c.References}
	}
	for _, e := range s.engine.Edges() {
		g.Edges = append(g.Edges, GraphEdge(e))
	}
	return g
}
