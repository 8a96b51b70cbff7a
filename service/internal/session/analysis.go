package session

import (
	"context"
	"fmt"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/kernel"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/reactive"
	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

// engine returns the engine of a document whose kernel is gone.
func (m *Manager) engine(ctx context.Context, doc *notebook.Notebook) (*reactive.Engine, error) {
	var (
		sources []string
		of      = make([]int, len(doc.Cells)) // index into sources, or -1
		page    = make([]reactive.Source, len(doc.Cells))
		saved   = make([]reactive.Saved, len(doc.Cells))
	)
	for i, c := range doc.Cells {
		of[i] = -1
		if c.Kind == notebook.Python {
			of[i] = len(sources)
			sources = append(sources, c.Source)
		}
	}
	found, err := m.opt.Kernels.Analyze(ctx, sources)
	if err != nil {
		return nil, fmt.Errorf("analyse cells: %w", err)
	}
	for i, c := range doc.Cells {
		var a reactive.Analysis
		if of[i] >= 0 {
			a = fromKernel(found[of[i]])
		} else {
			a = m.withoutCompiler(c)
		}
		page[i] = source(c, a)
		saved[i] = reactive.Saved{Status: c.Status, Error: c.Error, ExecutionCount: c.ExecutionCount}
	}
	engine := reactive.New(doc.Mode, m.opt.Kernels.Builtins())
	engine.Load(page, saved)
	engine.TakeChanges()
	return engine, nil
}

// analyseCell says of which names the cell speaks.
func (m *Manager) analyseCell(ctx context.Context, c *notebook.Cell) (reactive.Analysis, error) {
	if c.Kind != notebook.Python {
		return m.withoutCompiler(c), nil
	}
	found, err := m.opt.Kernels.Analyze(ctx, []string{c.Source})
	if err != nil {
		return reactive.Analysis{}, fmt.Errorf("analyse cell: %w", err)
	}
	return fromKernel(found[0]), nil
}

// withoutCompiler is the analysis of a cell that is not Python.
func (m *Manager) withoutCompiler(c *notebook.Cell) reactive.Analysis {
	if c.Kind != notebook.SQL {
		return reactive.Analysis{Code: string(c.Kind) + "\x00" + c.Source}
	}
	connection, result := value(c.Connection), value(c.Result)
	dialect := sqlcell.PostgreSQL
	if m.opt.SQL != nil {
		dialect = m.opt.SQL.Dialect(connection)
	}
	references, err := sqlcell.References(c.Source, dialect)
	if err != nil {
		return reactive.Analysis{Error: sqlcell.SourceCellError(err)}
	}
	a := reactive.Analysis{
		References: references,
		Code:       strings.Join([]string{string(c.Kind), connection, result, c.Source}, "\x00"),
	}
	if result != "" {
		a.Defines = []string{result}
	}
	return a
}

// value returns "" for what isn't there.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

const maxResultName = 255

// checkResult returns a FieldError for a name that can't be that of a SQL
// cell's rows: it must be a variable that other cells can see.
func (m *Manager) checkResult(ctx context.Context, result *string) error {
	name := value(result)
	if name == "" {
		return nil
	}
	fault := &notebook.FieldError{Field: "result", Message: fmt.Sprintf(
		"must be a Python variable that other cells can see: letters, digits and underscores, at most %d, beginning with a letter, and no keyword", maxResultName)}
	if strings.HasPrefix(name, "_") || len(name) > maxResultName {
		return fault
	}
	found, err := m.opt.Kernels.Analyze(ctx, []string{name + " = 0"})
	if err != nil {
		return fmt.Errorf("check the name of a result: %w", err)
	}
	if found[0].Error != nil || len(found[0].Defines) != 1 || found[0].Defines[0] != name {
		return fault
	}
	return nil
}

func fromKernel(a kernel.Analysis) reactive.Analysis {
	return reactive.Analysis{
		Defines: a.Defines, References: a.References, Deletes: a.Deletes,
		LoopNames: a.LoopNames, Code: a.Code, Error: a.Error,
	}
}

func source(c *notebook.Cell, a reactive.Analysis) reactive.Source {
	return reactive.Source{ID: c.ID, Runs: c.Kind != notebook.Markdown, Disabled: c.Disabled, Analysis: a}
}

// show writes what the engine says of a cell into it.
func show(engine *reactive.Engine, c *notebook.Cell) {
	v := engine.View(c.ID)
	c.Status, c.Error, c.BlockedBy = v.Status, v.Error, v.BlockedBy
	c.References = engine.References(c.ID)
	c.Defines = engine.Defines(c.ID)
}
