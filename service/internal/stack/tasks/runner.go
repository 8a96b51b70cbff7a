// Package tasks runs an ECS service on this machine: its task definition's
// container as a process, with the command, environment, secrets, health check
// and stop timeout that are declared, as many as desired, replaced within the
// service's deployment percentages.
//
// It is no container runtime. There is no image but the program that stands
// for it, no namespace, no CPU or memory limit, no other architecture than the
// machine's, no read-only root file system. What takes the place of each:
//   - awsvpc networking: every task has a loopback address of its own, and an
//     ADDR of ":PORT" is rewritten to listen there alone;
//   - the image's files: a directory per task; WORKDIR and the volumes' mount
//     points are below it, /tmp is there by TMPDIR;
//   - the task role: the emulator's endpoint and keys in the environment.
//
// Its invariant: one goroutine owns all tasks, and no task that it started is
// left when Run has returned.
package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/process"
)

// ECS is what is asked of the ECS API.
type ECS interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
}

// Secrets is what is asked of Secrets Manager.
type Secrets interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Balancer is where tasks are registered when they start.
type Balancer interface {
	Register(targetGroupARN, address string) (Target, error)
}

// Target is a task as its load balancer sees it.
type Target interface {
	Healthy() bool
	Reason() string
	Deregister(context.Context) // returns when the task serves nothing any more
}

// Image is what stands for a container image.
type Image struct {
	Entrypoint []string
	Command    []string
	WorkDir    string
	Programs   map[string]string // path in the image → program on this machine
	Env        []string          // what the image itself sets
}

// Config says which service to run and with what.
type Config struct {
	ECS              ECS
	Secrets          Secrets
	Balancer         Balancer
	Cluster, Service string
	Image            func(reference string) (Image, error) // nil error: known by that reference
	Dir              string                                // the tasks' files; made, used and removed by the runner
	Logs             string                                // the tasks' logs, ID.log; made and left
	Env              []string                              // the task role's and platform's part of the environment
	Addresses        Addresses
	Poll             time.Duration // how often the service is read; 2 s if 0
	Log              *slog.Logger
	Changed          func([]Status) // called from the runner's goroutine; optional
}

// Status describes one task.
type Status struct {
	ID       string           `json:"id"`
	Revision string           `json:"task_definition"`
	Address  string           `json:"address"`
	State    string           `json:"state"` // starting, healthy, unhealthy, stopping
	Since    time.Time        `json:"since"`
	Process  process.Identity `json:"process"`
	LogFile  string           `json:"log"`
}

// Failure says why a deployment can't be completed.
type Failure struct {
	Revision string
	Reason   string
	LogTail  string // the end of the last task's log; may be empty
}

func (f *Failure) Error() string {
	return fmt.Sprintf("the tasks of %s do not become healthy: %s", f.Revision, f.Reason)
}

// breakerThreshold is how many tasks in a row may fail before a deployment
// counts as failed; ECS has the same minimum.
const breakerThreshold = 3

// Runner runs one service.
type Runner struct {
	config Config

	// The fields below belong to Run's goroutine.
	service     *types.Service
	definition  *types.TaskDefinition // of the deployment in progress or completed
	definitions map[string]*types.TaskDefinition
	tasks       []*task
	completed   string // the last revision that reached the desired count
	abandoned   string // the revision that was rolled back
	failures    int
	notBefore   time.Time
	lastFailure *Failure

	events chan func()
	closed chan struct{} // nobody reads events any more
	mu     sync.Mutex
	last   *Failure
	steady bool
	broken error
	change chan struct{} // closed and replaced at each change of steady or broken
}

// New returns a runner; Run starts it.
func New(config Config) *Runner {
	if config.Poll == 0 {
		config.Poll = 2 * time.Second
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{
		config: config, definitions: map[string]*types.TaskDefinition{},
		events: make(chan func(), 16), closed: make(chan struct{}), change: make(chan struct{}),
	}
}

// Run runs the service until ctx ends, then stops every task as a scale-in
// would, at most as long as their stop timeouts say, and returns nil.
// An end of hurry cuts that short.
func (r *Runner) Run(ctx, hurry context.Context) error {
	for _, dir := range []string{r.config.Dir, r.config.Logs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make the tasks' directories: %w", err)
		}
	}
	defer os.RemoveAll(r.config.Dir)
	defer close(r.closed)
	poll := time.NewTicker(r.config.Poll)
	defer poll.Stop()
	// Health is looked at more often than the service: it is cheap.
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()

	r.refresh(ctx)
	for ctx.Err() == nil {
		r.reconcile(ctx, hurry)
		select {
		case <-ctx.Done():
		case <-poll.C:
			r.refresh(ctx)
		case <-look.C:
		case event := <-r.events:
			event()
		}
	}
	for _, t := range r.tasks {
		r.stop(hurry, t, "the stack goes down")
	}
	for len(r.tasks) > 0 {
		(<-r.events)()
	}
	r.report()
	return nil
}

