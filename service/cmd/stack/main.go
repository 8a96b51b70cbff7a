// Command stack raises, looks at and takes down the environments of this
// repository: on an AWS account, or with --local on this machine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/reactive-notebook/reactive-notebook/service/internal/stack"
	"github.com/reactive-notebook/reactive-notebook/service/internal/stack/emulator"
	"github.com/reactive-notebook/reactive-notebook/service/internal/toolchain"
)

const defaultEdgeAddr = "localhost:8080"

func main() {
	ctx, hurry, stop := signals()
	err := command(ctx, hurry, os.Stdout).ExecuteContext(ctx)
	stop()
	switch {
	case errors.Is(err, stack.Interrupted):
		fmt.Fprintln(os.Stderr, "stack: stopped, nothing is left running")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "stack: "+err.Error())
		os.Exit(1)
	}
}

// again is how long after the first signal another one means impatience; one
// press of Ctrl-C may arrive twice, from the terminal and from make.
const again = 2 * time.Second

// signals returns a context that ends with the first signal to stop, and one
// that ends when another comes later.
func signals() (ctx, hurry context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	hurry, cut := context.WithCancel(context.Background())
	received := make(chan os.Signal, 8)
	signal.Notify(received, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	dieWithGoRun()
	go func() {
		var first time.Time
		for range received {
			if first.IsZero() {
				first = time.Now()
				cancel()
			} else if time.Since(first) > again {
				cut()
			}
		}
	}()
	return ctx, hurry, func() {
		signal.Stop(received)
		cancel()
		cut()
	}
}

func command(ctx, hurry context.Context, out io.Writer) *cobra.Command {
	var asJSON bool
	main := &cobra.Command{
		Use:           "stack",
		Short:         "Raise, look at and take down an environment",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	main.PersistentFlags().BoolVar(&asJSON, "json", false, "one JSON object a line, for machines; tokens are never in it")

	var options stack.Options
	open := func(environment string) (*stack.Stack, error) {
		root, err := findRoot()
		if err != nil {
			return nil, err
		}
		options.Root, options.Environment, options.JSON, options.Out = root, environment, asJSON, out
		options.Progress = stack.NewProgress(out, asJSON)
		options.EdgeAddr = os.Getenv("EDGE_ADDR")
		if options.EdgeAddr == "" {
			options.EdgeAddr = defaultEdgeAddr
		}
		return stack.New(options)
	}
	add := func(name, short, long string, run func(*stack.Stack) error, flags ...func(*cobra.Command)) {
		c := &cobra.Command{
			Use: name + " ENV", Short: short, Long: long, Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				s, err := open(args[0])
				if err != nil {
					return err
				}
				return run(s)
			},
		}
		c.Flags().BoolVar(&options.Local, "local", false, "on this machine: no AWS account, no Docker")
		for _, flag := range flags {
			flag(c)
		}
		main.AddCommand(c)
	}
	image := func(c *cobra.Command) {
		c.Flags().StringVar(&options.Image, "image", "", "the service's image by digest, REPOSITORY@sha256:…; not with --local")
	}
	build := func(c *cobra.Command) {
		image(c)
		c.Flags().StringVar(&options.Platform, "platform", "linux/arm64", "what the image is built for when none is named; not with --local")
	}
	add("plan", "Show what up would change", "", func(s *stack.Stack) error { return s.Plan(ctx) }, image)
	add("up", "Raise the environment", `Raise the environment: the registry (envs/shared), the image of the checkout's commit (built by Docker and pushed
unless the registry has it or --image names one), the environment, the page, and a smoke test of it all.
The last line is the address to open.

With --local it stays in the foreground until Ctrl-C or "stack down ENV --local", and leaves nothing behind.
EDGE_ADDR=HOST:PORT is where the page is served (`+defaultEdgeAddr+`), STACK_DIR the work folder (.stack of the checkout).`,
		func(s *stack.Stack) error { return s.Up(ctx, hurry) }, build)
	back := false
	add("deploy", "Put the checkout's image and page onto the standing environment", `Put the checkout's image and page onto the standing environment, without a moment of downtime, and try it.
The image is that of the commit, as with up. --rollback brings back the release that was there before.`,
		func(s *stack.Stack) error { return s.Deploy(ctx, back) }, build, func(c *cobra.Command) {
			c.Flags().BoolVar(&back, "rollback", false, "bring back the previous release")
		})
	add("down", "Take the environment down", "", func(s *stack.Stack) error { return s.Down(ctx) }, image, func(c *cobra.Command) {
		c.Flags().BoolVar(&options.Approved, "yes", false, "destroy without asking; needed without --local")
	})
	add("cost", "Tell what the environment costs in a month, and what other choices would save", `Tell what the environment costs in a month with what all environments share, resource by resource,
and what other choices would save, from a plan and a table of list prices.`,
		func(s *stack.Stack) error { return s.Cost(ctx) })
	add("status", "Tell what stands", "", func(s *stack.Stack) error { return s.Status(ctx) })
	add("smoke", "Try the standing environment from outside", "", func(s *stack.Stack) error { return s.Smoke(ctx) })

	main.AddCommand(emulatorCommand(ctx, out), setupCommand(ctx, out, &asJSON))
	main.CompletionOptions.DisableDefaultCmd = true
	return main
}

func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	return stack.FindRoot(dir)
}

