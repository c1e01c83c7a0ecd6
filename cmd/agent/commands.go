package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// commands is the table of subcommands.
func commands(e env) []*cobra.Command {
	return []*cobra.Command{
		checkConfigCommand(e),
		demoCommand(e),
		doctorCommand(e),
		reportCommand(e),
		sessionRoutesCommand(e),
		topCommand(e),
		versionCommand(e),
	}
}

func versionCommand(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(e.stdout, "gortap agent %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// checkConfigCommand takes every flag of the agent, so that a command line can
// be checked by putting the word before it.
func checkConfigCommand(e env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check-config [flags]",
		Short: "check flags, environment and --config, change nothing; exit status 2 if something is wrong",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd.Flags())
			if err != nil {
				return err
			}
			if err := checkComponents(cfg); err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.stdout, "config ok")
			return err
		},
	}
	for _, g := range flagGroups() {
		cmd.Flags().AddFlagSet(g.flags)
	}
	return cmd
}
