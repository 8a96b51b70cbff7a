// Package measure is what the parts of the benchmark share: how a result is
// handed to the runner, how repeats become one figure, and how the service is
// started from its binary.
//
// It is not the runner and knows no part. Its invariant: a figure that is
// handed on is finite and above zero, so that a ratio of two of them means
// something.
package measure

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// Result is one row of the table, and one line of JSON on a part's standard
// output.
type Result struct {
	What   string  `json:"what"`             // what is measured, "cold start to first result"
	Unit   string  `json:"unit"`             // of both figures: "ms", "µs", "MiB", "requests/s"
	Ours   float64 `json:"ours"`             // the service's figure
	Theirs float64 `json:"theirs,omitempty"` // 0 where there is nothing to hold it against
	Beside string  `json:"beside,omitempty"` // what the other figure is of, "Jupyter kernel"
	More   bool    `json:"more,omitempty"`   // more is better, as with requests a second
	Goal   Goal    `json:"goal,omitzero"`
	Note   string  `json:"note,omitempty"` // what a reader must know to read the row
}

// Goal is what a row is to reach; a zero value is none.
type Goal struct {
	Ratio float64 `json:"ratio,omitempty"` // at least so many times better than what it is beside
	Ours  float64 `json:"ours,omitempty"`  // a figure that is at least as good as this
}

// Ratio says how many times better our figure is, 0 where there is no other.
func (r Result) Ratio() float64 {
	switch {
	case r.Theirs == 0:
		return 0
	case r.More:
		return r.Ours / r.Theirs
	}
	return r.Theirs / r.Ours
}

// Reached says whether the goal is reached; a row without one always does.
func (r Result) Reached() bool {
	if r.Goal.Ratio > 0 && r.Ratio() < r.Goal.Ratio {
		return false
	}
	if r.Goal.Ours > 0 {
		if r.More {
			return r.Ours >= r.Goal.Ours
		}
		return r.Ours <= r.Goal.Ours
	}
	return true
}

// Check returns an error for a row that can't be read.
func (r Result) Check() error {
	whole := func(f float64) bool { return f > 0 && !math.IsInf(f, 0) }
	switch {
	case r.What == "" || r.Unit == "":
		return fmt.Errorf("result %+v: what and unit are needed", r)
	case !whole(r.Ours):
		return fmt.Errorf("result %q: ours is %v, not a figure above zero", r.What, r.Ours)
	case r.Theirs != 0 && !whole(r.Theirs):
		return fmt.Errorf("result %q: theirs is %v, not a figure above zero", r.What, r.Theirs)
	case (r.Theirs == 0) != (r.Beside == ""):
		return fmt.Errorf("result %q: theirs and beside go together", r.What)
	}
	return nil
}

// Emit hands a result to the runner, which reads the part's standard output.
func Emit(w io.Writer, r Result) error {
	if err := r.Check(); err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(r)
}

// Median is the middle figure, between the two middle ones of an even number.
// It is NaN of none.
func Median(figures []float64) float64 {
	if len(figures) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Interleaved measures several things in turn, so many rounds of all of them,
// and returns the median of each: what slows the machine for a while slows all.
// One round more is thrown away first.
func Interleaved(rounds int, measures ...func() (float64, error)) ([]float64, error) {
	figures := make([][]float64, len(measures))
	for round := range rounds + 1 {
		for i, measure := range measures {
			figure, err := measure()
			if err != nil {
				return nil, err
			}
			if round > 0 {
				figures[i] = append(figures[i], figure)
			}
		}
	}
	medians := make([]float64, len(measures))
	for i, each := range figures {
		medians[i] = Median(each)
	}
	return medians, nil
}
