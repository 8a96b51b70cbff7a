package sqlcell

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// failure is what a database says of a statement that it could not run.
type failure struct {
	name    string // such as undefined_table or SQLITE_CONSTRAINT_UNIQUE
	code    string // the SQLSTATE, or ""
	message string
	detail  string
	hint    string
	where   string
	offset  int // into the statement's text, or -1
}

// cellError says it of the cell's source: the message begins with the place,
// the traceback shows the line and everything else that the database said.
func (f *failure) cellError(source string, s *statement) *notebook.CellError {
	message := f.message
	lines := []string{f.name + ": " + f.message}
	if f.code != "" {
		lines[0] += " (SQLSTATE " + f.code + ")"
	}
	if f.offset >= 0 && s != nil {
		line, column := lineColumn(source, s.sourceOffset(f.offset))
		message = fmt.Sprintf("line %d, column %d: %s", line, column, message)
		lines = append(lines, excerpt(source, line, column)...)
	}
	for _, more := range []struct{ label, text string }{{"Detail", f.detail}, {"Hint", f.hint}, {"Context", f.where}} {
		if more.text != "" {
			lines = append(lines, more.label+": "+more.text)
		}
	}
	if f.hint != "" {
		message += " (hint: " + f.hint + ")"
	}
	e := notebook.NewError(notebook.ErrSQL, f.name, message)
	e.Traceback = lines
	return e
}

// excerpt returns a line of the source and a mark below its column.
func excerpt(source string, line, column int) []string {
	text := []rune(strings.TrimRight(strings.Split(source, "\n")[line-1], "\r"))
	const before, width = 60, 120
	start := max(0, column-1-before)
	shown := string(text[start:min(len(text), start+width)])
	shown = strings.ReplaceAll(shown, "\t", " ")
	number := fmt.Sprintf("%d: ", line)
	return []string{number + shown, strings.Repeat(" ", len(number)+column-1-start) + "^"}
}

func sqlError(name, format string, args ...any) *notebook.CellError {
	return notebook.NewError(notebook.ErrSQL, name, fmt.Sprintf(format, args...))
}

// sqlstates has a line "CODE name" for each condition of PostgreSQL.
//
//go:embed sqlstates.txt
var sqlstates string

// conditionName returns PostgreSQL's name of a SQLSTATE; of an unknown one,
// which a procedure can raise, the code itself.
func conditionName(code string) string {
	_, after, found := strings.Cut("\n"+sqlstates, "\n"+code+" ")
	if !found || len(code) != 5 {
		return code
	}
	name, _, _ := strings.Cut(after, "\n")
	return name
}

func shorten(s string, most int) string {
	runes := 0
	for i := range s {
		if runes == most {
			return s[:i] + "…"
		}
		runes++
	}
	return s
}
