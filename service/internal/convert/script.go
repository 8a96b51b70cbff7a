package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// The script that Export writes, as Import reads it:
//
//	# Reactive Notebook script, format 1. Import it to get the notebook back.
//	# A line that starts with "# %%" begins a cell.
//	# name: "Sales"
//	# mode: auto
//
//	# %%
//	import pandas as pd
//
//	# %% [markdown]
//	# Text is a comment.
//
//	# %% [sql] connection="warehouse" result="rows"
//	# select 1
//
// An empty line stands before each line that begins a cell, and a line end
// after each cell; neither belongs to a source. Python is written as it is,
// unless it would keep the script from running ("commented" says why); all else
// is a comment: "# " before each line, a bare "#" for an empty one, and
// "#= " before a JSON string for a line that no comment can hold. No line of a
// source is ever changed otherwise: if one looks like the beginning of a cell,
// all beginnings get more percent signs, which the second line of the script
// tells. The two first lines are fixed so that no name can pass for a
// declaration of the file's encoding, which Python looks for there.
const (
	scriptTitle  = "# Reactive Notebook script, format "
	scriptFormat = 1
	scriptMarker = `# A line that starts with "# %s" begins a cell.`
	scriptName   = "# name: "
	scriptMode   = "# mode: "

	optConnection = "connection"
	optResult     = "result"
	optDisabled   = "disabled"
	optCommented  = "commented"
)

func exportScript(n *notebook.Notebook) []byte {
	bodies := make([]string, len(n.Cells))
	reasons := make([]string, len(n.Cells))
	used := map[int]bool{}
	code := false
	for i, c := range n.Cells {
		bodies[i] = c.Source
		if c.Kind == notebook.Python {
			scan := scanPython(c.Source)
			reasons[i] = unfit(c, scan, code)
			code = code || scan.code && reasons[i] == ""
		}
		if c.Kind != notebook.Python || reasons[i] != "" {
			bodies[i] = comment(c.Source)
		}
		for line := range strings.SplitSeq(bodies[i], "\n") {
			used[percentSigns(line)] = true
		}
	}
	signs := 2
	for used[signs] {
		signs++
	}
	marker := strings.Repeat("%", signs)

	var b strings.Builder
	fmt.Fprintf(&b, "%s%d. Import it to get the notebook back.\n", scriptTitle, scriptFormat)
	fmt.Fprintf(&b, scriptMarker+"\n", marker)
	fmt.Fprintf(&b, "%s%s\n", scriptName, quote(n.Name))
	fmt.Fprintf(&b, "%s%s\n", scriptMode, n.Mode)
	for i, c := range n.Cells {
		b.WriteString("\n# " + marker)
		if c.Kind != notebook.Python {
			fmt.Fprintf(&b, " [%s]", c.Kind)
		}
		if c.Connection != nil {
			fmt.Fprintf(&b, " %s=%s", optConnection, quote(*c.Connection))
		}
		if c.Result != nil {
			fmt.Fprintf(&b, " %s=%s", optResult, quote(*c.Result))
		}
		if c.Disabled {
			fmt.Fprintf(&b, " %s=true", optDisabled)
		}
		if reasons[i] != "" {
			fmt.Fprintf(&b, " %s=%s", optCommented, quote(reasons[i]))
		}
		b.WriteString("\n" + bodies[i] + "\n")
	}
	return []byte(b.String())
}

// unfit tells why a Python cell must be a comment in a script, or "". A cell
// may run in a notebook and yet break a script: the script would not even
// compile, or would do what the notebook doesn't.
func unfit(c *notebook.Cell, scan pythonScan, codeAbove bool) string {
	switch {
	case c.Disabled || c.Status == notebook.StatusDisabled:
		return "disabled"
	case c.Error != nil && c.Error.Kind == notebook.ErrSyntax, strings.ContainsRune(c.Source, 0):
		return "syntax error"
	case len(scan.magics) > 0:
		return "IPython command"
	case scan.await:
		return "await at the top level"
	case scan.global:
		return "global at the top level"
	case scan.future && codeAbove:
		return "import from __future__ below other code"
	case scan.noBreakSpace:
		return "no-break space"
	}
	return ""
}

