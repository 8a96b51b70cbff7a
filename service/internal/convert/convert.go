// Package convert turns notebooks into files that other tools read (ipynb, py,
// html, md), and files that other tools wrote into the makings of a notebook.
//
// It is pure: bytes in, bytes out. It does no input or output, runs no code,
// gives out no ids and knows neither HTTP nor kernels. Work and memory are
// bounded by a small multiple of what it is given.
//
// Invariant: Import of what Export wrote as ipynb or py gives back the
// notebook's name and mode, and every cell's kind, source, connection, result
// and whether it is disabled, exactly and in order; what an import can't keep
// is in Imported.Lost, never dropped in silence.
package convert

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Format is a kind of file that Export writes.
type Format string

const (
	IPYNB    Format = "ipynb" // Jupyter's, nbformat 4.5
	Script   Format = "py"    // a Python script in percent style
	HTML     Format = "html"  // one page with everything in it, without scripts
	Markdown Format = "md"
)

// Media types of the files, as Import takes them.
const (
	TypeIPYNB  = "application/x-ipynb+json"
	TypeJSON   = "application/json"
	TypePython = "text/x-python"
)

// MaxImport is the size in bytes beyond which Import takes no file.
const MaxImport = 64 << 20

// File is an exported notebook. Both names are safe in every file system and
// have no quotes, backslashes or control characters: they can stand in the
// quoted filename and, once percent-encoded, in the filename* of a
// Content-Disposition header.
type File struct {
	Name        string // in any script
	ASCIIName   string // for clients that read ASCII alone
	ContentType string
	Body        []byte
}

// Export writes the notebook as it stands: sources of all formats, and of all
// but py the outputs, too. It only reads n. The error is a
// *notebook.FieldError on "format" for anything but a Format.
func Export(n *notebook.Notebook, f Format) (File, error) {
	file := File{Name: fileName(n.Name, f), ASCIIName: asciiFileName(n.Name, f)}
	var err error
	switch f {
	case IPYNB:
		file.ContentType = TypeIPYNB
		file.Body, err = exportIPYNB(n)
	case Script:
		file.ContentType = TypePython + "; charset=utf-8"
		file.Body = exportScript(n)
	case HTML:
		file.ContentType = "text/html; charset=utf-8"
		file.Body, err = exportHTML(n)
	case Markdown:
		file.ContentType = "text/markdown; charset=utf-8"
		file.Body = exportMarkdown(n)
	default:
		return File{}, &notebook.FieldError{
			Field:   "format",
			Message: fmt.Sprintf("must be %q, %q, %q or %q, not %q", IPYNB, Script, HTML, Markdown, f),
		}
	}
	if err != nil {
		return File{}, fmt.Errorf("export notebook as %s: %w", f, err)
	}
	return file, nil
}

// Cell is what a file says of one cell.
type Cell struct {
	Kind       notebook.Kind
	Source     string
	Disabled   bool
	Connection *string
	Result     *string
}

// Imported is what a file holds, within the limits of a notebook.
type Imported struct {
	Name  string // passes notebook.CheckName
	Mode  notebook.Mode
	Cells []Cell   // in page order, never nil
	Lost  []string // one sentence for each thing that could not be kept; never nil
}

