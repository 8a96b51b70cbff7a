package stack

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/image"
	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/process"
	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/smoke"
)

// Deploy puts the checkout's image and page onto the standing environment, or
// with back the release that was there before. The service comes first, as a
// page may need what only its own service has, and the page that is open during
// the deployment goes on with the new service.
func (s *Stack) Deploy(ctx context.Context, back bool) error {
	return interrupted(ctx, s.deploy(ctx, back))
}

func (s *Stack) deploy(ctx context.Context, back bool) error {
	log := s.Out
	if s.Local {
		file, err := os.OpenFile(s.work.log(), os.O_APPEND|os.O_WRONLY, 0) // that of the `up` that runs the stack
		if err == nil {
			defer file.Close()
			log = file
		}
	}
	api, outputs, address, err := s.standing(ctx)
	if err != nil {
		return err
	}
	bucket := outputs["frontend_bucket"]
	current, previous, err := releases(ctx, api.s3, bucket)
	if err != nil {
		return err
	}
	shared, environment, err := s.standingRoots(ctx, log)
	if err != nil {
		return err
	}
	next := release{Commit: s.commit(ctx)}
	show := func() error { return s.publish(ctx, api, outputs, filepath.Join(s.Root, "frontend", "dist"), next) }
	if back {
		if previous == nil {
			return fmt.Errorf("there is nothing to go back to: bucket %s has the page of one release only", bucket)
		}
		next = previous.release
		show = func() error {
			return s.step("restore the page of "+next.name(), func() error {
				if err := restorePage(ctx, api.s3, bucket, previous); err != nil {
					return err
				}
				return invalidate(ctx, api.cloudfront, outputs["distribution_id"])
			})
		}
	} else {
		// The service's program holds the page, too, so the page comes first.
		if err := s.step("make the page ready", func() error {
			_, err := s.tools(log).Page(ctx)
			return err
		}); err != nil {
			return err
		}
		if next.Image, err = s.makeImage(ctx, shared, log); err != nil {
			return err
		}
	}
	s.Progress.Say(fmt.Sprintf("from %s to %s", current.name(), next.name()))
	vars, err := imageVariable(next.Image)
	if err != nil {
		return err
	}
	// On an account the apply ends when the service runs the new tasks alone.
	if err := s.step("apply envs/"+s.Environment, func() error { return environment.apply(ctx, vars...) }); err != nil {
		return err
	}
	if s.Local {
		if err := s.step("replace the tasks", func() error { return s.awaitTasks(ctx, api, outputs) }); err != nil {
			return err
		}
	}
	if err := show(); err != nil {
		return err
	}
	token, err := api.token(ctx, outputs["token_secret_arn"])
	if err != nil {
		return err
	}
	return s.step("smoke test at "+address, func() error {
		return smoke.Run(ctx, smoke.Target{Address: address, Token: token}, nil)
	})
}

// name is how a release is told to the operator.
func (r release) name() string {
	_, digest, _ := strings.Cut(r.Image, "@sha256:")
	if digest == "" {
		return "no release"
	}
	return fmt.Sprintf("commit %.12s with image %.12s", r.Commit, digest)
}

// publish makes a built page the visible one.
func (s *Stack) publish(ctx context.Context, api *clients, outputs map[string]string, page string, r release) error {
	return s.step("upload the page", func() error {
		if err := uploadPage(ctx, api.s3, outputs["frontend_bucket"], page, r); err != nil {
			return err
		}
		return invalidate(ctx, api.cloudfront, outputs["distribution_id"])
	})
}

// standingRoots opens the roots of an environment that is up, as the checkout
// has them now.
func (s *Stack) standingRoots(ctx context.Context, log io.Writer) (shared, environment *root, err error) {
	open := func(name string) (*root, error) { return s.accountRoot(ctx, name, log) }
	if s.Local {
		state, err := s.work.read()
		if err != nil {
			return nil, nil, err
		}
		tools := s.tools(log, s.work.temporary())
		terra, err := tools.Terraform(ctx)
		if err != nil {
			return nil, nil, err
		}
		if err := copyRoots(s.Root, s.work.path("terraform")); err != nil {
			return nil, nil, err
		}
		open = func(name string) (*root, error) { return s.localRoot(name, state.Endpoint, tools, terra, log) }
	}
	if shared, err = open("shared"); err != nil {
		return nil, nil, err
	}
	if environment, err = open(s.Environment); err != nil {
		return nil, nil, err
	}
	for _, root := range []*root{shared, environment} {
		if err := root.init(ctx); err != nil {
			return nil, nil, err
		}
	}
	return shared, environment, nil
}

