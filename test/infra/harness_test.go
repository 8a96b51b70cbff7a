// Package infra tests the Terraform of the project from outside, as its users run
// it: modules' rules with mocked providers, and every module's example and every
// environment applied to an emulator of their own with the real AWS provider,
// planned again without changes and destroyed.
//
// It is not a test of AWS: what the emulator makes up is listed beside it, and
// nothing here takes that for proof. Its invariant: the repository's own
// directories are only read; everything is applied in copies.
package infra

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/gruntwork-io/terratest/modules/logger"
	"github.com/gruntwork-io/terratest/modules/terraform"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/stretchr/testify/require"

	"github.com/reactive-notebook/reactive-notebook/test/policy"
)

// A provider takes half a gigabyte and seconds of a processor, and waits for the
// rest of its time: so many runs of Terraform at once keep two cores from idling.
const parallelRuns = 5

// bench is what all tests share: the repository, the built `stack`, and turns.
type bench struct {
	root  string
	stack string
	turns chan struct{}
	init  sync.Mutex // `terraform init` of two at once may write one plug-in cache

	identities sync.Mutex // see alone

	asked      sync.Once // for withoutAWS
	withoutAWS tools
}

var shared bench

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// awaiting is how many tests may stand in line for a turn: all.
const awaiting = "100"

func run(m *testing.M) (int, error) {
	// Turns decide how much goes on at once. By itself, go runs no more tests than the
	// machine has processors, which would stand idle while Terraform waits.
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", awaiting); err != nil {
			return 1, fmt.Errorf("let tests wait for turns: %w", err)
		}
	}

	root, err := filepath.Abs("../..")
	if err != nil {
		return 1, fmt.Errorf("find the repository: %w", err)
	}
	dir, err := os.MkdirTemp("", "infra-test-")
	if err != nil {
		return 1, fmt.Errorf("make a folder for the stack program: %w", err)
	}
	defer os.RemoveAll(dir)
	shared = bench{root: root, stack: filepath.Join(dir, "stack"), turns: make(chan struct{}, parallelRuns)}
	if err := chooseTarget(context.Background()); err != nil {
		return 1, err
	}

	build := exec.Command("go", "build", "-o", shared.stack, "./service/cmd/stack")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build stack: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// tools is what `stack emulator` says on its one line.
type tools struct {
	Endpoint  string            `json:"endpoint"`
	Env       map[string]string `json:"env"`
	Terraform struct {
		Path string            `json:"path"`
		Env  map[string]string `json:"env"` // what it needs anywhere
	} `json:"terraform"`
	Log string `json:"log"` // of the emulator, a line for each request
}

// logVariable carries the path of the emulator's log in o.EnvVars.
const logVariable = "EMULATOR_LOG"

// takeTurn waits until fewer than parallelRuns others are at work, and gives the
// turn back at the test's end.
func takeTurn(t *testing.T) {
	t.Helper()
	shared.turns <- struct{}{}
	t.Cleanup(func() { <-shared.turns })
}

// startTarget gives a test an empty emulator of its own, or the account.
func startTarget(t *testing.T) tools {
	t.Helper()
	e := startEmulator(t)
	if onAWS() {
		return e.onAWS()
	}
	return e
}

// startEmulator starts an empty emulator for one test.
func startEmulator(t *testing.T) tools {
	t.Helper()
	cmd := exec.Command(shared.stack, "emulator")
	cmd.Dir = shared.root
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said strings.Builder
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close() // it ends with its standard input
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			require.NoError(t, err, said.String())
		case <-time.After(30 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
			t.Error("stack emulator didn't end with its standard input")
		}
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	require.NoError(t, err, "stack emulator said nothing: %s", &said)
	var ready tools
	require.NoError(t, json.Unmarshal(line, &ready), "stack emulator said %s", line)
	ready.Env[logVariable] = ready.Log
	return ready
}

func (e tools) config(t *testing.T) aws.Config {
	t.Helper()
	if onAWS() {
		return awsConfig(t)
	}
	cfg, err := config.LoadDefaultConfig(t.Context(),
		config.WithRegion(region),
		config.WithBaseEndpoint(e.Endpoint),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(
			e.Env["AWS_ACCESS_KEY_ID"], e.Env["AWS_SECRET_ACCESS_KEY"], "")),
		config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil))
	require.NoError(t, err)
	return cfg
}

