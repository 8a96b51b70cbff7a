// Package storekit is what all stores have in common: the cursor that leads to
// the next page of a list, how names are searched, and what a change may be.
//
// It reads and writes nothing. Its invariant: any store understands the
// cursors that another one gave.
package storekit

import (
	"encoding/base64"
	"errors"
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
