package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"golang.org/x/sync/errgroup"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/balancer"
	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/edge"
	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/emulator"
	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/process"
	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/smoke"
	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/tasks"
	"github.com/reactive-notebook/reactive-notebook/service/internal/toolchain"
)

const (
	steadyLimit = 5 * time.Minute // for the tasks to become healthy
	edgeGrace   = 2 * time.Second // for requests in flight when the stack goes down
	refreshEdge = 5 * time.Second
)

// local is a stack on this machine while `up` runs it.
type local struct {
	*Stack
	log      *slog.Logger
	logFile  io.Writer
	tool     *toolchain.Toolchain
	terra    toolchain.Terraform
	python   toolchain.Python
	emulator *emulator.Emulator
	release  release
	page     string

	mu    sync.Mutex
	state *State
}

// upLocal raises the stack, serves it until ctx ends, and takes it down. hurry
// ends the waiting while it is taken down.
func (s *Stack) upLocal(ctx, hurry context.Context) (err error) {
	release, holder, err := s.work.lock()
	if err != nil {
		return err
	}
	if release == nil {
		return s.alreadyUp(ctx, holder)
	}
	defer release()
	if err := edge.Check(s.EdgeAddr); err != nil {
		return err
	}
	if _, err := s.work.clean(); err != nil { // what a killed one has left
		return err
	}
	if err := os.MkdirAll(s.work.path("tmp"), 0o755); err != nil {
		return fmt.Errorf("make the work folder: %w", err)
	}
	logFile, err := os.Create(s.work.log())
	if err != nil {
		return fmt.Errorf("make the log: %w", err)
	}
	defer logFile.Close()

	output := &syncWriter{w: logFile}
	l := &local{
		Stack: s, logFile: output, tool: s.tools(output, s.work.temporary()),
		log:   slog.New(slog.NewTextHandler(output, &slog.HandlerOptions{Level: slog.LevelInfo})),
		state: &State{Environment: s.Environment, Supervisor: process.Self(), Started: time.Now().UTC(), Phase: "starting", Tasks: []tasks.Status{}},
	}
	if err := l.save(func(*State) {}); err != nil {
		return err
	}
	defer func() {
		if l.emulator != nil {
			l.emulator.Stop()
		}
		if _, cleanErr := s.work.clean(); cleanErr != nil && err == nil {
			err = cleanErr
		}
		if err == nil || errors.Is(err, Interrupted) {
			_ = os.Remove(s.work.log())
		}
	}()
	if err := l.prepare(ctx); err != nil {
		return interrupted(ctx, err)
	}
	return l.serve(ctx, hurry)
}

// alreadyUp answers a second `up`.
func (s *Stack) alreadyUp(ctx context.Context, holder process.Identity) error {
	state, err := s.work.read()
	if err != nil {
		return err
	}
	if state == nil || state.Phase != "ready" {
		return fmt.Errorf("%s is being started or stopped by process %d: wait for it, or run stack down %s --local", s.Environment, holder.PID, s.Environment)
	}
	api, err := connect(ctx, state.Region, state.Endpoint)
	if err != nil {
		return err
	}
	token, err := api.token(ctx, state.Outputs["token_secret_arn"])
	if err != nil {
		return err
	}
	s.Progress.Say(fmt.Sprintf("%s is up already, by process %d since %s", s.Environment, holder.PID, state.Started.Local().Format("15:04:05")))
	s.Progress.Ready(state.Address, token)
	return nil
}

func (l *local) save(change func(*State)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l.state)
	return l.work.write(l.state)
}

