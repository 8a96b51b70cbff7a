// Package stack raises, looks at and takes down a whole environment: on an AWS
// account, or on this machine with the very same Terraform roots applied to an
// emulator and what they declare run by the packages below this one.
//
// It is not a deployment service: it works from a checkout, for one operator.
// Its invariant: what a command started it has stopped when it returns, except
// that `up --local` returns only when the stack is down again.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/reactive-notebook/reactive-notebook/service/internal/toolchain"
)

// Options say what a command works on.
type Options struct {
	Root        string // of the checkout
	Environment string // a directory of envs/
	Local       bool
	EdgeAddr    string // HOST:PORT or :PORT; local only
	Image       string // REPOSITORY@sha256:…, "" for that of the checkout's commit; not local
	Platform    string // linux/arm64 or linux/amd64, what the image is built for; not local
	Approved    bool   // what destroys may go on without asking; not local
	Progress    *Progress
	Out         io.Writer // results: a plan, a status
	JSON        bool
}

// Stack is one environment.
type Stack struct {
	Options
	work workspace
}

// New checks that the environment exists.
func New(options Options) (*Stack, error) {
	if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(options.Environment) || options.Environment == "shared" ||
		!exists(filepath.Join(options.Root, "envs", options.Environment, "main.tf")) {
		return nil, fmt.Errorf("there is no environment %q: envs/ has %s", options.Environment, environments(options.Root))
	}
	base := os.Getenv("STACK_DIR")
	if base == "" {
		base = filepath.Join(options.Root, ".stack")
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, err
	}
	return &Stack{Options: options, work: workspace{filepath.Join(base, options.Environment)}}, nil
}

func environments(root string) string {
	found, _ := filepath.Glob(filepath.Join(root, "envs", "*", "main.tf")) // the pattern is valid
	list := ""
	for _, main := range found {
		if name := filepath.Base(filepath.Dir(main)); name != "shared" {
			if list != "" {
				list += ", "
			}
			list += name
		}
	}
	if list == "" {
		return "none"
	}
	return list
}

// FindRoot returns the root of the checkout that the directory lies in.
func FindRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if exists(filepath.Join(at, "go.mod")) && exists(filepath.Join(at, "service", "requirements.txt")) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", errors.New("this is not a checkout of the project: run the command inside one")
		}
	}
}

// outputs of an environment's root that the commands need.
var requiredOutputs = []string{
	"region", "frontend_bucket", "distribution_id", "distribution_domain_name", "cluster_name", "service_name",
	"token_secret_arn", "target_group_arn", "url",
}

func (s *Stack) tools(output io.Writer, env ...string) *toolchain.Toolchain {
	return toolchain.New(s.Root, s.Progress.Say, output, env...)
}

// step runs a named step with progress.
func (s *Stack) step(name string, run func() error) error {
	end := s.Progress.Step(name)
	err := run()
	end(err)
	return err
}

// Interrupted is what a command returns that was stopped by a signal before it
// had done its work.
var Interrupted = errors.New("interrupted")

func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return Interrupted
	}
	return err
}
