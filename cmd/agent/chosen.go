package main

import (
	"slices"

	"github.com/spf13/cobra"
)

// Commands that look at traffic take some of the agent's flags. The others are there
// too, but hidden, so that one table of flags makes every default.

// fileKeys are those of commands that read files.
func fileKeys() []string {
	return []string{
		"bpf-filter", "input-from", "input-to", "input-file-read-depth", "record-max-message",
		"gap-timeout", "max-buffered", "max-buffered-per-direction", "max-connections", "http-max-head", "flow-idle-timeout",
		"service", "path-pattern", "max-paths", "max-services", "insight-memory", "insight-warmup",
		"redact", "redact-params", "max-memory", "go-memory-limit", "log-format", "verbose", "config",
	}
}

// captureKeys are those of commands that capture by themselves.
func captureKeys() []string {
	return append(fileKeys(), "input-raw", "interface", "hook", "tc-attach", "depth", "turn-budget", "sample", "ring-size",
		"shards", "max-flows", "insight-rate", "max-cpu", "degrade")
}

// addChosen adds all flags to a command and shows those that it knows.
func addChosen(cmd *cobra.Command, keys []string) {
	for _, g := range flagGroups() {
		cmd.Flags().AddFlagSet(g.flags)
	}
	for _, key := range configKeys() {
		cmd.Flags().Lookup(key).Hidden = !slices.Contains(keys, key)
	}
	cmd.Flags().SortFlags = false
}

func knows(keys []string) func(string) bool {
	return func(key string) bool { return slices.Contains(keys, key) }
}
