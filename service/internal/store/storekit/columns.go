package storekit

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Results are what the last run of a cell left, as databases keep it: in two
// columns, because outputs are large and the rest is not.
type Results struct {
	CellID  string
	Runs    int    // execution_count: an older one never replaces a newer one
	State   string // JSON
	Outputs string // JSON
}

// state is the part of a cell's results that is not outputs.
type state struct {
	Defines        []string            `json:"defines"`
	References     []string            `json:"references"`
	Status         notebook.Status     `json:"status"`
	Error          *notebook.CellError `json:"error,omitempty"`
	BlockedBy      []string            `json:"blocked_by"`
	ExecutionCount int                 `json:"execution_count"`
	StartedAt      *notebook.Time      `json:"started_at,omitempty"`
	DurationMS     *float64            `json:"duration_ms,omitempty"`
}

// ResultsOf returns the results of the named cells, without those that the
// notebook has not: they were removed while they ran.
func ResultsOf(n *notebook.Notebook, cells []string) ([]Results, error) {
	wanted := make(map[string]struct{}, len(cells))
	for _, id := range cells {
		wanted[id] = struct{}{}
	}
	all := make([]Results, 0, len(cells))
	for _, c := range n.Cells {
		if _, ok := wanted[c.ID]; !ok {
			continue
		}
		r, err := resultsOf(c)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func resultsOf(c *notebook.Cell) (Results, error) {
	st, err := json.Marshal(state{c.Defines, c.References, c.Status, c.Error, c.BlockedBy, c.ExecutionCount, c.StartedAt, c.DurationMS})
	if err != nil {
		return Results{}, fmt.Errorf("encode results of cell %s: %w", c.ID, err)
	}
	outputs := c.Outputs
	if outputs == nil {
		outputs = []notebook.Output{}
	}
	out, err := json.Marshal(outputs)
	if err != nil {
		return Results{}, fmt.Errorf("encode outputs of cell %s: %w", c.ID, err)
	}
	return Results{c.ID, c.ExecutionCount, string(st), string(out)}, nil
}

// Into puts the results into the cell.
func (r Results) Into(c *notebook.Cell) error {
	var st state
	if err := json.Unmarshal([]byte(r.State), &st); err != nil {
		return fmt.Errorf("decode results of cell %s: %w", r.CellID, err)
	}
	if err := json.Unmarshal([]byte(r.Outputs), &c.Outputs); err != nil {
		return fmt.Errorf("decode outputs of cell %s: %w", r.CellID, err)
	}
	c.Defines, c.References, c.BlockedBy = notNil(st.Defines), notNil(st.References), notNil(st.BlockedBy)
	c.Status, c.Error, c.ExecutionCount = st.Status, st.Error, st.ExecutionCount
	c.StartedAt, c.DurationMS = st.StartedAt, st.DurationMS
	return nil
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// Order returns the ids of the notebook's cells, in page order.
func Order(n *notebook.Notebook) []string {
	ids := make([]string, len(n.Cells))
	for i, c := range n.Cells {
		ids[i] = c.ID
	}
	return ids
}

// Migrations returns the texts of the files migrations/*.sql in the order of
// their names; the n-th leads to schema version n.
//
// A new version of the service starts while the one before it still serves, so
// a migration may only add: what the former one reads and writes must go on.
func Migrations(files fs.FS) []string {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	slices.Sort(names)
	texts := make([]string, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err) // it is in the binary
		}
		texts[i] = string(text)
	}
	return texts
}

// CheckSchema returns an error for a schema of a later version than the last
// known one.
func CheckSchema(version, known int) error {
	if version > known {
		return fmt.Errorf("its schema is version %d and this build knows only up to %d: run a build at least as new as the one that wrote it", version, known)
	}
	return nil
}

// FullPage cuts the list that a query for one more than the limit gave.
func FullPage(found []notebook.Summary, limit int) (page []notebook.Summary, next *string) {
	if len(found) <= limit {
		return found, nil
	}
	cursor := After(found[limit-1]).Cursor()
	return found[:limit], &cursor
}
