// Package memory keeps notebooks in the process: for tests and for trying
// things out.
//
// It is not durable, whatever session.Store says of that, and has no limit on
// its size. Invariant: nobody holds a pointer to what is kept.
package memory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/store/storekit"
)

var errClosed = errors.New("the store is closed")

// Store is a session.Store. Use New.
type Store struct {
	mu        sync.RWMutex
	notebooks map[string]*notebook.Notebook
	closed    bool
}

// New returns an empty store.
func New() *Store { return &Store{notebooks: map[string]*notebook.Notebook{}} }

// List is session.Store's.
func (s *Store) List(ctx context.Context, q session.Query) (session.Page, error) {
	var from *storekit.Place
	if q.Cursor != "" {
		place, err := storekit.ParseCursor(q.Cursor)
		if err != nil {
			return session.Page{}, err
		}
		from = &place
	}
	if err := s.Ping(ctx); err != nil {
		return session.Page{}, err
	}
	search := storekit.Fold(q.Search)

	s.mu.RLock()
	found := []notebook.Summary{}
	for _, n := range s.notebooks {
		if strings.Contains(storekit.Fold(n.Name), search) {
			found = append(found, n.Summary())
		}
	}
	s.mu.RUnlock()

	return storekit.Page(found, from, q.Limit), nil
}

// Get is session.Store's.
func (s *Store) Get(ctx context.Context, id string) (*notebook.Notebook, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	return n.Clone(), nil
}

// find is called with the lock held.
func (s *Store) find(ctx context.Context, id string) (*notebook.Notebook, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed {
		return nil, errClosed
	}
	n, ok := s.notebooks[id]
	if !ok {
		return nil, session.ErrNotFound
	}
	return n, nil
}

// Create is session.Store's.
func (s *Store) Create(ctx context.Context, n *notebook.Notebook) error {
	kept := n.Clone()
	kept.Kernel = notebook.Kernel{Status: notebook.KernelNone}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch _, err := s.find(ctx, n.ID); {
	case err == nil:
		return fmt.Errorf("create notebook %s: it is there already", n.ID)
	case !errors.Is(err, session.ErrNotFound):
		return err
	}
	s.notebooks[n.ID] = kept
	return nil
}

// Apply is session.Store's.
func (s *Store) Apply(ctx context.Context, c session.Change) error {
	if err := storekit.CheckChange(c); err != nil {
		return err
	}
	change := c
	change.Notebook = c.Notebook.Clone()
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.find(ctx, c.Notebook.ID)
	if err != nil {
		return err
	}
	return storekit.Merge(n, change)
}

// Delete is session.Store's.
func (s *Store) Delete(ctx context.Context, id string, base int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.find(ctx, id)
	if err != nil {
		return err
	}
	if err := storekit.CheckBase(n, base); err != nil {
		return err
	}
	delete(s.notebooks, id)
	return nil
}

// Ping is session.Store's.
func (s *Store) Ping(ctx context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	return ctx.Err()
}

// Close makes every later call fail. It may be called more than once.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
