// Package storekit is what all stores have in common: the cursor that leads to
// the next page of a list, how names are searched, and what a change does.
//
// It reads and writes nothing. Its invariant: any store understands the
// cursors that another one gave.
package storekit

import (
	"cmp"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// Place is the last notebook of a page: the next page begins behind it.
type Place struct {
	CreatedMS int64 // Unix milliseconds
	ID        string
}

// After returns the place of a notebook in the list.
func After(s notebook.Summary) Place { return Place{s.CreatedAt.UnixMilli(), s.ID} }

// Cursor returns the place in a form that clients hand back unread.
func (p Place) Cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.CreatedMS, 10) + "." + p.ID))
}

// ParseCursor reads what Cursor wrote; anything else is a
// *notebook.FieldError on "cursor".
func ParseCursor(cursor string) (Place, error) {
	fault := &notebook.FieldError{Field: "cursor", Message: "is not one that this list gave: take next_cursor of the page before"}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return Place{}, fault
	}
	ms, id, ok := strings.Cut(string(raw), ".")
	if !ok || !notebook.ValidID(id) {
		return Place{}, fault
	}
	created, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return Place{}, fault
	}
	return Place{created, id}, nil
}

// Fold returns the text with every letter in the one spelling that stands for
// all of its cases, by Unicode's simple case folding: two texts that differ in
// case only fold to the same.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}

// CheckChange returns an error for a change that its maker got wrong: without
// it, a document that lost its version check would go unnoticed.
func CheckChange(c session.Change) error {
	switch {
	case c.Notebook == nil:
		return errors.New("a change without a notebook")
	case c.Base < 0:
		return errors.New("a change on a negative version")
	case c.Base == 0 && (c.Moved || len(c.Written) > 0 || len(c.Removed) > 0):
		return errors.New("a change to the document without the version that it was made on")
	}
	return nil
}

// Page cuts a page out of the whole list, which it sorts: newest first, behind
// the place if there is one.
func Page(all []notebook.Summary, from *Place, limit int) session.Page {
	slices.SortFunc(all, func(a, b notebook.Summary) int { return newestFirst(After(a), After(b)) })
	if from != nil {
		all = slices.DeleteFunc(all, func(n notebook.Summary) bool { return newestFirst(After(n), *from) <= 0 })
	}
	var page session.Page
	page.Notebooks, page.NextCursor = FullPage(all, limit)
	return page
}

func newestFirst(a, b Place) int {
	return cmp.Or(cmp.Compare(b.CreatedMS, a.CreatedMS), strings.Compare(b.ID, a.ID))
}

// Merge puts what a change names into the notebook as it is kept, for stores
// that keep it in one piece. It returns a *session.VersionError, with nothing
// changed, if the change was made on another version. The notebook takes over
// what the change's one holds.
func Merge(n *notebook.Notebook, c session.Change) error {
	next := c.Notebook
	if err := CheckBase(n, c.Base); err != nil {
		return err
	}
	if c.Base != 0 {
		n.Name, n.Mode, n.Version, n.UpdatedAt = next.Name, next.Mode, next.Version, next.UpdatedAt
		for _, id := range c.Removed {
			n.Remove(id)
		}
		for _, id := range c.Written {
			write(n, next.Cell(id))
		}
		place := make(map[string]int, len(next.Cells))
		for i, cell := range next.Cells {
			place[cell.ID] = i
		}
		slices.SortStableFunc(n.Cells, func(a, b *notebook.Cell) int { return place[a.ID] - place[b.ID] })
	}
	for _, id := range c.Ran {
		from, to := next.Cell(id), n.Cell(id)
		if from == nil || to == nil {
			continue // removed while it ran
		}
		if c.Base == 0 && from.ExecutionCount < to.ExecutionCount {
			continue // of before a run by another service
		}
		document := *to
		*to = *from
		to.Kind, to.Source, to.Disabled = document.Kind, document.Source, document.Disabled
		to.Connection, to.Result = document.Connection, document.Result
	}
	return nil
}

// CheckBase returns a *session.VersionError unless the notebook has that
// version; 0 is any.
func CheckBase(n *notebook.Notebook, base int64) error {
	if base != 0 && n.Version != base {
		return &session.VersionError{Given: base, Current: n.Version}
	}
	return nil
}

// write keeps the document of a cell, and leaves its results as they are.
func write(n *notebook.Notebook, from *notebook.Cell) {
	if from == nil {
		return // written and removed since
	}
	to := n.Cell(from.ID)
	if to == nil {
		to = notebook.NewCell(from.Kind, from.Source)
		to.ID = from.ID
		n.Cells = append(n.Cells, to)
	}
	to.Kind, to.Source, to.Disabled = from.Kind, from.Source, from.Disabled
	to.Connection, to.Result = from.Connection, from.Result
}
