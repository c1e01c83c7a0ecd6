package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gortap/internal/testutil"
)

// recordingOf writes n requests of one connection, all at once.
func recordingOf(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "1 %016x%08x 1700000000000000000 0\nGET /%d HTTP/1.1\r\nHost: h\r\n\r\n\n🐵🙈🙉\n", 1, i, i)
	}
	path := filepath.Join(t.TempDir(), "x.gor")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// replayed runs the agent to its end and returns its exit status and stderr.
func replayed(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var stdout, stderr testutil.Buffer
	e := env{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	return run(t.Context(), e, append(args, "--listen", "")), stderr.String()
}

func TestATargetThatHangsAtTheEndIsGivenUp(t *testing.T) {
	testutil.CheckLeaks(t)
	hung := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.Wait(make(chan struct{})))
	status, told := replayed(t, "--input-file", recordingOf(t, 200), "--output-http", "http://"+hung.Addr().String(),
		"--output-http-timeout", "100ms", "--output-stall-timeout", "200ms")
	if !strings.Contains(told, "dropped (deadline)") || !strings.Contains(told, "what they have left is dropped") {
		t.Errorf("each of the requests was waited for:\n%s", told)
	}
	if status != exitFailed || !strings.Contains(told, "agent: replay to http://"+hung.Addr().String()+": no request was answered") {
		t.Errorf("exit status %d:\n%s", status, told)
	}
}

func TestATargetThatNobodyAnswersAtFailsTheRun(t *testing.T) {
	testutil.CheckLeaks(t)
	status, told := replayed(t, "--input-file", recordingOf(t, 3), "--output-http", "http://127.0.0.1:1")
	if status != exitFailed || !strings.Contains(told, "no request was answered (3 connect)") {
		t.Errorf("exit status %d:\n%s", status, told)
	}
}

// What a limit leaves out was not to be sent.
func TestALimitThatLeavesEverythingOutFailsNothing(t *testing.T) {
	testutil.CheckLeaks(t)
	status, told := replayed(t, "--input-file", recordingOf(t, 3), "--output-http", "http://127.0.0.1:1|0.0001%")
	if status != exitDone || !strings.Contains(told, "3 dropped (sample)") {
		t.Errorf("exit status %d:\n%s", status, told)
	}
}

func TestAComparisonWithoutRecordedResponsesTellsTheRemedy(t *testing.T) {
	testutil.CheckLeaks(t)
	target := httptest.NewServer(http.NotFoundHandler())
	defer target.Close()
	status, told := replayed(t, "--input-file", recordingOf(t, 3), "--output-http", target.URL, "--compare")
	if status != exitDiffer || !strings.Contains(told, "agent: nothing was compared (") || !strings.Contains(told, "--input-raw-track-response") {
		t.Errorf("exit status %d:\n%s", status, told)
	}
}
