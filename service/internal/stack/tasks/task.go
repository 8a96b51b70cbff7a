package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/process"
)

type state string

const (
	stateStarting  state = "starting"
	stateHealthy   state = "healthy"
	stateUnhealthy state = "unhealthy"
	stateStopping  state = "stopping"
)

// task is one running copy. But for what the health check's goroutine sets
// under mu, its fields belong to the runner's goroutine.
type task struct {
	id, revision string
	host         string // the task's own loopback address
	address      string // host:port of its first port
	dir, logFile string
	process      *process.Process
	target       Target // nil without a load balancer
	stopTimeout  time.Duration
	grace        time.Time // target health does not count against it before

	state    state
	since    time.Time
	reason   string
	stopping bool
	everUp   bool

	stopChecks context.CancelFunc
	mu         sync.Mutex
	check      checkState
	checkSaid  string
	finished   sync.Once
	log        *os.File
}

type checkState int

const (
	checkNone checkState = iota // no health check is declared
	checkPending
	checkPassed
	checkFailed
)

func (t *task) setState(s state) {
	if t.state != s {
		t.state, t.since = s, time.Now()
	}
}

// look works out the task's state from its two health checks.
func (t *task) look() state {
	t.mu.Lock()
	check, said := t.check, t.checkSaid
	t.mu.Unlock()
	container := check == checkNone || check == checkPassed
	target := t.target == nil || t.target.Healthy()
	switch {
	case check == checkFailed:
		t.reason = "its container health check fails: " + said
		t.setState(stateUnhealthy)
	case container && target:
		t.everUp = true
		t.setState(stateHealthy)
	case t.target != nil && !target && time.Now().After(t.grace) && t.since.Add(targetPatience).Before(time.Now()) && t.state == stateStarting:
		t.reason = "its target health check fails: " + t.target.Reason()
		t.setState(stateUnhealthy)
	case t.target != nil && !target && t.everUp && time.Now().After(t.grace):
		t.reason = "its target health check fails: " + t.target.Reason()
		t.setState(stateUnhealthy)
	}
	return t.state
}

// targetPatience is how long a new task may take to pass its target group's
// check once, after the service's own grace period.
const targetPatience = 2 * time.Minute

// launch starts a task as its definition says.
func (r *Runner) launch(ctx context.Context, definition *types.TaskDefinition) (started *task, err error) {
	if len(definition.ContainerDefinitions) != 1 {
		return nil, fmt.Errorf("task definition %s has %d containers; a local stack runs exactly one", revisionName(definition), len(definition.ContainerDefinitions))
	}
	container := definition.ContainerDefinitions[0]
	image, err := r.config.Image(value(container.Image))
	if err != nil {
		return nil, fmt.Errorf("pull image %s: %w", value(container.Image), err)
	}
	entrypoint, command := image.Entrypoint, image.Command
	if len(container.EntryPoint) > 0 {
		entrypoint, command = container.EntryPoint, nil
	}
	if len(container.Command) > 0 {
		command = container.Command
	}
	argv := append(append([]string{}, entrypoint...), command...)
	if len(argv) == 0 {
		return nil, fmt.Errorf("task definition %s: neither the image nor the definition names a program", revisionName(definition))
	}

	ports := make([]int, 0, len(container.PortMappings))
	for _, mapping := range container.PortMappings {
		if mapping.ContainerPort != nil {
			ports = append(ports, int(*mapping.ContainerPort))
		}
	}
	host, err := r.config.Addresses.Take(ports)
	if err != nil {
		return nil, err
	}
	id := strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	dir := filepath.Join(r.config.Dir, id)
	defer func() {
		if err != nil {
			r.config.Addresses.Release(host)
			_ = os.RemoveAll(dir)
		}
	}()

	// The directories of the image that the task may write to.
	rootfs := filepath.Join(dir, "rootfs")
	inTask := func(path string) string { return filepath.Join(rootfs, filepath.Clean("/"+path)) }
	workDir := image.WorkDir
	if value(container.WorkingDirectory) != "" {
		workDir = value(container.WorkingDirectory)
	}
	directories := []string{inTask("/tmp"), inTask(workDir)}
	for _, mount := range container.MountPoints {
		directories = append(directories, inTask(value(mount.ContainerPath)))
	}
	for _, directory := range directories {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return nil, fmt.Errorf("make the task's directories: %w", err)
		}
	}
	if err := os.Chmod(inTask("/tmp"), 0o1777); err != nil {
		return nil, fmt.Errorf("make the task's /tmp: %w", err)
	}

	env, err := r.environment(ctx, container, image, host, ports, inTask)
	if err != nil {
		return nil, err
	}
	program, ok := image.Programs[argv[0]]
	if !ok {
		return nil, fmt.Errorf("task definition %s starts %s, which the image does not have", revisionName(definition), argv[0])
	}

	t := &task{
		id: id, revision: value(definition.TaskDefinitionArn), host: host, dir: dir,
		logFile: filepath.Join(r.config.Logs, id+".log"), stopTimeout: 30 * time.Second,
		state: stateStarting, since: time.Now(),
	}
	if container.StopTimeout != nil {
		t.stopTimeout = time.Duration(*container.StopTimeout) * time.Second
	}
	if len(ports) > 0 {
		t.address = net.JoinHostPort(host, strconv.Itoa(ports[0]))
	}
	if t.log, err = os.OpenFile(t.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
		return nil, fmt.Errorf("open the task's log: %w", err)
	}
	defer func() {
		if err != nil {
			_ = t.log.Close()
		}
	}()
	t.process, err = process.Start(process.Spec{
		Path: program, Args: argv[1:], Dir: inTask(workDir), Env: env, Stdout: t.log, Stderr: t.log,
	})
	if err != nil {
		return nil, err
	}
	if err := r.register(t, container); err != nil {
		t.process.Kill()
		return nil, err
	}
	checks, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t.stopChecks = cancel
	if command := healthCommand(container.HealthCheck, image); command != nil {
		t.check = checkPending
		go t.watch(checks, *container.HealthCheck, command, inTask(workDir), env)
	}
	return t, nil
}

