// Package notebook is the document: notebooks, their cells, versions and the
// order of cells on the page, with the results that were kept of their runs.
//
// It is plain data with the rules that hold for any one document (see Check).
// It does no input or output, knows no kernel and starts no goroutine.
//
// Invariant: a Notebook's Version rises by exactly one with each change to
// what people wrote (name, mode, cells, sources, order), and with nothing else.
package notebook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// Mode says what happens to the cells below one that ran.
type Mode string

const (
	Auto Mode = "auto" // they run, too
	Lazy Mode = "lazy" // they are marked stale
)

// Kind is the language of a cell.
type Kind string

const (
	Python   Kind = "python"
	Markdown Kind = "markdown"
	SQL      Kind = "sql"
)

// Status is where a cell stands between its source and its results.
type Status string

const (
	StatusNew      Status = "new"      // never run
	StatusQueued   Status = "queued"   // in the current run, not started
	StatusRunning  Status = "running"  // in the kernel now
	StatusOK       Status = "ok"       // ran; inputs and source have not changed since
	StatusError    Status = "error"    // see Cell.Error
	StatusBlocked  Status = "blocked"  // an ancestor can't run; see Cell.BlockedBy
	StatusStale    Status = "stale"    // source or an input changed since it ran
	StatusDisabled Status = "disabled" // switched off, or below a cell that is
)

// ErrorKind is what stopped a cell.
type ErrorKind string

const (
	ErrException          ErrorKind = "exception"
	ErrSyntax             ErrorKind = "syntax"
	ErrMultipleDefinition ErrorKind = "multiple-definition"
	ErrCycle              ErrorKind = "cycle"
	ErrImportStar         ErrorKind = "import-star"
	ErrInterrupted        ErrorKind = "interrupted"
	ErrKernelDied         ErrorKind = "kernel-died"
	ErrTimeout            ErrorKind = "timeout"
	ErrSQL                ErrorKind = "sql"
)

// Limits of one document. They are generous for people and finite for machines.
const (
	MaxNameRunes = 200
	MaxCells     = 10_000
	MaxSource    = 4 << 20  // bytes of one cell's source
	MaxSources   = 64 << 20 // bytes of all sources together
)

// NewID returns a fresh UUIDv7, so that ids sort by the time of their making.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// ValidID tells whether s has the form of an id, in its canonical spelling.
func ValidID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}

// Time is an instant in UTC that is written as RFC 3339 with milliseconds.
type Time struct{ time.Time }

// Now returns the current instant, cut to what the written form can hold.
func Now() Time { return Time{time.Now().UTC().Truncate(time.Millisecond)} }

const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// MarshalJSON writes the instant as a JSON string.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON reads any RFC 3339 instant.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	parsed, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return fmt.Errorf("read time: %w", err)
	}
	t.Time = parsed.UTC()
	return nil
}

// CellError is why a cell has no fresh result.
type CellError struct {
	Kind      ErrorKind `json:"kind"`
	Name      string    `json:"name"` // the exception's class, such as ZeroDivisionError
	Message   string    `json:"message"`
	Traceback []string  `json:"traceback"`
	Names     []string  `json:"names"` // of a graph error: the names involved
	Cells     []string  `json:"cells"` // of a graph error: the other cells involved
}

// NewError returns an error whose lists are empty instead of null.
func NewError(kind ErrorKind, name, message string) *CellError {
	return &CellError{Kind: kind, Name: name, Message: message, Traceback: []string{}, Names: []string{}, Cells: []string{}}
}

// OutputKind tells the shapes of Output apart.
type OutputKind string

const (
	OutputStream  OutputKind = "stream"
	OutputDisplay OutputKind = "display"
	OutputResult  OutputKind = "result"
	OutputError   OutputKind = "error"
)

// Output is one thing that a cell showed. Which fields count depends on Kind;
// the others are left out of its JSON.
type Output struct {
	Kind OutputKind

	Stream string // of a stream: "stdout" or "stderr"
	Text   string // of a stream

	Data     map[string]json.RawMessage // of a display or result: by MIME type, always with text/plain
	Metadata map[string]json.RawMessage // of a display or result

	Name      string // of an error
	Message   string
	Traceback []string
}

type (
	streamJSON struct {
		Kind   OutputKind `json:"kind"`
		Stream string     `json:"stream"`
		Text   string     `json:"text"`
	}
	richJSON struct {
		Kind     OutputKind                 `json:"kind"`
		Data     map[string]json.RawMessage `json:"data"`
		Metadata map[string]json.RawMessage `json:"metadata"`
	}
	errorJSON struct {
		Kind      OutputKind `json:"kind"`
		Name      string     `json:"name"`
		Message   string     `json:"message"`
		Traceback []string   `json:"traceback"`
	}
)

