package convert

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// importIPYNB reads a Jupyter notebook of nbformat 4, of any minor version and
// with the liberties that tools take. Nothing is decoded into trees: values
// that no cell needs are passed over, however large and deep.
func importIPYNB(body []byte, d *document) error {
	body = replaceNonFinite(body)
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at := int(syntax.Offset) - 1 // the offset is of the byte after
			if syntax.Error() == "unexpected end of JSON input" {
				at = len(body)
			}
			return malformed(body, at, "malformed JSON: "+syntax.Error())
		}
		return malformed(body, 0, "malformed JSON: "+err.Error())
	}

	r := ipynbReader{document: d, embed: int64(2*len(body)) + 1<<20}
	var version, cells, metadata json.RawMessage
	old := false
	isObject, err := asObject(whole, func(key string, value json.RawMessage) error {
		switch key {
		case "nbformat":
			version = bytes.Clone(value)
		case "nbformat_minor", "orig_nbformat":
		case "cells":
			cells = bytes.Clone(value)
		case "metadata":
			metadata = bytes.Clone(value)
		case "worksheets":
			old = true
		default:
			d.lost.whole(lostMeta, key)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read notebook: %w", err)
	}
	if !isObject {
		return refuse("is JSON, but not a Jupyter notebook: a notebook is an object")
	}
	if err := checkVersion(version, old); err != nil {
		return err
	}
	if len(cells) == 0 || cells[0] != '[' {
		return refuse("has no list of cells: open it in Jupyter, which repairs what it can, and save it again")
	}
	if err := r.metadata(metadata); err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	return r.cells(cells)
}

func checkVersion(version json.RawMessage, old bool) error {
	if version == nil && !old {
		return refuse("is JSON, but not a Jupyter notebook: nbformat is missing")
	}
	number, err := strconv.ParseFloat(string(version), 64)
	switch {
	case old || err == nil && number >= 1 && number < 4:
		return refuse("is a Jupyter notebook of an old format (nbformat %s), only nbformat 4 can be imported: convert it with `jupyter nbconvert --to notebook --nbformat 4 FILE`, or open and save it in a current Jupyter",
			versionText(version, old))
	case err != nil || number != 4 && number < 5:
		return refuse("is JSON, but not a Jupyter notebook: nbformat is %s, not 4", short(string(version)))
	case number >= 5:
		return refuse("is a Jupyter notebook of a newer format (nbformat %s), only nbformat 4 can be imported: save it as nbformat 4", short(string(version)))
	}
	return nil
}

func versionText(version json.RawMessage, old bool) string {
	if old && version == nil {
		return "3 or older"
	}
	return short(string(version))
}

func short(s string) string {
	if runes := []rune(s[:min(len(s), 8*maxLostText)]); len(runes) > maxLostText {
		return string(runes[:maxLostText]) + "…"
	}
	return s
}

type ipynbReader struct {
	*document
	language string // of the kernel, in lower case, "" for Python
	embed    int64  // bytes that attachments may still add to sources
}

// metadata reads the notebook's own metadata.
func (r *ipynbReader) metadata(raw json.RawMessage) error {
	var kernel, infoLanguage, specLanguage, specName, title, colab string
	_, err := asObject(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "kernelspec":
			fields := stringFields(value, "display_name", "language", "name")
			kernel, specLanguage, specName = fields["display_name"], fields["language"], fields["name"]
		case "language_info":
			infoLanguage = stringFields(value, "name")["name"]
		case "widgets":
			r.lost.whole(lostWidgets)
		case "title":
			title = asString(value)
		case "colab":
			colab = strings.TrimSuffix(stringFields(value, "name")["name"], ".ipynb")
		case ownKey:
			r.ownMetadata(value)
		case "orig_nbformat", "signature", "anaconda-cloud", "vscode", "accelerator":
			// What machines wrote for themselves is nobody's loss.
		default:
			r.lost.whole(lostMeta, key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, language := range []string{infoLanguage, specLanguage, specName} {
		if language == "" {
			continue
		}
		if language = strings.ToLower(language); !isPython(language) {
			r.language = language
			if kernel == "" {
				kernel = language
			}
			r.lost.whole(lostKernel, kernel)
		}
		break
	}
	for _, name := range []string{title, colab} {
		if r.name == "" {
			r.name = name
		}
	}
	return nil
}

func isPython(language string) bool {
	return strings.Contains(language, "python") || language == "py" || language == "pyspark"
}

func (r *ipynbReader) ownMetadata(raw json.RawMessage) {
	fields := stringFields(raw, "name", "mode")
	if name := fields["name"]; name != "" {
		r.name = name
		if name != r.usableName() {
			r.lost.whole(lostName)
		}
	}
	if mode := notebook.Mode(fields["mode"]); notebook.CheckMode(mode) == nil {
		r.mode = mode
	} else {
		r.lost.whole(lostMode)
	}
}

func (r *ipynbReader) cells(raw json.RawMessage) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("read cells: %w", err)
	}
	var cell json.RawMessage
	for number := 1; decoder.More(); number++ {
		if err := decoder.Decode(&cell); err != nil {
			return fmt.Errorf("read cell %d: %w", number, err)
		}
		if err := r.cell(number, cell); err != nil {
			return err
		}
	}
	return nil
}

// ipynbSource is what a file says of one cell.
type ipynbSource struct {
	kind        string
	source      string
	format      string // of a raw cell
	language    string // of this cell, where it says so
	own         json.RawMessage
	attachments json.RawMessage
}

func (r *ipynbReader) cell(number int, raw json.RawMessage) error {
	var in ipynbSource
	var unused []string
	isObject, err := asObject(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "cell_type":
			in.kind = asString(value)
		case "source":
			text, ok := multiline(value)
			if !ok {
				r.lost.inCell(lostSource, number)
			}
			if hasLoneSurrogate(value) {
				r.lost.inCell(lostSurrogates, number)
			}
			in.source = text
		case "metadata":
			return r.cellMetadata(value, &in, &unused)
		case "attachments":
			in.attachments = bytes.Clone(value)
		case "outputs":
			if !isEmptyList(value) {
				r.lost.inCell(lostOutputs, number)
			}
		case "id", "execution_count", "prompt_number":
		default:
			unused = append(unused, short(key))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read cell %d: %w", number, err)
	}
	if !isObject {
		return refuse("has a cell (number %d) that is no object: open it in Jupyter, which repairs what it can, and save it again", number)
	}
	if len(unused) > 0 {
		slices.Sort(unused)
		r.lost.inCell(lostCellMeta, number, unused...)
	}
	return r.add(r.mapped(number, in))
}

// maxUnused bounds the names of one cell's metadata that are looked at.
const maxUnused = 100

func (r *ipynbReader) cellMetadata(raw json.RawMessage, in *ipynbSource, unused *[]string) error {
	_, err := asObject(raw, func(key string, value json.RawMessage) error {
		switch key {
		case ownKey:
			in.own = bytes.Clone(value)
		case "format", "raw_mimetype":
			in.format = strings.ToLower(asString(value))
		case "vscode":
			in.language = strings.ToLower(stringFields(value, "languageId")["languageId"])
		case "polyglot_notebook":
			in.language = strings.ToLower(stringFields(value, "kernelName")["kernelName"])
		case "dotnet_interactive":
			in.language = strings.ToLower(stringFields(value, "language")["language"])
		case "collapsed", "scrolled", "trusted", "autoscroll", "execution", "ExecuteTime", "executionInfo",
			"colab", "colab_type", "id", "outputId", "jp-MarkdownHeadingCollapsed", "pycharm", "_uuid", "_cell_guid":
			// What machines wrote for themselves is nobody's loss.
		default:
			if len(*unused) < maxUnused {
				*unused = append(*unused, short(key))
			}
		}
		return nil
	})
	return err
}

// mapped returns the cell that a file's cell becomes.
func (r *ipynbReader) mapped(number int, in ipynbSource) Cell {
	c := Cell{Kind: notebook.Markdown, Source: in.source}
	switch in.kind {
	case "code":
		c.Kind = notebook.Python
		language := in.language
		if language == "" {
			language = r.language
		}
		switch {
		case in.own != nil, language == "" || isPython(language):
		case language == "sql":
			c.Kind = notebook.SQL
		default:
			c.Disabled = true
			r.lost.inCell(lostLanguage, number, language)
		}
	case "markdown":
	case "raw":
		if in.format != "text/markdown" {
			c.Source = fenced(in.source, rawLanguage(in.format))
			r.lost.inCell(lostRaw, number)
		}
	default:
		c.Source = fenced(in.source, "")
		r.lost.inCell(lostUnknownCell, number, in.kind)
	}
	if in.attachments != nil {
		c.Source = r.attach(number, c.Source, in.attachments)
	}
	if in.own != nil {
		r.ownCell(number, in.own, &c)
	}
	if r.name == "" && c.Kind == notebook.Markdown {
		if m := firstHeading.FindStringSubmatch(c.Source); m != nil {
			r.name = m[1]
		}
	}
	return c
}

var firstHeading = regexp.MustCompile(`^\s*# +([^\r\n]*[^\s#])`)

// ownCell takes what an export of this product says of a cell.
func (r *ipynbReader) ownCell(number int, raw json.RawMessage, c *Cell) {
	isObject, err := asObject(raw, func(key string, value json.RawMessage) error {
		var text string
		isText := json.Unmarshal(value, &text) == nil && value[0] == '"'
		switch {
		case key == "kind" && notebook.CheckKind(notebook.Kind(text)) == nil:
			c.Kind = notebook.Kind(text)
		case key == "connection" && isText:
			c.Connection = &text
		case key == "result" && isText:
			c.Result = &text
		case key == "disabled" && (string(value) == "true" || string(value) == "false"):
			c.Disabled = string(value) == "true"
		default:
			r.lost.inCell(lostExtra, number, key)
		}
		return nil
	})
	if err != nil || !isObject {
		r.lost.inCell(lostExtra, number)
	}
}

func rawLanguage(format string) string {
	switch format {
	case "text/html":
		return "html"
	case "text/latex":
		return "latex"
	case "text/restructuredtext":
		return "rst"
	case "text/asciidoc":
		return "asciidoc"
	case "text/x-python":
		return "python"
	}
	return ""
}

var attachmentReference = regexp.MustCompile(`attachment:[^\s()<>"']+`)

// attach puts a cell's attached pictures into its source, as data: addresses.
func (r *ipynbReader) attach(number int, source string, raw json.RawMessage) string {
	addresses := map[string]string{}
	var names []string
	_, err := asObject(raw, func(name string, bundle json.RawMessage) error {
		address := ""
		_, err := asObject(bundle, func(mime string, value json.RawMessage) error {
			if text, ok := multiline(value); ok && address == "" {
				address = dataAddress(mime, text)
			}
			return nil
		})
		addresses[name] = address
		names = append(names, name)
		return err
	})
	if err != nil {
		return source
	}
	used := map[string]bool{}
	size := len(source)
	replaced := attachmentReference.ReplaceAllStringFunc(source, func(reference string) string {
		name := strings.TrimPrefix(reference, "attachment:")
		if _, ok := addresses[name]; !ok {
			plain, err := url.PathUnescape(name)
			if err != nil {
				return reference
			}
			name = plain
		}
		address := addresses[name]
		if address == "" {
			return reference
		}
		grown := size + len(address) - len(reference)
		if grown > notebook.MaxSource || int64(len(address)) > r.embed {
			return reference
		}
		size = grown
		r.embed -= int64(len(address))
		used[name] = true
		return address
	})
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !used[name] {
			r.lost.inCell(lostAttachment, number, name)
		}
	}
	return replaced
}

