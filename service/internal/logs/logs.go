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
	had, _ := ctx.Value(key{}).([]slog.Attr)
	for _, one := range had {
		if !slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == one.Key }) {
			attrs = append(attrs, one)
		}
	}
	return context.WithValue(ctx, key{}, attrs)
}

// Detach returns a context that has the attributes of ctx and nothing else of
// it: for what goes on longer than a request.
func Detach(ctx context.Context) context.Context {
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