// MarshalJSON writes the shape that belongs to the output's kind.
func (o Output) MarshalJSON() ([]byte, error) {
	switch o.Kind {
	case OutputStream:
		return json.Marshal(streamJSON{o.Kind, o.Stream, o.Text})
	case OutputDisplay, OutputResult:
		shape := richJSON{o.Kind, o.Data, o.Metadata}
		if shape.Data == nil {
			shape.Data = map[string]json.RawMessage{}
		}
		if shape.Metadata == nil {
			shape.Metadata = map[string]json.RawMessage{}
		}
		return json.Marshal(shape)
	case OutputError:
		if o.Traceback == nil {
			o.Traceback = []string{}
		}
		return json.Marshal(errorJSON{o.Kind, o.Name, o.Message, o.Traceback})
	}
	return nil, fmt.Errorf("output of unknown kind %q", o.Kind)
}

// UnmarshalJSON reads any of the shapes that MarshalJSON writes.
func (o *Output) UnmarshalJSON(b []byte) error {
	var all struct {
		streamJSON
		Data      map[string]json.RawMessage `json:"data"`
		Metadata  map[string]json.RawMessage `json:"metadata"`
		Name      string                     `json:"name"`
		Message   string                     `json:"message"`
		Traceback []string                   `json:"traceback"`
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	switch all.Kind {
	case OutputStream, OutputDisplay, OutputResult, OutputError:
	default:
		return fmt.Errorf("output of unknown kind %q", all.Kind)
	}
	*o = Output{all.Kind, all.Stream, all.Text, all.Data, all.Metadata, all.Name, all.Message, all.Traceback}
	return nil
}

// Size is about how many bytes the output takes in memory and in JSON.
func (o Output) Size() int {
	n := 64 + len(o.Text) + len(o.Name) + len(o.Message)
	for mime, value := range o.Data {
		n += len(mime) + len(value)
	}
	for key, value := range o.Metadata {
		n += len(key) + len(value)
	}
	for _, line := range o.Traceback {
		n += len(line)
	}
	return n
}

// Kernel is the state of the process that runs a notebook's cells.
type Kernel struct {
	Status KernelStatus `json:"status"`
	Reason *string      `json:"reason"` // why it is dead, or was replaced
}

// KernelStatus is one of the constants below.
type KernelStatus string

const (
	KernelNone     KernelStatus = "none"
	KernelStarting KernelStatus = "starting"
	KernelIdle     KernelStatus = "idle"
	KernelBusy     KernelStatus = "busy"
	KernelDead     KernelStatus = "dead"
)

// Cell is one cell: what people wrote, what analysis says of it, and what its
// last run left.
type Cell struct {
	ID         string  `json:"id"`
	Kind       Kind    `json:"kind"`
	Source     string  `json:"source"`
	Disabled   bool    `json:"disabled"`
	Connection *string `json:"connection"` // of a sql cell: the connection's name
	Result     *string `json:"result"`     // of a sql cell: the variable that gets the rows

	Defines    []string `json:"defines"`
	References []string `json:"references"`

	Status         Status     `json:"status"`
	Error          *CellError `json:"error"`
	BlockedBy      []string   `json:"blocked_by"`
	Outputs        []Output   `json:"outputs"`
	ExecutionCount int        `json:"execution_count"`
	StartedAt      *Time      `json:"started_at"`
	DurationMS     *float64   `json:"duration_ms"`
}

// Notebook is a document with its results.
type Notebook struct {
	ID        string  `json:"id"`
	Name      string  `json:"name"`
	Mode      Mode    `json:"mode"`
	Version   int64   `json:"version"`
	CreatedAt Time    `json:"created_at"`
	UpdatedAt Time    `json:"updated_at"`
	Kernel    Kernel  `json:"kernel"`
	Cells     []*Cell `json:"cells"` // in page order
}

// Summary is a notebook in a list.
type Summary struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Version   int64         `json:"version"`
	CellCount int           `json:"cell_count"`
	CreatedAt Time          `json:"created_at"`
	UpdatedAt Time          `json:"updated_at"`
	Kernel    SummaryKernel `json:"kernel"`
}

// SummaryKernel is all that a list says of a kernel.
type SummaryKernel struct {
	Status KernelStatus `json:"status"`
}

// Summary returns the notebook's line in a list.
func (n *Notebook) Summary() Summary {
	return Summary{n.ID, n.Name, n.Version, len(n.Cells), n.CreatedAt, n.UpdatedAt, SummaryKernel{n.Kernel.Status}}
}

