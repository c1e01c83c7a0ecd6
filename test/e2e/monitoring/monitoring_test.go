// Package monitoring tests what is in configs/ for the systems that read the
// agent's metrics and lines, with the real programs where Debian has them. It
// needs root, nginx, wrk, prometheus and promtool.
package monitoring

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

const (
	configs      = "../../../configs"
	agentAddress = "127.0.0.1:9464"
	startWait    = 30 * time.Second
	pollEvery    = 50 * time.Millisecond
	answerWait   = 5 * time.Second
)

// binary is the agent, built once for all tests by TestMain.
var binary string

func TestMain(m *testing.M) { os.Exit(testutil.RunWithAgent(m, &binary)) }

// program is a child in a namespace. It is killed after the test, and what it
// said is logged where the test failed.
type program struct {
	name  string
	ended chan struct{}
	end   func()
}

func launch(t *testing.T, n *lab.Namespace, name string, args ...string) *program {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	p := &program{name: filepath.Base(name), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // what it said tells more
	}()
	p.end = func() {
		_ = cmd.Process.Kill()
		<-p.ended
	}
	t.Cleanup(func() {
		p.end()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, said.String())
		}
	})
	return p
}

// await polls a condition until it holds; the program must not end meanwhile.
func (p *program) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(startWait)
	for !holds() {
		select {
		case <-p.ended:
			t.Fatalf("wait for %s: %s ended", what, p.name)
		case <-deadline:
			t.Fatalf("wait for %s: not within %v", what, startWait)
		case <-time.After(pollEvery):
		}
	}
}

// get asks a server in the namespace. The status is 0 where there is none yet.
func get(t *testing.T, n *lab.Namespace, url string) (status int, body []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), answerWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		return 0, nil
	}
	return res.StatusCode, body
}

// startAgent returns once the agent captures.
func startAgent(t *testing.T, n *lab.Namespace, flags ...string) *program {
	t.Helper()
	a := launch(t, n, binary, flags...)
	a.await(t, "the agent to be ready", func() bool {
		status, _ := get(t, n, "http://"+agentAddress+"/readyz")
		return status == http.StatusOK
	})
	return a
}

// readConfig returns a file of configs/.
func readConfig(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(configs, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// readYAML decodes all documents of a file of configs/.
func readYAML[T any](t *testing.T, name string) (documents []T) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(readConfig(t, name)))
	for {
		var d T
		err := decoder.Decode(&d)
		if err == io.EOF {
			return documents
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		documents = append(documents, d)
	}
}
