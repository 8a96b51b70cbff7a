package convert

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

const (
	typePlain  = "text/plain"
	typeHTML   = "text/html"
	typeText   = "text/markdown"
	typeSVG    = "image/svg+xml"
	typeTable  = "application/vnd.notebook.table+json"
	typePlotly = "application/vnd.plotly.v1+json"
)

// view is one representation of an output, in a form that needs no script.
type view struct {
	mime  string
	text  string     // of text/plain, text/html, text/markdown and application/json
	image string     // a data: address
	table *tableData // of typeTable
	note  string     // what this representation can't show
}

// viewOf picks from what a display or result has the first of the given types
// that is well-formed, or else its plain text. HTML that Plotly made is passed
// over: without its script it shows nothing.
func viewOf(o notebook.Output, types ...string) view {
	_, interactive := o.Data[typePlotly]
	note := ""
	if interactive {
		note = "An interactive Plotly figure, which needs the notebook to be shown."
	}
	for _, mime := range types {
		raw, ok := o.Data[mime]
		if !ok || interactive && mime == typeHTML {
			continue
		}
		v := view{mime: mime, note: note}
		switch {
		case mime == typeTable:
			v.table = readTable(raw)
			ok = v.table != nil
		case mime == typeSVG:
			v.text = asString(raw)
			ok = v.text != ""
			v.image = "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(v.text))
		case strings.HasPrefix(mime, "image/"):
			v.image = dataAddress(mime, asString(raw))
			ok = v.image != ""
		case mime == TypeJSON:
			v.text = indented(raw)
		default:
			v.text = asString(raw)
			ok = v.text != ""
		}
		if ok {
			return v
		}
	}
	return view{mime: typePlain, text: terminalText(asString(o.Data[typePlain])), note: note}
}

// indented makes JSON legible, unless the indentation would be most of it.
func indented(raw json.RawMessage) string {
	depth, deepest := 0, 0
	for _, c := range raw {
		switch c {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		}
	}
	var b bytes.Buffer
	if deepest > 32 || len(raw) > 256<<10 || json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

// tableData is a data frame as kernels send it.
type tableData struct {
	Columns []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"columns"`
	Rows  [][]json.RawMessage `json:"rows"`
	Total int                 `json:"total_rows"`
	Index int                 `json:"index_columns"` // so many of the first columns
}

func readTable(raw json.RawMessage) *tableData {
	var t tableData
	if json.Unmarshal(raw, &t) != nil || len(t.Columns) == 0 {
		return nil
	}
	return &t
}

// row returns the texts of a row, one for each column at most.
func (t *tableData) row(i int) []string {
	values := t.Rows[i][:min(len(t.Rows[i]), len(t.Columns))]
	texts := make([]string, len(values))
	for j, value := range values {
		switch {
		case len(value) == 0 || string(value) == "null":
			texts[j] = "–"
		case value[0] == '"':
			texts[j] = asString(value)
		default:
			texts[j] = string(value)
		}
	}
	return texts
}

// size tells how much of the frame there is, and how much of it is shown.
func (t *tableData) size(shown int) string {
	total := max(t.Total, len(t.Rows))
	text := counted(total, "row") + " × " + counted(len(t.Columns)-max(0, min(t.Index, len(t.Columns))), "column")
	if shown < total {
		text += ", the first " + strconv.Itoa(shown) + " shown"
	}
	return text
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// errorText is an error as a terminal shows it.
func errorText(o notebook.Output) string {
	text := terminalText(strings.Join(o.Traceback, "\n"))
	if strings.TrimSpace(text) != "" {
		return text
	}
	if o.Message == "" {
		return o.Name
	}
	return o.Name + ": " + o.Message
}

var escapeSequence = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])`)

// terminalText is what a terminal leaves of a text, but for its colors: a
// carriage return writes over what its line held.
func terminalText(text string) string {
	text = escapeSequence.ReplaceAllString(text, "")
	if !strings.Contains(text, "\r") {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, "\r")
		lines[i] = line[strings.LastIndexByte(line, '\r')+1:]
	}
	return strings.Join(lines, "\n")
}