// WaitSteady waits until the desired count of healthy tasks of the service's
// own revision runs and no other does. A deployment that fails for good is a
// *Failure, and so is one that still fails at ctx's deadline.
func (r *Runner) WaitSteady(ctx context.Context) error {
	for {
		r.mu.Lock()
		steady, broken, change := r.steady, r.broken, r.change
		r.mu.Unlock()
		switch {
		case broken != nil:
			return broken
		case steady:
			return nil
		}
		select {
		case <-ctx.Done():
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.last != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return r.last
			}
			return ctx.Err()
		case <-change:
		}
	}
}

func (r *Runner) announce(steady bool, broken error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.steady != steady || (r.broken == nil) != (broken == nil) {
		r.steady, r.broken = steady, broken
		close(r.change)
		r.change = make(chan struct{})
	}
}

// refresh reads the service and, when it names a new one, its task definition.
// A read that fails changes nothing: the tasks go on as last seen.
func (r *Runner) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := r.config.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &r.config.Cluster, Services: []string{r.config.Service}})
	if err == nil && len(out.Services) == 0 {
		err = errors.New("it does not exist")
	}
	if err != nil {
		if ctx.Err() == nil {
			r.config.Log.Warn("read the service", "service", r.config.Service, "error", err)
		}
		return
	}
	service := out.Services[0]
	wanted := value(service.TaskDefinition)
	if wanted == "" {
		return
	}
	if _, ok := r.definitions[wanted]; !ok {
		described, err := r.config.ECS.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &wanted})
		if err != nil || described.TaskDefinition == nil {
			r.config.Log.Warn("read the task definition", "task_definition", wanted, "error", err)
			return
		}
		r.definitions[wanted] = described.TaskDefinition
	}
	r.service = &service
	if wanted == r.abandoned {
		wanted = r.completed // rolled back; stays so until another revision is asked for
	} else if r.definition == nil || value(r.definition.TaskDefinitionArn) != wanted {
		r.failures, r.notBefore, r.lastFailure, r.abandoned = 0, time.Time{}, nil, ""
		r.announce(false, nil)
	}
	r.definition = r.definitions[wanted]
}

// reconcile brings the tasks one step nearer to what the service declares.
func (r *Runner) reconcile(ctx, hurry context.Context) {
	if r.definition == nil {
		return
	}
	revision := value(r.definition.TaskDefinitionArn)
	desired := int(r.service.DesiredCount)
	minimum, maximum := 100, 200
	if d := r.service.DeploymentConfiguration; d != nil {
		if d.MinimumHealthyPercent != nil {
			minimum = int(*d.MinimumHealthyPercent)
		}
		if d.MaximumPercent != nil {
			maximum = int(*d.MaximumPercent)
		}
	}
	lower := int(math.Ceil(float64(desired*minimum) / 100))
	upper := desired * maximum / 100

	var current, old []*task
	healthy := 0
	for _, t := range r.tasks {
		if t.stopping {
			continue
		}
		switch was := t.state; {
		case t.look() == stateHealthy:
			healthy++
			if was != stateHealthy && t.revision == revision {
				r.failures = 0
			}
		case t.state == stateUnhealthy:
			r.fail(t, t.reason)
			r.stop(hurry, t, t.reason)
			continue
		}
		if t.revision == revision {
			current = append(current, t)
		} else {
			old = append(old, t)
		}
	}
	if r.broke() {
		return
	}
	// Scale in, youngest first.
	for len(current) > desired {
		t := current[len(current)-1]
		current = current[:len(current)-1]
		if t.state == stateHealthy {
			healthy--
		}
		r.stop(hurry, t, "the service wants fewer tasks")
	}
	// Old ones go as new ones have become healthy.
	for _, t := range old {
		if t.state != stateHealthy {
			r.stop(hurry, t, "a newer revision replaces it")
		} else if healthy-1 >= lower {
			healthy--
			r.stop(hurry, t, "a newer revision replaces it")
		}
	}
	old = slices.DeleteFunc(old, func(t *task) bool { return t.stopping })
	for len(current) < desired && len(current)+len(old) < upper && !time.Now().Before(r.notBefore) {
		t := r.start(ctx)
		if t == nil {
			break
		}
		current = append(current, t)
	}

	ready := 0
	for _, t := range current {
		if t.state == stateHealthy {
			ready++
		}
	}
	steady := ready == desired && len(old) == 0 && r.abandoned == ""
	if steady && r.completed != revision {
		r.completed = revision
		r.config.Log.Info("the service is steady", "task_definition", revision, "tasks", desired)
	}
	if r.abandoned == "" {
		r.announce(steady, nil)
	}
	r.report()
}

