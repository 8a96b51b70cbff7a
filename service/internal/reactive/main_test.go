package reactive

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// casesOfProperty is how many random cases each property is held to, unless
// RAPID_CHECKS or -rapid.checks say otherwise.
const casesOfProperty = "8000"

// TestMain makes the properties' cases repeatable: the seed is printed, and
// RAPID_SEED or -rapid.seed sets it.
func TestMain(m *testing.M) {
	flag.Parse()
	given := map[string]bool{"rapid.checks": os.Getenv("RAPID_CHECKS") != "", "rapid.seed": os.Getenv("RAPID_SEED") != ""}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"rapid.checks": casesOfProperty, "rapid.seed": fmt.Sprint(rand.Uint64())} {
		if given[name] {
			continue
		}
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}

// check holds a property to random cases.
func check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	t.Logf("%s cases; RAPID_SEED=%s repeats them", flag.Lookup("rapid.checks").Value, flag.Lookup("rapid.seed").Value)
	rapid.Check(t, property)
}
