package main

import (
	"fmt"
	"os"
	"time"

	"gortap/internal/demo"

	"github.com/spf13/cobra"
)

func demoCommand(e env) *cobra.Command {
	duration := 10 * time.Second
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show the agent at work on nginx with real clients in a private network; leaves nothing behind (root)",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find the agent's binary: %w", err)
			}
			return demo.Run(cmd.Context(), demo.Options{Agent: self, Duration: duration, Stdout: e.stdout, Stderr: e.stderr})
		},
	}
	cmd.Flags().DurationVar(&duration, "duration", duration, "length of the load")
	return cmd
}
