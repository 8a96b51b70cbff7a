package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/require"
)

// The test binary is the program of the image: a small HTTP server.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 1 && os.Args[1] == "serve":
		serve()
	case len(os.Args) > 1 && os.Args[1] == "healthcheck":
		response, err := http.Get("http://" + os.Getenv("ADDR") + "/health")
		if err != nil || response.StatusCode != http.StatusOK {
			fmt.Println("not healthy")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func serve() {
	if os.Getenv("CRASH") != "" {
		fmt.Println("boom: the reason of the crash")
		os.Exit(3)
	}
	if os.Getenv("STUBBORN") != "" {
		// SIGTERM is ignored: only SIGKILL ends this one.
		signal.Ignore(syscall.SIGTERM)
	}
	http.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {
		if os.Getenv("SICK") != "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		wd, _ := os.Getwd()
		_, _ = io.WriteString(w, strings.Join(os.Environ(), "\n")+"\nWD="+wd)
	})
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	_ = http.ListenAndServe(os.Getenv("ADDR"), nil)
}

// cloud is an ECS service whose description the test changes.
type cloud struct {
	mu          sync.Mutex
	service     types.Service
	definitions map[string]*types.TaskDefinition
}

func (c *cloud) DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &ecs.DescribeServicesOutput{Services: []types.Service{c.service}}, nil
}

func (c *cloud) DescribeTaskDefinition(_ context.Context, in *ecs.DescribeTaskDefinitionInput, _ ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &ecs.DescribeTaskDefinitionOutput{TaskDefinition: c.definitions[*in.TaskDefinition]}, nil
}

func (c *cloud) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	if aws.ToString(in.SecretId) != secretARN {
		return nil, errors.New("no such secret")
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(`{"token":"from-json"}`)}, nil
}

const secretARN = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:token-abc"

// deploy makes a new revision with these variables the service's own.
func (c *cloud) deploy(n int, env ...string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	arn := fmt.Sprintf("arn:aws:ecs:eu-north-1:123456789012:task-definition/app:%d", n)
	pairs := []types.KeyValuePair{{Name: aws.String("ADDR"), Value: aws.String(":8000")}}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		pairs = append(pairs, types.KeyValuePair{Name: &name, Value: &value})
	}
	c.definitions[arn] = &types.TaskDefinition{
		TaskDefinitionArn: &arn, Family: aws.String("app"), Revision: int32(n),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"), Image: aws.String("registry/app@sha256:1"), Command: []string{"serve"},
			PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8000)}},
			Environment:  pairs,
			Secrets:      []types.Secret{{Name: aws.String("TOKEN"), ValueFrom: aws.String(secretARN + ":token::")}},
			MountPoints:  []types.MountPoint{{ContainerPath: aws.String("/srv/app/data")}},
			StopTimeout:  aws.Int32(1),
			HealthCheck: &types.HealthCheck{
				Command: []string{"CMD", "/bin/app", "healthcheck"}, Interval: aws.Int32(1), Timeout: aws.Int32(10), Retries: aws.Int32(2), StartPeriod: aws.Int32(10),
			},
		}},
	}
	c.service.TaskDefinition = &arn
	return arn
}

func (c *cloud) scale(desired int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.service.DesiredCount = desired
}

// targets is a load balancer that finds every target that answers healthy, and
// remembers the order of what happened.
type targets struct {
	mu     sync.Mutex
	events []string
	live   map[string]bool
	lowest int
}

type fakeTarget struct {
	group   *targets
	address string
}

func (g *targets) Register(group, address string) (Target, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live[address] = true
	g.events = append(g.events, "register")
	return &fakeTarget{g, address}, nil
}

