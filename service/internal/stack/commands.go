package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"time"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/smoke"
)

// Up raises the environment. Locally it serves until ctx ends; hurry then ends
// the waiting for requests and tasks.
func (s *Stack) Up(ctx, hurry context.Context) error {
	if s.Local {
		return s.upLocal(ctx, hurry)
	}
	return interrupted(ctx, s.upAccount(ctx))
}

// Down takes the environment away.
func (s *Stack) Down(ctx context.Context) error {
	if s.Local {
		return s.downLocal(ctx)
	}
	return interrupted(ctx, s.downAccount(ctx))
}

// Plan shows what `up` would change, and changes nothing.
func (s *Stack) Plan(ctx context.Context) error {
	if s.Local {
		return s.planLocal(ctx)
	}
	tools := s.tools(s.Out)
	terra, err := tools.Terraform(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"shared", s.Environment} {
		root, err := openRoot("envs/"+name, filepath.Join(s.Root, "envs", name), tools, terra, nil, s.Out, "above")
		if err != nil {
			return err
		}
		var vars []string
		if name != "shared" {
			if vars, err = s.imageVariable(); err != nil {
				return err
			}
		}
		if err := s.planRoot(ctx, root, name, vars); err != nil {
			return interrupted(ctx, err)
		}
	}
	return nil
}

var byDigest = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)

func (s *Stack) imageVariable() ([]string, error) {
	if !byDigest.MatchString(s.Image) {
		return nil, errors.New("an image is needed: --image REPOSITORY@sha256:DIGEST, pushed to the registry of envs/shared (docker buildx build --file service/Dockerfile --push tells the digest)")
	}
	return []string{"image=" + s.Image}, nil
}

// upAccount raises the environment on the operator's AWS account.
func (s *Stack) upAccount(ctx context.Context) error {
	vars, err := s.imageVariable()
	if err != nil {
		return err
	}
	tools := s.tools(s.Out)
	terra, err := tools.Terraform(ctx)
	if err != nil {
		return err
	}
	page := ""
	if err := s.step("make the page ready", func() (err error) {
		page, err = tools.Page(ctx)
		return err
	}); err != nil {
		return err
	}
	var outputs map[string]string
	for _, name := range []string{"shared", s.Environment} {
		root, err := openRoot("envs/"+name, filepath.Join(s.Root, "envs", name), tools, terra, nil, s.Out, "above")
		if err != nil {
			return err
		}
		assignments := vars
		if name == "shared" {
			assignments = nil
		}
		if err := s.step("apply envs/"+name, func() error {
			if err := root.init(ctx); err != nil {
				return err
			}
			return root.apply(ctx, assignments...)
		}); err != nil {
			return err
		}
		if name == s.Environment {
			if outputs, err = root.outputs(ctx, requiredOutputs...); err != nil {
				return err
			}
		}
	}
	api, err := connect(ctx, outputs["region"], "")
	if err != nil {
		return err
	}
	if err := s.step("upload the page", func() error {
		if _, err := uploadPage(ctx, api.s3, outputs["frontend_bucket"], page); err != nil {
			return err
		}
		return invalidate(ctx, api.cloudfront, outputs["distribution_id"])
	}); err != nil {
		return err
	}
	token, err := api.token(ctx, outputs["token_secret_arn"])
	if err != nil {
		return err
	}
	if err := s.step("smoke test at "+outputs["url"], func() error {
		return smoke.Run(ctx, smoke.Target{Address: outputs["url"], Token: token}, nil)
	}); err != nil {
		return err
	}
	s.Progress.Ready(outputs["url"], token)
	return nil
}

func (s *Stack) downAccount(ctx context.Context) error {
	if !s.Approved {
		return fmt.Errorf("this destroys %s and all that is in it: add --yes if that is meant", s.Environment)
	}
	vars, err := s.imageVariable()
	if err != nil {
		// The variable is required and of no consequence when all is destroyed.
		vars = []string{"image=destroyed@sha256:0000000000000000000000000000000000000000000000000000000000000000"}
	}
	tools := s.tools(s.Out)
	terra, err := tools.Terraform(ctx)
	if err != nil {
		return err
	}
	root, err := openRoot("envs/"+s.Environment, filepath.Join(s.Root, "envs", s.Environment), tools, terra, nil, s.Out, "above")
	if err != nil {
		return err
	}
	return s.step("destroy envs/"+s.Environment, func() error {
		if err := root.init(ctx); err != nil {
			return err
		}
		return root.destroy(ctx, vars...)
	})
}

