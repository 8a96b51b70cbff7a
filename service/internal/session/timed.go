package session

import (
	"context"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// timedStore tells a Recorder how long a Store takes.
type timedStore struct {
	Store
	record Recorder
}

func (t timedStore) answered(method string, begun time.Time, err *error) {
	t.record.StoreAnswered(method, *err, time.Since(begun))
}

func (t timedStore) List(ctx context.Context, q Query) (p Page, err error) {
	defer t.answered("list", time.Now(), &err)
	return t.Store.List(ctx, q)
}

func (t timedStore) Get(ctx context.Context, id string) (n *notebook.Notebook, err error) {
	defer t.answered("get", time.Now(), &err)
	return t.Store.Get(ctx, id)
}

func (t timedStore) Create(ctx context.Context, n *notebook.Notebook) (err error) {
	defer t.answered("create", time.Now(), &err)
	return t.Store.Create(ctx, n)
}

func (t timedStore) Apply(ctx context.Context, c Change) (err error) {
	defer t.answered("apply", time.Now(), &err)
	return t.Store.Apply(ctx, c)
}

func (t timedStore) Delete(ctx context.Context, id string, base int64) (err error) {
	defer t.answered("delete", time.Now(), &err)
	return t.Store.Delete(ctx, id, base)
}

func (t timedStore) Ping(ctx context.Context) (err error) {
	defer t.answered("ping", time.Now(), &err)
	return t.Store.Ping(ctx)
}
