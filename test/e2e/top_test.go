package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gortap/internal/lab"
	"gortap/internal/testutil"
	"gortap/internal/testutil/corpus"
)

// The keys as xterm sends them.
const (
	keyEnter = "\r"
	keyBack  = "\x7f"
	keyDown  = "\x1b[B"
	keyRight = "\x1b[C"
	keyEsc   = "\x1b"
)

func TestTopOfAFileIsDrivenByKeys(t *testing.T) {
	x := onTerminal(t, nil, 80, 24, nil, "top", sajal(t))
	x.await("GET /pagead/", "bytes/s", "share", "? help")
	x.press("1")
	x.await("www.reddit.com", "www.google-analytics.com")
	x.press("/reddit" + keyEnter)
	x.await("filter: reddit")
	x.press(keyEnter)
	x.await("www.reddit.com", "/static/css/r", "GET ")
	x.press(keyEnter)
	x.await("192.168.0.145")
	x.press(keyEnter)
	x.await("received", "status", "took")
	x.press(keyBack + keyBack + keyBack)
	x.await("www.google-analytics.com")
	x.press("?")
	x.await("Who uses the bandwidth.")
	x.resize(200, 50)
	x.press("q2")
	x.await("size p99", "time p99")
	x.press(" ")
	x.await("PAUSED")
	x.press(" r" + keyRight + keyDown)
	x.press("q")
	if status := x.awaitEnd(); status != 0 {
		t.Errorf("status %d", status)
	}
	x.checkRestored()
}

func TestTopGivesTheTerminalBackOnSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(s.String(), func(t *testing.T) {
			x := onTerminal(t, nil, 80, 24, nil, "top", sajal(t))
			x.await("GET /pagead/")
			if err := x.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			if status := x.awaitEnd(); status != 0 {
				t.Errorf("status %d", status)
			}
			x.checkRestored()
		})
	}
}

func TestTopIsSuspendedAndContinued(t *testing.T) {
	x := onTerminal(t, nil, 80, 24, nil, "top", sajal(t))
	x.await("GET /pagead/")
	x.press("\x1a") // Ctrl-Z
	deadline := time.Now().Add(startWait)
	for processState(t, x.cmd.Process.Pid) != 'T' {
		if time.Now().After(deadline) {
			t.Fatal("it does not stop")
		}
		time.Sleep(pollEvery)
	}
	x.checkRestored()
	if err := x.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// What is typed while it takes the terminal again is thrown away by that.
	deadline = time.Now().Add(startWait)
	for !strings.Contains(x.text(), "192.168.0.145") && time.Now().Before(deadline) {
		x.press("3")
		time.Sleep(pollEvery)
	}
	x.await("192.168.0.145", "client")
	x.press("q")
	x.awaitEnd()
	x.checkRestored()
}

// An SGR sequence that sets a colour: 30 to 49 or 90 to 107, alone or among others.
var colour = regexp.MustCompile(`\x1b\[(\d*;)*(3[0-8]|4[0-8]|9\d|10[0-7])(;\d+)*m`)

func TestTopHasColoursUnlessToldNotTo(t *testing.T) {
	for _, env := range []string{"NO_COLOR=", "NO_COLOR=1"} {
		x := onTerminal(t, nil, 80, 24, []string{env}, "top", sajal(t))
		x.await("GET /pagead/")
		x.press("q")
		x.awaitEnd()
		if has := colour.MatchString(x.raw.String()); has != (env == "NO_COLOR=") {
			t.Errorf("%s: colours: %v", env, has)
		}
	}
}

