package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gortap/internal/lab"
	"gortap/internal/testutil"

	"golang.org/x/sys/unix"
)

const hundredRequests = "for i in $(seq 100); do curl -s -o /dev/null http://192.0.2.1/small.txt || exit 1; done"

// askHundred makes a hundred requests from the client.
func askHundred(t *testing.T, p *lab.Pair) {
	t.Helper()
	if _, err := p.Client.Run(t.Context(), "sh", "-c", hundredRequests); err != nil {
		t.Fatal(err)
	}
}

func watched(t *testing.T, flags ...string) (*lab.Pair, *agent) {
	t.Helper()
	p := testutil.Pair(t, 1)
	testutil.Nginx(t, p.Server, lab.NginxOptions{Files: nginxFiles})
	return p, start(t, p.Server, append([]string{"--interface", lab.Device, "--bpf-filter", "tcp port 80"}, flags...)...)
}

func nothingAttached(t *testing.T, n *lab.Namespace) {
	t.Helper()
	if left := testutil.Attached(t, n, lab.Device); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSigtermEndsCleanlyWithEverythingAccounted(t *testing.T) {
	for _, how := range []string{"auto", "clsact"} {
		t.Run(how, func(t *testing.T) {
			p, a := watched(t, "--tc-attach", how)
			askHundred(t, p)
			// At once: the last connections are still in the kernel's table.
			if status := a.stop(); status != 0 {
				t.Errorf("exit status %d", status)
			}
			s := a.readSummary()
			s.conserved(t)
			if s.Exchanges != 100 || len(s.Incomplete) > 0 {
				t.Errorf("%d exchanges, incomplete %v; want 100 and none", s.Exchanges, s.Incomplete)
			}
			if s.MessageBytes != s.TCPPayloadBytes {
				t.Errorf("%d of %d payload bytes are in messages", s.MessageBytes, s.TCPPayloadBytes)
			}
			nothingAttached(t, p.Server)
		})
	}
}

func TestXDPSeesWhatIsReceived(t *testing.T) {
	p, a := watched(t, "--hook", "xdp")
	askHundred(t, p)
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.readSummary()
	// The clients acknowledge responses that were never seen.
	if s.Exchanges != 100 || s.Incomplete["lost"] != 100 {
		t.Errorf("%d exchanges, incomplete %v; want 100 whose response is lost", s.Exchanges, s.Incomplete)
	}
	if !strings.Contains(a.stderr.String(), "received") {
		t.Errorf("nothing tells the user that xdp sees one direction only: %s", a.stderr.String())
	}
}

func TestExitAfter(t *testing.T) {
	a := launch(t, testutil.Namespace(t), "--bpf-filter", "tcp", "--exit-after", "300ms")
	if status := a.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestKillLeavesNothingBehind(t *testing.T) {
	for _, hook := range []string{"tc", "xdp"} {
		t.Run(hook, func(t *testing.T) {
			p, a := watched(t, "--hook", hook)
			if len(testutil.Attached(t, p.Server, lab.Device)) == 0 {
				t.Fatal("nothing was attached")
			}
			_ = a.cmd.Process.Kill()
			<-a.ended
			// The kernel frees links behind the process's end.
			left := testutil.Attached(t, p.Server, lab.Device)
			for deadline := time.Now().Add(startWait); len(left) > 0 && time.Now().Before(deadline); {
				time.Sleep(pollEvery)
				left = testutil.Attached(t, p.Server, lab.Device)
			}
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestAnInterfaceThatVanishesEndsNothing(t *testing.T) {
	p, a := watched(t)
	askHundred(t, p)
	if _, err := p.Server.Run(t.Context(), "ip", "link", "del", lab.Device); err != nil {
		t.Fatal(err)
	}
	a.await("the loss of the interface to be noticed", func() bool {
		return strings.Contains(a.stderr.String(), "interface gone")
	})
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if s := a.readSummary(); s.Exchanges != 100 {
		t.Errorf("%d exchanges, want 100", s.Exchanges)
	}
}

func TestAFullDiskCostsLinesAndNothingElse(t *testing.T) {
	testutil.RequireRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "x.jsonl")
	p, a := watched(t, "--output-jsonl", path)
	askHundred(t, p)
	a.await("the disk to be full", func() bool { return strings.Contains(a.stderr.String(), "no space") })
	a.stop()
	s := a.readSummary()
	if s.Exchanges != 100 {
		t.Errorf("%d exchanges, want 100", s.Exchanges)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := uint64(bytes.Count(text, []byte("\n")))
	if len(s.Outputs) != 1 || s.Outputs[0].Sent != lines || s.Outputs[0].Sent+total(s.Outputs[0].Dropped) != 100 {
		t.Errorf("outputs %+v; the file has %d lines", s.Outputs, lines)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		t.Error("the file ends in half a line")
	}
}

// mistake is a command line that cannot work, and what the user is told.
type mistake struct {
	name   string
	args   []string
	status int
	want   []string
}

func TestMistakesAreToldInOneLineWithTheRemedy(t *testing.T) {
	n := testutil.Namespace(t)
	taken, err := n.Listen(t.Context(), "tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	damaged := damagedCapture(t)
	for _, m := range []mistake{
		{"nothing to do", nil, 2, []string{"--bpf-filter", "--input-file"}},
		{"unknown flag", []string{"--bpf-fliter", "tcp"}, 2, []string{"bpf-fliter", "--help"}},
		{"unknown command", []string{"tpo"}, 2, []string{"tpo", "--help"}},
		{"port in use", []string{"--bpf-filter", "tcp"}, 1, []string{listen, "in use", "--listen"}},
		{"no such interface", []string{"--bpf-filter", "tcp", "--listen", "", "--interface", "eth7"}, 1, []string{"eth7", "lo"}},
		{"no such file", []string{"--input-file", "/nonexistent/*.pcap"}, 2, []string{"/nonexistent/*.pcap"}},
		{"output over the input", []string{"--input-file", damaged, "--output-file", damaged, "--listen", ""}, 2, []string{damaged, "also an input"}},
		{"damaged file", []string{"--input-file", damaged, "--listen", ""}, 1, []string{damaged, "at byte"}},
		{"summary in no folder", []string{"--bpf-filter", "tcp", "--listen", "", "--summary", "/nonexistent/x"}, 1, []string{"/nonexistent/x"}},
		{"two owners of an interface", []string{"--input-raw", "lo:80", "--interface", "eth0"}, 2, []string{"--interface"}},
		{"output in no folder", []string{"--bpf-filter", "tcp", "--listen", "", "--output-jsonl", "/nonexistent/x"}, 1, []string{"/nonexistent/x"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			a := launch(t, n, m.args...)
			if status := a.wait(); status != m.status {
				t.Errorf("exit status %d, want %d", status, m.status)
			}
			a.explained(m.want)
		})
	}
}

// explained checks what the agent wrote about an error, which ends its stderr.
func (a *agent) explained(want []string) {
	a.t.Helper()
	_, text, _ := strings.Cut("\n"+a.stderr.String(), "\nagent: ")
	line := "agent: " + text
	if strings.Count(line, "\n") != 1 {
		a.t.Errorf("want one line, got %q", a.stderr.String())
	}
	for _, w := range want {
		if !strings.Contains(line, w) {
			a.t.Errorf("%q does not tell of %q", line, w)
		}
	}
}

func TestAWrongFilterIsShownWithACaret(t *testing.T) {
	a := launch(t, testutil.Namespace(t), "--bpf-filter", "tcp port 80 andd host 10.0.0.1")
	if status := a.wait(); status != 2 {
		t.Errorf("exit status %d, want 2", status)
	}
	if got := a.stderr.String(); !strings.Contains(got, "syntax error") || !strings.HasSuffix(got, "\n            ^^^^\n") {
		t.Errorf("got:\n%s", got)
	}
}

func damagedCapture(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../internal/testutil/corpus/data/zeek-get-gzip.pcap")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.pcap")
	if err := os.WriteFile(path, text[:len(text)-7], 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// as is a user without privileges but those named.
func as(capabilities string) []string {
	args := []string{"--reuid", "65534", "--regid", "65534", "--clear-groups"}
	if capabilities != "" {
		return append(args, "--inh-caps", capabilities, "--ambient-caps", capabilities, "--bounding-set", capabilities)
	}
	return append(args, "--bounding-set", "-all")
}

func runAs(t *testing.T, n *lab.Namespace, capabilities string, flags ...string) (int, string) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(binary), 0o755); err != nil {
		t.Fatal(err)
	}
	args := append(as(capabilities), binary)
	cmd := exec.Command("setpriv", append(args, flags...)...)
	var out locked
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), out.String()
}

func TestWithoutPrivilegesTheRemedyIsNamed(t *testing.T) {
	status, out := runAs(t, testutil.Namespace(t), "", "--bpf-filter", "tcp", "--exit-after", "1s")
	if status != 1 || !strings.Contains(out, "CAP_BPF") || strings.Count(out, "\n") != 1 {
		t.Errorf("exit status %d, told %q", status, out)
	}
}

func TestThreeCapabilitiesAreEnough(t *testing.T) {
	for _, hook := range [][]string{{"tc", "tcx"}, {"tc", "clsact"}, {"xdp", "auto"}} {
		t.Run(strings.Join(hook, " "), func(t *testing.T) {
			status, out := runAs(t, testutil.Namespace(t), "+bpf,+net_admin,+perfmon", "--bpf-filter", "tcp", "--exit-after", "2s",
				"--hook", hook[0], "--tc-attach", hook[1])
			if status != 0 || !strings.Contains(out, "capturing tcp on lo") {
				t.Errorf("exit status %d, told %q", status, out)
			}
		})
	}
}

func TestALostReaderOfStdoutEndsTheRun(t *testing.T) {
	n := testutil.Namespace(t)
	testutil.Nginx(t, n, lab.NginxOptions{Files: nginxFiles})
	script := binary + " --bpf-filter 'tcp port 80' --listen '' --output-jsonl - | head -1"
	cmd := exec.Command("sh", "-c", script)
	var out, messages locked
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	ask := "curl -s -o /dev/null http://127.0.0.1/small.txt"
	for deadline := time.Now().Add(startWait); ; {
		select {
		case <-ended:
			if !strings.Contains(out.String(), "/small.txt") {
				t.Errorf("got %q", out.String())
			}
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("it goes on without a reader: %s", messages.String())
		}
		if _, err := n.Run(t.Context(), "sh", "-c", ask); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTwoAgentsDoNotDisturbEachOther(t *testing.T) {
	p, a := watched(t)
	b := launch(t, p.Server, "--interface", lab.Device, "--bpf-filter", "tcp port 80", "--listen", "127.0.0.1:9465")
	b.await("the second agent to capture", func() bool { return strings.Contains(b.stderr.String(), "capturing") })
	askHundred(t, p)
	for _, one := range []*agent{a, b} {
		if status := one.stop(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		if s := one.readSummary(); s.Exchanges != 100 {
			t.Errorf("%d exchanges, want 100", s.Exchanges)
		}
	}
	nothingAttached(t, p.Server)
}