// prepare makes everything that is to be served: the applied roots, the
// service's binary, the page. What does not wait for each other runs at the
// same time; terraform mostly waits for fixed delays of the provider.
func (l *local) prepare(ctx context.Context) error {
	if err := l.tool.Go(ctx); err != nil {
		return err
	}
	if err := l.tool.Node(ctx); err != nil {
		return err
	}
	if err := copyRoots(l.Root, l.work.path("terraform")); err != nil {
		return err
	}
	var shared map[string]string
	digest := ""
	group, groupCtx := errgroup.WithContext(ctx)
	built := make(chan struct{})
	group.Go(func() error {
		defer close(built)
		return l.step("build the service", func() (err error) {
			digest, err = l.build(groupCtx, l.logFile)
			return err
		})
	})
	group.Go(func() error {
		// The binary embeds the page's directory, so the two are not built at once.
		<-built
		if groupCtx.Err() != nil {
			return groupCtx.Err()
		}
		return l.step("make the page ready", func() (err error) {
			l.page, err = l.tool.Page(groupCtx)
			return err
		})
	})
	group.Go(func() error {
		return l.step("make Python ready", func() (err error) {
			l.python, err = l.tool.Python(groupCtx)
			return err
		})
	})
	group.Go(func() (err error) {
		if err := l.startEmulator(groupCtx); err != nil {
			return err
		}
		sharedRoot, err := l.root("shared")
		if err != nil {
			return err
		}
		if err := l.step("apply envs/shared", func() error {
			if err := sharedRoot.init(groupCtx); err != nil {
				return err
			}
			return sharedRoot.apply(groupCtx)
		}); err != nil {
			return err
		}
		if shared, err = sharedRoot.outputs(groupCtx, "repository_url"); err != nil {
			return err
		}
		environmentRoot, err := l.root(l.Environment)
		if err != nil {
			return err
		}
		if err := l.step("init envs/"+l.Environment, func() error { return environmentRoot.init(groupCtx) }); err != nil {
			return err
		}
		<-built
		if groupCtx.Err() != nil {
			return groupCtx.Err()
		}
		l.release = release{shared["repository_url"] + "@" + digest, l.commit(groupCtx)}
		if err := l.step("apply envs/"+l.Environment, func() error { return environmentRoot.apply(groupCtx, "image="+l.release.Image) }); err != nil {
			return err
		}
		outputs, err := environmentRoot.outputs(groupCtx, requiredOutputs...)
		if err != nil {
			return err
		}
		return l.save(func(s *State) {
			s.Outputs, s.Region, s.Endpoint = outputs, outputs["region"], l.emulator.Endpoint()
		})
	})
	return group.Wait()
}

func (l *local) startEmulator(ctx context.Context) (err error) {
	var python string
	if err := l.step("make Terraform and the emulator ready", func() (err error) {
		if l.terra, err = l.tool.Terraform(ctx); err != nil {
			return err
		}
		python, err = l.tool.Moto(ctx)
		return err
	}); err != nil {
		return err
	}
	return l.step("start the emulator", func() (err error) {
		l.emulator, err = emulator.Start(ctx, emulator.Options{Python: python, Addr: "127.0.0.1:0", Dir: l.work.path("emulator"), Log: l.log})
		return err
	})
}

func (l *local) root(name string) (*root, error) {
	return l.localRoot(name, l.emulator.Endpoint(), l.tool, l.terra, l.logFile)
}

// localRoot opens a root that is applied to an emulator.
func (s *Stack) localRoot(name, endpoint string, tools *toolchain.Toolchain, terra toolchain.Terraform, output io.Writer) (*root, error) {
	return openRoot("envs/"+name, s.work.path("terraform", "envs", name), tools, terra,
		localEnvironment(emulator.Env(endpoint), terra, s.work.path("tmp")), output, s.work.log())
}

// commit names the checkout's commit, "unknown" outside git.
func (s *Stack) commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "-C", s.Root, "rev-parse", "HEAD").Output()
	if commit := strings.TrimSpace(string(out)); err == nil && commit != "" {
		return commit
	}
	return "unknown"
}

