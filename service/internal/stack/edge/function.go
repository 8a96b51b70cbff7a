package edge

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dop251/goja"
)

// function is a CloudFront function: its own JavaScript, run with the event
// that the cloudfront-js-2.0 runtime gives. A runtime serves one request at a
// time; they are kept for the next.
type function struct {
	name, source string
	program      *goja.Program
	runtimes     sync.Pool
}

// functionLimit is generous: in the cloud it is about a millisecond of CPU,
// which a busy laptop can't measure.
const functionLimit = time.Second

func newFunction(name, source string) (*function, error) {
	program, err := goja.Compile(name+".js", source+"\n;handler", false)
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", name, err)
	}
	return &function{name: name, source: source, program: program}, nil
}

type runtime struct {
	vm      *goja.Runtime
	handler goja.Callable
}

func (f *function) runtime() (*runtime, error) {
	if r, ok := f.runtimes.Get().(*runtime); ok {
		return r, nil
	}
	vm := goja.New()
	quiet := func(goja.FunctionCall) goja.Value { return goja.Undefined() }
	console := vm.NewObject()
	if err := errors.Join(console.Set("log", quiet), console.Set("error", quiet), vm.Set("console", console)); err != nil {
		return nil, err
	}
	var result goja.Value
	err := limited(vm, func() (err error) { result, err = vm.RunProgram(f.program); return err })
	if err != nil {
		return nil, err
	}
	handler, ok := goja.AssertFunction(result)
	if !ok {
		return nil, errors.New("it has no function named handler")
	}
	return &runtime{vm, handler}, nil
}

func limited(vm *goja.Runtime, run func() error) error {
	timer := time.AfterFunc(functionLimit, func() { vm.Interrupt("it ran longer than " + functionLimit.String()) })
	defer func() {
		timer.Stop()
		vm.ClearInterrupt()
	}()
	return run()
}

// call runs the handler with an event and returns what it returned.
func (f *function) call(event map[string]any) (map[string]any, error) {
	r, err := f.runtime()
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", f.name, err)
	}
	var result goja.Value
	err = limited(r.vm, func() (err error) {
		result, err = r.handler(goja.Undefined(), plain(r.vm, event))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", f.name, err) // the runtime may be in any state: not kept
	}
	if promise, ok := result.Export().(*goja.Promise); ok {
		if promise.State() != goja.PromiseStateFulfilled {
			return nil, fmt.Errorf("function %s: its promise was not fulfilled: %v", f.name, promise.Result())
		}
		result = promise.Result()
	}
	object, ok := result.Export().(map[string]any)
	f.runtimes.Put(r)
	if !ok {
		return nil, fmt.Errorf("function %s returned no request and no response", f.name)
	}
	return object, nil
}

// plain turns Go maps into ordinary objects of the runtime, which the script
// can change like any others.
func plain(vm *goja.Runtime, in any) goja.Value {
	switch in := in.(type) {
	case map[string]any:
		object := vm.NewObject()
		for key, item := range in {
			_ = object.Set(key, plain(vm, item)) // fails on frozen objects only
		}
		return object
	case []any:
		items := make([]any, len(in))
		for i, item := range in {
			items[i] = plain(vm, item)
		}
		return vm.NewArray(items...)
	}
	return vm.ToValue(in)
}

// requestEvent is the viewer's request as a function sees it.
func requestEvent(x *exchange, eventType, uri, query string) map[string]any {
	r := x.viewer
	ip, _, _ := net.SplitHostPort(r.RemoteAddr)
	headers := map[string]any{"host": map[string]any{"value": x.site.domain}}
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if lower == "cookie" || lower == "x-forwarded-for" {
			continue
		}
		headers[lower] = multi(values)
	}
	cookies := map[string]any{}
	for _, cookie := range r.Cookies() {
		cookies[cookie.Name] = map[string]any{"value": cookie.Value}
	}
	querystring := map[string]any{}
	for pair := range strings.SplitSeq(query, "&") {
		name, val, _ := strings.Cut(pair, "=")
		if name == "" {
			continue
		}
		if known, ok := querystring[name].(map[string]any); ok {
			list, _ := known["multiValue"].([]any)
			if list == nil {
				list = []any{map[string]any{"value": known["value"]}}
			}
			known["value"], known["multiValue"] = val, append(list, map[string]any{"value": val})
			continue
		}
		querystring[name] = map[string]any{"value": val}
	}
	return map[string]any{
		"version": "1.0",
		"context": map[string]any{
			"distributionDomainName": x.site.domain, "distributionId": x.edge.config.Distribution,
			"eventType": eventType, "requestId": x.id,
		},
		"viewer": map[string]any{"ip": ip},
		"request": map[string]any{
			"method": r.Method, "uri": uri, "headers": headers, "cookies": cookies, "querystring": querystring,
		},
	}
}

func multi(values []string) map[string]any {
	out := map[string]any{"value": values[len(values)-1]}
	if len(values) > 1 {
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = map[string]any{"value": v}
		}
		out["multiValue"] = list
	}
	return out
}

// headersOf reads an object of headers that a function returned.
func headersOf(object any) http.Header {
	out := http.Header{}
	headers, _ := object.(map[string]any)
	for name, item := range headers {
		entry, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if list, ok := entry["multiValue"].([]any); ok {
			for _, item := range list {
				if one, ok := item.(map[string]any); ok {
					out.Add(name, fmt.Sprint(one["value"]))
				}
			}
			continue
		}
		out.Set(name, fmt.Sprint(entry["value"]))
	}
	return out
}

// queryOf writes a querystring object back; names and values are as the
// function left them, escaped already.
func queryOf(object any) string {
	var pairs []string
	query, _ := object.(map[string]any)
	for name, item := range query {
		entry, _ := item.(map[string]any)
		list, ok := entry["multiValue"].([]any)
		if !ok {
			list = []any{entry}
		}
		for _, one := range list {
			if one, ok := one.(map[string]any); ok {
				pair := name
				if val := fmt.Sprint(one["value"]); val != "" {
					pair += "=" + val
				}
				pairs = append(pairs, pair)
			}
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// validURI checks what a function made of the path.
func validURI(uri string) bool {
	_, err := url.PathUnescape(uri)
	return strings.HasPrefix(uri, "/") && err == nil
}