// dataAddress returns a data: address for a picture in base64, or "".
func dataAddress(mime, text string) string {
	switch mime {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml":
	default:
		return ""
	}
	compact, ok := compactBase64(text)
	if !ok {
		return ""
	}
	return "data:" + mime + ";base64," + compact
}

// compactBase64 returns base64 text without white space, or false if it is none.
func compactBase64(text string) (string, bool) {
	compact := strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
			return -1
		}
		return r
	}, text)
	if compact == "" {
		return "", false
	}
	_, err := base64.StdEncoding.DecodeString(compact)
	return compact, err == nil
}

// asObject visits the fields of a JSON object in order. The value is only valid
// during the visit. It returns false, having visited nothing, for any other
// JSON value; raw must be valid JSON.
func asObject(raw []byte, visit func(key string, value json.RawMessage) error) (bool, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return false, nil
	}
	var value json.RawMessage
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return false, fmt.Errorf("read key: %w", err)
		}
		if err := decoder.Decode(&value); err != nil {
			return false, fmt.Errorf("read value: %w", err)
		}
		name, _ := key.(string)
		if err := visit(name, value); err != nil {
			return true, err
		}
	}
	return true, nil
}

// multiline reads a string, or a list of strings that belong together. null,
// which some tools write for no text, is the empty text.
func multiline(raw json.RawMessage) (string, bool) {
	switch raw[0] {
	case '"':
		return asString(raw), true
	case '[':
		var lines []string
		if json.Unmarshal(raw, &lines) != nil {
			return "", false
		}
		return strings.Join(lines, ""), true
	}
	return "", string(raw) == "null"
}

