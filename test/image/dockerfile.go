// Package image checks the service's image without an engine to build it: the
// Dockerfile is parsed, and the commands of its build steps are run in a
// scratch directory.
//
// It is not an engine: it knows the instructions that the one Dockerfile uses,
// and refuses others. Its invariant: what it runs is what the file says.
package image

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Instruction is one step, with the comment right above it.
type Instruction struct {
	Line    int
	Name    string   // upper case
	Flags   []string // with their dashes, such as --from=build
	Text    string   // what follows the flags, on one line
	Comment string
}

// Stage is a FROM with what follows it.
type Stage struct {
	Name, Image string
	Steps       []Instruction
}

// Words splits an instruction's text, of the exec form or not.
func (i Instruction) Words() []string {
	var exec []string
	if json.Unmarshal([]byte(i.Text), &exec) == nil {
		return exec
	}
	return strings.Fields(i.Text)
}

// Flag returns the value of a flag such as "from".
func (i Instruction) Flag(name string) string {
	for _, flag := range i.Flags {
		if value, ok := strings.CutPrefix(flag, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// Last returns the last instruction of a name in the stage.
func (s Stage) Last(name string) (Instruction, bool) {
	for i := len(s.Steps) - 1; i >= 0; i-- {
		if s.Steps[i].Name == name {
			return s.Steps[i], true
		}
	}
	return Instruction{}, false
}

// Env returns the variables that the stage sets.
func (s Stage) Env() map[string]string {
	env := map[string]string{}
	for _, step := range s.Steps {
		if step.Name != "ENV" {
			continue
		}
		for _, pair := range strings.Fields(step.Text) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
	}
	return env
}

var known = map[string]bool{
	"FROM": true, "WORKDIR": true, "COPY": true, "RUN": true, "ARG": true, "ENV": true, "EXPOSE": true,
	"USER": true, "VOLUME": true, "HEALTHCHECK": true, "STOPSIGNAL": true, "ENTRYPOINT": true, "CMD": true,
}

// Parse reads a Dockerfile.
func Parse(text string) ([]Stage, error) {
	var stages []Stage
	var comment []string
	lines := strings.Split(text, "\n")
	for n := 0; n < len(lines); n++ {
		line := strings.TrimSpace(lines[n])
		if line == "" {
			comment = nil
			continue
		}
		if strings.HasPrefix(line, "#") {
			comment = append(comment, strings.TrimSpace(strings.TrimPrefix(line, "#")))
			continue
		}
		step := Instruction{Line: n + 1, Comment: strings.Join(comment, " ")}
		comment = nil
		for strings.HasSuffix(line, "\\") {
			if n++; n == len(lines) {
				return nil, fmt.Errorf("line %d: continued beyond the end of the file", step.Line)
			}
			line = strings.TrimSuffix(line, "\\") + strings.TrimSpace(lines[n])
		}
		name, rest, _ := strings.Cut(line, " ")
		step.Name = strings.ToUpper(name)
		if !known[step.Name] {
			return nil, fmt.Errorf("line %d: unknown instruction %s", step.Line, name)
		}
		rest = strings.TrimSpace(rest)
		for strings.HasPrefix(rest, "--") {
			flag, after, _ := strings.Cut(rest, " ")
			step.Flags = append(step.Flags, flag)
			rest = strings.TrimSpace(after)
		}
		if step.Text = rest; rest == "" {
			return nil, fmt.Errorf("line %d: %s of nothing", step.Line, name)
		}
		if step.Name == "FROM" {
			words := strings.Fields(rest)
			stage := Stage{Image: words[0], Steps: []Instruction{step}}
			if len(words) == 3 && strings.EqualFold(words[1], "AS") {
				stage.Name = words[2]
			}
			stages = append(stages, stage)
			continue
		}
		if len(stages) == 0 {
			return nil, fmt.Errorf("line %d: %s before FROM", step.Line, name)
		}
		stages[len(stages)-1].Steps = append(stages[len(stages)-1].Steps, step)
	}
	if len(stages) == 0 {
		return nil, fmt.Errorf("no FROM")
	}
	return stages, nil
}

// Ignore are the patterns of a .dockerignore file.
type Ignore []struct {
	match *regexp.Regexp
	keep  bool
}

// ParseIgnore reads a .dockerignore file. The last pattern that matches a path
// or a directory above it decides.
func ParseIgnore(text string) Ignore {
	var rules Ignore
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, keep := strings.CutPrefix(line, "!")
		expression := regexp.QuoteMeta(path.Clean(pattern))
		expression = strings.ReplaceAll(expression, `\*\*/`, `(.*/)?`)
		expression = strings.ReplaceAll(expression, `\*`, `[^/]*`)
		rules = append(rules, struct {
			match *regexp.Regexp
			keep  bool
		}{regexp.MustCompile(`^` + expression + `(/.*)?$`), keep})
	}
	return rules
}

// Ignored tells whether a path of the context stays out of it.
func (rules Ignore) Ignored(name string) bool {
	ignored := false
	for _, rule := range rules {
		if rule.match.MatchString(name) {
			ignored = !rule.keep
		}
	}
	return ignored
}