// NewCell returns a cell that has never run, its lists empty instead of null.
func NewCell(kind Kind, source string) *Cell {
	return &Cell{
		ID: NewID(), Kind: kind, Source: source, Status: StatusNew,
		Defines: []string{}, References: []string{}, BlockedBy: []string{}, Outputs: []Output{},
	}
}

// New returns a notebook at version 1, with no cells.
func New(name string, mode Mode) *Notebook {
	now := Now()
	return &Notebook{
		ID: NewID(), Name: name, Mode: mode, Version: 1, CreatedAt: now, UpdatedAt: now,
		Kernel: Kernel{Status: KernelNone}, Cells: []*Cell{},
	}
}

// Changed counts a change to what people wrote.
func (n *Notebook) Changed() {
	n.Version++
	n.UpdatedAt = Now()
}

// Index returns the place of a cell on the page, or -1.
func (n *Notebook) Index(cell string) int {
	return slices.IndexFunc(n.Cells, func(c *Cell) bool { return c.ID == cell })
}

// Cell returns the cell with that id, or nil.
func (n *Notebook) Cell(id string) *Cell {
	if i := n.Index(id); i >= 0 {
		return n.Cells[i]
	}
	return nil
}

// Place says where on the page a cell goes: after a cell, at the top, or, as
// the zero value, at the end.
type Place struct {
	Given bool   // false: at the end
	After string // with Given: the id of the cell above, or "" for the top
}

// Insert puts a cell at a place. The place must name a cell of this notebook.
func (n *Notebook) Insert(c *Cell, at Place) error {
	i := len(n.Cells)
	if at.Given {
		i = 0
		if at.After != "" {
			above := n.Index(at.After)
			if above < 0 {
				return &FieldError{"after", fmt.Sprintf("no cell %s in this notebook", at.After)}
			}
			i = above + 1
		}
	}
	n.Cells = slices.Insert(n.Cells, i, c)
	return nil
}

// Above returns the id of the cell above the given one, or nil at the top.
func (n *Notebook) Above(cell string) *string {
	if i := n.Index(cell); i > 0 {
		return &n.Cells[i-1].ID
	}
	return nil
}

// Remove takes a cell off the page and returns it, or nil if it isn't there.
func (n *Notebook) Remove(cell string) *Cell {
	i := n.Index(cell)
	if i < 0 {
		return nil
	}
	c := n.Cells[i]
	n.Cells = slices.Delete(n.Cells, i, i+1)
	return c
}

// Clone returns a copy that shares nothing that either side may change:
// values inside outputs are never written to after they were made.
func (n *Notebook) Clone() *Notebook {
	c := *n
	c.Cells = make([]*Cell, len(n.Cells))
	for i, cell := range n.Cells {
		c.Cells[i] = cell.Clone()
	}
	return &c
}

// Clone returns a copy; see Notebook.Clone.
func (c *Cell) Clone() *Cell {
	d := *c
	d.Outputs = slices.Clone(c.Outputs)
	return &d
}

// FieldError is a well-formed value that can't be accepted.
type FieldError struct {
	Field   string // as in the request, such as "cells.0.kind"
	Message string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// CheckName returns the name as it is kept, without white space around it, or
// a FieldError.
func CheckName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", &FieldError{"name", "must not be empty"}
	case utf8.RuneCountInString(name) > MaxNameRunes:
		return "", &FieldError{"name", fmt.Sprintf("must have at most %d characters", MaxNameRunes)}
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", &FieldError{"name", "must not contain control characters"}
	}
	return name, nil
}

// CheckMode returns a FieldError for anything but a Mode.
func CheckMode(m Mode) error {
	if m != Auto && m != Lazy {
		return &FieldError{"mode", fmt.Sprintf("must be %q or %q, not %q", Auto, Lazy, m)}
	}
	return nil
}

// CheckKind returns a FieldError for anything but a Kind.
func CheckKind(k Kind) error {
	if k != Python && k != Markdown && k != SQL {
		return &FieldError{"kind", fmt.Sprintf("must be %q, %q or %q, not %q", Python, Markdown, SQL, k)}
	}
	return nil
}

// CheckSource returns a FieldError for a source beyond MaxSource.
func CheckSource(s string) error {
	if len(s) > MaxSource {
		return &FieldError{"source", fmt.Sprintf("must have at most %d bytes, has %d", MaxSource, len(s))}
	}
	return nil
}

// CheckSize returns a FieldError for sources beyond MaxSources.
func (n *Notebook) CheckSize() error {
	size := 0
	for _, c := range n.Cells {
		size += len(c.Source)
	}
	if size > MaxSources {
		return &FieldError{"source", fmt.Sprintf("must leave the notebook with at most %d bytes in all cells together, makes it %d: split the notebook", MaxSources, size)}
	}
	return nil
}
