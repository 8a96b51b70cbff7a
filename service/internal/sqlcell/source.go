package sqlcell

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Dialect is a kind of SQL database.
type Dialect string

const (
	PostgreSQL Dialect = "postgresql"
	SQLite     Dialect = "sqlite"
)

// SourceError is a fault of a cell's source that shows without running it.
// Line and Column count from 1, Column in characters.
type SourceError struct {
	Line, Column int
	Message      string
}

func (e *SourceError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// References returns the names of the Python variables that a cell's source
// refers to, sorted, each once. The error joins a *SourceError for each fault;
// the names that could be read are returned beside it.
func References(source string, dialect Dialect) ([]string, error) {
	statements, err := parse(source, dialect)
	names := []string{}
	for _, s := range statements {
		names = append(names, s.names...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// SourceCellError returns an error of References as the error of its cell.
func SourceCellError(err error) *notebook.CellError {
	lines := []string{}
	for _, fault := range flatten(err) {
		lines = append(lines, fault.Error())
	}
	if len(lines) == 0 {
		return nil
	}
	e := notebook.NewError(notebook.ErrSyntax, "SyntaxError", lines[0])
	e.Traceback = lines
	return e
}

func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// statement is one statement of a cell, as it is sent to the database.
type statement struct {
	text  string   // with parameters in place of references
	names []string // of the variables, in the order of the parameters' numbers
	words []string // the first words, in lower case
	marks []mark   // ascending
}

// mark says that the text from out on stands in the source from src on.
type mark struct{ out, src int }

// sourceOffset returns where in the cell's source a byte of the text stands.
func (s *statement) sourceOffset(out int) int {
	src := 0
	for _, m := range s.marks {
		if m.out > out {
			break
		}
		src = m.src + out - m.out
	}
	return src
}

// lineColumn returns the place of a byte of the source, both from 1, the
// column in characters.
func lineColumn(source string, offset int) (line, column int) {
	before := source[:min(offset, len(source))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

const maxStatements = 1000 // of one cell

// parse cuts a source into statements. It knows of SQL only what is needed to
// tell where strings, names, comments and statements end.
func parse(source string, dialect Dialect) ([]statement, error) {
	p := parser{src: source, dialect: dialect}
	p.begin()
	for p.pos < len(p.src) {
		p.token()
	}
	p.end(len(p.src))
	if len(p.done) > maxStatements {
		p.done = nil
		p.fault(0, "a cell can hold at most %d statements", maxStatements)
	}
	return p.done, errors.Join(p.faults...)
}

type parser struct {
	src     string
	dialect Dialect
	pos     int
	done    []statement
	faults  []error

	// of the statement under way
	out      strings.Builder
	now      statement
	copied   int // the source up to here is in out, or was left out
	tokens   int // comments and white space don't count
	parens   int
	blocks   int // depth of BEGIN ATOMIC … END in a routine's body
	previous [2]string
}

func (p *parser) begin() {
	p.out.Reset()
	p.now, p.copied = statement{marks: []mark{{0, p.pos}}}, p.pos
	p.tokens, p.parens, p.blocks, p.previous = 0, 0, 0, [2]string{}
}

// end closes the statement under way, whose source ends before upTo.
func (p *parser) end(upTo int) {
	p.copy(upTo)
	if p.tokens > 0 {
		p.now.text = p.out.String()
		p.done = append(p.done, p.now)
	}
}

func (p *parser) copy(upTo int) {
	p.out.WriteString(p.src[p.copied:upTo])
	p.copied = upTo
}

// replace puts text in place of the source from p.pos to end. White space
// before it counts as what stands before.
func (p *parser) replace(end int, text string) {
	p.copy(p.pos)
	space := len(text) - len(strings.TrimLeft(text, " "))
	p.now.marks = append(p.now.marks, mark{p.out.Len() + space, p.pos})
	p.out.WriteString(text)
	p.now.marks = append(p.now.marks, mark{p.out.Len(), end})
	p.pos, p.copied = end, end
}

func (p *parser) fault(at int, format string, args ...any) {
	const most = 20
	if len(p.faults) == most {
		return
	}
	line, column := lineColumn(p.src, at)
	p.faults = append(p.faults, &SourceError{line, column, fmt.Sprintf(format, args...)})
}

func (p *parser) has(prefix string) bool { return strings.HasPrefix(p.src[p.pos:], prefix) }

// seen takes down a token; what is "" for those that don't matter.
func (p *parser) seen(what string) {
	p.tokens++
	p.previous = [2]string{p.previous[1], what}
}

// token reads what stands at p.pos.
func (p *parser) token() {
	c := p.src[p.pos]
	switch {
	case c == 0:
		p.fault(p.pos, "a NUL character can't be part of SQL")
		p.pos++
	case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v':
		p.pos++
	case p.has("\u00a0"): // pasted from a page; read as in Python cells
		p.replace(p.pos+len("\u00a0"), " ")
	case p.has("\ufeff"):
		p.replace(p.pos+len("\ufeff"), "")
	case p.has("--"):
		if i := strings.IndexByte(p.src[p.pos:], '\n'); i >= 0 {
			p.pos += i
		} else {
			p.pos = len(p.src)
		}
	case p.has("/*"):
		p.comment()
	case c == '\'':
		p.seen("")
		p.quoted('\'', false, "string")
	case c == '"':
		p.seen("")
		p.quoted('"', false, "quoted name")
	case c == '`' && p.dialect == SQLite:
		p.seen("")
		p.quoted('`', false, "quoted name")
	case c == '[' && p.dialect == SQLite:
		p.seen("")
		p.until("]", "quoted name")
	case c == '{' || c == '}':
		p.brace(c)
	case c == '$' && p.dialect == PostgreSQL:
		p.dollar()
	case p.dialect == SQLite && (c == '?' || (c == ':' || c == '@' || c == '$' || c == '#') && p.wordAt(p.pos+1)):
		end := p.wordEnd(p.pos + 1)
		p.fault(p.pos, "%s is not bound to anything: write {name} for the value of the Python variable name", p.src[p.pos:end])
		p.pos = end
	case c == ';':
		p.semicolon()
	case c == '(':
		p.seen("")
		p.parens++
		p.pos++
	case c == ')':
		p.seen("")
		p.parens = max(0, p.parens-1)
		p.pos++
	case p.wordAt(p.pos):
		p.word()
	default:
		p.seen("")
		_, n := utf8.DecodeRuneInString(p.src[p.pos:])
		p.pos += n
	}
}

// wordAt tells whether a letter, digit, underscore or anything beyond ASCII
// stands there.
func (p *parser) wordAt(at int) bool {
	return at < len(p.src) && p.src[at] != '$' && wordByte(p.src[at])
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 ||
		'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (p *parser) wordEnd(from int) int {
	for from < len(p.src) && wordByte(p.src[from]) {
		if strings.HasPrefix(p.src[from:], "\u00a0") {
			break
		}
		from++
	}
	return from
}

func (p *parser) word() {
	start := p.pos
	p.pos = p.wordEnd(start)
	word := strings.ToLower(p.src[start:p.pos])
	if p.dialect == PostgreSQL && word == "e" && p.pos < len(p.src) && p.src[p.pos] == '\'' {
		p.seen("")
		p.quoted('\'', true, "string")
		return
	}
	const kept = 4
	if len(p.now.words) < kept && len(p.now.words) == p.tokens {
		p.now.words = append(p.now.words, word)
	}
	p.seen(word)
	if p.dialect == PostgreSQL && p.routine() {
		// As psql does: the only bodies in which a semicolon is no end are
		// those of BEGIN ATOMIC, and only there END pairs with BEGIN and CASE.
		switch {
		case word == "begin", word == "case" && p.blocks > 0:
			p.blocks++
		case word == "end":
			p.blocks = max(0, p.blocks-1)
		}
	}
}

// routine tells whether the statement under way makes a function or procedure.
func (p *parser) routine() bool {
	w := p.now.words
	if len(w) < 2 || w[0] != "create" {
		return false
	}
	w = w[1:]
	if len(w) > 2 && w[0] == "or" && w[1] == "replace" {
		w = w[2:]
	}
	return w[0] == "function" || w[0] == "procedure"
}

// trigger tells whether the statement under way makes a trigger.
func (p *parser) trigger() bool {
	w := p.now.words
	if len(w) > 0 && w[0] == "explain" {
		w = w[1:]
	}
	if len(w) < 2 || w[0] != "create" {
		return false
	}
	if w[1] == "temp" || w[1] == "temporary" {
		w = w[1:]
	}
	return len(w) > 1 && w[1] == "trigger"
}

func (p *parser) semicolon() {
	inside := p.parens > 0 || p.blocks > 0
	if p.dialect == SQLite {
		// A trigger's body ends with an END that itself follows a semicolon.
		inside = p.trigger() && p.previous != [2]string{";", "end"}
	}
	if inside {
		p.seen(";")
		p.pos++
		return
	}
	p.end(p.pos)
	p.pos++
	p.begin()
}

// quoted reads from one quote to its end; a doubled quote is part of it, and
// with escapes, so is what follows a backslash.
func (p *parser) quoted(quote byte, escapes bool, what string) {
	start := p.pos
	for p.pos++; p.pos < len(p.src); p.pos++ {
		switch c := p.src[p.pos]; {
		case c == '\\' && escapes:
			p.pos++
		case c == quote && p.pos+1 < len(p.src) && p.src[p.pos+1] == quote:
			p.pos++
		case c == quote:
			p.pos++
			return
		case c == 0:
			p.fault(p.pos, "a NUL character can't be part of SQL")
		}
	}
	p.pos = len(p.src)
	p.fault(start, "this %s has no end: a %c is missing", what, quote)
}

// until reads to the end of a mark.
func (p *parser) until(end, what string) {
	i := strings.Index(p.src[p.pos+1:], end)
	if i < 0 {
		p.fault(p.pos, "this %s has no end: a %s is missing", what, end)
		p.pos = len(p.src)
		return
	}
	p.pos += 1 + i + len(end)
}

func (p *parser) comment() {
	start, depth := p.pos, 0
	for p.pos < len(p.src) {
		switch {
		case p.has("/*") && (depth == 0 || p.dialect == PostgreSQL): // SQLite's don't nest
			depth++
			p.pos += 2
		case p.has("*/"):
			depth--
			p.pos += 2
			if depth == 0 {
				return
			}
		default:
			p.pos++
		}
	}
	p.fault(start, "this comment has no end: a */ is missing")
}

// dollar reads a dollar-quoted string.
func (p *parser) dollar() {
	start := p.pos
	end := start + 1
	for end < len(p.src) && p.src[end] != '$' && wordByte(p.src[end]) {
		end++
	}
	tag := p.src[start+1 : end]
	switch {
	case tag != "" && '0' <= tag[0] && tag[0] <= '9':
		p.fault(start, "$%s is not bound to anything: write {name} for the value of the Python variable name", tag)
		p.pos = end
		return
	case end == len(p.src) || p.src[end] != '$':
		p.seen("")
		p.pos++
		return
	}
	p.seen("")
	quote := p.src[start : end+1]
	i := strings.Index(p.src[end+1:], quote)
	if i < 0 {
		p.fault(start, "this string has no end: a %s is missing", quote)
		p.pos = len(p.src)
		return
	}
	p.pos = end + 1 + i + len(quote)
}

func (p *parser) brace(c byte) {
	p.seen("")
	if p.pos+1 < len(p.src) && p.src[p.pos+1] == c {
		p.replace(p.pos+2, string(c))
		return
	}
	if c == '}' {
		p.fault(p.pos, "a } without a {: write }} for a brace")
		p.pos++
		return
	}
	length := strings.IndexAny(p.src[p.pos+1:], "{}\n;")
	if length < 0 || p.src[p.pos+1+length] != '}' {
		p.fault(p.pos, "a { without a }: write {name} for the value of a Python variable, {{ for a brace")
		p.pos++
		return
	}
	end := p.pos + 1 + length + 1
	name := strings.TrimSpace(p.src[p.pos+1 : end-1])
	if reason := checkName(name); reason != "" {
		p.fault(p.pos, "{%s}: %s", name, reason)
		p.pos = end
		return
	}
	name = normalize(name)
	i := slices.Index(p.now.names, name)
	if i < 0 {
		i = len(p.now.names)
		p.now.names = append(p.now.names, name)
	}
	sign := "$"
	if p.dialect == SQLite {
		sign = "?"
	}
	// Spaces keep the parameter from growing into a word beside it.
	p.replace(end, fmt.Sprintf(" %s%d ", sign, i+1))
}

// keywords of Python can't be names of variables.
var keywords = strings.Fields(`False None True and as assert async await break class continue def del elif else
	except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield`)

// Keywords returns the words of Python that can't be names of variables.
func Keywords() []string { return slices.Clone(keywords) }

// checkName returns why a name can't be that of a Python variable which other
// cells see, or "".
func checkName(name string) string {
	switch {
	case name == "":
		return "the name of a Python variable is missing; write {{}} for braces"
	case !isIdentifier(name):
		return "only the name of a Python variable can stand here; give the value a name in a Python cell"
	case slices.Contains(keywords, name):
		return "this is a keyword of Python, not a variable"
	case name[0] == '_' && !strings.HasPrefix(name, "__"), name == "__":
		return "names that start with one underscore are private to the cell that defines them"
	}
	return ""
}

func isIdentifier(name string) bool {
	for i, r := range name {
		start := r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r)
		if !start && (i == 0 || !unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc)) {
			return false
		}
	}
	return name != ""
}

// normalize spells a name as Python's compiler does.
func normalize(name string) string { return norm.NFKC.String(name) }
