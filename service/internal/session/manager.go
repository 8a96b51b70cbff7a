package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/logs"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// Kernels is what sessions need of a kernel host; *kernel.Host is one.
type Kernels interface {
	Analyze(ctx context.Context, sources []string) ([]kernel.Analysis, error)
	Builtins() map[string]bool
	Start(ctx context.Context) (*kernel.Kernel, error)
	Check(ctx context.Context) error
}

// SQL is what sessions need of the SQL connections; *sqlcell.Connections is one.
type SQL interface {
	List() []sqlcell.Info
	Dialect(connection string) sqlcell.Dialect
	Run(ctx context.Context, q sqlcell.Query) (*sqlcell.Result, *notebook.CellError)
}

// Options of a Manager.
type Options struct {
	Store          Store
	SharedStore    bool // other services may write to it, too
	Kernels        Kernels
	SQL            SQL // nil: SQL cells can't run
	Log            *slog.Logger
	Record         Recorder      // nil: nobody counts
	MaxOutputBytes int           // of all cells of a notebook, about; 0: 128 MiB
	MaxKernels     int           // at most so many at once; 0: no limit
	CellTimeout    time.Duration // of one cell's run; 0: none
	IdleTimeout    time.Duration // after which an unused kernel is stopped; 0: never
}

// Recorder counts what sessions do. Its methods are called by many goroutines
// and must not wait.
type Recorder interface {
	CellRan(kind notebook.Kind, failed *notebook.CellError, took time.Duration)
	KernelDied(cause kernel.Cause)
	// StoreAnswered tells of a call of the Store's method with that name.
	StoreAnswered(method string, err error, took time.Duration)
}

type noRecorder struct{}

func (noRecorder) CellRan(notebook.Kind, *notebook.CellError, time.Duration) {}
func (noRecorder) KernelDied(kernel.Cause)                                   {}
func (noRecorder) StoreAnswered(string, error, time.Duration)                {}

const (
	storeTimeout = 30 * time.Second // of one write
	closeIdle    = time.Minute      // after which a session with neither kernel nor clients is closed
)

// Manager opens sessions and closes them when nobody needs them.
type Manager struct {
	opt    Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu       sync.Mutex
	sessions map[string]*opening
	closed   bool
	running  sync.WaitGroup // sessions' goroutines

	slots slots

	kernelChanges atomic.Uint64 // rises after a kernel's state has changed, as lists show it
	pages         ByStamp[Page] // of the list, with the states
}

// opening is a session, or the attempt to open it.
type opening struct {
	done    chan struct{} // closed when session and err are set
	session *Session
	err     error
}

// opened returns the session, or nil if there is none or none yet.
func (o *opening) opened() *Session {
	if o == nil {
		return nil
	}
	select {
	case <-o.done:
		return o.session
	default:
		return nil
	}
}

// NewManager returns a manager with no session open.
func NewManager(o Options) *Manager {
	if o.MaxOutputBytes == 0 {
		o.MaxOutputBytes = 128 << 20
	}
	if o.Record == nil {
		o.Record = noRecorder{}
	}
	o.Store = timedStore{o.Store, o.Record}
	ctx, cancel := context.WithCancel(context.Background())
	return &Manager{
		opt: o, ctx: ctx, cancel: cancel, sessions: map[string]*opening{},
		slots: slots{max: o.MaxKernels, holders: map[*Session]struct{}{}},
	}
}

// Connections returns the SQL connections that cells may name.
func (m *Manager) Connections() []sqlcell.Info {
	if m.opt.SQL == nil {
		return []sqlcell.Info{}
	}
	return m.opt.SQL.List()
}

// Check tells for each part that the service needs whether it answers. All are
// asked at once, so that one that hangs doesn't make the others look down.
func (m *Manager) Check(ctx context.Context) map[string]error {
	parts := map[string]func(context.Context) error{"store": m.opt.Store.Ping, "kernels": m.opt.Kernels.Check}
	type answer struct {
		part string
		err  error
	}
	answers := make(chan answer, len(parts)) // room for those that nobody waits for any more
	for part, check := range parts {
		go func() { answers <- answer{part, check(ctx)} }()
	}
	found := map[string]error{}
	for part := range parts {
		found[part] = errNoAnswer
	}
	for range parts {
		select {
		case a := <-answers:
			found[a.part] = a.err
		case <-ctx.Done():
			return found
		}
	}
	return found
}

var errNoAnswer = errors.New("it does not answer in time")

