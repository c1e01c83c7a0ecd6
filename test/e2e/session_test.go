package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

const (
	talkPort   = ":7000"
	talkOrigin = "192.0.2.1" + talkPort
	talkTarget = targetIP + talkPort
)

// startAgent has the agent on the clients' side of online.
func (n *trio) startAgent(t *testing.T, flags ...string) *agent {
	t.Helper()
	return start(t, n.online, append([]string{"--interface", lab.Device, "--listen", listen}, flags...)...)
}

func TestSessionsOfAnyProtocolReachTheTargetToTheByte(t *testing.T) {
	n := newTrio(t, 4)
	origin, copied := startTalker(t, n.online, talkOrigin), startTalker(t, n.target, talkTarget)
	a := n.startAgent(t, "--input-raw", talkPort, "--output-session", talkTarget, "--session-log", t.TempDir()+"/log")
	const sessions = 40
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() { talk(t, n.client, talkOrigin, i*977, 5, 100_000, i) })
	}
	wg.Wait()
	a.await("the target to have them all", func() bool { return len(copied.ended()) >= sessions })
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if diff := cmp.Diff(origin.ended(), copied.ended()); diff != "" {
		t.Errorf("sessions (-captured +replayed):\n%s", diff)
	}
	s := a.sessions()[0]
	s.allReplayed(t, sessions, 1)
	if s.Received != s.OriginalReceived || s.Stalled > 0 {
		t.Errorf("received %d bytes, the clients %d; %d sessions stalled", s.Received, s.OriginalReceived, s.Stalled)
	}
	for _, peer := range copied.addresses() {
		if host, _, _ := net.SplitHostPort(peer); host != onlineBack {
			t.Errorf("a session came from %s, not from the agent's own address", peer)
		}
	}
}

func TestSessionsFromTheClientsAddressesShowThemToTheTarget(t *testing.T) {
	for _, family := range []struct{ name, origin, target string }{
		{"IPv4", talkOrigin, talkTarget},
		{"IPv6", "[2001:db8::1]" + talkPort, "[" + targetIP6 + "]" + talkPort},
	} {
		t.Run(family.name, func(t *testing.T) {
			n := newTrio(t, 3)
			origin, copied := startTalker(t, n.online, family.origin), startTalker(t, n.target, family.target)
			n.holdRoutes(t, family.target)
			a := n.startAgent(t, "--input-raw", talkPort, "--output-session", family.target, "--session-client-ip", "original")
			const sessions = 20
			for i := range sessions {
				talk(t, n.client, family.origin, i, 5000)
			}
			a.await("the target to have them all", func() bool { return len(copied.ended()) >= sessions })
			if status := a.stop(); status != 0 {
				t.Errorf("exit status %d", status)
			}
			if diff := cmp.Diff(origin.addresses(), copied.addresses()); diff != "" {
				t.Errorf("clients (-origin +target):\n%s", diff)
			}
			s := a.sessions()[0]
			s.allReplayed(t, sessions, 1)
			if s.OtherPort != 0 {
				t.Errorf("%d sessions from another port", s.OtherPort)
			}
		})
	}
}

// holdRoutes runs `agent session-routes --apply` for the test, and looks that nothing of
// it stays.
func (n *trio) holdRoutes(t *testing.T, target string) {
	t.Helper()
	cmd := exec.Command(binary, "session-routes", "--target", target, "--apply")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	before := n.routes(t)
	if err := n.online.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || !strings.Contains(line, "routes are set") {
		t.Fatalf("session-routes said %q: %v", line, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("session-routes: %v", err)
		}
		if diff := cmp.Diff(before, n.routes(t)); diff != "" {
			t.Errorf("routes (-before +after):\n%s", diff)
		}
	})
}

func (n *trio) routes(t *testing.T) string {
	t.Helper()
	all := ""
	for _, command := range []string{"rule", "-6 rule", "route show table all type local dev lo", "-6 route show table all type local dev lo"} {
		// The test's own context is over when it cleans up.
		text, err := n.online.Run(context.WithoutCancel(t.Context()), "ip", strings.Fields(command)...)
		if err != nil {
			t.Fatal(err)
		}
		all += text
	}
	return all
}

// tapeTalk records conversations to a pcap file while they go on.
func (n *trio) tapeTalk(t *testing.T, sessions int) (path string, origin *talker) {
	t.Helper()
	origin = startTalker(t, n.online, talkOrigin)
	path = filepath.Join(t.TempDir(), "talk.pcap")
	a := n.startAgent(t, "--input-raw", talkPort, "--output-file", path)
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() { talk(t, n.client, talkOrigin, i, 20_000, i*31) })
	}
	wg.Wait()
	a.await("the origin to be done", func() bool { return len(origin.ended()) >= sessions })
	if status := a.stop(); status != 0 {
		t.Fatalf("record: exit status %d", status)
	}
	return path, origin
}

