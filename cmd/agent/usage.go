package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const usageWidth = 120

// printUsage shows the flags in the groups they belong to, and for the root
// command every subcommand in one line.
func printUsage(cmd, root *cobra.Command, groups []flagGroup) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", cmd.UseLine())
	if cmd != root {
		if cmd.Flags().HasFlags() {
			fmt.Fprintf(&b, "\nFlags:\n%s", cmd.Flags().FlagUsagesWrapped(usageWidth))
		}
		fmt.Fprintf(&b, "\nSettings come from --config, GOR_* and flags as for `agent` itself.\n")
		_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
		return err
	}
	fmt.Fprintf(&b, "\nExamples:\n%s\n\nCommands:\n", root.Example)
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(&b, "  %-14s %s\n", c.Name(), c.Short)
		}
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "\n%s:\n%s", g.title, g.flags.FlagUsagesWrapped(usageWidth))
	}
	b.WriteString("\nSizes take KiB, MiB, GiB; durations take ms, s, m, h. Each flag is also a key of --config and an\n" +
		"environment variable: --bpf-filter is GOR_BPF_FILTER. Exit status: 0 done, 1 failed while running, 2 bad usage,\n" +
		"3 a comparison found more than it may.\n")
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}