// build compiles the service into the images of this machine; the hash of the
// program stands for the image's digest.
func (s *Stack) build(ctx context.Context, log io.Writer) (digest string, err error) {
	goCommand, err := exec.LookPath("go")
	if err != nil {
		return "", err
	}
	binary := s.work.path("images", fmt.Sprintf("building-%d", os.Getpid()))
	var out strings.Builder
	err = process.Run(ctx, process.Spec{
		Path: goCommand, Dir: s.Root, Env: append(os.Environ(), "CGO_ENABLED=0", s.work.temporary()),
		Args:   []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-X main.release=" + s.commit(ctx), "-o", binary, "./service/cmd/notebook"},
		Stdout: io.MultiWriter(log, &out), Stderr: io.MultiWriter(log, &out),
	})
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		return "", fmt.Errorf("build the service: %w: %s (all of it: %s)", err, lines[len(lines)-1], s.work.log())
	}
	file, err := os.Open(binary)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return digest, os.Rename(binary, s.program(digest))
}

// program is where the images of this machine are: what was built here, by digest.
func (s *Stack) program(digest string) string {
	return s.work.path("images", "notebook-"+strings.TrimPrefix(digest, "sha256:"))
}

// image is the registry of this machine.
func (l *local) image(reference string) (tasks.Image, error) {
	if !byDigest.MatchString(reference) {
		return tasks.Image{}, errors.New("it is not named by digest")
	}
	_, digest, _ := strings.Cut(reference, "@")
	program := l.program(digest)
	if !exists(program) {
		return tasks.Image{}, errors.New("it is not one that was built here")
	}
	env := []string{}
	if l.python.Path != "" {
		env = append(env, "KERNEL_PYTHON="+l.python.Path)
	}
	return tasks.Image{
		Entrypoint: []string{"/usr/local/bin/notebook"}, Command: []string{"serve"}, WorkDir: "/var/lib/notebook",
		Programs: map[string]string{"/usr/local/bin/notebook": program}, Env: env,
	}, nil
}

// registrar makes the load balancer's targets the runner's.
type registrar struct{ *balancer.Balancer }

func (r registrar) Register(group, address string) (tasks.Target, error) {
	target, err := r.Balancer.Register(group, address)
	if err != nil {
		return nil, err // not a nil *Target in a non-nil interface
	}
	return target, nil
}

// serve runs what was applied until ctx ends or a part of it fails.
func (l *local) serve(ctx, hurry context.Context) (err error) {
	outputs := l.state.Outputs
	api, err := connect(ctx, outputs["region"], l.emulator.Endpoint())
	if err != nil {
		return err
	}
	if err := l.publish(ctx, api, outputs, l.page, l.release); err != nil {
		return interrupted(ctx, err)
	}

	lb, err := l.openBalancer(ctx, api, outputs)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer lb.Close()

	// The tasks outlive ctx: they go when the edge takes no more requests.
	tasksCtx, stopTasks := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTasks()
	runner := tasks.New(tasks.Config{
		ECS: api.ecs, Secrets: api.secrets, Balancer: registrar{lb}, Cluster: outputs["cluster_name"], Service: outputs["service_name"],
		Image: l.image, Dir: l.work.path("tasks"), Logs: l.work.path("logs"), Addresses: tasks.NewLoopback(), Log: l.log,
		Env:     append(taskRole(l.emulator.Env()), "AWS_REGION="+outputs["region"], "AWS_DEFAULT_REGION="+outputs["region"]),
		Changed: l.tasksChanged,
	})
	ran := make(chan error, 1)
	go func() { ran <- runner.Run(tasksCtx, hurry) }()
	defer func() {
		stopTasks()
		if runErr := <-ran; err == nil {
			err = runErr
		}
	}()
	if err := l.step("start the tasks", func() error {
		steady, cancel := context.WithTimeout(ctx, steadyLimit)
		defer cancel()
		return l.explainTasks(ctx, runner.WaitSteady(steady))
	}); err != nil {
		return interrupted(ctx, err)
	}

	cdn, err := edge.New(ctx, edge.Config{
		CloudFront: api.cloudfront, S3: api.s3, Distribution: outputs["distribution_id"],
		LoadBalancers: []edge.LoadBalancer{lb}, Log: l.log,
	})
	if err != nil {
		return interrupted(ctx, err)
	}
	listeners, address, err := cdn.Listen(l.EdgeAddr)
	if err != nil {
		return err
	}
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	server := &http.Server{
		Handler: cdn, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 60 * time.Second,
		ErrorLog:    slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return base },
	}
	for _, listener := range listeners {
		go func() { _ = server.Serve(listener) }()
	}
	go cdn.Watch(base, refreshEdge)
	defer func() {
		graceful, cancel := context.WithTimeout(context.Background(), edgeGrace)
		defer cancel()
		_ = server.Shutdown(graceful)
		cut() // WebSockets and what is still running
		_ = server.Close()
	}()

	token, err := api.token(ctx, outputs["token_secret_arn"])
	if err != nil {
		return interrupted(ctx, err)
	}
	if err := l.step("smoke test at "+address, func() error {
		return smoke.Run(ctx, smoke.Target{Address: address, Token: token}, nil)
	}); err != nil {
		return interrupted(ctx, l.withTaskLog(err))
	}
	if err := l.save(func(s *State) { s.Phase, s.Address = "ready", address }); err != nil {
		return err
	}
	l.Progress.Ready(address, token)

	select {
	case <-ctx.Done():
	case <-l.emulator.Done():
		err = errors.New("the emulator has ended by itself, so the stack goes down")
	case runErr := <-ran:
		ran <- nil
		err = fmt.Errorf("the tasks cannot be run any more: %w", runErr)
	}
	l.Progress.Say("going down")
	_ = l.save(func(s *State) { s.Phase = "stopping" }) // the folder goes anyway
	return err
}