// Kernels returns how many notebooks that are open have a kernel in each
// state.
func (m *Manager) Kernels() map[notebook.KernelStatus]int {
	found := map[notebook.KernelStatus]int{}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.sessions {
		if s := o.opened(); s != nil {
			found[s.kernelStatus()]++
		}
	}
	return found
}

// List returns a page of the list of notebooks, which is nobody's to change.
func (m *Manager) List(ctx context.Context, q Query) (Page, error) {
	page, err := m.opt.Store.List(ctx, q)
	if err != nil {
		return Page{}, err
	}
	// Before the states are looked at: newer ones under this number do no harm.
	page.Stamp.Kernels = m.kernelChanges.Load()
	if known, ok := m.pages.Load(page.Stamp); ok {
		return known, nil
	}
	page.Notebooks = m.withStates(page.Notebooks)
	if page.Stamp.Store != 0 {
		m.pages.Store(page.Stamp, page)
	}
	return page, nil
}

// withStates returns the lines of a list with the states of kernels.
func (m *Manager) withStates(lines []notebook.Summary) []notebook.Summary {
	lines = slices.Clone(lines)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range lines {
		lines[i].Kernel.Status = notebook.KernelNone
		if s := m.sessions[lines[i].ID].opened(); s != nil {
			lines[i].Kernel.Status = s.kernelStatus()
		}
	}
	return lines
}

// Create makes a notebook.
func (m *Manager) Create(ctx context.Context, n NewNotebook) (*notebook.Notebook, error) {
	name, err := notebook.CheckName(n.Name)
	if err != nil {
		return nil, err
	}
	if n.Mode == "" {
		n.Mode = notebook.Auto
	}
	if err := notebook.CheckMode(n.Mode); err != nil {
		return nil, err
	}
	if len(n.Cells) > notebook.MaxCells {
		return nil, &notebook.FieldError{Field: "cells", Message: fmt.Sprintf("must be at most %d", notebook.MaxCells)}
	}
	doc := notebook.New(name, n.Mode)
	for i, c := range n.Cells {
		cell, err := m.newCell(ctx, c)
		var field *notebook.FieldError
		if errors.As(err, &field) {
			return nil, &notebook.FieldError{Field: fmt.Sprintf("cells.%d.%s", i, field.Field), Message: field.Message}
		}
		if err != nil {
			return nil, err
		}
		doc.Cells = append(doc.Cells, cell)
	}
	if err := doc.CheckSize(); err != nil {
		return nil, err
	}
	engine, err := m.engine(ctx, doc)
	if err != nil {
		return nil, err
	}
	for _, c := range doc.Cells {
		show(engine, c)
	}
	if err := m.opt.Store.Create(ctx, doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// newCell checks the values and makes the cell.
func (m *Manager) newCell(ctx context.Context, n NewCell) (*notebook.Cell, error) {
	if n.Kind == "" {
		n.Kind = notebook.Python
	}
	if err := notebook.CheckKind(n.Kind); err != nil {
		return nil, err
	}
	if err := notebook.CheckSource(n.Source); err != nil {
		return nil, err
	}
	if err := m.checkResult(ctx, n.Result); err != nil {
		return nil, err
	}
	cell := notebook.NewCell(n.Kind, n.Source)
	cell.Disabled, cell.Connection, cell.Result = n.Disabled, n.Connection, n.Result
	return cell, nil
}

// open returns the notebook's session, and opens it if need be.
func (m *Manager) open(ctx context.Context, id string) (*Session, error) {
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return nil, ErrDraining
		}
		o := m.sessions[id]
		if o == nil {
			o = &opening{done: make(chan struct{})}
			m.sessions[id] = o
			m.mu.Unlock()
			// Others wait for this attempt, so it doesn't end with this caller's patience.
			m.load(context.WithoutCancel(ctx), id, o)
		} else {
			m.mu.Unlock()
		}
		select {
		case <-o.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if o.err != nil {
			return nil, o.err
		}
		select {
		case <-o.session.done: // it was closed for want of use just now
			m.forget(id, o)
		default:
			return o.session, nil
		}
	}
}

func (m *Manager) load(ctx context.Context, id string, o *opening) {
	defer close(o.done)
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	doc, err := m.opt.Store.Get(ctx, id)
	if err == nil {
		o.session, err = m.newSession(ctx, doc)
	}
	if err != nil {
		o.err = err
		m.forget(id, o)
		return
	}
	m.running.Go(func() {
		o.session.loop()
		m.forget(id, o)
	})
}

func (m *Manager) forget(id string, o *opening) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions[id] == o {
		delete(m.sessions, id)
		m.kernelChanges.Add(1)
	}
}

