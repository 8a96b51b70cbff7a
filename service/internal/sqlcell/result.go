package sqlcell

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// Column is a column of a Result.
type Column struct {
	Name string // unique within the result
	Type string // as the page shows it, in the vocabulary of data frames: int64, str, datetime64[us], list[int64], …
	Tag  string // how Encode writes its values
}

// Result is what the last statement of a cell gave.
type Result struct {
	Columns   []Column // empty for a statement without rows
	RowCount  int      // rows that were kept, at most the limit
	Truncated bool     // there were more
	Command   string   // what was done, in the database's words, such as "UPDATE 3"
	Affected  int64    // rows that a statement without rows changed, else 0
	Notices   []string // for people: from the database, and about what was changed on the way

	values [][]value // by column
}

// value is a value's text; what that is in which type, see Encode.
type value struct {
	text string
	null bool
}

// Bounds of what a page gets to see of a result, as of the kernel's frames.
const (
	pageRows    = 500
	pageCells   = 50_000
	pageColumns = 500
	pageText    = 1000
	exact       = 1 << 53 // whole numbers beyond it change when JavaScript reads them

	plainRows = 20
	plainText = 40
)

const maxNotices = 100

func (r *Result) notice(format string, args ...any) {
	switch n := len(r.Notices); {
	case n < maxNotices:
		r.Notices = append(r.Notices, shorten(fmt.Sprintf(format, args...), pageText))
	case n == maxNotices:
		r.Notices = append(r.Notices, "…")
	}
}

// describe sets the columns, making their names unique.
func (r *Result) describe(names []string) {
	taken := map[string]bool{} // given by the database, or here
	for _, name := range names {
		taken[name] = true
	}
	used := map[string]bool{}
	for i, name := range names {
		if name == "" || name == "?column?" {
			name = fmt.Sprintf("column_%d", i+1)
		}
		unique := name
		for n := 2; used[unique]; n++ {
			if next := fmt.Sprintf("%s_%d", name, n); !taken[next] {
				unique = next
			}
		}
		if unique != name {
			r.notice("column %d is named %s, as there is another %s", i+1, unique, name)
		}
		used[unique], taken[unique] = true, true
		r.Columns = append(r.Columns, Column{Name: unique})
	}
	r.values = make([][]value, len(names))
}

// setType sets a column's type.
func (r *Result) setType(column int, t tag) {
	r.Columns[column].Tag = string(t)
	r.Columns[column].Type = pageType(t)
}

func pageType(t tag) string {
	if element, ok := strings.CutSuffix(string(t), "[]"); ok {
		return "list[" + pageType(tag(element)) + "]"
	}
	switch t {
	case tagInt:
		return "int64"
	case tagFloat:
		return "float64"
	case tagText:
		return "str"
	case tagTimestamp:
		return "datetime64[us]"
	case tagTimestampTZ:
		return "datetime64[us, UTC]"
	case tagInterval:
		return "timedelta64[us]"
	case tagAny, tagNull:
		return "object"
	}
	return string(t)
}

// Output returns the result as a cell's output: for rows a table of the first
// of them, within the bounds that the kernel's data frames have, and text.
func (r *Result) Output() notebook.Output {
	data := map[string]json.RawMessage{"text/plain": appendString(nil, r.plain())}
	if len(r.Columns) > 0 {
		data["application/vnd.notebook.table+json"] = r.table()
	}
	return notebook.Output{Kind: notebook.OutputResult, Data: data, Metadata: map[string]json.RawMessage{}}
}

// Outputs returns the result and, if there are any, the notices on stderr.
func (r *Result) Outputs() []notebook.Output {
	outputs := []notebook.Output{r.Output()}
	if len(r.Notices) > 0 {
		outputs = append(outputs, notebook.Output{
			Kind: notebook.OutputStream, Stream: "stderr", Text: strings.Join(r.Notices, "\n") + "\n",
		})
	}
	return outputs
}