// makeImage returns the checkout's image by digest. On an account it is that of
// the commit, built and pushed unless the registry has it; here it is the
// program that stands for it.
func (s *Stack) makeImage(ctx context.Context, shared *root, log io.Writer) (string, error) {
	if s.Image != "" {
		return s.Image, nil
	}
	outputs, err := shared.outputs(ctx, "repository_url", "region")
	if err != nil {
		return "", err
	}
	repository := outputs["repository_url"]
	if s.Local {
		digest := ""
		err := s.step("build the service", func() (err error) {
			digest, err = s.build(ctx, log)
			return err
		})
		return repository + "@" + digest, err
	}
	commit := s.commit(ctx)
	changed, err := exec.CommandContext(ctx, "git", "-C", s.Root, "status", "--porcelain").Output()
	if err != nil || len(changed) > 0 {
		return "", errors.New("an image is named by its commit, and the checkout differs from the last one: commit first, or name an image with --image")
	}
	api, err := connect(ctx, outputs["region"], "")
	if err != nil {
		return "", err
	}
	user, password, err := api.registryLogin(ctx)
	if err != nil {
		return "", err
	}
	reference := ""
	err = s.step("make the image of commit "+commit[:12]+" ready", func() (err error) {
		reference, err = image.Ensure(ctx, image.Source{
			Root: s.Root, Repository: repository, Commit: commit, Platform: s.Platform, User: user, Password: password,
		}, s.docker, s.Progress.Say)
		return err
	})
	return reference, err
}

func (s *Stack) docker(ctx context.Context, dir string, args ...string) error {
	program, err := exec.LookPath("docker")
	if err != nil {
		return errors.New("docker is missing: install Docker, or name an image that the registry has with --image")
	}
	return process.Run(ctx, process.Spec{Path: program, Args: args, Dir: dir, Env: nil, Stdout: s.Out, Stderr: s.Out})
}

// registryLogin returns what opens the account's registry for twelve hours.
func (c *clients) registryLogin(ctx context.Context) (user, password string, err error) {
	out, err := c.ecr.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return "", "", fmt.Errorf("log in to the registry: %w", err)
	}
	for _, data := range out.AuthorizationData {
		if data.AuthorizationToken == nil {
			continue
		}
		text, err := base64.StdEncoding.DecodeString(*data.AuthorizationToken)
		if err != nil {
			return "", "", fmt.Errorf("log in to the registry: %w", err)
		}
		if user, password, ok := strings.Cut(string(text), ":"); ok {
			return user, password, nil
		}
	}
	return "", "", errors.New("log in to the registry: it gave no token")
}

// awaitTasks waits until the tasks that run here are those that the service
// wants, healthy and no other; a deployment whose tasks keep dying has failed.
func (s *Stack) awaitTasks(ctx context.Context, api *clients, outputs map[string]string) error {
	service, err := describeService(ctx, api, outputs)
	if err != nil {
		return err
	}
	const patience = 3 // tasks that may be lost on the way, as the circuit breaker has it
	seen := map[string]bool{}
	deadline := time.After(steadyLimit)
	for {
		state, err := s.work.read()
		if err != nil {
			return err
		}
		if state == nil {
			return fmt.Errorf("%s went down meanwhile", s.Environment)
		}
		healthy := 0
		for _, task := range state.Tasks {
			if task.Revision == service.definition {
				seen[task.ID] = true
				if task.State == "healthy" {
					healthy++
				}
			}
		}
		if healthy == int(service.desired) && healthy == len(state.Tasks) {
			return nil
		}
		if len(seen) >= int(service.desired)+patience {
			return fmt.Errorf("the new tasks do not become healthy: the old ones go on (their logs: %s)", s.work.path("logs"))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("the new tasks did not become healthy within %s (their logs: %s)", steadyLimit, s.work.path("logs"))
		case <-time.After(100 * time.Millisecond):
		}
	}
}