// Close ends every session: running cells are interrupted, what they have shown
// is kept, sockets are told to come back, kernels are stopped. It returns when
// all that is done, or with the context's error.
func (m *Manager) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	done := make(chan struct{})
	go func() { m.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close notebooks: %w", ctx.Err())
	}
}

// settled is for how long a session is taken to know all that is in a store
// which others write to.
const settled = time.Second

// refresh ends the session of a notebook that another service has changed, for
// those who are about to look at it. Two services have a notebook open while
// one takes over from the other.
func (m *Manager) refresh(ctx context.Context, id string) {
	if !m.opt.SharedStore {
		return
	}
	s := m.current(id)
	if s == nil {
		return // it will be read when it is opened
	}
	before, now := s.compared.Load(), time.Now()
	if now.Sub(time.Unix(0, before)) < settled || !s.compared.CompareAndSwap(before, now.UnixNano()) {
		return
	}
	m.overtaken(ctx, id, s)
}

// overtaken tells whether another service has changed the notebook since the
// session read it. The session has ended then.
func (m *Manager) overtaken(ctx context.Context, id string, s *Session) (over bool) {
	kept, err := m.opt.Store.Get(ctx, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		m.opt.Log.WarnContext(ctx, "what is in memory could not be compared with the store", "error", err)
		return false
	}
	finished := make(chan struct{})
	select {
	case s.calls <- func() { defer close(finished); over = s.compare(kept) != nil }:
		<-finished
	case <-s.done:
		return true
	case <-ctx.Done():
		return false
	}
	if over {
		select {
		case <-s.done:
		case <-ctx.Done():
			return false
		}
	}
	return over
}

// doubtful tells whether an error may come of what another service has changed
// since: it speaks of a cell or a version that is not known here.
func doubtful(err error) bool {
	var version *VersionError
	var field *notebook.FieldError
	return errors.Is(err, ErrCellNotFound) || errors.As(err, &version) || errors.As(err, &field)
}

// current returns the session of a notebook, or nil if there is none or none yet.
func (m *Manager) current(id string) *Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[id].opened()
}

// Get returns a notebook with its results.
func (m *Manager) Get(ctx context.Context, id string) (*notebook.Notebook, error) {
	m.refresh(ctx, id)
	return ask(ctx, m, id, func(s *Session) (*notebook.Notebook, error) { return s.snapshot(), nil })
}

// Update changes a notebook's name or mode.
func (m *Manager) Update(ctx context.Context, id string, ifMatch int64, p NotebookPatch) (*notebook.Notebook, error) {
	if p.Name != nil {
		name, err := notebook.CheckName(*p.Name)
		if err != nil {
			return nil, err
		}
		p.Name = &name
	}
	if p.Mode != nil {
		if err := notebook.CheckMode(*p.Mode); err != nil {
			return nil, err
		}
	}
	return ask(ctx, m, id, func(s *Session) (*notebook.Notebook, error) {
		if err := s.update(ifMatch, p); err != nil {
			return nil, err
		}
		return s.snapshot(), nil
	})
}

// Delete removes a notebook with its kernel, and ends its subscriptions.
func (m *Manager) Delete(ctx context.Context, id string, ifMatch int64) error {
	_, err := ask(ctx, m, id, func(s *Session) (struct{}, error) { return struct{}{}, s.delete(ifMatch) })
	return err
}

// placed is a cell with the version of its notebook.
type placed struct {
	cell    *notebook.Cell
	version int64
}

// CreateCell adds a cell.
func (m *Manager) CreateCell(ctx context.Context, id string, ifMatch int64, n NewCell) (*notebook.Cell, int64, error) {
	cell, err := m.newCell(ctx, n)
	if err != nil {
		return nil, 0, err
	}
	analysis, err := m.analyseCell(ctx, cell)
	if err != nil {
		return nil, 0, err
	}
	p, err := ask(ctx, m, id, func(s *Session) (placed, error) {
		if err := s.createCell(ifMatch, cell, n.At, analysis); err != nil {
			return placed{}, err
		}
		return placed{s.page.frozen(s.page.cell(cell.ID)), s.doc.Version}, nil
	})
	return p.cell, p.version, err
}