// register adds the task to the target groups the service names for its ports.
func (r *Runner) register(t *task, container types.ContainerDefinition) error {
	t.grace = time.Now()
	if seconds := r.service.HealthCheckGracePeriodSeconds; seconds != nil {
		t.grace = t.grace.Add(time.Duration(*seconds) * time.Second)
	}
	for _, balancer := range r.service.LoadBalancers {
		if value(balancer.ContainerName) != value(container.Name) || balancer.ContainerPort == nil {
			return fmt.Errorf("the service balances container %q, which the task definition does not have", value(balancer.ContainerName))
		}
		if t.target != nil {
			return errors.New("the service has more than one target group; a local stack has one")
		}
		if r.config.Balancer == nil {
			return errors.New("the service has a target group and no load balancer is there")
		}
		target, err := r.config.Balancer.Register(value(balancer.TargetGroupArn), net.JoinHostPort(t.host, strconv.Itoa(int(*balancer.ContainerPort))))
		if err != nil {
			return err
		}
		t.target = target
	}
	return nil
}

// environment is the whole environment of the task's process: what the image,
// the platform and the task definition say, nothing of this program's own.
func (r *Runner) environment(ctx context.Context, container types.ContainerDefinition, image Image, host string, ports []int, inTask func(string) string) ([]string, error) {
	env := append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + inTask("/tmp"),
		"TMPDIR=" + inTask("/tmp"),
	}, image.Env...)
	env = append(env, r.config.Env...)
	for _, pair := range container.Environment {
		name, val := value(pair.Name), value(pair.Value)
		if name == "ADDR" {
			val = onOwnAddress(val, host, ports)
		}
		env = append(env, name+"="+val)
	}
	for _, secret := range container.Secrets {
		val, err := r.secret(ctx, value(secret.ValueFrom))
		if err != nil {
			return nil, fmt.Errorf("read the secret for %s: %w", value(secret.Name), err)
		}
		env = append(env, value(secret.Name)+"="+val)
	}
	return env, nil
}

// onOwnAddress narrows "all addresses" to the task's own, as there is no
// network namespace to keep tasks apart.
func onOwnAddress(addr, host string, ports []int) string {
	listen, port, err := net.SplitHostPort(addr)
	if err != nil || (listen != "" && listen != "0.0.0.0" && listen != "::") {
		return addr
	}
	for _, declared := range ports {
		if port == strconv.Itoa(declared) {
			return net.JoinHostPort(host, port)
		}
	}
	return addr
}