// copyOf copies modules and environments, so that a run leaves nothing in the
// repository, and returns the copy of dir. A root gets a local state in place of
// HCP Terraform's; what has no lock file gets an environment's, so that examples are
// tried with the same provider.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := workDir(t)
	for _, part := range []string{"modules", "envs"} {
		require.NoError(t, copyTree(filepath.Join(shared.root, part), filepath.Join(to, part)))
	}
	work := filepath.Join(to, dir)
	if strings.HasPrefix(dir, "envs/") {
		require.NoError(t, os.WriteFile(filepath.Join(work, "override.tf"),
			[]byte("terraform {\n  backend \"local\" {}\n}\n"), 0o644))
	} else {
		lock, err := os.ReadFile(filepath.Join(to, "envs", "dev", ".terraform.lock.hcl"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(work, ".terraform.lock.hcl"), lock, 0o644))
	}
	return work
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && name == ".terraform":
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case strings.Contains(name, ".tfstate") || strings.HasSuffix(name, "override.tf"):
			return nil // a developer's own
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), content, 0o644)
	})
}

// noWarnings makes a deprecation a fault: the next provider will have made it one.
var noWarnings = map[string]string{".*": "Terraform warns"}

func options(e tools, dir string, vars map[string]any) *terraform.Options {
	vars = targetVars(dir, vars)
	return &terraform.Options{
		TerraformBinary:  e.Terraform.Path,
		TerraformDir:     dir,
		Vars:             vars,
		EnvVars:          e.Env,
		NoColor:          true,
		Logger:           logger.TestingT,
		WarningsAsErrors: noWarnings,
	}
}

func initialize(t *testing.T, o *terraform.Options) {
	t.Helper()
	shared.init.Lock()
	defer shared.init.Unlock()
	terraform.InitContext(t, t.Context(), o)
}

// applied waits for a turn and takes a directory through its whole life.
func applied(t *testing.T, dir string, vars map[string]any, check func(o *terraform.Options, cfg aws.Config)) {
	t.Helper()
	takeTurn(t)
	live(t, dir, vars, check)
}

// live takes a directory through its whole life on an emulator of its own: applied,
// examined by check, planned again without a change, looked at by before if there is
// something to see right before its end, destroyed, and nothing left of it.
func live(t *testing.T, dir string, vars map[string]any, check func(o *terraform.Options, cfg aws.Config), before ...func(o *terraform.Options, cfg aws.Config)) {
	t.Helper()
	e := startTarget(t)
	cfg := e.config(t)
	o := options(e, copyOf(t, dir), vars)
	empty := inventory(t, cfg)
	destroyAfterFailure(t, o, cfg)

	clock := time.Now()
	lap := func(what string) {
		t.Logf("%s: %s took %.1f s", dir, what, time.Since(clock).Seconds())
		clock = time.Now()
	}
	initialize(t, o)
	lap("init")
	terraform.ApplyContext(t, t.Context(), o)
	lap("apply")
	if !onAWS() { // where others are at work, too
		require.NotEqual(t, empty, inventory(t, cfg), "the apply made something")
	}
	check(o, cfg)
	lap("checks")
	again := plan(t, o)
	require.Empty(t, again.changes(), "a plan right after an apply is empty")
	requirePolicy(t, dir, again)
	lap("second plan")
	for _, look := range before {
		look(o, cfg)
		lap("last look")
	}
	require.NoError(t, destroy(t.Context(), t, o, cfg))
	lap("destroy")
	if !onAWS() {
		require.Equal(t, empty, inventory(t, cfg), "the destroy left something")
	}
	state, err := terraform.RunTerraformCommandAndGetStdoutContextE(t, t.Context(), o, "state", "list")
	require.NoError(t, err)
	require.Empty(t, strings.TrimSpace(state))
}

