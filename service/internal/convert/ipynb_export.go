package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
)

// What a file of nbformat 4.5 says of this product's own, in the metadata of
// the notebook and of each cell, under ownKey.
const (
	ownKey    = "reactive_notebook"
	ownFormat = 1
)

type (
	ipynbMetadata struct {
		Kernelspec   ipynbKernelspec `json:"kernelspec"`
		LanguageInfo ipynbLanguage   `json:"language_info"`
		Own          ownMetadata     `json:"reactive_notebook"`
		Title        string          `json:"title"`
	}
	ipynbKernelspec struct {
		DisplayName string `json:"display_name"`
		Language    string `json:"language"`
		Name        string `json:"name"`
	}
	ipynbLanguage struct {
		FileExtension string `json:"file_extension"`
		Mimetype      string `json:"mimetype"`
		Name          string `json:"name"`
	}
	ownMetadata struct {
		Format int           `json:"format"`
		Name   string        `json:"name"`
		Mode   notebook.Mode `json:"mode"`
	}
	ownCell struct {
		Kind       notebook.Kind `json:"kind"`
		Connection *string       `json:"connection,omitempty"`
		Result     *string       `json:"result,omitempty"`
		Disabled   bool          `json:"disabled,omitempty"`
	}
)

func exportIPYNB(n *notebook.Notebook) ([]byte, error) {
	w := ipynbWriter{}
	w.raw("{\n \"cells\": [")
	ids := map[string]bool{}
	for i, c := range n.Cells {
		id := c.ID
		if !ipynbID.MatchString(id) || ids[id] {
			id = fmt.Sprintf("cell-%d", i+1)
		}
		ids[id] = true
		if i > 0 {
			w.raw(",")
		}
		w.cell(id, c)
		if w.err != nil {
			return nil, fmt.Errorf("cell %d: %w", i+1, w.err)
		}
	}
	w.raw("\n ],\n \"metadata\": ")
	w.value(ipynbMetadata{
		Kernelspec:   ipynbKernelspec{"Python 3 (ipykernel)", "python", "python3"},
		LanguageInfo: ipynbLanguage{".py", TypePython, "python"},
		Own:          ownMetadata{ownFormat, n.Name, n.Mode},
		Title:        n.Name,
	})
	w.raw(",\n \"nbformat\": 4,\n \"nbformat_minor\": 5\n}\n")
	return w.buffer.Bytes(), w.err
}

// ipynbWriter writes each line of a source and each output on a line of its
// own, so that differences between versions are small; further indentation
// could be a multiple of what deep outputs hold.
type ipynbWriter struct {
	buffer bytes.Buffer
	err    error // the first one
}

func (w *ipynbWriter) raw(s string) { w.buffer.WriteString(s) }

func (w *ipynbWriter) value(v any) {
	text, err := encodeJSON(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.buffer.Write(text)
}

func (w *ipynbWriter) field(name string, v any) {
	w.raw("\n   \"" + name + "\": ")
	w.value(v)
	w.raw(",")
}

func writeList[T any](w *ipynbWriter, name string, items []T) {
	w.raw("\n   \"" + name + "\": [")
	for i, item := range items {
		if i > 0 {
			w.raw(",")
		}
		w.raw("\n    ")
		w.value(item)
	}
	if len(items) > 0 {
		w.raw("\n   ")
	}
	w.raw("]")
}

func (w *ipynbWriter) cell(id string, c *notebook.Cell) {
	metadata := map[string]any{ownKey: ownCell{c.Kind, c.Connection, c.Result, c.Disabled}}
	kind := "code"
	switch c.Kind {
	case notebook.Markdown:
		kind = "markdown"
	case notebook.SQL:
		metadata["vscode"] = map[string]string{"languageId": "sql"}
	}
	w.raw("\n  {")
	w.field("cell_type", kind)
	if kind == "code" {
		var count *int
		if c.ExecutionCount > 0 {
			count = &c.ExecutionCount
		}
		w.field("execution_count", count)
		outputs := make([]map[string]any, 0, len(c.Outputs))
		for _, o := range outputsOf(c) {
			output, err := toIPYNBOutput(o, count)
			if err != nil && w.err == nil {
				w.err = err
			}
			outputs = append(outputs, output)
		}
		writeList(w, "outputs", outputs)
		w.raw(",")
	}
	w.field("id", id)
	w.field("metadata", metadata)
	writeList(w, "source", splitLines(c.Source))
	w.raw("\n  }")
}

var ipynbID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

func toIPYNBOutput(o notebook.Output, count *int) (map[string]any, error) {
	switch o.Kind {
	case notebook.OutputStream:
		return map[string]any{"output_type": "stream", "name": o.Stream, "text": splitLines(o.Text)}, nil
	case notebook.OutputError:
		traceback := o.Traceback
		if traceback == nil {
			traceback = []string{}
		}
		return map[string]any{"output_type": "error", "ename": o.Name, "evalue": o.Message, "traceback": traceback}, nil
	case notebook.OutputDisplay, notebook.OutputResult:
		metadata := o.Metadata
		if metadata == nil {
			metadata = map[string]json.RawMessage{}
		}
		output := map[string]any{"output_type": "display_data", "data": toIPYNBData(o.Data), "metadata": metadata}
		if o.Kind == notebook.OutputResult {
			output["output_type"] = "execute_result"
			output["execution_count"] = count
		}
		return output, nil
	}
	return nil, fmt.Errorf("output of unknown kind %q", o.Kind)
}

func toIPYNBData(data map[string]json.RawMessage) map[string]any {
	mapped := make(map[string]any, len(data))
	for mime, value := range data {
		var text string
		switch {
		case isJSONType(mime):
			mapped[mime] = value
		case json.Unmarshal(value, &text) != nil:
			// The format knows text alone here.
			mapped[mime] = string(value)
		case strings.HasPrefix(mime, "text/") || mime == "image/svg+xml":
			mapped[mime] = splitLines(text)
		default:
			mapped[mime] = text
		}
	}
	return mapped
}

func isJSONType(mime string) bool {
	return mime == "application/json" || strings.HasPrefix(mime, "application/") && strings.HasSuffix(mime, "+json")
}

// splitLines cuts behind each line feed. The parts joined are the text.
func splitLines(text string) []string {
	if text == "" {
		return []string{}
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// encodeJSON leaves <, > and & as people wrote them.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// outputsOf returns what a cell shows: its outputs and, where none of them
// tells it, the error that keeps it from running.
func outputsOf(c *notebook.Cell) []notebook.Output {
	if c.Error == nil || c.Kind == notebook.Markdown {
		return c.Outputs
	}
	for _, o := range c.Outputs {
		if o.Kind == notebook.OutputError {
			return c.Outputs
		}
	}
	outputs := append([]notebook.Output{}, c.Outputs...)
	return append(outputs, notebook.Output{
		Kind: notebook.OutputError, Name: c.Error.Name, Message: c.Error.Message, Traceback: c.Error.Traceback,
	})
}
