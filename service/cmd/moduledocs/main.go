// Command moduledocs writes the tables of inputs and outputs in the READMEs of
// Terraform modules, from what the modules say of themselves, or with -check tells
// which of them no longer agree.
//
//	moduledocs [-check] MODULE...
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-config-inspect/tfconfig"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail where a README differs")
	flag.Parse()
	if err := run(flag.Args(), *check); err != nil {
		fmt.Fprintln(os.Stderr, "moduledocs: "+err.Error())
		os.Exit(1)
	}
}

// run brings the README of each module up to date, or checks that it is.
func run(modules []string, check bool) error {
	if len(modules) == 0 {
		return errors.New("name the modules' directories, such as modules/*")
	}
	var faults []error
	for _, dir := range modules {
		if err := update(dir, check); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func update(dir string, check bool) error {
	module, diagnostics := tfconfig.LoadModule(dir)
	if diagnostics.HasErrors() {
		return fmt.Errorf("read module %s: %w", dir, diagnostics.Err())
	}
	path := filepath.Join(dir, "README.md")
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the README of %s: %w", dir, err)
	}
	updated, err := render(old, module)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case bytes.Equal(old, updated):
		return nil
	case check:
		return fmt.Errorf("%s differs from the module's variables and outputs: run make docs", path)
	}
	return os.WriteFile(path, updated, 0o644)
}

// render replaces what stands under the headings Inputs and Outputs, to the next
// heading of their level or the end, by tables.
func render(readme []byte, module *tfconfig.Module) ([]byte, error) {
	text := string(readme)
	for _, section := range []struct {
		heading string
		table   string
	}{{"## Inputs", inputs(module)}, {"## Outputs", outputs(module)}} {
		before, rest, found := strings.Cut("\n"+text, "\n"+section.heading+"\n")
		if !found {
			return nil, fmt.Errorf("has no heading %q", section.heading)
		}
		after := ""
		if at := strings.Index(rest, "\n## "); at >= 0 {
			after = rest[at:]
		}
		text = strings.TrimPrefix(before, "\n") + "\n" + section.heading + "\n\n" + section.table + after
	}
	return []byte(text), nil
}

func inputs(module *tfconfig.Module) string {
	var out strings.Builder
	out.WriteString("| name | type | default | |\n|---|---|---|---|\n")
	variables := make([]*tfconfig.Variable, 0, len(module.Variables))
	for _, variable := range module.Variables {
		variables = append(variables, variable)
	}
	slices.SortFunc(variables, func(a, b *tfconfig.Variable) int { return order(a.Pos, b.Pos) })
	for _, variable := range variables {
		fallback := "required"
		if !variable.Required {
			value, err := json.Marshal(variable.Default)
			if err != nil {
				value = []byte("?")
			}
			fallback = "`" + string(value) + "`"
		}
		kind, _, _ := strings.Cut(variable.Type, "({")
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", variable.Name, cell(kind), fallback, cell(variable.Description))
	}
	return out.String()
}

func outputs(module *tfconfig.Module) string {
	if len(module.Outputs) == 0 {
		return "None.\n"
	}
	var out strings.Builder
	out.WriteString("| name | |\n|---|---|\n")
	found := make([]*tfconfig.Output, 0, len(module.Outputs))
	for _, output := range module.Outputs {
		found = append(found, output)
	}
	slices.SortFunc(found, func(a, b *tfconfig.Output) int { return order(a.Pos, b.Pos) })
	for _, output := range found {
		fmt.Fprintf(&out, "| `%s` | %s |\n", output.Name, cell(output.Description))
	}
	return out.String()
}

// order is that of the files, and of the lines in them.
func order(a, b tfconfig.SourcePos) int {
	if a.Filename != b.Filename {
		return strings.Compare(a.Filename, b.Filename)
	}
	return a.Line - b.Line
}

// cell makes one line of a table's cell.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