// terraformWithoutAWS is a terraform with its configuration but no emulator: for
// formatting, validating and mocked tests. Where it is, one emulator tells all.
func terraformWithoutAWS(t *testing.T) tools {
	t.Helper()
	shared.asked.Do(func() { shared.withoutAWS = startEmulator(t) })
	e := shared.withoutAWS
	require.NotEmpty(t, e.Terraform.Path, "the test that asked has failed")
	return tools{Env: e.Terraform.Env, Terraform: e.Terraform}
}

// toolsOf are the tools that o was made with.
func toolsOf(o *terraform.Options) tools {
	e := tools{Env: o.EnvVars, Log: o.EnvVars[logVariable]}
	e.Terraform.Path = o.TerraformBinary
	return e
}

// call runs terraform in dir and returns all that it said.
func (e tools) call(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, e.Terraform.Path, args...)
	cmd.Dir = dir
	cmd.Env = os.Environ()
	for name, value := range e.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// planned is a plan as JSON.
type planned struct {
	*tfjson.Plan
	text string // the whole JSON
	file string // what apply takes
}

// plan makes a plan of what is in o.TerraformDir with o.Vars, of which Terraform must
// have nothing to say: a deprecation, too, is a fault.
func plan(t *testing.T, o *terraform.Options) planned {
	t.Helper()
	file := filepath.Join(o.TerraformDir, "test.tfplan")
	said, err := diagnose(t, o, "plan", "-input=false", "-json", "-out="+file)
	require.NoError(t, err, "%v", said)
	require.Empty(t, said, "a plan without a warning")
	text, err := toolsOf(o).call(t.Context(), o.TerraformDir, "show", "-json", file)
	require.NoError(t, err)
	made := planned{Plan: &tfjson.Plan{}, text: text, file: file}
	require.NoError(t, json.Unmarshal([]byte(text), made.Plan))
	return made
}

// diagnostic is an error or a warning of Terraform's.
type diagnostic struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
}

// diagnose runs a command of terraform with o's variables that writes JSON, a line for
// each event, and returns the diagnostics among them.
func diagnose(t *testing.T, o *terraform.Options, command ...string) ([]diagnostic, error) {
	t.Helper()
	out, failed := toolsOf(o).call(t.Context(), o.TerraformDir, terraform.FormatArgs(o, command...)...)
	var said []diagnostic
	events := 0
	for line := range strings.Lines(out) {
		var event struct {
			Type       string      `json:"type"`
			Diagnostic *diagnostic `json:"diagnostic"`
		}
		if json.Unmarshal([]byte(line), &event) != nil || event.Type == "" {
			continue // what else is written to the two outputs
		}
		events++
		if event.Diagnostic != nil {
			said = append(said, *event.Diagnostic)
		}
	}
	require.NotZero(t, events, "terraform %s: %s", command[0], out)
	return said, failed
}

// apply makes the changes of a plan that was made with o, and no others.
func (p planned) apply(t *testing.T, o *terraform.Options) {
	t.Helper()
	reviewed := *o
	reviewed.PlanFilePath = p.file
	terraform.ApplyContext(t, t.Context(), &reviewed)
}

// changes is what a plan would change, by address: "create", "update", "delete", or
// both of these with a plus between them where something is replaced.
func (p planned) changes() map[string]string {
	changes := map[string]string{}
	add := func(address string, actions tfjson.Actions) {
		if actions.NoOp() {
			return
		}
		var names []string
		for _, action := range actions {
			names = append(names, string(action))
		}
		changes[address] = strings.Join(names, "+")
	}
	for _, change := range p.ResourceChanges {
		if change.Mode == tfjson.ManagedResourceMode {
			add(change.Address, change.Change.Actions)
		}
	}
	for name, change := range p.OutputChanges {
		add("output."+name, change.Actions)
	}
	return changes
}

// requirePolicy holds a plan against the project's rules. Every environment and
// example says by its tags whose its resources are.
func requirePolicy(t *testing.T, dir string, p planned) {
	t.Helper()
	rules := policy.Options{Tags: []string{"Project", "Example"}}
	if strings.HasPrefix(dir, "envs/") {
		rules.Tags = []string{"Project", "Environment", "ManagedBy"}
	}
	require.Empty(t, policy.Check(p.Plan, rules))
}
