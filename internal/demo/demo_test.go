package demo_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/demo"
	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// standIn makes the test binary play the agent; the value says how.
const standIn = "GORTAP_DEMO_STANDIN"

func TestMain(m *testing.M) {
	if how := os.Getenv(standIn); how != "" {
		if err := playAgent(how); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// playAgent does what the demo expects of an agent: it says when it is ready, and
// leaves a summary when it is told to end.
func playAgent(how string) error {
	if how == "broken" {
		return errors.New("attach tc to eth0: operation not permitted")
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	listen := flags.String("listen", "", "")
	path := flags.String("summary", "", "")
	for _, name := range []string{"interface", "bpf-filter", "table"} {
		flags.String(name, "", "")
	}
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	go http.ListenAndServe(*listen, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	go func() {
		if err := awaitTraffic(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		fmt.Println("traffic")
	}()
	<-term
	fmt.Println("stopped")
	return os.WriteFile(*path, []byte(`{"exchanges": 4711, "message_bytes": 1234567, "more": {}}`), 0o600)
}

// awaitTraffic returns once the link of this process's namespace has received a
// megabyte.
func awaitTraffic() error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		text, err := os.ReadFile("/proc/net/dev")
		if err != nil {
			return err
		}
		_, counters, _ := strings.Cut(string(text), lab.Device+":")
		var received int
		if _, err := fmt.Sscan(counters, &received); err != nil {
			return err
		}
		if received > 1e6 {
			return nil
		}
	}
	return nil
}

func run(t *testing.T, ctx context.Context, how string, stdout io.Writer) (stderr string, err error) {
	t.Helper()
	testutil.RequireRoot(t)
	testutil.CheckLeaks(t)
	t.Setenv(standIn, how)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var complaints bytes.Buffer
	err = demo.Run(ctx, demo.Options{
		Agent: os.Args[0], Duration: time.Second, Stdout: stdout, Stderr: &complaints,
	})
	left, globErr := filepath.Glob(filepath.Join(temp, "*"))
	if globErr != nil {
		t.Fatal(globErr)
	}
	if diff := cmp.Diff([]string(nil), left); diff != "" {
		t.Errorf("files left behind (-want +got):\n%s", diff)
	}
	return complaints.String(), err
}

func TestDemoShowsWhatServerAndAgentCounted(t *testing.T) {
	var out bytes.Buffer
	stderr, err := run(t, t.Context(), "well", &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	for _, want := range []string{"traffic\n", "stopped\n", "agent                4711          1234567\n", "Try next:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	var requests, bytes int
	_, row, _ := strings.Cut(out.String(), "nginx's log")
	if _, err := fmt.Sscan(row, &requests, &bytes); err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	// One second of every client: about 50 requests of the seven curls alone, with
	// 16 MiB in the large ones.
	if requests < 50 || bytes < 16<<20 {
		t.Errorf("nginx served %d requests, %d bytes: too little for every client to have worked", requests, bytes)
	}
	if requests > 1000 {
		t.Errorf("nginx served %d requests in a second: the load is not bounded", requests)
	}
}

// cancelWriter cancels once the agent has seen traffic.
type cancelWriter struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	cancel context.CancelFunc
}

func (w *cancelWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if strings.Contains(w.buf.String(), "traffic") {
		w.cancel()
	}
	return len(p), nil
}

func TestDemoEndsEarlyAndTidyWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &cancelWriter{cancel: cancel}
	stderr, err := run(t, ctx, "well", out)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if !strings.Contains(out.buf.String(), "stopped\n") {
		t.Errorf("the agent was not stopped in the orderly way:\n%s", out.buf.String())
	}
}

func TestDemoEndsAtOnceWhenInterruptedEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(t, ctx, "well", io.Discard); err != nil {
		t.Error(err)
	}
}

func TestDemoReportsAnAgentThatDoesNotStart(t *testing.T) {
	stderr, err := run(t, t.Context(), "broken", io.Discard)
	if err == nil || !strings.Contains(err.Error(), "the agent ended before it was ready") {
		t.Errorf("got error %v", err)
	}
	if !strings.Contains(stderr, "operation not permitted") {
		t.Errorf("the agent's words are lost: %q", stderr)
	}
}

func TestDemoNamesThePackageOfAMissingProgram(t *testing.T) {
	testutil.RequireRoot(t)
	t.Setenv("PATH", t.TempDir())
	err := demo.Run(t.Context(), demo.Options{Agent: os.Args[0], Duration: time.Second, Stdout: io.Discard, Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "apt-get install nginx-light") {
		t.Errorf("got %v, want the package to install", err)
	}
}