// quote writes a JSON string that is legible and has no line break.
func quote(s string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(err) // a string always has a JSON form
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func comment(source string) string {
	if source == "" {
		return ""
	}
	lines := strings.Split(source, "\n")
	for i, line := range lines {
		switch {
		case line == "":
			lines[i] = "#"
		case strings.ContainsAny(strings.TrimSuffix(line, "\r"), "\r\x00"):
			// Python ends the comment at a carriage return, and refuses NUL.
			lines[i] = "#= " + quote(line)
		default:
			lines[i] = "# " + line
		}
	}
	return strings.Join(lines, "\n")
}

// uncomment undoes comment. What people added without a number sign is kept.
func uncomment(body string) string {
	lines := strings.Split(body, "\n")
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			lines[i] = rest
		} else if rest, ok := strings.CutPrefix(line, "#= "); ok {
			if json.Unmarshal([]byte(rest), &lines[i]) != nil {
				lines[i] = rest
			}
		} else if rest, ok := strings.CutPrefix(line, "#"); ok {
			lines[i] = rest
		}
	}
	return strings.Join(lines, "\n")
}

// percentSigns counts the percent signs of a line that begins with "# %", and
// is 0 for any other line.
func percentSigns(line string) int {
	rest, ok := strings.CutPrefix(line, "# ")
	if !ok {
		return 0
	}
	return len(rest) - len(strings.TrimLeft(rest, "%"))
}

var (
	titleLine    = regexp.MustCompile(`^# Reactive Notebook script, format ([0-9]{1,9})\b`)
	markerLine   = regexp.MustCompile(`^# A line that starts with "# (%{2,})" begins a cell\.`)
	foreignCell  = regexp.MustCompile(`(?m)^#[ \t]*%%(?:[ \t\[][^\r\n]*)?\r?$`)
	cellKind     = regexp.MustCompile(`^\[([A-Za-z]+)\]`)
	cellOption   = regexp.MustCompile(`^([A-Za-z_][\w.-]*)=`)
	jupytextHead = regexp.MustCompile(`^(?:[ \t]*\r?\n)*# ---\r?\n(?:#[^\n]*\n)*?# ---\r?(?:\n|$)`)
)

func importScript(body []byte, d *document) error {
	text := string(body)
	if strings.ContainsRune(text, 0) {
		return malformed(body, bytes.IndexByte(body, 0), "a Python script can't contain NUL")
	}
	// People may have put lines such as #!/usr/bin/env python3 on top.
	top := text
	for range 4 {
		line, rest, found := strings.Cut(top, "\n")
		if m := titleLine.FindStringSubmatch(line); m != nil {
			if format, _ := strconv.Atoi(m[1]); format > scriptFormat {
				return refuse("was written by a newer version (format %d, this one reads %d): export the notebook as ipynb there and import that, or update the service",
					format, scriptFormat)
			}
			if strings.HasSuffix(line, "\r") {
				// Line ends were converted on the way; Export never writes these here.
				text = strings.ReplaceAll(text, "\r\n", "\n")
			}
			return importOwnScript(text, d)
		}
		if !found || !strings.HasPrefix(line, "#") {
			break
		}
		top = rest
	}
	return importForeignScript(text, d)
}

// importOwnScript reads what exportScript wrote, also after edits by people.
func importOwnScript(text string, d *document) error {
	signs := 2
	var above strings.Builder // the lines before the first cell that aren't ours
	var begin, body string
	inCell := false
	var lines []string
	flush := func(last bool) error {
		if !inCell {
			return nil
		}
		body = strings.Join(lines, "\n")
		if !last {
			body = strings.TrimSuffix(body, "\n") // the empty line before the next cell
		}
		return d.addScriptCell(begin, body, true)
	}
	// The last line end of the file ends its last line and begins none.
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case percentSigns(line) == signs:
			if !inCell && strings.TrimSpace(above.String()) != "" {
				if err := d.add(Cell{Kind: notebook.Python, Source: strings.Trim(above.String(), "\n")}); err != nil {
					return err
				}
			}
			if err := flush(false); err != nil {
				return err
			}
			begin, inCell, lines = line[len("# ")+signs:], true, lines[:0]
		case inCell:
			lines = append(lines, line)
		case titleLine.MatchString(line):
		case markerLine.MatchString(line):
			signs = len(markerLine.FindStringSubmatch(line)[1])
		case strings.HasPrefix(line, scriptName):
			if json.Unmarshal([]byte(line[len(scriptName):]), &d.name) != nil || d.name != d.usableName() {
				d.lost.whole(lostName)
			}
		case strings.HasPrefix(line, scriptMode):
			mode := notebook.Mode(strings.TrimSpace(line[len(scriptMode):]))
			if notebook.CheckMode(mode) == nil {
				d.mode = mode
			} else {
				d.lost.whole(lostMode)
			}
		default:
			above.WriteString(line + "\n")
		}
	}
	if !inCell && strings.TrimSpace(above.String()) != "" {
		return d.add(Cell{Kind: notebook.Python, Source: strings.Trim(above.String(), "\n")})
	}
	return flush(true)
}