// standing returns the APIs, outputs and address of an environment that is up.
func (s *Stack) standing(ctx context.Context) (api *clients, outputs map[string]string, address string, err error) {
	if s.Local {
		state, err := s.work.read()
		if err != nil {
			return nil, nil, "", err
		}
		if state == nil || !state.Supervisor.Alive() || state.Phase != "ready" {
			return nil, nil, "", fmt.Errorf("%s is not up: stack up %s --local starts it", s.Environment, s.Environment)
		}
		api, err := connect(ctx, state.Region, state.Endpoint)
		return api, state.Outputs, state.Address, err
	}
	tools := s.tools(s.Out)
	terra, err := tools.Terraform(ctx)
	if err != nil {
		return nil, nil, "", err
	}
	root, err := openRoot("envs/"+s.Environment, filepath.Join(s.Root, "envs", s.Environment), tools, terra, nil, nil, "above")
	if err != nil {
		return nil, nil, "", err
	}
	if err := root.init(ctx); err != nil {
		return nil, nil, "", err
	}
	if outputs, err = root.outputs(ctx, requiredOutputs...); err != nil {
		return nil, nil, "", err
	}
	api, err = connect(ctx, outputs["region"], "")
	return api, outputs, outputs["url"], err
}

// Smoke tries the standing environment.
func (s *Stack) Smoke(ctx context.Context) error {
	api, outputs, address, err := s.standing(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	token, err := api.token(ctx, outputs["token_secret_arn"])
	if err != nil {
		return interrupted(ctx, err)
	}
	return interrupted(ctx, smoke.Run(ctx, smoke.Target{Address: address, Token: token}, s.Progress.Say))
}

// Report is what `status` tells.
type Report struct {
	Environment    string `json:"environment"`
	Address        string `json:"address"`
	Healthy        bool   `json:"healthy"` // GET /health through the edge answers 200
	TaskDefinition string `json:"task_definition"`
	Desired        int32  `json:"desired"`
	Running        int32  `json:"running"`
	*Local         `json:"local,omitempty"`
}

// Local is the part of a report that only a local stack has.
type Local struct {
	State *State `json:"state"`
}

// Status tells what stands.
func (s *Stack) Status(ctx context.Context) error {
	api, outputs, address, err := s.standing(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	report := Report{Environment: s.Environment, Address: address}
	if report.Desired, report.Running, report.TaskDefinition, err = serviceCounts(ctx, api, outputs); err != nil {
		return interrupted(ctx, err)
	}
	if s.Local {
		state, err := s.work.read()
		if err != nil {
			return err
		}
		if state != nil {
			report.Local = &Local{state}
			// The emulator says what was asked for; the runner knows what runs.
			report.Running = 0
			for _, task := range state.Tasks {
				if task.State == "healthy" {
					report.Running++
				}
			}
		}
	}
	healthCtx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if request, err := http.NewRequestWithContext(healthCtx, http.MethodGet, address+"/health", nil); err == nil {
		if response, err := http.DefaultClient.Do(request); err == nil {
			report.Healthy = response.StatusCode == http.StatusOK
			_ = response.Body.Close()
		}
	}
	if s.JSON {
		return json.NewEncoder(s.Out).Encode(report)
	}
	health := "healthy"
	if !report.Healthy {
		health = "not healthy"
	}
	fmt.Fprintf(s.Out, "%s  %s  %s\nservice  %s, %d of %d tasks\n", report.Environment, address, health, report.TaskDefinition, report.Running, report.Desired)
	if report.Local != nil {
		for _, task := range report.State.Tasks {
			fmt.Fprintf(s.Out, "task  %s  %s  %s  process %d  log %s\n", task.ID, task.State, task.Address, task.Process.PID, task.LogFile)
		}
		fmt.Fprintf(s.Out, "emulator  %s\n", report.State.Endpoint)
	}
	return nil
}