// emulatorCommand runs an empty emulator for tests and for looking around.
func emulatorCommand(ctx context.Context, out io.Writer) *cobra.Command {
	var addr string
	c := &cobra.Command{
		Use:   "emulator",
		Short: "Run an empty AWS emulator until interrupted or standard input ends",
		Long: `Run an empty AWS emulator in the foreground. When it answers, one line of JSON says how to use it:
{"endpoint": URL, "env": {NAME: VALUE}, "terraform": {"path": PROGRAM, "env": {NAME: VALUE}}, "log": FILE}
log has a line for each request. env has what terraform needs anywhere, too. It ends with SIGINT, SIGTERM or the end of standard input.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) (err error) {
			root, err := findRoot()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			tools := toolchain.New(root, func(line string) { fmt.Fprintln(os.Stderr, line) }, io.Discard)
			terra, err := tools.Terraform(ctx)
			if err != nil {
				return stopped(ctx, err)
			}
			python, err := tools.Moto(ctx)
			if err != nil {
				return stopped(ctx, err)
			}
			dir, err := os.MkdirTemp("", "stack-emulator-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			emu, err := emulator.Start(ctx, emulator.Options{Python: python, Addr: addr, Dir: dir, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				return stopped(ctx, err)
			}
			defer emu.Stop()
			env := terra.Env()
			for _, variable := range emu.Env() {
				name, value, _ := strings.Cut(variable, "=")
				env[name] = value
			}
			if err := json.NewEncoder(out).Encode(map[string]any{
				"endpoint": emu.Endpoint(), "env": env,
				"terraform": map[string]any{"path": terra.Path, "env": terra.Env()},
				"log":       filepath.Join(dir, "emulator.log"),
			}); err != nil {
				return err
			}
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				cancel()
			}()
			select {
			case <-ctx.Done():
				return nil
			case <-emu.Done():
				return errors.New("the emulator has ended by itself")
			}
		},
	}
	c.Flags().StringVar(&addr, "addr", "127.0.0.1:0", "address to listen on, with an IP as its host")
	return c
}

func stopped(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return stack.Interrupted
	}
	return err
}

// setupCommand makes tools ready and prints where they are.
func setupCommand(ctx context.Context, out io.Writer, asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use:   "setup [go|python|moto|terraform|frontend|page|browser|chromium|bench]...",
		Short: "Put right what this machine lacks",
		Long: `Make the named tools ready, all but the last three without a name, and print NAME=PATH for each.
A step whose work is done already does nothing.

go         check that Go is new enough
python     .venv with pandas, NumPy, matplotlib and Plotly
moto       an interpreter that has the AWS emulator
terraform  Terraform and a CLI configuration that finds its provider
frontend   the npm packages of frontend/
page       the built page, frontend/dist
browser    the npm packages of test/browser
chromium   the browser the tests drive
bench      .tools/bench with what the benchmarks measure against`,
		ValidArgs: []string{"go", "python", "moto", "terraform", "frontend", "page", "browser", "chromium", "bench"},
		Args:      cobra.OnlyValidArgs,
		RunE: func(_ *cobra.Command, names []string) error {
			root, err := findRoot()
			if err != nil {
				return err
			}
			if len(names) == 0 {
				names = []string{"go", "python", "moto", "terraform", "frontend", "page"}
			}
			// The lines go to standard error: standard output is for the paths.
			progress := stack.NewProgress(os.Stderr, *asJSON)
			if err := os.MkdirAll(filepath.Join(root, ".tools"), 0o755); err != nil {
				return err
			}
			log, err := os.Create(filepath.Join(root, ".tools", "setup.log"))
			if err != nil {
				return err
			}
			defer log.Close()
			tools := toolchain.New(root, progress.Say, log)
			for _, name := range names {
				path, err := setUp(ctx, tools, root, name)
				if err != nil {
					return stopped(ctx, err)
				}
				if path != "" {
					fmt.Fprintf(out, "%s=%s\n", strings.ToUpper(name), path)
				}
			}
			return nil
		},
	}
}

func setUp(ctx context.Context, tools *toolchain.Toolchain, root, name string) (path string, err error) {
	switch name {
	case "go":
		return "", tools.Go(ctx)
	case "python":
		python, err := tools.Python(ctx)
		return python.Path, err
	case "moto":
		return tools.Moto(ctx)
	case "terraform":
		terra, err := tools.Terraform(ctx)
		return terra.Path, err
	case "frontend":
		return "", tools.NodeModules(ctx, "frontend")
	case "page":
		return tools.Page(ctx)
	case "browser":
		return filepath.Join(root, "test", "browser"), tools.NodeModules(ctx, "test/browser")
	case "chromium":
		return tools.Chromium(ctx)
	case "bench":
		return tools.Bench(ctx)
	}
	return "", fmt.Errorf("there is nothing named %q to set up", name)
}
