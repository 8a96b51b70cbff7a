package session

import (
	"context"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Store is where notebooks last. Its methods return ErrNotFound for a notebook
// that isn't there, and are safe for concurrent use.
type Store interface {
	// List returns a page of notebooks, newest first by creation, then id.
	// The page's notebooks are nobody's to change. Stamp.Kernels is not its own.
	// A cursor that it did not give is a *notebook.FieldError on "cursor".
	List(ctx context.Context, q Query) (Page, error)
	// Get returns the whole notebook with its results. The kernel is "none".
	Get(ctx context.Context, id string) (*notebook.Notebook, error)
	// Create keeps a new notebook; it is durable when Create returns.
	Create(ctx context.Context, n *notebook.Notebook) error
	// Apply keeps a change; it is durable when Apply returns, in whole or not at all.
	Apply(ctx context.Context, c Change) error
	// Delete removes a notebook with everything in it. A base that is not 0 is
	// the version that it must have, else it is a *VersionError.
	Delete(ctx context.Context, id string, base int64) error
	// Ping tells whether the store answers.
	Ping(ctx context.Context) error
}

// Change is what became different in a notebook since the last Apply.
type Change struct {
	// Notebook is the whole new state, for stores that keep it in one piece.
	// It is not changed by anyone after Apply was called.
	Notebook *notebook.Notebook
	// Base is the version that the change was made on, or 0 if only results
	// changed. Apply returns a *VersionError if the store has another version.
	Base int64
	// Written are ids of cells that are new or whose document (kind, source,
	// disabled, connection, result) changed; Moved says that the order did.
	Written []string
	Moved   bool
	// At, if it is not nil, are the places of Written on the page. See Place.
	At []int
	// Ran are ids of cells whose results changed (status, error, blocked_by,
	// defines, references, outputs, counts, times). Without a Base, results
	// with a lower execution_count than those in the store are dropped
	// silently: another service has run the cell since.
	Ran []string
	// Removed are ids of cells that are gone. Results for a cell that is not
	// in the store (any more) are dropped silently.
	Removed []string
}

// Place returns where on the page the i-th of Written stands, or -1 if it was
// removed since.
func (c Change) Place(i int) int {
	if c.At != nil {
		return c.At[i]
	}
	return c.Notebook.Index(c.Written[i])
}