func (n *trio) replayFile(t *testing.T, path string, flags ...string) *agent {
	t.Helper()
	a := launch(t, n.online, append([]string{"--input-file", path, "--listen", ""}, flags...)...)
	if status := a.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	return a
}

func TestAFileReplaysAgainAndAgainWithoutLoss(t *testing.T) {
	n := newTrio(t, 4)
	const sessions = 30
	path, origin := n.tapeTalk(t, sessions)
	n.holdRoutes(t, talkTarget)
	for run := range 2 { // at once: ports are in TIME_WAIT still
		copied := startTalker(t, n.target, talkTarget)
		a := n.replayFile(t, path, "--output-session", talkTarget, "--session-client-ip", "original")
		a.sessions()[0].allReplayed(t, sessions, 1)
		if diff := cmp.Diff(origin.ended(), copied.ended()); diff != "" {
			t.Errorf("run %d (-captured +replayed):\n%s", run, diff)
		}
		copied.listener.Close()
	}
}

func TestALossyWayToTheTargetLosesNoSession(t *testing.T) {
	n := newTrio(t, 4)
	const sessions = 100
	path, origin := n.tapeTalk(t, sessions)
	copied := startTalker(t, n.target, talkTarget)
	rules := filepath.Join(t.TempDir(), "loss.nft")
	script := "table inet loss { chain in { type filter hook input priority 0; iifname " + backDevice + " tcp dport 7000 numgen random mod 100 < 1 counter drop; }; }"
	if err := os.WriteFile(rules, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := n.target.Run(t.Context(), "nft", "-f", rules); err != nil {
		t.Fatal(err)
	}
	a := n.replayFile(t, path, "--output-session", talkTarget)
	a.sessions()[0].allReplayed(t, sessions, 1)
	if diff := cmp.Diff(origin.ended(), copied.ended()); diff != "" {
		t.Errorf("sessions (-captured +replayed):\n%s", diff)
	}
	counter, err := n.target.Run(t.Context(), "nft", "list", "ruleset")
	if err != nil || strings.Contains(counter, "packets 0 bytes 0") {
		t.Errorf("nothing was lost on the way: %v\n%s", err, counter)
	}
}

func TestSessionsAreMultipliedSampledAndMappedByPort(t *testing.T) {
	n := newTrio(t, 4)
	const sessions = 50
	path, _ := n.tapeTalk(t, sessions)
	tenfold := startTalker(t, n.target, targetIP+":7003")
	twice, tenth, none := startTalker(t, n.target, talkTarget), startTalker(t, n.target, targetIP+":7001"), startTalker(t, n.target, targetIP+":7002")
	a := n.replayFile(t, path, "--session-speed", "10", "--output-session", "7000->"+talkTarget+"|x2", "--output-session", targetIP+":7001|30%",
		"--output-session", "7002->"+targetIP+":7002", "--output-session", targetIP+":7003|x10", "--session-client-ip", "own")
	s := a.sessions()
	s[0].allReplayed(t, sessions, 2)
	if got := len(twice.ended()); got != 2*sessions {
		t.Errorf("%d sessions at the target of two copies each, want %d", got, 2*sessions)
	}
	s[3].allReplayed(t, sessions, 10)
	if got := len(tenfold.ended()); got != 10*sessions {
		t.Errorf("%d sessions at the target of ten copies each, want %d", got, 10*sessions)
	}
	sampled := uint64(len(tenth.ended()))
	if s[1].Captured != sessions || s[1].Replayed != sampled || s[1].Skipped["sample"] != sessions-sampled || sampled == 0 || sampled == sessions {
		t.Errorf("sampled: %+v, %d at the target", s[1], sampled)
	}
	if s[2].Captured != 0 || len(none.ended()) != 0 {
		t.Errorf("sessions of port 7000 went to the target of port 7002: %+v", s[2])
	}
}

func TestCurlAndKeepAliveAgainstNginx(t *testing.T) {
	n := newTrio(t, 4)
	files := lab.NginxOptions{Files: map[string]int{"small": 500, "big": 300_000}}
	stopOrigin, stopTarget := testutil.Nginx(t, n.online, files), testutil.Nginx(t, n.target, files)
	a := n.startAgent(t, "--input-raw", ":80", "--output-session", targetIP+":80", "--session-client-ip", "10.9.0.0/24", "--output-session", targetIP+":80")
	n.holdRoutes(t, targetIP+":80")
	const short, long, requests = 60, 8, 40
	for i := range short {
		name := []string{"small", "big"}[i%2]
		if out, err := n.client.Run(t.Context(), "curl", "-sS", "-o", "/dev/null", "http://192.0.2.1/"+name); err != nil {
			t.Fatal(out, err)
		}
	}
	var wg sync.WaitGroup
	for range long {
		wg.Go(func() {
			transport := &http.Transport{DialContext: n.client.DialContext, MaxConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			client := http.Client{Transport: transport}
			for range requests {
				res, err := client.Get("http://192.0.2.1/small")
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
	wg.Wait()
	const want = short + long
	a.await("all to be replayed", func() bool { return a.sum("gor_sessions_total", "outcome", "replayed") >= 2*want })
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for _, s := range a.sessions() {
		s.allReplayed(t, want, 1)
		if s.Received != s.OriginalReceived {
			t.Errorf("received %d bytes, the clients %d", s.Received, s.OriginalReceived)
		}
	}
	hits, bytesIn, bytesOut := lab.AccessTotals(stopOrigin())
	log := stopTarget()
	copies, copiedIn, copiedOut := lab.AccessTotals(log)
	if copies != 2*hits || copiedIn != 2*bytesIn || copiedOut != 2*bytesOut {
		t.Errorf("target: %d requests, %d bytes in, %d out; origin: %d, %d, %d", copies, copiedIn, copiedOut, hits, bytesIn, bytesOut)
	}
	spread := map[string]bool{}
	for _, r := range log {
		if strings.HasPrefix(r.Client, "10.9.0.") {
			spread[r.Client] = true
		}
	}
	if len(spread) < 10 {
		t.Errorf("sessions came from %d addresses of 10.9.0.0/24", len(spread))
	}
}

func TestRedisSessions(t *testing.T) {
	n := newTrio(t, 1)
	for _, ns := range []*lab.Namespace{n.online, n.target} {
		startRedis(t, ns)
	}
	a := n.startAgent(t, "--input-raw", ":6379", "--output-session", targetIP+":6379")
	out, err := n.client.Run(t.Context(), "redis-benchmark", "-h", "192.0.2.1", "-c", "20", "-n", "3000", "-d", "100", "-P", "4", "-t", "set,incr,lpush", "-q")
	if err != nil {
		t.Fatal(out, err)
	}
	a.await("all to be replayed", func() bool {
		return a.sum("gor_sessions_total") >= 60 && a.sum("gor_sessions_running") == 0
	})
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.sessions()[0]
	s.allReplayed(t, s.Captured, 1)
	const ask = "set incr lpush"
	if want, got := redisCalls(t, n.online, ask), redisCalls(t, n.target, ask); cmp.Diff(want, got) != "" {
		t.Errorf("commands (-origin +target):\n%s", cmp.Diff(want, got))
	}
	t.Logf("%+v", s)
}

func startRedis(t *testing.T, n *lab.Namespace) {
	t.Helper()
	cmd := exec.Command("redis-server", "--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--io-threads", "1")
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	deadline := time.Now().Add(startWait)
	for {
		if out, err := n.Run(t.Context(), "redis-cli", "ping"); err == nil && strings.Contains(out, "PONG") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("redis does not answer")
		}
	}
}

// redisCalls returns how often each command was called, by redis' own count.
func redisCalls(t *testing.T, n *lab.Namespace, commands string) map[string]string {
	t.Helper()
	out, err := n.Run(t.Context(), "redis-cli", "info", "commandstats")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]string{}
	for line := range strings.Lines(out) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		count, _, _ := strings.Cut(rest, ",")
		if strings.Contains(commands, name) && count != "" {
			calls[name] = count
		}
	}
	return calls
}

func TestHalfClosesAndAbortsAreReplayed(t *testing.T) {
	n := newTrio(t, 1)
	origin, copied := startTalker(t, n.online, talkOrigin), startTalker(t, n.target, talkTarget)
	a := n.startAgent(t, "--input-raw", talkPort, "--output-session", talkTarget)

	// One ends its side and reads on; one aborts in the middle of an answer; one sends
	// a lot while much comes back.
	half := n.dialTalk(t)
	fmt.Fprintf(half, "100000\n")
	_ = half.(*net.TCPConn).CloseWrite()
	if got, err := io.Copy(io.Discard, half); err != nil || got < 100_000 {
		t.Fatalf("after the half-close came %d bytes: %v", got, err)
	}
	half.Close()

	abort := n.dialTalk(t)
	fmt.Fprintf(abort, "50000000\n")
	if _, err := io.CopyN(io.Discard, abort, 200_000); err != nil {
		t.Fatal(err)
	}
	_ = abort.(*net.TCPConn).SetLinger(0)
	abort.Close()

	duplex := n.dialTalk(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 200 {
			fmt.Fprintf(duplex, "20000 %s\n", strings.Repeat("y", 20_000))
		}
		_ = duplex.(*net.TCPConn).CloseWrite()
	})
	if _, err := io.Copy(io.Discard, duplex); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	duplex.Close()

	a.await("the target to have them all", func() bool { return len(copied.ended()) >= 3 })
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if diff := cmp.Diff(origin.ended(), copied.ended()); diff != "" {
		t.Errorf("sessions (-captured +replayed):\n%s", diff)
	}
	a.sessions()[0].allReplayed(t, 3, 1)
}

func (n *trio) dialTalk(t *testing.T) net.Conn {
	t.Helper()
	c, err := n.client.DialContext(t.Context(), "tcp", talkOrigin)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
