package api

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// id returns the notebook's id of the path. What has not the form of an id
// can't be there.
func id(c *gin.Context) (string, error) {
	id := c.Param("id")
	if !notebook.ValidID(id) {
		return "", session.ErrNotFound
	}
	return id, nil
}

// of makes a handler of one for the notebook that the path names.
func of(h func(c *gin.Context, nb string) error) handler {
	return func(c *gin.Context) error {
		nb, err := id(c)
		if err != nil {
			return err
		}
		return h(c, nb)
	}
}

func ids(c *gin.Context) (nb, cell string, err error) {
	if nb, err = id(c); err != nil {
		return "", "", err
	}
	if cell = c.Param("cell"); !notebook.ValidID(cell) {
		return "", "", session.ErrCellNotFound
	}
	return nb, cell, nil
}

func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// neverVersion is an ifMatch that no notebook satisfies.
const neverVersion int64 = -1

// ifMatch returns the version that the request asks for.
func (a *API) ifMatch(c *gin.Context, nb string) (int64, error) {
	tags, any, err := parseIfMatch(c.Request.Header.Values("If-Match"))
	switch {
	case err != nil:
		return 0, err
	case any:
		return session.AnyVersion, nil
	case len(tags) == 0:
		return neverVersion, nil
	case len(tags) == 1:
		return tags[0], nil
	}
	// Of several versions, the current one if it is among them. That it is
	// still current is checked with the change itself.
	n, err := a.notebooks.Get(c.Request.Context(), nb)
	if err != nil {
		return 0, err
	}
	if slices.Contains(tags, n.Version) {
		return n.Version, nil
	}
	return neverVersion, nil
}

// parseIfMatch reads the versions that an If-Match names (RFC 9110, 13.1.1).
// Weak tags and tags that are not ours match nothing, as the comparison is the
// strong one; any says that every version does.
func parseIfMatch(lines []string) (versions []int64, any bool, err error) {
	if len(lines) == 0 {
		return nil, true, nil
	}
	malformed := newProblem(http.StatusBadRequest, `If-Match must be * or entity tags, such as "17"`)
	rest := strings.TrimSpace(strings.Join(lines, ","))
	if rest == "*" {
		return nil, true, nil
	}
	for found := false; ; {
		rest = strings.TrimLeft(rest, " \t,")
		if rest == "" {
			if !found {
				return nil, false, malformed
			}
			return versions, false, nil
		}
		found = true
		opaque, weak := strings.CutPrefix(rest, "W/")
		opaque, quoted := strings.CutPrefix(opaque, `"`)
		tag, after, closed := strings.Cut(opaque, `"`)
		after = strings.TrimLeft(after, " \t")
		if !quoted || !closed || strings.ContainsFunc(tag, func(r rune) bool { return r <= ' ' || r == 0x7f }) || (after != "" && after[0] != ',') {
			return nil, false, malformed
		}
		rest = after
		if v, err := strconv.ParseInt(tag, 10, 64); err == nil && v > 0 && etag(v) == `"`+tag+`"` && !weak {
			versions = append(versions, v)
		}
	}
}

const (
	defaultLimit = 50
	maxLimit     = 500
)

func (a *API) listNotebooks(c *gin.Context) error {
	q := session.Query{Limit: defaultLimit}
	if c.Request.URL.RawQuery != "" {
		if err := listQuery(c, &q); err != nil {
			return err
		}
	}
	page, err := a.notebooks.List(c.Request.Context(), q)
	if err != nil {
		return err
	}
	if page.Stamp.Store == 0 {
		return respond(c, http.StatusOK, page)
	}
	answer, ok := a.lists.Load(page.Stamp)
	if !ok {
		var buf bytes.Buffer
		if err := encode(&buf, page); err != nil {
			return err
		}
		answer = encoded{buf.Bytes(), length(&buf)}
		a.lists.Store(page.Stamp, answer)
	}
	return send(c, http.StatusOK, answer)
}

// listQuery reads which page of the list is asked for.
func listQuery(c *gin.Context, q *session.Query) error {
	q.Search, q.Cursor = c.Query("q"), c.Query("cursor")
	if !utf8.ValidString(q.Search) {
		return badQuery("q", "must be UTF-8")
	}
	if text, ok := c.GetQuery("limit"); ok {
		n, err := strconv.Atoi(text)
		if err != nil {
			return badQuery("limit", "must be "+aWholeNumber)
		}
		if n < 1 || n > maxLimit {
			return &notebook.FieldError{Field: "limit", Message: "must be from 1 to " + strconv.Itoa(maxLimit)}
		}
		q.Limit = n
	}
	return nil
}