// start starts a task of the current revision.
func (r *Runner) start(ctx context.Context) *task {
	t, err := r.launch(ctx, r.definition)
	if err != nil {
		if ctx.Err() == nil {
			r.fail(nil, err.Error())
		}
		return nil
	}
	r.tasks = append(r.tasks, t)
	r.config.Log.Info("task started", "task", t.id, "address", t.address, "task_definition", t.revision, "pid", t.process.Identity().PID)
	go func() {
		<-t.process.Done()
		r.send(func() { r.ended(t) })
	}()
	return t
}

// ended is called when a task's process has ended by itself or was stopped.
func (r *Runner) ended(t *task) {
	t.finish()
	if t.stopping {
		return // stop's goroutine takes it out of the list when it is drained
	}
	reason := fmt.Sprintf("its process ended with %v", endedWith(t))
	r.fail(t, reason)
	r.config.Log.Warn("task ended", "task", t.id, "reason", reason, "log", t.logFile)
	t.stopping = true
	go func() {
		if t.target != nil {
			t.target.Deregister(t.cut())
		}
		t.process.Kill() // what it may have left in its group
		r.send(func() { r.remove(t) })
	}()
}

func endedWith(t *task) string {
	if err := t.process.Err(); err != nil {
		return err.Error()
	}
	return "exit status 0"
}

// stop drains and stops a task without holding up the others.
func (r *Runner) stop(hurry context.Context, t *task, why string) {
	if t.stopping {
		return
	}
	t.stopping = true
	t.setState(stateStopping)
	r.config.Log.Info("task stopping", "task", t.id, "reason", why)
	go func() {
		t.shutdown(hurry)
		r.send(func() { r.remove(t) })
	}()
}

// send hands an event to the runner's goroutine while there is one.
func (r *Runner) send(event func()) {
	select {
	case r.events <- event:
	case <-r.closed:
	}
}

func (r *Runner) remove(t *task) {
	t.finish()
	r.tasks = slices.DeleteFunc(r.tasks, func(other *task) bool { return other == t })
	r.config.Addresses.Release(t.host)
	_ = os.RemoveAll(t.dir)
	r.report()
}

// fail notes a task that failed and puts off the next start.
func (r *Runner) fail(t *task, reason string) {
	r.failures++
	pause := time.Second << min(r.failures-1, 6)
	r.notBefore = time.Now().Add(min(pause, time.Minute))
	failure := &Failure{Revision: revisionName(r.definition), Reason: reason}
	if t != nil {
		failure.LogTail = tail(t.logFile)
	}
	r.lastFailure = failure
	r.mu.Lock()
	r.last = failure
	r.mu.Unlock()
	r.config.Log.Warn("task failed", "reason", reason, "failures", r.failures)
}

func (r *Runner) failed() bool { return r.failures >= breakerThreshold && r.breaker() }

func (r *Runner) breaker() bool {
	d := r.service.DeploymentConfiguration
	return d != nil && d.DeploymentCircuitBreaker != nil && d.DeploymentCircuitBreaker.Enable
}

// broke lets the deployment circuit breaker act: a deployment that was never
// completed and whose tasks keep failing is given up, for the last completed
// one if the service wants rollback.
func (r *Runner) broke() bool {
	revision := value(r.definition.TaskDefinitionArn)
	if !r.failed() || revision == r.completed {
		return false
	}
	if r.abandoned == "" {
		r.abandoned = revision
	}
	r.announce(false, r.lastFailure)
	if r.completed != "" && r.service.DeploymentConfiguration.DeploymentCircuitBreaker.Rollback {
		r.config.Log.Warn("deployment failed, rolling back", "task_definition", revision, "to", r.completed)
		r.definition = r.definitions[r.completed]
		r.failures, r.notBefore = 0, time.Time{}
	}
	return true
}

func (r *Runner) report() {
	if r.config.Changed == nil {
		return
	}
	statuses := make([]Status, 0, len(r.tasks))
	for _, t := range r.tasks {
		statuses = append(statuses, Status{
			ID: t.id, Revision: t.revision, Address: t.address, State: string(t.state), Since: t.since,
			Process: t.process.Identity(), LogFile: t.logFile,
		})
	}
	r.config.Changed(statuses)
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
