// Command bench runs the parts of the benchmark in turn and prints one table of
// what they measured. test/bench/run.sh prepares what the parts need and starts
// it; README.md beside it says how a part is made.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/reactive-notebook/reactive-notebook/test/bench/measure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, filepath.Join("test", "bench"), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run runs the parts below root that args name, all of them without a name.
func run(ctx context.Context, root string, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	write := flags.String("write", "", "Markdown `FILE` whose text between <!-- bench --> and <!-- /bench --> becomes the table")
	if err := flags.Parse(args); err != nil {
		return err
	}
	parts, err := find(root, flags.Args())
	if err != nil {
		return err
	}

	var report strings.Builder
	report.WriteString(machine(ctx))
	var failed []error
	for _, part := range parts {
		fmt.Fprintf(os.Stderr, "== %s\n", part)
		results, err := runPart(ctx, filepath.Join(root, part, "run"))
		if len(results) > 0 {
			report.WriteString("\n" + table(results))
		}
		if ctx.Err() != nil { // what there is by then is told
			failed = append(failed, ctx.Err())
			break
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", part, err))
		}
	}
	fmt.Fprint(out, report.String())
	if len(failed) == 0 && *write != "" {
		return replace(*write, report.String())
	}
	return errors.Join(failed...)
}

// find returns the parts: the directories that have a program named run.
func find(root string, wanted []string) ([]string, error) {
	programs, err := filepath.Glob(filepath.Join(root, "*", "run"))
	if err != nil {
		return nil, err
	}
	var parts []string
	for _, program := range programs {
		parts = append(parts, filepath.Base(filepath.Dir(program)))
	}
	for _, part := range wanted {
		if !slices.Contains(parts, part) {
			return nil, fmt.Errorf("there is no part %q: there are %s", part, strings.Join(parts, ", "))
		}
	}
	if len(wanted) > 0 {
		return wanted, nil
	}
	return parts, nil
}

// runPart runs a part to its end and reads the results that it prints, one JSON
// object a line. Those before a failure are returned with it.
func runPart(ctx context.Context, program string) ([]measure.Result, error) {
	cmd := exec.CommandContext(ctx, program)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The whole group gets the signal, so that a part can end what it started.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var results []measure.Result
	var faults []error
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		var result measure.Result
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&result)
		if err == nil {
			err = result.Check()
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("line %q: %w", lines.Text(), err))
			continue
		}
		fmt.Fprintf(os.Stderr, "   %s: %s %s\n", result.What, figure(result.Ours), result.Unit)
		results = append(results, result)
	}
	if err := cmd.Wait(); err != nil {
		faults = append(faults, err)
	} else if len(results) == 0 {
		faults = append(faults, errors.New("it printed no result"))
	}
	return results, errors.Join(faults...)
}

// table renders results as Markdown.
func table(results []measure.Result) string {
	var b strings.Builder
	b.WriteString("| | here | beside it | ratio | goal |\n|---|--:|--:|--:|---|\n")
	for _, r := range results {
		what := r.What
		if r.Note != "" {
			what += " (" + r.Note + ")"
		}
		theirs, ratio := "", ""
		if r.Theirs > 0 {
			theirs = fmt.Sprintf("%s: %s %s", r.Beside, figure(r.Theirs), r.Unit)
			ratio = figure(r.Ratio()) + "×"
		}
		fmt.Fprintf(&b, "| %s | **%s %s** | %s | %s | %s |\n", cell(what), figure(r.Ours), r.Unit, cell(theirs), ratio, goal(r))
	}
	return b.String()
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func goal(r measure.Result) string {
	var goals []string
	if r.Goal.Ratio > 0 {
		goals = append(goals, "≥ "+figure(r.Goal.Ratio)+"×")
	}
	if r.Goal.Ours > 0 {
		sign := "≤ "
		if r.More {
			sign = "≥ "
		}
		goals = append(goals, sign+figure(r.Goal.Ours)+" "+r.Unit)
	}
	if len(goals) == 0 {
		return ""
	}
	said := "reached"
	if !r.Reached() {
		said = "**not reached**"
	}
	return strings.Join(goals, ", ") + ": " + said
}

// figure writes three significant digits, and all digits before the point.
func figure(f float64) string {
	switch {
	case f >= 100:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case f >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f >= 1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

const (
	begin = "<!-- bench -->\n"
	end   = "<!-- /bench -->"
)

// replace puts the report between the marks of a file.
func replace(file, report string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no lines %q and %q for the table", file, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(file, []byte(before+begin+report+end+after), 0o644)
}
