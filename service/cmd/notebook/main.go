// Command notebook is the service: it serves the page and the API, and runs
// notebooks' kernels.
//
// It only puts the parts together; each is a package below service/internal.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/reactive-notebook/reactive-notebook/service/internal/config"
)

// release is set by the linker where the build knows no version control.
var release string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	root, err := commands(getenv, stdout, stderr)
	if err == nil {
		root.SetArgs(args)
		err = root.ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintf(stderr, "notebook: %v\n", err)
		return 1
	}
	return 0
}

func commands(getenv func(string) string, stdout, stderr io.Writer) (*cobra.Command, error) {
	var table strings.Builder
	if err := config.WriteTable(&table); err != nil {
		return nil, err
	}
	root := &cobra.Command{
		Use:           "notebook",
		Short:         "Python notebooks that keep themselves up to date",
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetVersionTemplate("notebook {{.Version}}\n")
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(
		&cobra.Command{
			Use:   "serve",
			Short: "Serve the page and the API until SIGTERM",
			Long: "Serve the page and the API until SIGTERM or Ctrl-C.\n\n" +
				"Settings are environment variables:\n\n" + table.String(),
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				c, err := load(getenv)
				if err != nil {
					return err
				}
				return serve(cmd.Context(), c, logger(c, stderr))
			},
		},
		&cobra.Command{
			Use:   "healthcheck",
			Short: "Ask the service on this machine whether it is well",
			Long: "Ask the service that listens on ADDR whether it is well, and exit with 0 if it is,\n" +
				"with 1 and a reason if it isn't. It is what a container's health check runs.",
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				addr, err := config.Addr(getenv)
				if err != nil {
					return err
				}
				if err := checkHealth(cmd.Context(), addr); err != nil {
					return err
				}
				fmt.Fprintln(stdout, "ok")
				return nil
			},
		},
	)
	return root, nil
}

// load reads the settings; its error lists every fault on a line of its own.
func load(getenv func(string) string) (config.Config, error) {
	c, err := config.Load(getenv)
	if err != nil {
		return c, errors.New("the environment can't be accepted (see notebook serve --help):\n  " + strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return c, nil
}

// version names the commit that the program was built from.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	if revision == "" {
		return "development"
	}
	return revision[:min(12, len(revision))] + changed
}
