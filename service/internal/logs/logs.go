// Package logs carries what a log line is about in the context: whoever logs
// with the context of a request names the request and the notebook without
// knowing of them.
//
// It decides neither where lines go nor which. Invariant: attributes are added
// to every line that is logged with the context, and to no other.
package logs

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// Names of attributes that several packages write; filters and alarms go by
// them, so they don't change.
const (
	Request  = "request"  // the id of an HTTP request, also in its X-Request-Id
	Notebook = "notebook" // the id of a notebook
)

type key struct{}

// With returns a context whose log lines have these attributes, and those of
// ctx that have other names.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	return context.WithValue(ctx, key{}, merge(attrs, ctx))
}

// merge appends the attributes of ctx that have other names.
func merge(attrs []slog.Attr, ctx context.Context) []slog.Attr {
	had, _ := ctx.Value(key{}).([]slog.Attr)
	for _, one := range had {
		if !slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == one.Key }) {
			attrs = append(attrs, one)
		}
	}
	return attrs
}

// about is the context of a request. Its attributes are made when a line is
// logged: most requests log none.
type about struct {
	context.Context
	request, notebook string
}

// WithRequest is With for the id of a request and, unless it is "", that of a
// notebook.
func WithRequest(ctx context.Context, request, notebook string) context.Context {
	return &about{ctx, request, notebook}
}

// Value is context.Context's.
func (a *about) Value(asked any) any {
	if asked != (key{}) {
		return a.Context.Value(asked)
	}
	attrs := []slog.Attr{slog.String(Request, a.request)}
	if a.notebook != "" {
		attrs = append(attrs, slog.String(Notebook, a.notebook))
	}
	return merge(attrs, a.Context)
}

// Detach returns a context that has the attributes of ctx and nothing else of
// it: for what goes on longer than a request.
func Detach(ctx context.Context) context.Context {
	if a, ok := ctx.(*about); ok {
		// Copied, as the strings may be parts of a whole request.
		return &about{context.Background(), strings.Clone(a.request), strings.Clone(a.notebook)}
	}
	return context.WithValue(context.Background(), key{}, ctx.Value(key{}))
}

// Handler adds the attributes of contexts to the lines of another handler.
type Handler struct{ slog.Handler }

// Handle is slog.Handler's.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	if attrs, ok := ctx.Value(key{}).([]slog.Attr); ok {
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return Handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup is slog.Handler's.
func (h Handler) WithGroup(name string) slog.Handler { return Handler{h.Handler.WithGroup(name)} }
