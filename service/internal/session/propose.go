package session

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/reactive-notebook/reactive-notebook/service/internal/sqlcell"
)

var (
	lastWord   = regexp.MustCompile(`[\pL_][\pL\pN_]*$`)
	importLine = regexp.MustCompile(`^\s*(import|from)\s`)
)

// maxProposals is how many a kernel makes, too.
const maxProposals = 500

// propose completes the word before the cursor by what is known without a
// kernel: keywords, builtins and the names that cells define. What a module or
// an object has, only a kernel can tell.
func (s *Session) propose(source string, cursor int) Completion {
	units := utf16.Encode([]rune(source))
	before := string(utf16.Decode(units[:min(cursor, len(units))]))
	line := before[strings.LastIndexByte(before, '\n')+1:]
	word := lastWord.FindString(line)
	out := Completion{Start: cursor - len(utf16.Encode([]rune(word))), End: cursor, Matches: []CompletionMatch{}}
	if importLine.MatchString(line) || strings.HasSuffix(strings.TrimRight(strings.TrimSuffix(line, word), " \t"), ".") {
		return out
	}
	// Of a name that never ran here, only a run can tell what it is.
	types := map[string]string{}
	for name := range s.m.opt.Kernels.Builtins() {
		types[name] = "name"
	}
	for _, cell := range s.doc.Cells {
		for _, name := range cell.Defines {
			types[name] = "name"
		}
	}
	for _, name := range sqlcell.Keywords() {
		types[name] = "keyword"
	}
	for name, typ := range types {
		if name != word && strings.HasPrefix(name, word) && (hidden(word) || !hidden(name)) {
			out.Matches = append(out.Matches, CompletionMatch{Text: name, Type: typ})
		}
	}
	slices.SortFunc(out.Matches, func(a, b CompletionMatch) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Text), strings.ToLower(b.Text)), cmp.Compare(a.Text, b.Text))
	})
	out.Matches = out.Matches[:min(len(out.Matches), maxProposals)]
	return out
}

// hidden tells whether a name is proposed only to who begins it.
func hidden(name string) bool { return strings.HasPrefix(name, "_") }
