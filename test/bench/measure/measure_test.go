package measure

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	require.Equal(t, 3.0, Median([]float64{9, 1, 3}))
	require.Equal(t, 2.5, Median([]float64{4, 1, 3, 2}))
	require.True(t, math.IsNaN(Median(nil)))
}

func TestInterleavedTakesTurnsAndThrowsTheFirstRoundAway(t *testing.T) {
	var turns []string
	figure := 100.0
	medians, err := Interleaved(2,
		func() (float64, error) { turns = append(turns, "a"); figure++; return figure, nil },
		func() (float64, error) { turns = append(turns, "b"); return 7, nil },
	)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "a", "b", "a", "b"}, turns)
	require.Equal(t, []float64{102.5, 7}, medians)
}