// FormatError says that a file is malformed, and where.
type FormatError struct {
	Line, Column int // from 1, the column in characters
	Message      string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// MediaTypeError says that files of a type can't be imported.
type MediaTypeError struct{ Type string }

func (e *MediaTypeError) Error() string {
	return fmt.Sprintf("can't import %q: send a Jupyter notebook as %s or %s, or a Python script as %s, in UTF-8",
		e.Type, TypeIPYNB, TypeJSON, TypePython)
}

const defaultName = "Imported notebook"

// Import reads a file. A name that is not empty takes precedence over the one
// that the file may hold. Errors: *MediaTypeError; *FormatError for a malformed
// file; *notebook.FieldError, on "body" for a well-formed file that can't be a
// notebook, on "name" for the given name.
func Import(contentType string, body []byte, name string) (Imported, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	charset := strings.ToLower(params["charset"])
	if err != nil || charset != "" && charset != "utf-8" && charset != "utf8" && charset != "us-ascii" {
		return Imported{}, &MediaTypeError{contentType}
	}
	if len(body) > MaxImport {
		return Imported{}, refuse("has %d bytes, at most %d can be imported: clear its outputs first", len(body), MaxImport)
	}
	read := importIPYNB
	switch kind {
	case TypeIPYNB, TypeJSON:
	case TypePython:
		read = importScript
	default:
		return Imported{}, &MediaTypeError{contentType}
	}
	if name != "" {
		if name, err = notebook.CheckName(name); err != nil {
			return Imported{}, err
		}
	}
	text, err := utf8Text(body)
	if err != nil {
		return Imported{}, err
	}
	d := document{mode: notebook.Auto}
	if err := read(text, &d); err != nil {
		return Imported{}, err
	}
	d.countMagics()
	if name == "" {
		name = d.usableName()
	}
	cells := d.cells
	if cells == nil {
		cells = []Cell{}
	}
	return Imported{Name: name, Mode: d.mode, Cells: cells, Lost: d.lost.sentences()}, nil
}

func refuse(format string, args ...any) error {
	return &notebook.FieldError{Field: "body", Message: fmt.Sprintf(format, args...)}
}

// utf8Text returns the text of a file without a byte order mark.
func utf8Text(body []byte) ([]byte, error) {
	if bytes.HasPrefix(body, []byte{0xff, 0xfe}) || bytes.HasPrefix(body, []byte{0xfe, 0xff}) {
		return nil, &FormatError{1, 1, "the file is in UTF-16: save it in UTF-8"}
	}
	if !utf8.Valid(body) {
		at := 0
		for at < len(body) {
			r, size := utf8.DecodeRune(body[at:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			at += size
		}
		return nil, malformed(body, at, "the file is not in UTF-8: save it in UTF-8")
	}
	return bytes.TrimPrefix(body, []byte("\ufeff")), nil
}

// malformed returns a FormatError for the byte at an offset.
func malformed(text []byte, offset int, message string) error {
	before := text[:min(max(offset, 0), len(text))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return &FormatError{bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1, message}
}

// document is a file while it is read.
type document struct {
	name  string // as the file says, or ""
	mode  notebook.Mode
	cells []Cell
	lost  account
}

// add puts a cell at the end, within the limits of a notebook.
func (d *document) add(c Cell) error {
	if len(d.cells) == notebook.MaxCells {
		return refuse("has more than %d cells: split it into several notebooks", notebook.MaxCells)
	}
	if len(c.Source) > notebook.MaxSource {
		return refuse("has a cell (number %d) with a source of %d bytes, at most %d can be kept: split it",
			len(d.cells)+1, len(c.Source), notebook.MaxSource)
	}
	d.cells = append(d.cells, c)
	return nil
}

// countMagics tells about cells that only IPython understands. Their sources
// are kept: what a person sees and searches for must be there.
func (d *document) countMagics() {
	for i, c := range d.cells {
		if c.Kind != notebook.Python || c.Disabled {
			continue
		}
		for _, magic := range scanPython(c.Source).magics {
			d.lost.inCell(lostMagic, i+1, magic)
		}
	}
}

// usableName makes the best of the name that the file holds.
func (d *document) usableName() string {
	if name, err := notebook.CheckName(d.name); err == nil {
		return name
	}
	clean := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, d.name)
	clean = strings.TrimSpace(clean)
	if runes := []rune(clean); len(runes) > notebook.MaxNameRunes {
		clean = string(runes[:notebook.MaxNameRunes])
	}
	name, err := notebook.CheckName(clean)
	if err != nil {
		return defaultName
	}
	return name
}
