package testutil

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// RunWithAgent builds the agent, once for all tests of a package, sets binary to it,
// runs the tests and returns their exit status. It is for TestMain.
func RunWithAgent(m *testing.M, binary *string) int {
	dir, err := os.MkdirTemp("", "gortap-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	*binary = filepath.Join(dir, "agent")
	// Without its profile what the tests compiled already will do.
	build := exec.Command("go", "build", "-pgo=off", "-o", *binary, "gortap/cmd/agent")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build agent: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