// addScriptCell adds the cell that begins with a line, of which title is what
// follows the percent signs.
func (d *document) addScriptCell(title, body string, own bool) error {
	number := len(d.cells) + 1
	c := Cell{Kind: notebook.Python}
	commented := false
	rest := strings.TrimSpace(title)
	kind := "python"
	if m := cellKind.FindStringSubmatch(rest); m != nil {
		rest = strings.TrimSpace(rest[len(m[0]):])
		kind = strings.ToLower(m[1])
	}
	switch kind {
	case "python", "code":
	case "markdown", "md":
		c.Kind, commented = notebook.Markdown, true
	case "sql":
		c.Kind, commented = notebook.SQL, true
	case "raw":
		c.Kind, commented = notebook.Markdown, true
		d.lost.inCell(lostRaw, number)
	default:
		d.lost.inCell(lostTitle, number, "["+kind+"]")
	}
	for own && rest != "" {
		m := cellOption.FindStringSubmatch(rest)
		if m == nil {
			break
		}
		decoder := json.NewDecoder(strings.NewReader(rest[len(m[0]):]))
		var value any
		if decoder.Decode(&value) != nil {
			break
		}
		text, isText := value.(string)
		switch {
		case m[1] == optConnection && isText:
			c.Connection = &text
		case m[1] == optResult && isText:
			c.Result = &text
		case m[1] == optDisabled && (value == true || value == false):
			c.Disabled = value == true
		case m[1] == optCommented:
			commented = true
		default:
			d.lost.inCell(lostTitle, number, m[1])
		}
		rest = strings.TrimSpace(rest[len(m[0])+int(decoder.InputOffset()):])
	}
	if !own {
		body = strings.Trim(body, "\r\n")
		if block, ok := textBlock(body); ok && commented {
			body, commented = block, false
		}
	}
	c.Source = body
	if commented {
		// Formatters put further empty lines before the next cell.
		c.Source = uncomment(strings.TrimRight(body, "\n"))
	}
	if kind == "raw" {
		c.Source = fenced(c.Source, "")
	}
	if rest != "" {
		if c.Kind == notebook.Python && !commented {
			c.Source = strings.TrimSuffix("# "+rest+"\n"+c.Source, "\n")
		} else {
			d.lost.inCell(lostTitle, number, rest)
		}
	}
	return d.add(c)
}

// textBlock returns what stands between the triple quotes that some tools put
// around the text of a Markdown cell.
func textBlock(body string) (string, bool) {
	for _, quotes := range []string{`"""`, "'''"} {
		text := strings.TrimPrefix(body, "r")
		if len(text) >= 2*len(quotes) && strings.HasPrefix(text, quotes) && strings.HasSuffix(text, quotes) {
			return strings.Trim(text[len(quotes):len(text)-len(quotes)], "\r\n"), true
		}
	}
	return "", false
}

// importForeignScript reads a script of another tool: with cells in percent
// style (VS Code, Spyder, PyCharm, Jupytext), or else as one cell.
func importForeignScript(text string, d *document) error {
	begins := foreignCell.FindAllStringIndex(text, notebook.MaxCells+1)
	if len(begins) == 0 {
		if text == "" {
			return nil
		}
		return d.add(Cell{Kind: notebook.Python, Source: text})
	}
	above := text[:begins[0][0]]
	if head := jupytextHead.FindString(above); head != "" && strings.Contains(head, "jupy") {
		d.lost.whole(lostJupytext)
		above = above[len(head):]
	}
	if above = strings.Trim(above, "\r\n"); strings.TrimSpace(above) != "" {
		if err := d.add(Cell{Kind: notebook.Python, Source: above}); err != nil {
			return err
		}
	}
	for i, at := range begins {
		end := len(text)
		if i+1 < len(begins) {
			end = begins[i+1][0]
		}
		_, title, _ := strings.Cut(text[at[0]:at[1]], "%%")
		if err := d.addScriptCell(title, text[at[1]:end], false); err != nil {
			return err
		}
	}
	return nil
}
