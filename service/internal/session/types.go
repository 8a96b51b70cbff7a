package session

import (
	"errors"
	"fmt"
	"sync"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Errors that callers tell apart, with errors.Is and errors.As. Besides them:
// *notebook.FieldError for a well-formed value that can't be accepted.
var (
	// ErrNotFound: there is no such notebook.
	ErrNotFound = errors.New("no such notebook")
	// ErrCellNotFound: the cell in the path is not in that notebook.
	ErrCellNotFound = errors.New("no such cell in this notebook")
	// ErrDraining: the service is stopping and takes no new work.
	ErrDraining = errors.New("the service is stopping")
	// ErrBusy: the kernel can't answer now, as a cell is running.
	ErrBusy = errors.New("the kernel is busy with a run")
)

// VersionError says that a change was based on another version than the
// current one.
type VersionError struct{ Given, Current int64 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the notebook is at version %d, not %d: read it again and repeat the change", e.Current, e.Given)
}

// UnavailableError says that something the request needs can't be had now.
type UnavailableError struct {
	Reason     string
	RetryAfter int // seconds; 0: unknown
}

func (e *UnavailableError) Error() string { return e.Reason }

// AnyVersion is an IfMatch that every version satisfies.
const AnyVersion int64 = 0

// NewNotebook is a notebook to create.
type NewNotebook struct {
	Name  string
	Mode  notebook.Mode // "" is auto
	Cells []NewCell     // At is ignored
}

// NewCell is a cell to create.
type NewCell struct {
	Kind       notebook.Kind // "" is python
	Source     string
	Disabled   bool
	Connection *string
	Result     *string
	At         notebook.Place
}

// NotebookPatch changes what is not nil.
type NotebookPatch struct {
	Name *string
	Mode *notebook.Mode
}

// CellPatch changes what is not nil; At moves the cell if it is given.
type CellPatch struct {
	Source     *string
	Kind       *notebook.Kind
	Disabled   *bool
	Connection **string // a pointer to nil clears it
	Result     **string
	At         notebook.Place
}

// RunRequest asks for cells to run: those named, else every one that is new or
// stale if Stale is set, else all.
type RunRequest struct {
	Cells []string
	Stale bool
}

// RunStatus is how a run stands.
type RunStatus string

const (
	RunRunning     RunStatus = "running"
	RunOK          RunStatus = "ok"
	RunError       RunStatus = "error"
	RunInterrupted RunStatus = "interrupted"
)

// RunResult is a run that was waited for.
type RunResult struct {
	RunID    string             `json:"run_id"`
	Status   RunStatus          `json:"status"`
	Order    []string           `json:"order"` // cells in the order in which they really started
	Notebook *notebook.Notebook `json:"notebook"`
}

// Graph is who reads what from whom.
type Graph struct {
	Cells []GraphCell `json:"cells"`
	Edges []GraphEdge `json:"edges"`
}

// GraphCell is a node of a Graph.
type GraphCell struct {
	ID         string   `json:"id"`
	Defines    []string `json:"defines"`
	References []string `json:"references"`
}

// GraphEdge says that the cell To reads Names, which the cell From defines.
type GraphEdge struct {
	From  string   `json:"from"`
	To    string   `json:"to"`
	Names []string `json:"names"`
}

// Variable is a public name in the kernel.
type Variable struct {
	Name    string  `json:"name"`
	Type    string  `json:"type"`
	CellID  *string `json:"cell_id"` // the cell that defines it, if analysis knows
	Summary string  `json:"summary"`
}

// Completion is what could stand between Start and End, in UTF-16 units.
type Completion struct {
	Start   int               `json:"start"`
	End     int               `json:"end"`
	Matches []CompletionMatch `json:"matches"`
}

// CompletionMatch is one proposal.
type CompletionMatch struct {
	Text   string `json:"text"`
	Type   string `json:"type"`
	Detail string `json:"detail"`
}

// Query asks for a page of the list of notebooks.
type Query struct {
	Search string // part of the name, case-insensitive; "" is all
	Limit  int    // at most so many, 1 to 500
	Cursor string // a NextCursor of the page before, or ""
}

// Page is a part of the list of notebooks, newest first.
type Page struct {
	Notebooks  []notebook.Summary `json:"notebooks"`
	NextCursor *string            `json:"next_cursor"`

	Stamp Stamp `json:"-"`
}

// Stamp tells pages of the list apart: two pages of one process with the same
// one are equal, unless it is the zero value for Store, which says nothing.
type Stamp struct{ Store, Kernels uint64 }

// maxStamps is how many pages a ByStamp keeps.
const maxStamps = 64

// ByStamp keeps what was made of pages of the list. Its zero value is empty.
type ByStamp[T any] struct {
	mu   sync.Mutex
	kept map[Stamp]T
}

// Load returns what was made of the page with that stamp, if it is there.
func (b *ByStamp[T]) Load(s Stamp) (T, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	made, ok := b.kept[s]
	return made, ok
}

// Store keeps what was made of a page. Those of stamps that will not come again
// are dropped with all others when there are many.
func (b *ByStamp[T]) Store(s Stamp, made T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept == nil || len(b.kept) >= maxStamps {
		b.kept = map[Stamp]T{}
	}
	b.kept[s] = made
}
