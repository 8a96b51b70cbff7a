package convert

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Bounds of what is given to the Markdown parser. Its time grows with the
// square of the length for some texts that were made for that, and a table's
// missing cells are filled up: a small text can ask for a huge table.
const (
	maxMarkdown      = 64 << 10 // bytes of one text, pictures in data: addresses not counted
	maxMarkdownWork  = 1 << 34  // sum of the squares of the lengths, in one export
	maxMarkdownCells = 1 << 17  // of the largest table that a text may hold
)

// commonMark reads and renders Markdown without trusting it.
type commonMark struct {
	engine goldmark.Markdown
	work   int
}

func newCommonMark() *commonMark {
	return &commonMark{engine: goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(literalHTML{}, 100))),
	)}
}

var inertText = regexp.MustCompile(`[A-Za-z0-9+/]{200,}`)

// affordable tells whether the text may be parsed, and counts its cost.
func (m *commonMark) affordable(source string) bool {
	size := len(source)
	if size > maxMarkdown {
		for _, run := range inertText.FindAllStringIndex(source, -1) {
			size -= run[1] - run[0]
		}
	}
	lines, widest := 0, 0
	for line := range strings.SplitSeq(source, "\n") {
		lines++
		widest = max(widest, strings.Count(line, "|")+1)
	}
	if size > maxMarkdown || widest > 1 && lines*widest > maxMarkdownCells || m.work+size*size > maxMarkdownWork {
		return false
	}
	m.work += size * size
	return true
}

// render returns safe HTML: no raw HTML and no address that runs a script. It
// returns false for a text that is too expensive.
func (m *commonMark) render(source string) (string, bool) {
	if !m.affordable(source) {
		return "", false
	}
	var b bytes.Buffer
	if err := m.engine.Convert([]byte(source), &b); err != nil {
		return "", false
	}
	return b.String(), true
}

// afterword is a paragraph that hardly stands in a source by chance; if it
// does, nothing worse happens than that it is looked for in vain.
const afterword = "\u2063afterword\u2063"

// closed returns the text, completed so that nothing below it can become part
// of it: a fence or a comment that was left open is closed. It returns false
// if that can't be done.
func (m *commonMark) closed(source string) (string, bool) {
	source = strings.TrimRight(source, "\r\n")
	endings := []string{"", "\n" + openFence(source), "\n-->", "\n?>", "\n>", "\n]]>", "\n</script></pre></style></textarea>"}
	for _, ending := range endings {
		if ending == "\n" {
			continue
		}
		if !m.affordable(source) {
			return "", false
		}
		if m.endsApart(source + ending) {
			return source + ending, true
		}
	}
	return "", false
}

func (m *commonMark) endsApart(source string) bool {
	whole := []byte(source + "\n\n" + afterword + "\n")
	last := m.engine.Parser().Parse(text.NewReader(whole), parser.WithContext(parser.NewContext())).LastChild()
	if last == nil || last.Kind() != ast.KindParagraph || last.Lines().Len() != 1 {
		return false
	}
	line := last.Lines().At(0)
	return strings.TrimSpace(string(line.Value(whole))) == afterword
}

var fenceLine = regexp.MustCompile("(?m)^ {0,3}(`{3,}|~{3,})(.*)$")

// openFence returns what closes the fenced code that a text leaves open, or "".
func openFence(source string) string {
	open := ""
	for _, m := range fenceLine.FindAllStringSubmatch(source, -1) {
		switch mark := m[1]; {
		case open == "" && (mark[0] == '~' || !strings.Contains(m[2], "`")):
			open = mark
		case open != "" && strings.HasPrefix(mark, open) && strings.TrimSpace(m[2]) == "":
			open = ""
		}
	}
	return open
}

// fenced returns the text as a block of code, whatever it holds.
func fenced(source, language string) string {
	longest, run := 2, 0
	for i := range len(source) {
		if source[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if source != "" && !strings.HasSuffix(source, "\n") {
		source += "\n"
	}
	return fence + language + "\n" + source + fence
}

// literalHTML shows raw HTML as the text that it is; comments stay unseen.
type literalHTML struct{}

func (l literalHTML) RegisterFuncs(register renderer.NodeRendererFuncRegisterer) {
	register.Register(ast.KindRawHTML, l.inline)
	register.Register(ast.KindHTMLBlock, l.block)
}

func (literalHTML) inline(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		raw := node.(*ast.RawHTML).Segments.Value(source)
		switch tag := strings.ToLower(string(raw)); {
		case tag == "<br>" || tag == "<br/>" || tag == "<br />":
			_, _ = w.WriteString("<br>")
		case !strings.HasPrefix(tag, "<!--"):
			html.DefaultWriter.RawWrite(w, raw)
		}
	}
	return ast.WalkSkipChildren, nil
}

func (literalHTML) block(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		block := node.(*ast.HTMLBlock)
		raw := block.Lines().Value(source)
		if block.HasClosure() {
			raw = append(raw, block.ClosureLine.Value(source)...)
		}
		if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("<!--")) {
			_, _ = w.WriteString("<pre class=\"raw\"><code>")
			html.DefaultWriter.RawWrite(w, raw)
			_, _ = w.WriteString("</code></pre>\n")
		}
	}
	return ast.WalkSkipChildren, nil
}