// secret resolves valueFrom: a secret's ARN, optionally followed by
// :json-key:version-stage:version-id.
func (r *Runner) secret(ctx context.Context, valueFrom string) (string, error) {
	parts := strings.Split(valueFrom, ":")
	if len(parts) < 7 || parts[2] != "secretsmanager" {
		return "", fmt.Errorf("%s is not the ARN of a secret", valueFrom)
	}
	input := &secretsmanager.GetSecretValueInput{}
	arn := strings.Join(parts[:7], ":")
	input.SecretId = &arn
	key := ""
	for i, part := range parts[7:] {
		if part := part; part != "" {
			switch i {
			case 0:
				key = part
			case 1:
				input.VersionStage = &part
			case 2:
				input.VersionId = &part
			}
		}
	}
	out, err := r.config.Secrets.GetSecretValue(ctx, input)
	if err != nil {
		return "", err
	}
	if out.SecretString == nil {
		return "", fmt.Errorf("secret %s holds no text", arn)
	}
	if key == "" {
		return *out.SecretString, nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(*out.SecretString), &object); err != nil {
		return "", fmt.Errorf("secret %s is not a JSON object, of which %q is wanted", arn, key)
	}
	text, ok := object[key].(string)
	if !ok {
		return "", fmt.Errorf("secret %s has no text under %q", arn, key)
	}
	return text, nil
}

// healthCommand returns the health check's argument vector, its program found
// in the image; nil when none is declared.
func healthCommand(check *types.HealthCheck, image Image) []string {
	if check == nil || len(check.Command) == 0 {
		return nil
	}
	var argv []string
	switch check.Command[0] {
	case "NONE":
		return nil
	case "CMD":
		argv = append(argv, check.Command[1:]...)
	case "CMD-SHELL":
		argv = append([]string{"/bin/sh", "-c"}, check.Command[1:]...)
	default:
		argv = append([]string{"/bin/sh", "-c"}, strings.Join(check.Command, " "))
	}
	if len(argv) > 0 {
		if program, ok := image.Programs[argv[0]]; ok {
			argv[0] = program
		}
	}
	return argv
}

// watch runs the container health check as declared. Until it has passed once
// within the start period it is run every second at least, as container
// engines do, so that a start does not take a whole interval.
func (t *task) watch(ctx context.Context, check types.HealthCheck, argv []string, dir string, env []string) {
	seconds := func(n *int32, otherwise int) time.Duration {
		if n != nil {
			otherwise = int(*n)
		}
		return time.Duration(otherwise) * time.Second
	}
	interval, timeout := seconds(check.Interval, 30), seconds(check.Timeout, 5)
	startPeriod := seconds(check.StartPeriod, 0)
	retries := 3
	if check.Retries != nil {
		retries = int(*check.Retries)
	}
	begun, failures, passed := time.Now(), 0, false
	for {
		wait := interval
		if !passed && time.Since(begun) < startPeriod {
			wait = min(interval, time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.process.Done():
			return
		case <-time.After(wait):
		}
		said, err := probe(ctx, timeout, argv, dir, env)
		if ctx.Err() != nil {
			return
		}
		t.mu.Lock()
		switch {
		case err == nil:
			failures, passed = 0, true
			t.check = checkPassed
		case !passed && time.Since(begun) < startPeriod:
			// Failures in the start period do not count.
		default:
			if failures++; failures >= retries {
				t.check = checkFailed
				t.checkSaid = strings.TrimSpace(err.Error() + " " + said)
			}
		}
		t.mu.Unlock()
	}
}

// probe runs the check once and returns the last line it printed.
func probe(ctx context.Context, timeout time.Duration, argv []string, dir string, env []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var out bytes.Buffer
	p, err := process.Start(process.Spec{Path: argv[0], Args: argv[1:], Dir: dir, Env: env, Stdout: &out, Stderr: &out})
	if err != nil {
		return "", err
	}
	select {
	case <-p.Done():
		err = p.Err()
		p.Kill()
	case <-ctx.Done():
		p.Kill()
		err = fmt.Errorf("no answer within %s", timeout)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[len(lines)-1], err
}

// shutdown drains the task, then stops it: SIGTERM, and SIGKILL after the stop
// timeout. An end of hurry skips both waits.
func (t *task) shutdown(hurry context.Context) {
	t.stopChecks()
	if t.target != nil {
		t.target.Deregister(hurry)
	}
	done := make(chan struct{})
	go func() {
		select {
		case <-hurry.Done():
			t.process.Kill()
		case <-done:
		}
	}()
	t.process.Stop(t.stopTimeout)
	close(done)
}

// finish releases what the task holds in this program.
func (t *task) finish() {
	t.finished.Do(func() {
		t.stopChecks()
		_ = t.log.Close()
	})
}

// cut is a context that is over: a dead task's connections need no draining.
func (t *task) cut() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func revisionName(definition *types.TaskDefinition) string {
	return fmt.Sprintf("%s:%d", value(definition.Family), definition.Revision)
}

// tail returns the last lines of a log.
func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) > 20 {
		lines = lines[len(lines)-20:]
	}
	return strings.Join(lines, "\n")
}