func (r *Result) table() json.RawMessage {
	columns := r.Columns[:min(len(r.Columns), pageColumns)]
	rows := min(r.RowCount, pageRows, max(pageCells/len(columns), 10))
	out := []byte(`{"columns":[`)
	for i, c := range columns {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"name":`...)
		out = appendString(out, c.Name)
		out = append(out, `,"type":`...)
		out = appendString(out, c.Type)
		out = append(out, '}')
	}
	out = append(out, `],"rows":[`...)
	for row := range rows {
		if row > 0 {
			out = append(out, ',')
		}
		out = append(out, '[')
		for i, c := range columns {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendPage(out, tag(c.Tag), r.values[i][row])
		}
		out = append(out, ']')
	}
	return fmt.Appendf(out, `],"total_rows":%d}`, r.RowCount)
}

// appendPage appends a value as JSON that JavaScript reads without loss.
func appendPage(out []byte, t tag, v value) []byte {
	if v.null {
		return append(out, "null"...)
	}
	switch t {
	case tagBool:
		return append(out, v.text...)
	case tagInt:
		if n, err := strconv.ParseInt(v.text, 10, 64); err == nil && n >= -exact && n <= exact {
			return append(out, v.text...)
		}
	case tagFloat:
		switch v.text {
		case "NaN":
			return append(out, "null"...)
		case "Infinity", "-Infinity":
		default:
			return append(out, v.text...)
		}
	case tagAny:
		if inner, text, ok := untag(v.text); ok {
			return appendPage(out, inner, value{text: text})
		}
	}
	return appendString(out, shorten(shown(t, v.text), pageText))
}

// untag takes apart a value of a column of type any.
func untag(pair string) (tag, string, bool) {
	var parts [2]json.RawMessage
	var t tag
	if json.Unmarshal([]byte(pair), &parts) != nil || json.Unmarshal(parts[0], &t) != nil {
		return "", "", false
	}
	var text string
	if json.Unmarshal(parts[1], &text) != nil {
		text = string(parts[1])
	}
	return t, text, true
}

// shown returns a value's text for people.
func shown(t tag, text string) string {
	switch t {
	case tagTimestamp, tagTimestampTZ:
		return strings.Replace(text, "T", " ", 1)
	case tagInterval:
		return formatInterval(text)
	case tagBytes:
		const most = 32
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return text
		}
		if len(raw) > most {
			return fmt.Sprintf(`\x%s… (%d bytes)`, hex.EncodeToString(raw[:most]), len(raw))
		}
		return `\x` + hex.EncodeToString(raw)
	case tagAny:
		if inner, plain, ok := untag(text); ok {
			return shown(inner, plain)
		}
	}
	return text
}

// plain returns the result as text with aligned columns.
func (r *Result) plain() string {
	if len(r.Columns) == 0 {
		return r.Command
	}
	columns := r.Columns[:min(len(r.Columns), plainRows)]
	rows := min(r.RowCount, plainRows)
	grid := make([][]string, rows+1)
	widths := make([]int, len(columns))
	for row := range grid {
		for i, c := range columns {
			text := c.Name
			if row > 0 {
				if v := r.values[i][row-1]; v.null {
					text = "NULL"
				} else {
					text = shown(tag(c.Tag), v.text)
				}
			}
			text = shorten(oneLine(text), plainText)
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
			grid[row] = append(grid[row], text)
		}
	}
	var b strings.Builder
	for row, cells := range grid {
		for i, text := range cells {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if i > 0 {
				b.WriteString("  ")
			}
			switch right := rightAligned(tag(columns[i].Tag)); {
			case right:
				b.WriteString(gap + text)
			case i == len(cells)-1:
				b.WriteString(text)
			default:
				b.WriteString(text + gap)
			}
		}
		b.WriteByte('\n')
		if row == 0 {
			for i, width := range widths {
				if i > 0 {
					b.WriteString("  ")
				}
				b.WriteString(strings.Repeat("-", width))
			}
			b.WriteByte('\n')
		}
	}
	fmt.Fprintf(&b, "(%d %s", r.RowCount, plural(r.RowCount, "row"))
	if rows < r.RowCount {
		fmt.Fprintf(&b, ", the first %d shown", rows)
	}
	if len(columns) < len(r.Columns) {
		fmt.Fprintf(&b, ", %d of %d columns", len(columns), len(r.Columns))
	}
	b.WriteByte(')')
	return b.String()
}

func rightAligned(t tag) bool {
	return t == tagInt || t == tagFloat || t == tagDecimal || t == tagInterval
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, shorten(s, plainText+1))
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// Encode returns all the rows for the kernel, where decode_result of
// PythonSource makes a data frame or a list of dicts of them:
//
//	{"rows": 2, "columns": [{"name": "id", "type": "int", "values": [1, null]}, …]}
//
// NULL is null; the types, and how their values are written:
//
//	null         a column without any value
//	bool         true, false
//	int          a number, exact
//	float        a number, or "NaN", "Infinity", "-Infinity"
//	decimal      "12.50", with its scale; "NaN", "Infinity", "-Infinity"
//	text         "…"
//	date         "2024-02-29"
//	time         "13:14:15", "13:14:15.000001", "13:14:15+02:00"
//	timestamp    "2024-02-29T13:14:15", or with six digits of a fraction
//	timestamptz  the same in UTC, followed by "+00:00"
//	interval     "5400000000", microseconds, a day being 24 hours
//	bytes        base64
//	json         the JSON text as a string
//	uuid         "…"
//	T[]          lists of values of type T, nested for more dimensions
//	any          [type, value]: of a SQLite column with values of several types
//
// Parameters use the same forms, see readParam.
func (r *Result) Encode() []byte {
	size := 64
	for _, column := range r.values {
		for _, v := range column {
			size += len(v.text) + 4
		}
	}
	out := fmt.Appendf(make([]byte, 0, size), `{"rows":%d,"columns":[`, r.RowCount)
	for i, c := range r.Columns {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"name":`...)
		out = appendString(out, c.Name)
		out = append(out, `,"type":`...)
		out = appendString(out, c.Tag)
		out = append(out, `,"values":[`...)
		for row, v := range r.values[i] {
			if row > 0 {
				out = append(out, ',')
			}
			if v.null {
				out = append(out, "null"...)
			} else {
				out = appendWire(out, tag(c.Tag), v.text)
			}
		}
		out = append(out, "]}"...)
	}
	return append(out, "]}"...)
}