func asString(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// stringFields returns those of the named fields of an object that are strings.
func stringFields(raw json.RawMessage, names ...string) map[string]string {
	fields := make(map[string]string, len(names))
	_, err := asObject(raw, func(key string, value json.RawMessage) error {
		if slices.Contains(names, key) {
			fields[key] = asString(value)
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return fields
}

func isEmptyList(raw json.RawMessage) bool {
	return raw[0] == '[' && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0 || string(raw) == "null"
}

// hasLoneSurrogate tells whether JSON text escapes half of a character, which
// decoding replaces.
func hasLoneSurrogate(raw []byte) bool {
	high := false // the escape just before was the first half of a pair
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			if high {
				return true
			}
			i++
			continue
		}
		if i+5 >= len(raw) || raw[i+1] != 'u' {
			if high {
				return true
			}
			i += 2
			continue
		}
		code, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
		isHigh, isLow := code>>10 == 0xd800>>10, code>>10 == 0xdc00>>10
		if err != nil || high != isLow {
			return true
		}
		high = isHigh
		i += 6
	}
	return high
}

// replaceNonFinite writes a number for each NaN and Infinity, which Python's
// json module writes and JSON doesn't know. Only outputs and metadata hold
// numbers, and no import keeps those. Offsets stay as they are.
func replaceNonFinite(body []byte) []byte {
	if !bytes.Contains(body, []byte("NaN")) && !bytes.Contains(body, []byte("Infinity")) {
		return body
	}
	fixed := bytes.Clone(body)
	inString := false
	value := true // may a value stand here?
	for i := 0; i < len(fixed); i++ {
		switch c := fixed[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
			value = false
		case inString, c == ' ', c == '\n', c == '\r', c == '\t':
		case c == ':' || c == '[' || c == ',':
			value = true
		default:
			if value {
				for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
					if bytes.HasPrefix(fixed[i:], []byte(word)) {
						fixed[i] = '0'
						for j := 1; j < len(word); j++ {
							fixed[i+j] = ' '
						}
						break
					}
				}
			}
			value = false
		}
	}
	return fixed
}
