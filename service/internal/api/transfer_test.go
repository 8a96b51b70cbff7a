package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// send sends a body of any type and returns the answer.
func (w *whole) send(method, path, contentType, body string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	require.NoError(w.t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	described.check(w.t, method, req.URL.Path, "", res, raw)
	return res, string(raw)
}

type importedNotebook struct {
	notebook.Notebook
	Lost []string `json:"lost"`
}

func TestAnExportedNotebookIsBroughtBackByItsImport(t *testing.T) {
	w := serveWhole(t)
	n := w.create("a = 1\n\n# %% not a marker", "print(a)  \n", "x = (")
	for format, contentType := range map[string]string{"py": "text/x-python", "ipynb": "application/x-ipynb+json"} {
		res, file := w.send("GET", "/api/notebooks/"+n.ID+"/export?format="+format, "", "")
		require.Equal(t, http.StatusOK, res.StatusCode, file)
		require.Contains(t, res.Header.Get("Content-Disposition"), "attachment; filename=")
		require.Contains(t, res.Header.Get("Content-Disposition"), "."+format)
		require.True(t, strings.HasPrefix(res.Header.Get("Content-Type"), contentType))

		var back importedNotebook
		header := w.upload(contentType, file, "?name=Back", &back)
		require.Equal(t, "/api/notebooks/"+back.ID, header.Get("Location"))
		require.Equal(t, "Back", back.Name)
		if format == "py" { // which has no outputs to lose
			require.Empty(t, back.Lost)
		}
		require.Len(t, back.Cells, len(n.Cells))
		for i := range n.Cells {
			require.Equal(t, n.Cells[i].Source, back.Cells[i].Source, format)
			require.Equal(t, n.Cells[i].Kind, back.Cells[i].Kind, format)
		}
	}
}

func (w *whole) upload(contentType, body, query string, into any) http.Header {
	w.t.Helper()
	res, raw := w.send("POST", "/api/notebooks/import"+query, contentType, body)
	require.Equal(w.t, http.StatusCreated, res.StatusCode, raw)
	require.NoError(w.t, json.Unmarshal([]byte(raw), into))
	return res.Header
}

func TestPagesAndMarkdownAreExportedAsFilesThatRunNothing(t *testing.T) {
	w := serveWhole(t)
	n := w.create("class R:\n    def _repr_html_(self): return '<script>alert(1)</script>'\nR()")
	w.do("POST", "/api/notebooks/"+n.ID+"/run?wait=30", "{}", http.StatusOK, nil)
	res, page := w.send("GET", "/api/notebooks/"+n.ID+"/export?format=html", "", "")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NotContains(t, page, "<script>alert")
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "sandbox")
	res, text := w.send("GET", "/api/notebooks/"+n.ID+"/export?format=md", "", "")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, text, "class R:")
}

func TestFilesThatCantBeTakenAreRefusedWithTheReason(t *testing.T) {
	w := serveWhole(t)
	n := w.create("a = 1")
	for name, c := range map[string]struct {
		method, path, contentType, body string
		status                          int
	}{
		"no format":      {"GET", "/api/notebooks/" + n.ID + "/export", "", "", 400},
		"unknown format": {"GET", "/api/notebooks/" + n.ID + "/export?format=pdf", "", "", 422},
		"unknown id":     {"GET", "/api/notebooks/" + notebook.NewID() + "/export?format=py", "", "", 404},
		"a picture":      {"POST", "/api/notebooks/import", "image/png", "x", 415},
		"broken JSON":    {"POST", "/api/notebooks/import", "application/x-ipynb+json", "{", 400},
		"old nbformat":   {"POST", "/api/notebooks/import", "application/json", `{"nbformat":3,"nbformat_minor":0,"metadata":{},"worksheets":[]}`, 422},
		"no text":        {"POST", "/api/notebooks/import?name=%ff", "text/x-python", "x", 400},
		"too large":      {"POST", "/api/notebooks/import", "text/x-python", strings.Repeat("#", 9<<20), 413},
	} {
		res, raw := w.send(c.method, c.path, c.contentType, c.body)
		require.Equal(t, c.status, res.StatusCode, "%s: %s", name, raw)
		require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"), name)
	}
}