func badQuery(name, message string) *Problem {
	p := newProblem(http.StatusBadRequest, name+" "+message)
	p.Errors = []FieldProblem{{name, message}}
	return p
}

func (a *API) createNotebook(c *gin.Context) error {
	o, err := a.body(c, true)
	if err != nil {
		return err
	}
	var n session.NewNotebook
	var refused []error
	name := o.text("name")
	if name != nil {
		n.Name = *name
	}
	if mode := o.text("mode"); mode != nil {
		n.Mode = notebook.Mode(*mode)
		refused = append(refused, notebook.CheckMode(n.Mode))
	}
	o.objects("cells", func(inner *object) {
		cell, err := inner.newCell()
		n.Cells = append(n.Cells, cell)
		refused = append(refused, err)
	})
	if err := o.finish(); err != nil {
		return err
	}
	refused = append(refused, missing(map[string]bool{"name": name != nil}))
	if err := errors.Join(refused...); err != nil {
		return err
	}
	created, err := a.notebooks.Create(c.Request.Context(), n)
	if err != nil {
		return err
	}
	c.Header("Location", "/api/notebooks/"+created.ID)
	return answerNotebook(c, http.StatusCreated, created)
}

func answerNotebook(c *gin.Context, status int, n *notebook.Notebook) error {
	c.Header("ETag", etag(n.Version))
	return respond(c, status, n)
}

func (a *API) getNotebook(c *gin.Context, nb string) error {
	n, err := a.notebooks.Get(c.Request.Context(), nb)
	if err != nil {
		return err
	}
	return answerNotebook(c, http.StatusOK, n)
}

func (a *API) updateNotebook(c *gin.Context, nb string) error {
	o, err := a.body(c, true)
	if err != nil {
		return err
	}
	patch := session.NotebookPatch{Name: o.text("name")}
	var refused error
	if mode := o.text("mode"); mode != nil {
		m := notebook.Mode(*mode)
		patch.Mode, refused = &m, notebook.CheckMode(m)
	}
	if err := errors.Join(o.finish(), refused); err != nil {
		return err
	}
	match, err := a.ifMatch(c, nb)
	if err != nil {
		return err
	}
	n, err := a.notebooks.Update(c.Request.Context(), nb, match, patch)
	if err != nil {
		return err
	}
	return answerNotebook(c, http.StatusOK, n)
}

