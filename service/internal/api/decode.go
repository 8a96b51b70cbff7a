package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// body reads a request's JSON object. Without required, no body at all counts
// as an empty object.
func (a *API) body(c *gin.Context, required bool) (*object, error) {
	if c.Request.ContentLength == 0 && !required {
		return &object{}, nil // whatever kind nothing is said to be
	}
	kind := c.GetHeader("Content-Type")
	if kind != "" && !isJSON(kind) {
		return nil, newProblem(http.StatusUnsupportedMediaType, fmt.Sprintf("the body must be application/json in UTF-8, not %q", kind))
	}
	raw, err := a.raw(c)
	if err != nil {
		return nil, err
	}
	if len(bytes.Trim(raw, jsonSpace)) == 0 && !required {
		return &object{}, nil
	}
	if len(raw) > 0 && kind == "" {
		return nil, newProblem(http.StatusUnsupportedMediaType, "say what the body is: Content-Type: application/json")
	}
	return parseObject(raw)
}

// raw reads a request's body, whatever it is.
func (a *API) raw(c *gin.Context) ([]byte, error) {
	if coding := c.GetHeader("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, newProblem(http.StatusUnsupportedMediaType, "the body must not be encoded: leave Content-Encoding out")
	}
	if c.Request.ContentLength > a.maxBody {
		return nil, &http.MaxBytesError{Limit: a.maxBody}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, a.maxBody))
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		return nil, newProblem(http.StatusBadRequest, "the body could not be read to its end")
	}
	return raw, err
}

func isJSON(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/json" {
		return false
	}
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8")
}

// object is a JSON object whose fields are taken one by one, by their exact
// names. What is wrong is collected, and told by finish.
type object struct {
	path   string // before the names of its fields, "" or with a dot at its end
	fields map[string]json.RawMessage
	faults []FieldProblem
}

// jsonSpace is what JSON allows around its values, which is less than what Go
// counts as space.
const jsonSpace = " \t\r\n"

// parseObject reads exactly one JSON object in UTF-8.
func parseObject(raw []byte) (*object, error) {
	if !utf8.Valid(raw) {
		return nil, newProblem(http.StatusBadRequest, "the JSON is not in UTF-8")
	}
	trimmed := bytes.Trim(raw, jsonSpace)
	if len(trimmed) == 0 {
		return nil, newProblem(http.StatusBadRequest, "a JSON object is expected, and nothing came")
	}
	o := &object{}
	err := json.Unmarshal(raw, &o.fields)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, newProblem(http.StatusBadRequest, fmt.Sprintf("malformed JSON at byte %d: %v", syntax.Offset, syntax))
	case err != nil || trimmed[0] != '{':
		return nil, newProblem(http.StatusBadRequest, "a JSON object is expected, and something else came")
	}
	return o, nil
}

func (o *object) fault(name, message string) {
	o.faults = append(o.faults, FieldProblem{o.path + name, message})
}

// take moves the value of a field into the target. It returns whether the
// field was there and of the right type; null is of no type.
func take[T any](o *object, name, typ string, target *T) bool {
	raw, ok := o.fields[name]
	if !ok {
		return false
	}
	delete(o.fields, name)
	if isNull(raw) || json.Unmarshal(raw, target) != nil {
		o.fault(name, "must be "+typ)
		return false
	}
	return true
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

const (
	aString      = "a string"
	aStringNull  = "a string or null"
	aBool        = "true or false"
	aWholeNumber = "a whole number"
)

// text takes a string, or nil if the field isn't there.
func (o *object) text(name string) *string {
	var s string
	if !take(o, name, aString, &s) {
		return nil
	}
	return &s
}

// textOrNull takes a string or null; the outer pointer is nil if the field
// isn't there.
func (o *object) textOrNull(name string) **string {
	var inner *string
	if raw, ok := o.fields[name]; ok && isNull(raw) {
		delete(o.fields, name)
		return &inner
	}
	var s string
	if !take(o, name, aStringNull, &s) {
		return nil
	}
	inner = &s
	return &inner
}

func (o *object) flag(name string) *bool {
	var b bool
	if !take(o, name, aBool, &b) {
		return nil
	}
	return &b
}

func (o *object) number(name string) *int64 {
	var n int64
	if !take(o, name, aWholeNumber, &n) {
		return nil
	}
	return &n
}

// texts takes a list of strings.
func (o *object) texts(name string) []string {
	var raws []json.RawMessage
	if !take(o, name, "a list of strings", &raws) {
		return nil
	}
	list := make([]string, len(raws))
	for i, raw := range raws {
		if isNull(raw) || json.Unmarshal(raw, &list[i]) != nil {
			o.fault(name+"."+strconv.Itoa(i), "must be a string")
		}
	}
	return list
}

// objects takes a list of objects, one call for each.
func (o *object) objects(name string, each func(*object)) {
	var raws []json.RawMessage
	if !take(o, name, "a list of objects", &raws) {
		return
	}
	for i, raw := range raws {
		path := name + "." + strconv.Itoa(i)
		inner := &object{path: o.path + path + "."}
		if raw[0] != '{' || json.Unmarshal(raw, &inner.fields) != nil {
			o.fault(path, "must be an object")
			continue
		}
		each(inner)
		inner.unknown()
		o.faults = append(o.faults, inner.faults...)
	}
}

func (o *object) unknown() {
	names := make([]string, 0, len(o.fields))
	for name := range o.fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		o.fault(name, "is not a known field")
	}
}