func (l *local) openBalancer(ctx context.Context, api *clients, outputs map[string]string) (*balancer.Balancer, error) {
	groups, err := api.elb.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: []string{outputs["target_group_arn"]}})
	if err != nil {
		return nil, fmt.Errorf("describe target group %s: %w", outputs["target_group_arn"], err)
	}
	if len(groups.TargetGroups) == 0 || len(groups.TargetGroups[0].LoadBalancerArns) == 0 {
		return nil, fmt.Errorf("no listener of a load balancer forwards to target group %s", outputs["target_group_arn"])
	}
	return balancer.Open(ctx, api.elb, groups.TargetGroups[0].LoadBalancerArns[0], l.log)
}

// taskRole is the part of the emulator's environment that stands for a task's role.
func taskRole(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(variable string) bool { return !strings.HasPrefix(variable, "AWS_") })
}

func (l *local) tasksChanged(statuses []tasks.Status) {
	l.mu.Lock()
	same := slices.Equal(l.state.Tasks, statuses)
	l.mu.Unlock()
	if same {
		return
	}
	if err := l.save(func(s *State) { s.Tasks = statuses }); err != nil {
		l.log.Warn("write the stack's state", "error", err)
	}
}

// explainTasks shows the end of a failed task's log to the operator.
func (l *local) explainTasks(ctx context.Context, err error) error {
	var failure *tasks.Failure
	switch {
	case errors.As(err, &failure):
		if failure.LogTail != "" {
			for line := range strings.SplitSeq(failure.LogTail, "\n") {
				l.Progress.Say("task | " + line)
			}
		}
		return fmt.Errorf("%w (all of it: %s)", err, l.work.log())
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return fmt.Errorf("the tasks did not become healthy within %s (all of it: %s)", steadyLimit, l.work.log())
	}
	return err
}

// withTaskLog shows the end of every task's log, and keeps it with the stack's
// own, as the tasks' files go.
func (l *local) withTaskLog(err error) error {
	l.mu.Lock()
	statuses := l.state.Tasks
	l.mu.Unlock()
	for _, task := range statuses {
		content, readErr := os.ReadFile(task.LogFile)
		if readErr != nil {
			continue
		}
		fmt.Fprintf(l.logFile, "--- log of task %s\n%s\n", task.ID, content)
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		for _, line := range lines[max(0, len(lines)-20):] {
			l.Progress.Say("task | " + line)
		}
	}
	return fmt.Errorf("%w (all of it: %s)", err, l.work.log())
}