func (a *API) deleteNotebook(c *gin.Context, nb string) error {
	match, err := a.ifMatch(c, nb)
	if err != nil {
		return err
	}
	if err := a.notebooks.Delete(c.Request.Context(), nb, match); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (a *API) createCell(c *gin.Context, nb string) error {
	o, err := a.body(c, false)
	if err != nil {
		return err
	}
	n, refused := o.newCell()
	n.At = o.place()
	if err := errors.Join(o.finish(), refused); err != nil {
		return err
	}
	match, err := a.ifMatch(c, nb)
	if err != nil {
		return err
	}
	cell, version, err := a.notebooks.CreateCell(c.Request.Context(), nb, match, n)
	if err != nil {
		return err
	}
	c.Header("ETag", etag(version))
	return respond(c, http.StatusCreated, cell)
}

func (a *API) updateCell(c *gin.Context) error {
	nb, cell, err := ids(c)
	if err != nil {
		return err
	}
	o, err := a.body(c, true)
	if err != nil {
		return err
	}
	patch, refused := o.cellPatch()
	if err := errors.Join(o.finish(), refused); err != nil {
		return err
	}
	match, err := a.ifMatch(c, nb)
	if err != nil {
		return err
	}
	changed, version, err := a.notebooks.UpdateCell(c.Request.Context(), nb, cell, match, patch)
	if err != nil {
		return err
	}
	c.Header("ETag", etag(version))
	return respond(c, http.StatusOK, changed)
}

func (a *API) deleteCell(c *gin.Context) error {
	nb, cell, err := ids(c)
	if err != nil {
		return err
	}
	match, err := a.ifMatch(c, nb)
	if err != nil {
		return err
	}
	version, err := a.notebooks.DeleteCell(c.Request.Context(), nb, cell, match)
	if err != nil {
		return err
	}
	c.Header("ETag", etag(version))
	c.Status(http.StatusNoContent)
	return nil
}

// maxWait bounds ?wait=, in seconds.
const maxWait = 3600

func wait(c *gin.Context) (d time.Duration, given bool, err error) {
	text, given := c.GetQuery("wait")
	if !given {
		return 0, false, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(seconds) {
		return 0, false, badQuery("wait", "must be a number of seconds")
	}
	if seconds < 0 || seconds > maxWait {
		return 0, false, &notebook.FieldError{Field: "wait", Message: "must be from 0 to " + strconv.Itoa(maxWait) + " seconds"}
	}
	return time.Duration(seconds * float64(time.Second)), true, nil
}

func (a *API) run(c *gin.Context, nb string) error {
	o, err := a.body(c, false)
	if err != nil {
		return err
	}
	request := o.runRequest()
	if err := o.finish(); err != nil {
		return err
	}
	wait, waits, err := wait(c)
	if err != nil {
		return err
	}
	if !waits {
		run, err := startRun(c.Request.Context(), a.notebooks, nb, request)
		if err != nil {
			return err
		}
		return respond(c, http.StatusAccepted, run)
	}
	result, err := a.notebooks.RunAndWait(c.Request.Context(), nb, request, wait)
	if err != nil {
		return inBody("cells", err)
	}
	if result.Order == nil {
		result.Order = []string{}
	}
	return respond(c, http.StatusOK, result)
}

type startedRun struct {
	RunID string `json:"run_id"`
}

func startRun(ctx context.Context, n Notebooks, nb string, r session.RunRequest) (startedRun, error) {
	run, err := n.Run(ctx, nb, r)
	return startedRun{run}, inBody("cells", err)
}

// inBody turns "no such cell" into a fault of the field that named it: 404 is
// for what the path names.
func inBody(field string, err error) error {
	if errors.Is(err, session.ErrCellNotFound) {
		return &notebook.FieldError{Field: field, Message: session.ErrCellNotFound.Error()}
	}
	return err
}

func (a *API) interrupt(c *gin.Context, nb string) error {
	o, err := a.body(c, false)
	if err != nil {
		return err
	}
	if err := o.finish(); err != nil {
		return err
	}
	if err := a.notebooks.Interrupt(c.Request.Context(), nb); err != nil {
		return err
	}
	return respond(c, http.StatusAccepted, struct{}{})
}

func (a *API) restart(c *gin.Context, nb string) error {
	o, err := a.body(c, false)
	if err != nil {
		return err
	}
	run := o.flag("run")
	if err := o.finish(); err != nil {
		return err
	}
	if err := a.notebooks.Restart(c.Request.Context(), nb, run != nil && *run); err != nil {
		return err
	}
	return respond(c, http.StatusAccepted, struct{}{})
}

func (a *API) graph(c *gin.Context, nb string) error {
	g, err := a.notebooks.Graph(c.Request.Context(), nb)
	if err != nil {
		return err
	}
	g.Cells, g.Edges = list(g.Cells), list(g.Edges)
	return respond(c, http.StatusOK, g)
}

// list returns a list that is encoded as [] when it is empty, never as null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func (a *API) variables(c *gin.Context, nb string) error {
	found, err := a.notebooks.Variables(c.Request.Context(), nb)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, struct {
		Variables []session.Variable `json:"variables"`
	}{list(found)})
}

func (a *API) connections(c *gin.Context) error {
	return respond(c, http.StatusOK, struct {
		Connections []sqlcell.Info `json:"connections"`
	}{list(a.notebooks.Connections())})
}

func (a *API) complete(c *gin.Context, nb string) error {
	o, err := a.body(c, true)
	if err != nil {
		return err
	}
	cell, source, cursor := o.text("cell_id"), o.text("source"), o.number("cursor")
	if err := o.finish(); err != nil {
		return err
	}
	if err := missing(map[string]bool{"cell_id": cell != nil, "source": source != nil, "cursor": cursor != nil}); err != nil {
		return err
	}
	if *cursor < 0 || *cursor > int64(len(utf16.Encode([]rune(*source)))) {
		return &notebook.FieldError{Field: "cursor", Message: "must be a place in source, in UTF-16 units"}
	}
	found, err := a.notebooks.Complete(c.Request.Context(), nb, *cell, *source, int(*cursor))
	if err != nil {
		return inBody("cell_id", err)
	}
	found.Matches = list(found.Matches)
	return respond(c, http.StatusOK, found)
}