// finish returns a problem if any field was of the wrong type or is unknown.
func (o *object) finish() error {
	o.unknown()
	if len(o.faults) == 0 {
		return nil
	}
	p := newProblem(http.StatusBadRequest, o.faults[0].Field+" "+o.faults[0].Message)
	if len(o.faults) > 1 {
		p.Detail = fmt.Sprintf("%d fields are wrong", len(o.faults))
	}
	p.Errors = o.faults
	return p
}

// missing returns a FieldError for each named field that isn't there.
func missing(fields map[string]bool) error {
	var names []string
	for name, given := range fields {
		if !given {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	errs := make([]error, len(names))
	for i, name := range names {
		errs[i] = &notebook.FieldError{Field: name, Message: "is required"}
	}
	return errors.Join(errs...)
}

// place takes "after": absent is the end, null the top.
func (o *object) place() notebook.Place {
	after := o.textOrNull("after")
	switch {
	case after == nil:
		return notebook.Place{}
	case *after == nil:
		return notebook.Place{Given: true}
	case **after == "":
		// It would be the top to a Place, and an id that isn't there to the client.
		return notebook.Place{Given: true, After: "(empty)"}
	}
	return notebook.Place{Given: true, After: **after}
}

// newCell takes the fields of a cell to create, but for its place.
func (o *object) newCell() (session.NewCell, error) {
	var n session.NewCell
	var err error
	if kind := o.text("kind"); kind != nil {
		n.Kind = notebook.Kind(*kind)
		err = o.refused(notebook.CheckKind(n.Kind))
	}
	if source := o.text("source"); source != nil {
		n.Source = *source
	}
	if disabled := o.flag("disabled"); disabled != nil {
		n.Disabled = *disabled
	}
	if connection := o.textOrNull("connection"); connection != nil {
		n.Connection = *connection
	}
	if result := o.textOrNull("result"); result != nil {
		n.Result = *result
	}
	return n, err
}

// refused puts the object's path before a FieldError's field.
func (o *object) refused(err error) error {
	var field *notebook.FieldError
	if errors.As(err, &field) {
		return &notebook.FieldError{Field: o.path + field.Field, Message: field.Message}
	}
	return err
}

// cellPatch takes the fields of a change to a cell.
func (o *object) cellPatch() (session.CellPatch, error) {
	p := session.CellPatch{
		Source: o.text("source"), Disabled: o.flag("disabled"),
		Connection: o.textOrNull("connection"), Result: o.textOrNull("result"), At: o.place(),
	}
	var err error
	if kind := o.text("kind"); kind != nil {
		k := notebook.Kind(*kind)
		p.Kind, err = &k, notebook.CheckKind(k)
	}
	return p, err
}

// runRequest takes which cells to run.
func (o *object) runRequest() session.RunRequest {
	r := session.RunRequest{Cells: o.texts("cells")}
	if stale := o.flag("stale"); stale != nil {
		r.Stale = *stale
	}
	return r
}

// version takes the version that a socket's command is based on.
func (o *object) version() int64 {
	v := o.number("version")
	switch {
	case v == nil:
		return session.AnyVersion
	case *v < 1:
		return neverVersion
	}
	return *v
}