// UpdateCell changes or moves a cell.
func (m *Manager) UpdateCell(ctx context.Context, id, cell string, ifMatch int64, p CellPatch) (*notebook.Cell, int64, error) {
	if p.Kind != nil {
		if err := notebook.CheckKind(*p.Kind); err != nil {
			return nil, 0, err
		}
	}
	if p.Source != nil {
		if err := notebook.CheckSource(*p.Source); err != nil {
			return nil, 0, err
		}
	}
	if p.Result != nil {
		if err := m.checkResult(ctx, *p.Result); err != nil {
			return nil, 0, err
		}
	}
	// The source is analysed before its turn, so that a long one holds up nobody.
	if p.Source != nil {
		if _, err := m.analyseCell(ctx, &notebook.Cell{Kind: notebook.Python, Source: *p.Source}); err != nil {
			return nil, 0, err
		}
	}
	u, err := ask(ctx, m, id, func(s *Session) (placed, error) {
		if err := s.updateCell(cell, ifMatch, p); err != nil {
			return placed{}, err
		}
		return placed{s.page.frozen(s.page.cell(cell)), s.doc.Version}, nil
	})
	return u.cell, u.version, err
}

// DeleteCell removes a cell and returns the notebook's new version.
func (m *Manager) DeleteCell(ctx context.Context, id, cell string, ifMatch int64) (int64, error) {
	return ask(ctx, m, id, func(s *Session) (int64, error) {
		err := s.deleteCell(cell, ifMatch)
		return s.doc.Version, err
	})
}

// Run starts a run, or adds to the one under way, and returns its id.
func (m *Manager) Run(ctx context.Context, id string, r RunRequest) (string, error) {
	w, err := m.start(ctx, id, r)
	if err != nil {
		return "", err
	}
	return w.id, nil
}

