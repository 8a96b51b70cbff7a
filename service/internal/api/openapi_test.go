package api

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"mime"
	"net/http"
	"os"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// description is the API's own, by which tests check every answer that they
// get, and every request that was accepted.
type description struct {
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas   map[string]schema
		Responses map[string]response
	}

	mu   sync.Mutex
	seen map[string]bool // what the tests were answered: operation and status, or its class
}

// saw notes an answer.
func (d *description) saw(o *operation, status int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	d.seen[fmt.Sprintf("%s %d", o.name, status)] = true
	d.seen[fmt.Sprintf("%s %dXX", o.name, status/100)] = true
}

// unseen returns the answers that are described and that no test got.
func (d *description) unseen() (missing []string) {
	for template, methods := range d.Paths {
		for method, raw := range methods {
			if method == "parameters" {
				continue
			}
			o := &operation{}
			if err := json.Unmarshal(raw, o); err != nil {
				panic(err)
			}
			for status := range o.Responses {
				answer := strings.ToUpper(method) + " " + template + " " + status
				if !d.seen[answer] && !slices.Contains(withoutFaults, answer) {
					missing = append(missing, answer)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// withoutFaults are answers that clients must be ready for, as anything may
// fail, and that nothing brings about here: these operations ask no other part.
var withoutFaults = []string{
	"GET /health 5XX", "GET /api/openapi.json 5XX", "GET /api/connections 5XX", "POST /api/session 5XX", "DELETE /api/session 5XX",
}

// TestMain requires, after all tests, that they held every answer that is
// described against the description.
func TestMain(m *testing.M) {
	code := m.Run()
	chosen := flag.Lookup("test.run").Value.String() + flag.Lookup("test.skip").Value.String() + flag.Lookup("test.fuzz").Value.String() + flag.Lookup("test.list").Value.String()
	if missing := described.unseen(); code == 0 && chosen == "" && len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "no test gets these answers, which openapi.json describes:\n  %s\n", strings.Join(missing, "\n  "))
		code = 1
	}
	os.Exit(code)
}

func TestEveryOperationSaysWhatIsWrong(t *testing.T) {
	s := serve(t, withToken)
	n := s.notebook()
	base, auth := "/api/notebooks/"+n.ID, "Authorization: Bearer "+token
	cell := base + "/cells/" + n.Cells[0].ID
	for _, one := range []struct{ method, path, body, call string }{
		{"GET", "/api/notebooks", "", "List"},
		{"POST", "/api/notebooks", `{"name":"N"}`, "Create"},
		{"POST", "/api/notebooks/import", `{"nbformat":4,"cells":[]}`, "Create"},
		{"GET", base, "", "Get"},
		{"PATCH", base, `{"name":"M"}`, "Update"},
		{"DELETE", base, "", "Delete"},
		{"POST", base + "/cells", `{}`, "CreateCell"},
		{"PATCH", cell, `{"source":"x"}`, "UpdateCell"},
		{"DELETE", cell, "", "DeleteCell"},
		{"GET", base + "/export?format=py", "", "Get"},
		{"POST", base + "/run", `{}`, "Run"},
		{"POST", base + "/interrupt", "", "Interrupt"},
		{"POST", base + "/restart", `{}`, "Restart"},
		{"GET", base + "/graph", "", "Graph"},
		{"GET", base + "/variables", "", "Variables"},
		{"POST", base + "/complete", `{"cell_id":"` + n.Cells[0].ID + `","source":"x","cursor":1}`, "Complete"},
		{"GET", "/api/ws/notebooks/" + n.ID, "", "Get"},
		{"GET", "/api/connections", "", ""},
		{"DELETE", "/api/session", "", ""},
	} {
		s.do(one.method, one.path, one.body).problem(t, 401)
		if one.call == "" {
			continue
		}
		s.mu.Lock()
		s.fails[one.call] = errors.New("as asked")
		s.mu.Unlock()
		s.do(one.method, one.path, one.body, auth).problem(t, 500)
		s.mu.Lock()
		delete(s.fails, one.call)
		s.mu.Unlock()
	}
	s.do("POST", "/api/session", `{"token":"wrong"}`).problem(t, 401)
	open := serve(t) // which answers to this machine's names only
	open.do("GET", "/api/openapi.json", "", "Host: notebooks.example").problem(t, 403)
	require.Equal(t, 101, open.handshake(open.notebook().ID).StatusCode)
}

type operation struct {
	name        string
	RequestBody *struct {
		Required bool
		Content  map[string]struct{ Schema schema }
	}
	Responses map[string]response
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{ Schema schema }
}

// schema is the part of JSON Schema that the description uses.
type schema map[string]any

var described = func() *description {
	d := &description{}
	if err := json.Unmarshal(openAPI, d); err != nil {
		panic(err)
	}
	return d
}()

func (d *description) operation(method, path string) *operation {
	for template, methods := range d.Paths {
		raw, ok := methods[strings.ToLower(method)]
		if !ok || !regexp.MustCompile("^"+regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(template, `[^/]+`)+"$").MatchString(path) {
			continue
		}
		o := &operation{name: method + " " + template}
		if err := json.Unmarshal(raw, o); err != nil {
			panic(err)
		}
		return o
	}
	return nil
}

// check holds a request and its answer against the description.
func (d *description) check(t *testing.T, method, path, body string, res *http.Response, raw []byte) {
	t.Helper()
	o := d.operation(method, path)
	if o != nil {
		d.saw(o, res.StatusCode)
	}
	if o == nil || res.StatusCode == http.StatusForbidden {
		return // not an operation, or kept out before it was one
	}
	name := fmt.Sprintf("%s %s: %d", method, path, res.StatusCode)
	r, ok := o.Responses[strconv.Itoa(res.StatusCode)]
	if !ok {
		r, ok = o.Responses[fmt.Sprintf("%dXX", res.StatusCode/100)]
	}
	require.True(t, ok, "%s is not described", name)
	if r.Ref != "" {
		r = d.Components.Responses[strings.TrimPrefix(r.Ref, "#/components/responses/")]
	}
	if len(r.Content) == 0 {
		require.Empty(t, raw, name)
		return
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	require.NoError(t, err)
	content, ok := r.Content[kind]
	require.True(t, ok, "%s: %s is not described", name, kind)
	if !strings.HasSuffix(kind, "json") {
		require.Equal(t, schema{"type": "string"}, content.Schema, name)
		return
	}
	require.NoError(t, d.valid(content.Schema, raw), "%s: %s", name, raw)
	if res.StatusCode < 300 && o.RequestBody != nil && len(o.RequestBody.Content) == 1 && (body != "" || o.RequestBody.Required) {
		require.NoError(t, d.valid(o.RequestBody.Content["application/json"].Schema, []byte(body)), "%s was accepted: %s", name, body)
	}
}

func (d *description) valid(s schema, raw []byte) error {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return err
	}
	return d.validate(s, value, "$")
}

func (d *description) validate(s schema, value any, at string) error {
	for keyword, rule := range s {
		var err error
		switch keyword {
		case "description", "maximum", "default":
		case "$ref":
			name := strings.TrimPrefix(rule.(string), "#/components/schemas/")
			target, ok := d.Components.Schemas[name]
			if !ok {
				return fmt.Errorf("%s: there is no schema %s", at, name)
			}
			err = d.validate(target, value, at)
		case "type":
			types, several := rule.([]any)
			if !several {
				types = []any{rule}
			}
			if !slices.ContainsFunc(types, func(one any) bool { return isOf(value, one.(string)) }) {
				err = fmt.Errorf("%s: %v is not %v", at, value, rule)
			}
		case "enum":
			if !slices.Contains(rule.([]any), value) {
				err = fmt.Errorf("%s: %v is none of %v", at, value, rule)
			}
		case "pattern":
			if text, ok := value.(string); ok && !regexp.MustCompile(rule.(string)).MatchString(text) {
				err = fmt.Errorf("%s: %q is not like %s", at, text, rule)
			}
		case "minimum":
			if n, ok := value.(float64); ok && n < rule.(float64) {
				err = fmt.Errorf("%s: %v is below %v", at, n, rule)
			}
		case "oneOf":
			matches := 0
			var last error
			for _, one := range rule.([]any) {
				if last = d.validate(one.(map[string]any), value, at); last == nil {
					matches++
				}
			}
			if matches != 1 {
				err = fmt.Errorf("%s: is %d of oneOf (%v)", at, matches, last)
			}
		case "items":
			list, _ := value.([]any)
			for i, one := range list {
				if err == nil {
					err = d.validate(rule.(map[string]any), one, fmt.Sprintf("%s.%d", at, i))
				}
			}
		case "required":
			object, _ := value.(map[string]any)
			for _, name := range rule.([]any) {
				if _, ok := object[name.(string)]; !ok && object != nil {
					err = fmt.Errorf("%s: %s is missing", at, name)
				}
			}
		case "properties", "additionalProperties":
			object, _ := value.(map[string]any)
			properties, _ := s["properties"].(map[string]any)
			for name, one := range object {
				known, ok := properties[name].(map[string]any)
				switch more := s["additionalProperties"].(type) {
				case map[string]any:
					if !ok {
						known, ok = more, true
					}
				case bool:
					if !ok && !more {
						return fmt.Errorf("%s: %s is not described", at, name)
					}
				}
				if ok && err == nil {
					err = d.validate(known, one, at+"."+name)
				}
			}
		default:
			err = fmt.Errorf("%s: this check doesn't know %s", at, keyword)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isOf(value any, typ string) bool {
	switch v := value.(type) {
	case nil:
		return typ == "null"
	case bool:
		return typ == "boolean"
	case string:
		return typ == "string"
	case float64:
		return typ == "number" || (typ == "integer" && v == math.Trunc(v))
	case []any:
		return typ == "array"
	}
	return typ == "object"
}

func TestTheDescriptionNamesEveryRouteAndNoOther(t *testing.T) {
	s := serve(t, withToken)
	got := s.do("GET", "/api/openapi.json", "")
	require.Equal(t, 200, got.StatusCode, "it needs no token")
	var real, written []string
	for _, r := range s.api.engine.Routes() {
		if r.Method != http.MethodHead {
			real = append(real, r.Method+" "+regexp.MustCompile(`:([a-z]+)`).ReplaceAllString(r.Path, "{$1}"))
		}
	}
	for path, methods := range described.Paths {
		for method := range methods {
			if method != "parameters" {
				written = append(written, strings.ToUpper(method)+" "+path)
			}
		}
	}
	sort.Strings(real)
	sort.Strings(written)
	require.Equal(t, real, written)
}

func TestTheCheckAgainstTheDescriptionFindsWhatIsWrong(t *testing.T) {
	n := serve(t).notebook()
	good, err := json.Marshal(n)
	require.NoError(t, err)
	notebook := schema{"$ref": "#/components/schemas/Notebook"}
	require.NoError(t, described.valid(notebook, good))
	for old, new := range map[string]string{
		`"mode":"auto"`: `"mode":"manual"`, `"version":1`: `"version":0`, `"disabled":false`: `"disabled":0`, `"name":`: `"title":`,
		`"outputs":[]`: `"outputs":[{"kind":"stream"}]`, `"error":null`: `"error":{}`, `"blocked_by":[]`: `"blocked_by":null`, `Z"`: `"`,
	} {
		bad := strings.Replace(string(good), old, new, 1)
		require.NotEqual(t, string(good), bad, old)
		require.Error(t, described.valid(notebook, []byte(bad)), new)
	}
}
