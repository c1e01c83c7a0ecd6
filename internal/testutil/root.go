// Package testutil is what the tests of several packages share: private networks,
// servers with a script, and checks that nothing leaks. Only tests import it.
package testutil

import (
	"os"
	"os/exec"
	"testing"

	"gortap/internal/lab"
)

// noSkip is set where a skipped test would go unnoticed: in continuous integration.
const noSkip = "GORTAP_TEST_NOSKIP"

// RequireRoot skips the test where the process is not root.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "needs root, to make network namespaces and to load BPF programs [run: sudo make test-root]")
	}
}

func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(noSkip) != "" {
		t.Fatalf("%s is set, but this test %s", noSkip, reason)
	}
	t.Skip(reason)
}

// Namespace returns a network namespace that is removed after the test.
func Namespace(t testing.TB) *lab.Namespace {
	t.Helper()
	RequireRoot(t)
	n, err := lab.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, n.Close)
	return n
}

// Pair returns a client with so many addresses and a server, removed after the test.
func Pair(t testing.TB, clients int) *lab.Pair {
	t.Helper()
	RequireRoot(t)
	p, err := lab.NewPair(clients)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, p.Close)
	return p
}

// Nginx starts nginx in the namespace. The returned function ends it and returns
// what it logged; it is called after the test where the test does not do so.
func Nginx(t testing.TB, n *lab.Namespace, o lab.NginxOptions) (stop func() []lab.Access) {
	t.Helper()
	s, err := lab.StartNginx(t.Context(), n, o)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() []lab.Access {
		t.Helper()
		if stopped {
			return nil
		}
		stopped = true
		log, err := s.Stop()
		if err != nil {
			t.Errorf("stop nginx: %v", err)
		}
		return log
	}
	t.Cleanup(func() { stop() })
	return stop
}

func closeAfter(t testing.TB, closer func() error) {
	t.Cleanup(func() {
		if err := closer(); err != nil {
			t.Error(err)
		}
	})
}

// RequireProgram skips the test where a program is not installed.
func RequireProgram(t testing.TB, name, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip(t, "needs "+name+" [run: sudo apt-get install "+debianPackage+"]")
	}
}