// downLocal ends the `up` that runs the stack and waits until it is gone, or
// cleans up after one that was killed.
func (s *Stack) downLocal(ctx context.Context) error {
	var asked process.Identity
	end := func(error) {}
	askedAt := time.Now()
	for {
		release, holder, err := s.work.lock()
		if err != nil {
			return err
		}
		if release != nil {
			defer release()
			end(nil)
			state, _ := s.work.read()
			killed, err := s.work.clean()
			_ = os.Remove(s.work.log())
			if err != nil {
				return err
			}
			switch {
			case asked.PID != 0:
			case state != nil || killed > 0:
				s.Progress.Say(fmt.Sprintf("%s had been killed: cleaned up after it (%d processes)", s.Environment, killed))
			default:
				s.Progress.Say(s.Environment + " is not up")
			}
			return nil
		}
		switch {
		case holder != asked:
			end = s.Progress.Step(fmt.Sprintf("stop %s (process %d)", s.Environment, holder.PID))
			asked, askedAt = holder, time.Now()
			if err := holder.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return fmt.Errorf("stop process %d: %w", holder.PID, err)
			}
		case time.Since(askedAt) > 45*time.Second:
			// A second signal ends the waiting for tasks.
			askedAt = time.Now()
			_ = holder.Signal(syscall.SIGTERM)
		}
		select {
		case <-ctx.Done():
			end(Interrupted)
			return Interrupted
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// account is an emulated AWS account with nothing in it, for a look at plans.
type account struct {
	*local
	dir string
}

func (s *Stack) emulatedAccount(ctx context.Context) (*account, error) {
	dir, err := os.MkdirTemp("", "stack-plan-")
	if err != nil {
		return nil, err
	}
	look := &Stack{Options: s.Options, work: workspace{filepath.Join(dir, s.Environment)}}
	a := &account{&local{Stack: look, logFile: io.Discard, tool: look.tools(io.Discard, look.work.temporary()), log: slog.New(slog.DiscardHandler)}, dir}
	err = os.MkdirAll(look.work.path("tmp"), 0o755)
	if err == nil {
		err = copyRoots(a.Root, look.work.path("terraform"))
	}
	if err == nil {
		err = a.startEmulator(ctx)
	}
	if err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *account) close() {
	if a.emulator != nil {
		a.emulator.Stop()
	}
	_, _ = a.work.clean() // it is the temporary folder's own
	_ = os.RemoveAll(a.dir)
}

// planRoot plans one root, its text going to the operator.
func (s *Stack) planRoot(ctx context.Context, root *root, name string, vars []string) error {
	if err := s.step("init envs/"+name, func() error { return root.init(ctx) }); err != nil {
		return err
	}
	end := s.Progress.Step("plan envs/" + name)
	if !s.JSON {
		root.tf.SetStdout(s.Out)
	}
	changes, err := root.plan(ctx, vars...)
	end(err)
	if err == nil && !changes {
		s.Progress.Say("envs/" + name + " has no changes")
	}
	return err
}

// declared is what ECS says of the service: what is to run.
type declared struct {
	desired, running  int32
	definition, image string
}

func describeService(ctx context.Context, api *clients, outputs map[string]string) (declared, error) {
	out, err := api.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{
		Cluster: aws.String(outputs["cluster_name"]), Services: []string{outputs["service_name"]},
	})
	if err != nil {
		return declared{}, fmt.Errorf("describe service %s: %w", outputs["service_name"], err)
	}
	if len(out.Services) == 0 {
		return declared{}, fmt.Errorf("service %s does not exist", outputs["service_name"])
	}
	service := out.Services[0]
	d := declared{desired: service.DesiredCount, running: service.RunningCount, definition: aws.ToString(service.TaskDefinition)}
	definition, err := api.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &d.definition})
	if err != nil {
		return declared{}, fmt.Errorf("describe task definition %s: %w", d.definition, err)
	}
	if containers := definition.TaskDefinition.ContainerDefinitions; len(containers) > 0 {
		d.image = aws.ToString(containers[0].Image)
	}
	return d, nil
}

// syncWriter lets several goroutines write whole lines to one file.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
