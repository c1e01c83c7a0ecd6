// Command agent sees the traffic of the services on a machine from inside the
// kernel and says exactly who uses the bandwidth. `agent --help` is its manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

// env is what the world gives a command, so that tests can give another. Goroutines
// write to its files at the same time.
type env struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	// reopen asks outputs to reopen their files: SIGHUP.
	reopen <-chan os.Signal
}

// The exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitDiffer = 3 // --compare or --session-compare found more than may be
)

func main() {
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A reader that goes away ends its output, not the agent.
	signal.Ignore(syscall.SIGPIPE)
	reopen := make(chan os.Signal, 1)
	signal.Notify(reopen, syscall.SIGHUP)
	status := run(stop, env{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, reopen: reopen}, os.Args[1:])
	cancel()
	os.Exit(status)
}

// run is the whole program but the process. A run ends early and cleanly when ctx
// is done. It returns the exit status.
func run(ctx context.Context, e env, args []string) int {
	root := rootCommand(e)
	args, notes := fromGor(args)
	for _, note := range notes {
		fmt.Fprintf(e.stderr, "agent: %s\n", note)
	}
	root.SetArgs(args)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if !errors.As(err, new(loggedError)) {
		fmt.Fprintf(e.stderr, "agent: %v\n", err)
	}
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	var differs differsError
	if errors.As(err, &differs) {
		return exitDiffer
	}
	return exitFailed
}

// rootCommand is the pipeline itself; the rest are its subcommands.
func rootCommand(e env) *cobra.Command {
	groups := flagGroups()
	root := &cobra.Command{
		Use:   "agent [flags]",
		Short: "See who uses the bandwidth, from inside the kernel",
		Long: `agent watches the TCP traffic of this machine (or of capture files) through eBPF, finds the
HTTP exchanges in it and counts every byte: per service, method and path, as Prometheus metrics
on --listen, as a live table on a terminal, and as JSON lines.`,
		Example: `  sudo agent --bpf-filter 'tcp port 80'
  sudo agent --input-raw eth0:80,8080 --output-jsonl - | jq .path
  agent --input-file 'incident-*.pcapng' --output-jsonl exchanges.jsonl
  sudo agent demo`,
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd.Flags())
			if err != nil {
				return err
			}
			return logged(runAgent(cmd.Context(), e, cfg), e.stderr, cfg)
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return explainFlag(err) })
	for _, g := range groups {
		root.Flags().AddFlagSet(g.flags)
	}
	root.Flags().SortFlags = false
	root.SetUsageFunc(func(cmd *cobra.Command) error { return printUsage(cmd, root, groups) })
	root.AddCommand(commands(e)...)
	return root
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command or argument %q (see `agent --help`)", args[0])
	}
	return nil
}