func (f *fakeTarget) Healthy() bool {
	conn, err := net.DialTimeout("tcp", f.address, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}
func (f *fakeTarget) Reason() string { return "connection refused" }
func (f *fakeTarget) Deregister(context.Context) {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	delete(f.group.live, f.address)
	f.group.events = append(f.group.events, "deregister")
	f.group.lowest = min(f.group.lowest, len(f.group.live))
}

type bench struct {
	*cloud
	runner  *Runner
	targets *targets
	status  atomic.Pointer[[]Status]
	ended   chan error
	cancel  context.CancelFunc
	hurry   context.CancelFunc
	dir     string
}

func start(t *testing.T, desired int32, prepare func(*cloud)) *bench {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a loopback address for each task")
	}
	b := &bench{
		cloud:   &cloud{definitions: map[string]*types.TaskDefinition{}},
		targets: &targets{live: map[string]bool{}, lowest: 1000}, ended: make(chan error, 1), dir: t.TempDir(),
	}
	b.service = types.Service{
		DesiredCount: desired,
		DeploymentConfiguration: &types.DeploymentConfiguration{
			MinimumHealthyPercent: aws.Int32(100), MaximumPercent: aws.Int32(200),
			DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
		},
		LoadBalancers: []types.LoadBalancer{{TargetGroupArn: aws.String("group"), ContainerName: aws.String("app"), ContainerPort: aws.Int32(8000)}},
	}
	prepare(b.cloud)
	program, err := os.Executable()
	require.NoError(t, err)
	b.runner = New(Config{
		ECS: b.cloud, Secrets: b.cloud, Balancer: b.targets, Cluster: "c", Service: "s", Poll: 50 * time.Millisecond,
		Dir: filepath.Join(b.dir, "tasks"), Logs: filepath.Join(b.dir, "logs"), Addresses: NewLoopback(), Env: []string{"AWS_REGION=eu-north-1"},
		Image: func(reference string) (Image, error) {
			if reference != "registry/app@sha256:1" {
				return Image{}, errors.New("not known")
			}
			return Image{Entrypoint: []string{"/bin/app"}, Command: []string{"other"}, WorkDir: "/srv/app", Programs: map[string]string{"/bin/app": program}}, nil
		},
		Changed: func(s []Status) { b.status.Store(&s) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	hurry, cut := context.WithCancel(context.Background())
	b.cancel, b.hurry = cancel, cut
	go func() { b.ended <- b.runner.Run(ctx, hurry) }()
	t.Cleanup(func() {
		cancel()
		cut()
		select {
		case <-b.ended:
		case <-time.After(time.Minute):
			t.Error("the runner does not end")
		}
	})
	return b
}

func (b *bench) steady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	require.NoError(t, b.runner.WaitSteady(ctx))
}

func (b *bench) tasks() []Status {
	if s := b.status.Load(); s != nil {
		return *s
	}
	return nil
}

// settled waits until exactly these revisions run, each healthy.
func (b *bench) settled(t *testing.T, revision string, count int) {
	t.Helper()
	require.Eventually(t, func() bool {
		n := 0
		for _, task := range b.tasks() {
			if task.Revision != revision || task.State != "healthy" {
				return false
			}
			n++
		}
		return n == count
	}, 90*time.Second, 20*time.Millisecond)
}

func TestTaskRunsAsItsDefinitionSays(t *testing.T) {
	t.Setenv("SECRET_OF_THE_OPERATOR", "must not leak")
	b := start(t, 1, func(c *cloud) { c.deploy(1, "GREETING=hello") })
	b.steady(t)
	task := b.tasks()[0]
	require.True(t, strings.HasPrefix(task.Address, "127.") && !strings.HasPrefix(task.Address, "127.0.0.1:"), task.Address)

	response, err := http.Get("http://" + task.Address + "/env")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	env := string(text)
	require.Contains(t, env, "GREETING=hello\n")
	require.Contains(t, env, "TOKEN=from-json\n")
	require.Contains(t, env, "ADDR="+task.Address+"\n")
	require.Contains(t, env, "AWS_REGION=eu-north-1\n")
	require.NotContains(t, env, "SECRET_OF_THE_OPERATOR")
	require.Contains(t, env, "WD="+filepath.Join(b.dir, "tasks", task.ID, "rootfs", "srv", "app"))
	require.DirExists(t, filepath.Join(b.dir, "tasks", task.ID, "rootfs", "srv", "app", "data"))

	b.cancel()
	b.ended <- <-b.ended
	require.False(t, task.Process.Alive())
	require.NoDirExists(t, filepath.Join(b.dir, "tasks"))
}

func TestNewRevisionReplacesTheOldWithoutAGap(t *testing.T) {
	b := start(t, 1, func(c *cloud) { c.deploy(1) })
	b.steady(t)
	old := b.tasks()[0]
	revision := b.deploy(2)
	b.settled(t, revision, 1)
	require.False(t, old.Process.Alive())
	b.targets.mu.Lock()
	defer b.targets.mu.Unlock()
	require.Equal(t, []string{"register", "register", "deregister"}, b.targets.events)
	require.Equal(t, 1, b.targets.lowest)
}

func TestServiceScalesOutAndIn(t *testing.T) {
	b := start(t, 1, func(c *cloud) { c.deploy(1) })
	b.steady(t)
	b.scale(3)
	b.settled(t, *b.service.TaskDefinition, 3)
	b.scale(1)
	b.settled(t, *b.service.TaskDefinition, 1)
}

func TestDeadTaskIsReplaced(t *testing.T) {
	b := start(t, 1, func(c *cloud) { c.deploy(1) })
	b.steady(t)
	first := b.tasks()[0]
	_, err := http.Get("http://" + first.Address + "/exit")
	require.Error(t, err)
	require.Eventually(t, func() bool {
		now := b.tasks()
		return len(now) == 1 && now[0].ID != first.ID && now[0].State == "healthy"
	}, 90*time.Second, 20*time.Millisecond)
}

func TestDeploymentThatKeepsCrashingFailsWithTheTasksOwnWords(t *testing.T) {
	b := start(t, 1, func(c *cloud) { c.deploy(1, "CRASH=1") })
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	err := b.runner.WaitSteady(ctx)
	var failure *Failure
	require.ErrorAs(t, err, &failure)
	require.Contains(t, failure.Reason, "exit status 3")
	require.Contains(t, failure.LogTail, "boom: the reason of the crash")
}

func TestFailedDeploymentRollsBack(t *testing.T) {
	b := start(t, 1, func(c *cloud) { c.deploy(1) })
	b.steady(t)
	good := b.tasks()[0]
	b.deploy(2, "SICK=1")
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		var failure *Failure
		return errors.As(b.runner.WaitSteady(ctx), &failure)
	}, 3*time.Minute, 50*time.Millisecond)
	b.settled(t, good.Revision, 1)
	require.Equal(t, good.ID, b.tasks()[0].ID, "the good task served all the while")
}

func TestStubbornTaskIsKilledAfterItsStopTimeout(t *testing.T) {
	b := start(t, 1, func(c *cloud) { c.deploy(1, "STUBBORN=1") })
	b.steady(t)
	task := b.tasks()[0]
	begin := time.Now()
	b.cancel()
	b.ended <- <-b.ended
	require.False(t, task.Process.Alive())
	require.GreaterOrEqual(t, time.Since(begin), time.Second, "the stop timeout is one second")
}

func TestUnknownImageFailsTheDeployment(t *testing.T) {
	b := start(t, 1, func(c *cloud) {
		arn := c.deploy(1)
		c.definitions[arn].ContainerDefinitions[0].Image = aws.String("registry/app@sha256:2")
	})
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	require.ErrorContains(t, b.runner.WaitSteady(ctx), "pull image registry/app@sha256:2: not known")
}
