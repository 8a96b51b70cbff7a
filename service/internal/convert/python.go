package convert

import (
	"slices"
	"strings"
)

// pythonScan is what the words of a cell's source tell without a compiler: what
// makes a cell of a notebook unfit for a script, and what only IPython reads.
type pythonScan struct {
	magics       []string // such as "%matplotlib", "%%bash", "!pip" and "?", each once
	await        bool     // outside of functions
	global       bool     // a global statement outside of functions
	future       bool     // imports from __future__
	noBreakSpace bool     // outside of strings and comments
	code         bool     // anything but comments and white space
}

// scanPython splits a source into words, well enough to tell strings, comments
// and function bodies from the rest; it accepts any text. It takes one pass.
func scanPython(source string) pythonScan {
	p := scanner{text: source, function: -1}
	for p.at < len(p.text) {
		p.step()
	}
	return p.found
}

type scanner struct {
	text  string
	at    int
	found pythonScan

	depth     int  // of open brackets
	inLine    bool // within a logical line
	function  int  // indentation of the def around, or -1
	previous  string
	lastPunct byte // the last significant byte, if it was no word
}

func (p *scanner) step() {
	if !p.inLine && p.depth == 0 && !p.beginLine() {
		return
	}
	c := p.text[p.at]
	switch {
	case c == '\n' || c == '\r':
		p.at++
		if p.depth == 0 {
			p.inLine = false
		}
	case c == ' ' || c == '\t' || c == '\f':
		p.at++
	case c == '#':
		p.skipLine()
	case c == '\\':
		p.at++
		if strings.HasPrefix(p.text[p.at:], "\r\n") {
			p.at++
		}
		if p.at < len(p.text) {
			p.at++
		}
	case c == '"' || c == '\'':
		p.skipString(false)
		p.punct('"')
	case strings.HasPrefix(p.text[p.at:], "\u00a0"):
		p.found.noBreakSpace = true
		p.at += len("\u00a0")
	case isWordByte(c):
		p.word()
	default:
		p.operator(c)
	}
}

// beginLine reads the indentation of a logical line. It returns false if there
// is no code on the line, or the line is IPython's.
func (p *scanner) beginLine() bool {
	indent := 0
	for p.at < len(p.text) && strings.IndexByte(" \t\f", p.text[p.at]) >= 0 {
		indent++
		p.at++
	}
	if p.at == len(p.text) {
		return false
	}
	switch c := p.text[p.at]; c {
	case '\n', '\r':
		p.at++
		return false
	case '#':
		p.skipLine()
		return false
	case '%', '!', '?':
		first := !p.found.code
		p.found.code = true
		cellMagic := strings.HasPrefix(p.text[p.at:], "%%")
		p.magic()
		if cellMagic && first {
			p.at = len(p.text) // the rest is in another language
		} else {
			p.skipLine()
		}
		return false
	}
	p.found.code = true
	p.inLine = true
	p.previous, p.lastPunct = "", 0
	if indent <= p.function {
		p.function = -1
	}
	if p.function < 0 && p.startsFunction() {
		p.function = indent
	}
	return true
}

func (p *scanner) startsFunction() bool {
	rest := p.text[p.at:]
	if after, ok := strings.CutPrefix(rest, "async"); ok {
		trimmed := strings.TrimLeft(after, " \t")
		if trimmed == after {
			return false
		}
		rest = trimmed
	}
	after, ok := strings.CutPrefix(rest, "def")
	return ok && after != "" && (after[0] == ' ' || after[0] == '\t')
}

func (p *scanner) skipLine() {
	if i := strings.IndexAny(p.text[p.at:], "\r\n"); i >= 0 {
		p.at += i
	} else {
		p.at = len(p.text)
	}
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (p *scanner) word() {
	start := p.at
	for p.at < len(p.text) && isWordByte(p.text[p.at]) && !strings.HasPrefix(p.text[p.at:], "\u00a0") {
		p.at++
	}
	word := p.text[start:p.at]
	if p.at < len(p.text) && (p.text[p.at] == '"' || p.text[p.at] == '\'') && len(word) <= 2 &&
		strings.Trim(word, "rRbBuUfFtT") == "" {
		p.skipString(strings.ContainsAny(word, "fFtT"))
		p.punct('"')
		return
	}
	outside := p.function < 0
	switch {
	case word == "await" && outside,
		(word == "for" || word == "with") && p.previous == "async" && p.lastPunct == 0 && outside:
		p.found.await = true
	case word == "global" && outside:
		p.found.global = true
	case word == "__future__" && p.previous == "from":
		p.found.future = true
	}
	p.previous, p.lastPunct = word, 0
}

func (p *scanner) punct(c byte) { p.previous, p.lastPunct = "", c }

func (p *scanner) operator(c byte) {
	next := byte(0)
	if p.at+1 < len(p.text) {
		next = p.text[p.at+1]
	}
	switch {
	case strings.IndexByte("([{", c) >= 0:
		p.depth++
	case strings.IndexByte(")]}", c) >= 0:
		p.depth = max(0, p.depth-1)
	case p.depth > 0:
	case c == '!' && next != '=', c == '?', c == '%' && p.lastPunct == '=' && isWordByte(next):
		p.magic()
		p.skipLine()
		return
	case c == '!':
		p.at++ // of !=
	}
	p.punct(c)
	p.at++
}

// magic records the IPython command that stands here.
func (p *scanner) magic() {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte("%!", p.text[p.at]) >= 0 && p.at-start < 2 {
		p.at++
	}
	mark := p.text[start:p.at]
	if mark == "" {
		mark = "?"
		p.at++
	}
	for mark[0] == '!' && p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
	word := p.at
	for p.at < len(p.text) && p.at-word < maxLostText && (isWordByte(p.text[p.at]) || p.text[p.at] == '.' || p.text[p.at] == '-') {
		p.at++
	}
	if mark != "?" {
		mark += strings.ToValidUTF8(p.text[word:p.at], "")
	}
	if len(p.found.magics) < maxLostNames && !slices.Contains(p.found.magics, mark) {
		p.found.magics = append(p.found.magics, mark)
	}
}

// skipString passes a string literal, up to the end of its line unless it has
// triple quotes.
func (p *scanner) skipString(formatted bool) {
	start := p.at
	quote := p.text[p.at : p.at+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(p.text[p.at:], triple) {
		quote = triple
	}
	p.at += len(quote)
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '\\':
			p.at = min(p.at+2, len(p.text))
			if strings.HasPrefix(p.text[p.at-1:], "\r\n") {
				p.at++
			}
			continue
		case strings.HasPrefix(p.text[p.at:], quote):
			p.at += len(quote)
		case (c == '\n' || c == '\r') && len(quote) == 1:
		default:
			p.at++
			continue
		}
		break
	}
	if formatted && p.function < 0 && strings.Contains(p.text[start:p.at], "await") {
		p.found.await = true
	}
}
