package logs

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALineNamesWhatItsContextIsAbout(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(Handler{slog.NewJSONHandler(&out, nil)}).With("environment", "test")
	line := func(ctx context.Context) map[string]any {
		out.Reset()
		log.WarnContext(ctx, "said", "own", 1)
		found := map[string]any{}
		require.NoError(t, json.Unmarshal(out.Bytes(), &found))
		delete(found, "time")
		return found
	}
	request := WithRequest(t.Context(), "r1", "")
	one := With(request, slog.String(Notebook, "n1"))
	other := With(one, slog.String(Notebook, "n2"))
	third := WithRequest(With(t.Context(), slog.String(Notebook, "n9")), "r1", "n3")
	within := WithRequest(With(t.Context(), slog.String(Notebook, "n4")), "r1", "")
	base := map[string]any{"level": "WARN", "msg": "said", "environment": "test", "own": 1.0}
	require.Equal(t, base, line(t.Context()))
	base["request"] = "r1"
	require.Equal(t, base, line(request))
	for ctx, id := range map[context.Context]string{
		one: "n1", other: "n2", third: "n3", within: "n4", Detach(one): "n1", Detach(third): "n3",
	} {
		base["notebook"] = id
		require.Equal(t, base, line(ctx))
		require.Equal(t, 1, bytes.Count(out.Bytes(), []byte(`"notebook"`)))
	}
}
