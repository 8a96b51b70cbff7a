// Package property holds code to properties over random cases, in tests.
//
// It is a thin layer over rapid, which makes the cases and shrinks one that
// fails, and adds what a run has to say to be repeated.
//
// Invariant: the seed of every check is in the test's log, and the same seed
// gives the same cases.
package property

import (
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Check holds a property to so many random cases. RAPID_CHECKS or -rapid.checks
// ask for more or fewer, RAPID_SEED or -rapid.seed for those of an earlier run.
// Not for parallel tests: the settings are the program's.
func Check(t *testing.T, cases int, property func(*rapid.T)) {
	t.Helper()
	set(t, "rapid.checks", "RAPID_CHECKS", strconv.Itoa(cases))
	set(t, "rapid.seed", "RAPID_SEED", strconv.FormatUint(rand.Uint64(), 10))
	set(t, "rapid.nofailfile", "RAPID_NOFAILFILE", "true") // the seed is enough
	t.Logf("%s cases; RAPID_SEED=%s repeats them", flag.Lookup("rapid.checks").Value, flag.Lookup("rapid.seed").Value)
	rapid.Check(t, property)
}

// set gives a flag a value for this test, unless whoever started it gave it one.
func set(t *testing.T, name, variable, value string) {
	t.Helper()
	given := slices.ContainsFunc(os.Args, func(argument string) bool {
		return strings.HasPrefix(strings.TrimLeft(argument, "-"), name+"=")
	})
	if given || os.Getenv(variable) != "" {
		return
	}
	before := flag.Lookup(name).Value.String()
	require.NoError(t, flag.Set(name, value))
	t.Cleanup(func() { require.NoError(t, flag.Set(name, before)) })
}
