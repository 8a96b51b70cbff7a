package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"

	"github.com/reactive-notebook/reactive-notebook/service/internal/toolchain"
)

// root is one Terraform root module and the terraform that works on it.
type root struct {
	name  string
	tools *toolchain.Toolchain
	terra toolchain.Terraform
	tf    *tfexec.Terraform
	log   string
}

// openRoot prepares terraform in a root. env is its whole environment, nil for
// the operator's own.
func openRoot(name, dir string, tools *toolchain.Toolchain, terra toolchain.Terraform, env map[string]string, output io.Writer, log string) (*root, error) {
	tf, err := tfexec.NewTerraform(dir, terra.Path)
	if err != nil {
		return nil, fmt.Errorf("prepare Terraform for %s: %w", name, err)
	}
	if env == nil {
		env = tfexec.CleanEnv(environment(os.Environ()))
		for name := range env {
			// A configuration that is named and not there stops terraform.
			if name == "TF_CLI_CONFIG_FILE" && !exists(env[name]) {
				delete(env, name)
			}
		}
	}
	if err := tf.SetEnv(env); err != nil {
		return nil, fmt.Errorf("prepare Terraform for %s: %w", name, err)
	}
	// A terraform that was asked to stop and does not is killed; what it keeps
	// in the cloud is in its state by then.
	if err := tf.SetWaitDelay(20 * time.Second); err != nil {
		return nil, err
	}
	tf.SetStdout(output)
	tf.SetStderr(output)
	return &root{name: name, tools: tools, terra: terra, tf: tf, log: log}, nil
}

func (r *root) init(ctx context.Context) error {
	return r.explain("init", r.tools.WithInitLock(ctx, r.terra, func() error { return r.tf.Init(ctx, tfexec.Upgrade(false)) }))
}

func (r *root) apply(ctx context.Context, vars ...string) error {
	var options []tfexec.ApplyOption
	for _, assignment := range vars {
		options = append(options, tfexec.Var(assignment))
	}
	return r.explain("apply", r.tf.Apply(ctx, options...))
}

func (r *root) plan(ctx context.Context, vars ...string) (changes bool, err error) {
	var options []tfexec.PlanOption
	for _, assignment := range vars {
		options = append(options, tfexec.Var(assignment))
	}
	changes, err = r.tf.Plan(ctx, options...)
	return changes, r.explain("plan", err)
}

// planJSON plans for machines: the plan is kept in no file of the root.
func (r *root) planJSON(ctx context.Context, vars ...string) (*tfjson.Plan, error) {
	dir, err := os.MkdirTemp("", "stack-plan-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "plan")
	options := []tfexec.PlanOption{tfexec.Out(file)}
	for _, assignment := range vars {
		options = append(options, tfexec.Var(assignment))
	}
	if _, err := r.tf.Plan(ctx, options...); err != nil {
		return nil, r.explain("plan", err)
	}
	plan, err := r.tf.ShowPlanFile(ctx, file)
	return plan, r.explain("show", err)
}

func (r *root) destroy(ctx context.Context, vars ...string) error {
	var options []tfexec.DestroyOption
	for _, assignment := range vars {
		options = append(options, tfexec.Var(assignment))
	}
	return r.explain("destroy", r.tf.Destroy(ctx, options...))
}

// outputs returns the outputs that are text and not sensitive.
func (r *root) outputs(ctx context.Context, required ...string) (map[string]string, error) {
	all, err := r.tf.Output(ctx)
	if err != nil {
		return nil, r.explain("output", err)
	}
	texts := map[string]string{}
	for name, output := range all {
		var text string
		if !output.Sensitive && json.Unmarshal(output.Value, &text) == nil {
			texts[name] = text
		}
	}
	for _, name := range required {
		if texts[name] == "" {
			return nil, fmt.Errorf("%s has no output %q", r.name, name)
		}
	}
	return texts, nil
}

// explain makes one sentence of terraform's pages of errors.
func (r *root) explain(command string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("terraform %s of %s failed: %s (all of it: %s)", command, r.name, firstError(err.Error()), r.log)
}

// firstError takes the summary of the first error out of terraform's output,
// whose lines are wrapped and framed.
func firstError(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimSpace(strings.TrimLeft(line, "╷│╵ "))
		summary, ok := strings.CutPrefix(line, "Error: ")
		if !ok {
			continue
		}
		for _, more := range lines[i+1:] {
			more = strings.TrimSpace(strings.TrimLeft(more, "╷│╵ "))
			if more == "" {
				break
			}
			summary += " " + more
		}
		return strings.TrimSuffix(summary, ".")
	}
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return first
}

// copyRoots copies modules and envs with their places relative to each other
// kept, and puts beside each root an override that keeps its state here
// instead of in HCP Terraform. Nothing else differs from what goes to AWS.
func copyRoots(from, to string) error {
	for _, tree := range []string{"modules", "envs"} {
		err := filepath.WalkDir(filepath.Join(from, tree), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			if entry.IsDir() {
				if name := entry.Name(); name == ".terraform" || name == "tests" || name == "examples" {
					return filepath.SkipDir
				}
				return os.MkdirAll(filepath.Join(to, relative), 0o755)
			}
			if !entry.Type().IsRegular() || strings.Contains(entry.Name(), ".tfstate") {
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(to, relative), content, 0o644)
		})
		if err != nil {
			return fmt.Errorf("copy the Terraform roots: %w", err)
		}
	}
	roots, err := filepath.Glob(filepath.Join(to, "envs", "*", "main.tf"))
	if err != nil {
		return err
	}
	const override = "terraform {\n  backend \"local\" {\n    path = \"terraform.tfstate\"\n  }\n}\n"
	for _, main := range roots {
		if err := os.WriteFile(filepath.Join(filepath.Dir(main), "backend_override.tf"), []byte(override), 0o644); err != nil {
			return fmt.Errorf("override the backend: %w", err)
		}
	}
	return nil
}

func environment(list []string) map[string]string {
	env := map[string]string{}
	for _, variable := range list {
		name, text, _ := strings.Cut(variable, "=")
		env[name] = text
	}
	return env
}

// localEnvironment is what terraform sees of this machine: nothing that could
// lead it to an account.
func localEnvironment(emulator []string, terra toolchain.Terraform, temporary string) map[string]string {
	env := map[string]string{}
	for name, text := range environment(os.Environ()) {
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "TF_") || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			continue
		}
		env[name] = text
	}
	maps.Copy(env, environment(emulator))
	maps.Copy(env, terra.Env())
	env["TMPDIR"] = temporary
	env["CHECKPOINT_DISABLE"] = "1"
	return env
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