// One agent captures on a terminal of its own, another is looked into through its API.
func TestTopShowsLiveTrafficAndAnotherAgents(t *testing.T) {
	n := testutil.Namespace(t)
	testutil.Nginx(t, n, lab.NginxOptions{Files: map[string]int{"10k": 10_000}})
	own := onTerminal(t, n, 100, 30, nil, "top", "--input-raw", ":80")
	own.await("tcp and (port 80)", "bytes/s")
	other := start(t, n, "--input-raw", ":80", "--table", "never", "--listen", listen)
	far := onTerminal(t, n, 100, 30, nil, "top", "--attach", "http://"+listen)
	far.await("bytes/s")
	client := http.Client{Transport: &http.Transport{DialContext: n.DialContext}}
	defer client.CloseIdleConnections()
	for range 20 {
		res, err := client.Get("http://127.0.0.1/10k")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	for _, x := range []*terminal{own, far} {
		x.await("GET /10k", "207 kB")
		x.press(keyEnter)
		x.await("127.0.0.1")
		x.press("q")
		if status := x.awaitEnd(); status != 0 {
			t.Errorf("status %d: %s", status, tail(x.raw.String(), 500))
		}
		x.checkRestored()
	}
	own.awaitWritten("matched") // the capture's summary
	other.stop()
}

// An agent that listens for others asks for a token, by TLS. What is wrong is said before
// the screen is taken.
func TestTopOfAnAgentThatWantsATokenByTLS(t *testing.T) {
	n := testutil.Namespace(t)
	testutil.Nginx(t, n, lab.NginxOptions{Files: map[string]int{"10k": 10_000}})
	cert, key := testutil.Certificate(t)
	token := filepath.Join(t.TempDir(), "token")
	for file, text := range map[string]string{token: "correct-horse-battery-staple\n", token + ".wrong": "some-other-secret-of-that-length\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := launch(t, n, "--input-raw", ":80", "--listen", "0.0.0.0:9464", "--web-token-file", token, "--web-cert", cert, "--web-key", key, "--log-format", "json")
	a.await("the agent to serve its page", func() bool { return strings.Contains(a.stderr.String(), `"page":"https://`) })
	client := http.Client{Transport: &http.Transport{DialContext: n.DialContext}}
	defer client.CloseIdleConnections()
	for range 20 {
		if err := ask(t.Context(), &client, http.MethodGet, "http://127.0.0.1/10k", nil); err != nil {
			t.Fatal(err)
		}
	}
	const far = "https://127.0.0.1:9464"
	for name, tc := range map[string]struct {
		flags []string
		want  string
	}{
		"no token":                     {[]string{"--ca-file", cert}, "wants a token"},
		"another token":                {[]string{"--ca-file", cert, "--token-file", token + ".wrong"}, "wants a token"},
		"a certificate of nobody's":    {[]string{"--token-file", token}, "--ca-file"},
		"plain text where TLS is used": {[]string{"--token-file", token, "--attach", "http://127.0.0.1:9464"}, "use https://"},
	} {
		x := onTerminal(t, n, 100, 30, nil, append([]string{"top", "--attach", far}, tc.flags...)...)
		if status := x.awaitEnd(); status != 1 {
			t.Errorf("%s: status %d", name, status)
		}
		x.awaitWritten(tc.want)
		x.checkRestored()
	}
	x := onTerminal(t, n, 100, 30, nil, "top", "--attach", far, "--ca-file", cert, "--token-file", token)
	x.await("GET /10k", "207 kB")
	x.press("q")
	if status := x.awaitEnd(); status != 0 {
		t.Errorf("status %d: %s", status, tail(x.raw.String(), 500))
	}
	x.checkRestored()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestTopWithoutATerminalSaysWhatToDo(t *testing.T) {
	out, err := exec.Command(binary, "top", "x.pcap").CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 || !strings.Contains(string(out), "use `agent report`") {
		t.Errorf("%v: %s", err, out)
	}
	x := onTerminal(t, nil, 80, 24, []string{"TERM=dumb"}, "top", sajal(t))
	if status := x.awaitEnd(); status != 1 {
		t.Errorf("status %d", status)
	}
	x = onTerminal(t, nil, 80, 24, nil, "top", "--attach", "127.0.0.1:1")
	if status := x.awaitEnd(); status != 1 {
		t.Errorf("status %d", status)
	}
	x.checkRestored()
}

// sajal is a capture of a browser's morning.
func sajal(t *testing.T) string {
	entry := corpus.Get(t, "pcap2har-sajal.pcap")
	return entry.Path()
}