func (m *Manager) start(ctx context.Context, id string, r RunRequest) (*run, error) {
	s, err := m.open(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := m.slots.take(ctx, s); err != nil {
		return nil, err
	}
	return ask(ctx, m, id, func(s *Session) (*run, error) { return s.request(r) })
}

// RunAndWait starts a run and waits until it has finished and its results are
// in the store, at most so long.
func (m *Manager) RunAndWait(ctx context.Context, id string, r RunRequest, wait time.Duration) (RunResult, error) {
	w, err := m.start(ctx, id, r)
	if err != nil {
		return RunResult{}, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
	case <-ctx.Done():
		return RunResult{}, ctx.Err()
	}
	result, err := m.waited(ctx, id, w, timer.C)
	if errors.Is(err, ErrDraining) {
		return w.atTheEnd(ctx, err)
	}
	return result, err
}

// waited returns how the run stands once its results are in the store.
func (m *Manager) waited(ctx context.Context, id string, w *run, late <-chan time.Time) (RunResult, error) {
	kept, err := ask(ctx, m, id, func(s *Session) (<-chan struct{}, error) { return s.kept(), nil })
	if err != nil {
		return RunResult{}, err
	}
	select {
	case <-kept:
	case <-late:
	case <-ctx.Done():
		return RunResult{}, ctx.Err()
	}
	return ask(ctx, m, id, func(s *Session) (RunResult, error) {
		return RunResult{w.id, w.status, append([]string{}, w.order...), s.snapshot()}, nil
	})
}

// atTheEnd returns how the service's stopping has left the run, when that is
// in the store; if it has not, the error.
func (r *run) atTheEnd(ctx context.Context, err error) (RunResult, error) {
	select {
	case <-r.session.done:
	case <-ctx.Done():
		return RunResult{}, ctx.Err()
	}
	select {
	case <-r.done:
		if r.last != nil {
			return RunResult{r.id, r.status, r.order, r.last}, nil
		}
	default:
	}
	return RunResult{}, err
}

// Interrupt stops the running cell and drops the queue.
func (m *Manager) Interrupt(ctx context.Context, id string) error {
	_, err := ask(ctx, m, id, func(s *Session) (struct{}, error) { s.interrupt(); return struct{}{}, nil })
	return err
}

// Restart gives the notebook a fresh kernel and runs everything in it if asked.
func (m *Manager) Restart(ctx context.Context, id string, run bool) error {
	s, err := m.open(ctx, id)
	if err != nil {
		return err
	}
	if err := m.slots.take(ctx, s); err != nil {
		return err
	}
	_, err = ask(ctx, m, id, func(s *Session) (struct{}, error) { return struct{}{}, s.restart(run) })
	return err
}

// Graph returns who reads what from whom.
func (m *Manager) Graph(ctx context.Context, id string) (Graph, error) {
	return ask(ctx, m, id, func(s *Session) (Graph, error) { return s.graph(), nil })
}

// kernelAnswer is how long the kernel may take to answer between two cells.
const kernelAnswer = 5 * time.Second

// Variables returns the public names in the kernel, sorted; none without a kernel.
// While a cell runs it is ErrBusy.
func (m *Manager) Variables(ctx context.Context, id string) ([]Variable, error) {
	k, err := ask(ctx, m, id, func(s *Session) (*kernel.Kernel, error) { return s.quietKernel() })
	if err != nil || k == nil {
		return []Variable{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, kernelAnswer)
	defer cancel()
	found, err := k.Variables(ctx)
	if err != nil {
		return nil, busyIfLate(ctx, fmt.Errorf("read variables: %w", err))
	}
	return ask(ctx, m, id, func(s *Session) ([]Variable, error) {
		out := make([]Variable, len(found))
		for i, v := range found {
			out[i] = Variable{Name: v.Name, Type: v.Type, Summary: v.Summary}
			if owner := s.engine.Owner(v.Name); owner != "" {
				out[i].CellID = &owner
			}
		}
		slices.SortFunc(out, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
		return out, nil
	})
}

// Complete proposes what could stand at the cursor, from the names in the
// kernel. Without a kernel, and while it is busy with a run, from what the page
// tells: who types has no use for an error.
func (m *Manager) Complete(ctx context.Context, id, cell, source string, cursor int) (Completion, error) {
	var known Completion
	k, err := ask(ctx, m, id, func(s *Session) (*kernel.Kernel, error) {
		if s.page.cell(cell) == nil {
			return nil, unknownCell("cell_id", cell)
		}
		k, err := s.quietKernel()
		if errors.Is(err, ErrBusy) || k == nil {
			known = s.propose(source, cursor)
		}
		return k, err
	})
	if errors.Is(err, ErrBusy) || err == nil && k == nil {
		return known, nil
	}
	if err != nil {
		return Completion{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, kernelAnswer)
	defer cancel()
	found, err := k.Complete(ctx, source, cursor)
	if err = busyIfLate(ctx, err); errors.Is(err, ErrBusy) {
		return Completion{Start: cursor, End: cursor, Matches: []CompletionMatch{}}, nil
	}
	if err != nil {
		return Completion{}, fmt.Errorf("complete: %w", err)
	}
	out := Completion{Start: found.Start, End: found.End, Matches: []CompletionMatch{}}
	for _, match := range found.Matches {
		out.Matches = append(out.Matches, CompletionMatch(match))
	}
	return out, nil
}

func busyIfLate(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrBusy
	}
	return err
}

// Subscribe adds a client to the notebook's events; see events.Log.Subscribe.
func (m *Manager) Subscribe(ctx context.Context, id, epoch string, after uint64) (*events.Subscriber, error) {
	m.refresh(ctx, id)
	return ask(ctx, m, id, func(s *Session) (*events.Subscriber, error) { return s.subscribe(epoch, after) })
}

// ask lets the owner of a notebook's state carry out f and returns its answer.
func ask[T any](ctx context.Context, m *Manager, id string, f func(*Session) (T, error)) (T, error) {
	var (
		answer T
		failed error
	)
	compared := false
	for tries := 1; ; {
		s, err := m.open(ctx, id)
		if err != nil {
			return answer, err
		}
		finished := make(chan struct{})
		select {
		case s.calls <- func() {
			defer close(finished)
			s.about = logs.With(ctx, slog.String(logs.Notebook, id))
			answer, failed = f(s)
			s.about = s.own
		}:
			<-finished
		case <-s.done: // closed for want of use in this moment: open it again
			continue
		case <-ctx.Done():
			return answer, ctx.Err()
		}
		var outdated *outdatedError
		if !errors.As(failed, &outdated) {
			if m.opt.SharedStore && !compared && doubtful(failed) && m.overtaken(ctx, id, s) {
				compared = true
				continue
			}
			return answer, failed
		}
		// Another service has changed the notebook. What was asked for is done
		// on what it is now, unless that has not the version that was asked for.
		if tries++; tries > maxTries {
			return answer, &UnavailableError{Reason: "another service changes this notebook at the same time: try again", RetryAfter: 1}
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return answer, ctx.Err()
		}
	}
}

// maxTries bounds how often something is asked of a notebook that others change.
const maxTries = 5
