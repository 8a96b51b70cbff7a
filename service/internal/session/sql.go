package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// sqlStep is a SQL cell's run, on a goroutine of its own.
type sqlStep struct {
	cancel context.CancelFunc
	ended  chan sqlEnd // has room for the only value, so that nobody has to wait for it
}

// sqlEnd is how it ended.
type sqlEnd struct {
	outputs []notebook.Output
	err     *notebook.CellError
	took    time.Duration
}

// sqlWork is what the run of a SQL cell needs; nothing of it is the session's.
type sqlWork struct {
	sql     SQL
	kernel  *kernel.Kernel
	query   sqlcell.Query
	remove  []string // names that leave the kernel first
	forget  []string // cells that the kernel forgets first
	names   []string // variables that the source refers to
	result  string   // the variable that gets the rows, or ""
	timeout time.Duration
}

// startSQL runs a SQL cell: its variables come from the kernel, the statements
// run in this process, and the rows go to the kernel. No Python cell runs then.
func (s *Session) startSQL(cell *notebook.Cell, remove []string) {
	w := sqlWork{
		sql: s.m.opt.SQL, kernel: s.kernel, remove: remove, forget: s.deleted,
		names: s.engine.References(cell.ID), result: value(cell.Result), timeout: s.m.opt.CellTimeout,
		query: sqlcell.Query{Connection: value(cell.Connection), Source: cell.Source, Timeout: s.m.opt.CellTimeout},
	}
	s.deleted = nil
	ctx, cancel := context.WithCancel(context.Background())
	step := &sqlStep{cancel: cancel, ended: make(chan sqlEnd, 1)}
	s.sql = step
	// Close waits for it, so that connections are closed after it.
	s.m.running.Go(func() {
		defer cancel()
		started := time.Now()
		end := w.run(ctx)
		end.took = time.Since(started)
		step.ended <- end
	})
}

// endSQL takes down how the SQL cell ended.
func (s *Session) endSQL(end sqlEnd) {
	s.sql = nil
	for _, o := range end.outputs {
		s.output(s.running, o)
	}
	if end.err != nil {
		s.output(s.running, errorOutput(end.err))
	}
	s.finishCell(end.err, end.took)
	s.pump()
}

func (w sqlWork) run(ctx context.Context) sqlEnd {
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	if len(w.remove)+len(w.forget) > 0 {
		if err := w.kernel.Forget(w.remove, w.forget); err != nil {
			return sqlEnd{err: w.fault(ctx, err)}
		}
	}
	if w.sql == nil {
		return sqlEnd{err: notebook.NewError(notebook.ErrSQL, "ConnectionError", "this service has no SQL connections")}
	}
	if len(w.names) > 0 {
		encoded, err := w.kernel.Collect(ctx, w.names)
		if err == nil {
			w.query.Params, err = sqlcell.DecodeParams(encoded)
		}
		if err != nil {
			return sqlEnd{err: w.fault(ctx, err)}
		}
	}
	result, fault := w.sql.Run(ctx, w.query)
	if fault != nil {
		return sqlEnd{err: fault}
	}
	end := sqlEnd{outputs: result.Outputs()}
	if w.result != "" {
		if err := w.kernel.Bind(ctx, w.result, result.Encode()); err != nil {
			end.err = w.fault(ctx, err)
		}
	}
	return end
}

// fault says why values did not get from the kernel to the statements or back.
func (w sqlWork) fault(ctx context.Context, err error) *notebook.CellError {
	var bad *kernel.ValueError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return notebook.NewError(notebook.ErrTimeout, "TimeoutError", fmt.Sprintf("The cell took longer than the limit of %v.", w.timeout))
	case ctx.Err() != nil:
		return notebook.NewError(notebook.ErrInterrupted, "KeyboardInterrupt", "The cell was interrupted.")
	case errors.As(err, &bad) && bad.Variable != "":
		return notebook.NewError(notebook.ErrSQL, bad.Name, bad.Variable+": "+bad.Message)
	case errors.As(err, &bad):
		return notebook.NewError(notebook.ErrSQL, bad.Name, bad.Message)
	}
	return notebook.NewError(notebook.ErrKernelDied, "KernelDied", err.Error())
}
