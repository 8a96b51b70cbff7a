package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/cost"
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
	return s.eachRoot(ctx, s.Out, func(name string, root *root, vars []string) error { return s.planRoot(ctx, root, name, vars) })
}

// eachRoot visits the roots of the environment in the order that they are
// applied in, locally on an emulated account with nothing in it. What terraform
// prints on an account goes to output.
func (s *Stack) eachRoot(ctx context.Context, output io.Writer, visit func(name string, root *root, vars []string) error) error {
	open := func(name string) (*root, error) { return s.accountRoot(ctx, name, output) }
	image := s.Image
	if s.Local {
		account, err := s.emulatedAccount(ctx)
		if err != nil {
			return interrupted(ctx, err)
		}
		defer account.close()
		// Nothing is built for a look: the image is named by an address of the
		// right shape.
		open, image = account.root, "123456789012.dkr.ecr.eu-north-1.amazonaws.com/notebook@"+noDigest
	}
	for _, name := range []string{"shared", s.Environment} {
		root, err := open(name)
		if err != nil {
			return interrupted(ctx, err)
		}
		var vars []string
		if name != "shared" {
			if vars, err = imageVariable(image); err != nil {
				return err
			}
		}
		if err := visit(name, root, vars); err != nil {
			return interrupted(ctx, err)
		}
	}
	return nil
}

// accountRoot opens a root as it is applied to the operator's AWS account.
func (s *Stack) accountRoot(ctx context.Context, name string, output io.Writer) (*root, error) {
	tools := s.tools(output)
	terra, err := tools.Terraform(ctx)
	if err != nil {
		return nil, err
	}
	return openRoot("envs/"+name, filepath.Join(s.Root, "envs", name), tools, terra, nil, output, "above")
}

// Cost tells what the environment costs in a month, with what all environments
// share, and what other choices would save.
func (s *Stack) Cost(ctx context.Context) error {
	if s.Image == "" {
		s.Image = "any@" + noDigest // what an image costs does not depend on which it is
	}
	var plans []*tfjson.Plan
	err := s.eachRoot(ctx, io.Discard, func(name string, root *root, vars []string) error {
		return s.step("plan envs/"+name, func() error {
			if err := root.init(ctx); err != nil {
				return err
			}
			plan, err := root.planJSON(ctx, vars...)
			plans = append(plans, plan)
			return err
		})
	})
	if err != nil {
		return err
	}
	region := ""
	if variable, ok := plans[len(plans)-1].Variables["region"]; ok {
		region, _ = variable.Value.(string)
	}
	report, err := cost.Estimate(region, plans...)
	if err != nil {
		return err
	}
	if s.JSON {
		return json.NewEncoder(s.Out).Encode(report)
	}
	return printCost(s.Out, report)
}

func printCost(out io.Writer, report cost.Report) error {
	note, err := cost.Prices()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(usd float64, what, resource, byUse string) {
		if byUse != "" {
			what += ", and by use: " + byUse
		}
		fmt.Fprintf(table, "%9.2f\t%s\t%s\n", usd, what, resource)
	}
	fmt.Fprintf(table, "USD a month\tin %s\t\n", report.Region)
	for _, line := range report.Lines {
		row(line.Monthly, line.What, line.Resource, line.ByUse)
	}
	row(report.Total, "in all, without what is paid by use", "", "")
	if len(report.Choices) > 0 {
		fmt.Fprintf(table, "\t\t\nwould save\t\t\n")
		for _, choice := range report.Choices {
			row(choice.Saves, choice.Text, "", "")
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, address := range report.Unknown {
		fmt.Fprintf(out, "not in the table of prices: %s\n", address)
	}
	_, err = fmt.Fprintln(out, "\n"+note)
	return err
}

var byDigest = regexp.MustCompile(`^[^@\s]+@sha256:[0-9a-f]{64}$`)

// noDigest is the digest of no image.
var noDigest = "sha256:" + strings.Repeat("0", 64)

// imageVariable is what Terraform is given as the image.
func imageVariable(image string) ([]string, error) {
	if !byDigest.MatchString(image) {
		return nil, errors.New("an image is needed, by digest: --image REPOSITORY@sha256:DIGEST, one that the registry of envs/shared has")
	}
	return []string{"image=" + image}, nil
}

// upAccount raises the environment on the operator's AWS account.
func (s *Stack) upAccount(ctx context.Context) error {
	if s.Image != "" { // a fault in it is told before anything is made
		if _, err := imageVariable(s.Image); err != nil {
			return err
		}
	}
	page := ""
	if err := s.step("make the page ready", func() (err error) {
		page, err = s.tools(s.Out).Page(ctx)
		return err
	}); err != nil {
		return err
	}
	apply := func(name string, vars ...string) (*root, error) {
		root, err := s.accountRoot(ctx, name, s.Out)
		if err != nil {
			return nil, err
		}
		return root, s.step("apply envs/"+name, func() error {
			if err := root.init(ctx); err != nil {
				return err
			}
			return root.apply(ctx, vars...)
		})
	}
	shared, err := apply("shared")
	if err != nil {
		return err
	}
	next := release{Commit: s.commit(ctx)}
	if next.Image, err = s.makeImage(ctx, shared, s.Out); err != nil {
		return err
	}
	environment, err := apply(s.Environment, "image="+next.Image)
	if err != nil {
		return err
	}
	outputs, err := environment.outputs(ctx, requiredOutputs...)
	if err != nil {
		return err
	}
	api, err := connect(ctx, outputs["region"], "")
	if err != nil {
		return err
	}
	if err := s.publish(ctx, api, outputs, page, next); err != nil {
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
	vars, err := imageVariable(s.Image)
	if err != nil {
		// The variable is required and of no consequence when all is destroyed.
		vars = []string{"image=destroyed@" + noDigest}
	}
	root, err := s.accountRoot(ctx, s.Environment, s.Out)
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
	root, err := s.accountRoot(ctx, s.Environment, nil)
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
	Image          string `json:"image"`
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
	service, err := describeService(ctx, api, outputs)
	if err != nil {
		return interrupted(ctx, err)
	}
	report := Report{
		Environment: s.Environment, Address: address, TaskDefinition: service.definition, Image: service.image,
		Desired: service.desired, Running: service.running,
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
	fmt.Fprintf(s.Out, "%s  %s  %s\nservice  %s, %d of %d tasks\nimage  %s\n", report.Environment, address, health, report.TaskDefinition, report.Running, report.Desired, report.Image)
	if report.Local != nil {
		for _, task := range report.State.Tasks {
			fmt.Fprintf(s.Out, "task  %s  %s  %s  process %d  log %s\n", task.ID, task.State, task.Address, task.Process.PID, task.LogFile)
		}
		fmt.Fprintf(s.Out, "emulator  %s\n", report.State.Endpoint)
	}
	return nil
}
