package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// The network of these tests: clients - online - replayer - target.
type quartet struct {
	trio                 // clients and online
	there trio           // replayer and target: its online is the replayer
	link  netip.AddrPort // where the replayer takes the link
}

func newQuartet(t *testing.T) *quartet {
	t.Helper()
	p := testutil.Pair(t, 2)
	q := &quartet{
		trio:  trio{client: p.Client, online: p.Server},
		there: trio{client: p.Client, online: testutil.Namespace(t), target: testutil.Namespace(t)},
		link:  netip.MustParseAddrPort("10.2.2.2:9465"),
	}
	one := func(s string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(s)} }
	if err := lab.Link("hop", q.online, q.there.online, one("10.2.2.1/24"), one("10.2.2.2/24")); err != nil {
		t.Fatal(err)
	}
	if err := lab.Link(backDevice, q.there.online, q.there.target, one(onlineBack+"/24"), one(targetIP+"/24")); err != nil {
		t.Fatal(err)
	}
	ip(t, q.there.target, "route add default via "+onlineBack)
	return q
}

// startReplayer has the agent that takes the link.
func (q *quartet) startReplayer(t *testing.T, flags ...string) *agent {
	t.Helper()
	return start(t, q.there.online, append([]string{"--listen", listen, "--input-link", q.link.String(), "--output-session", talkTarget}, flags...)...)
}

// startSender has the agent that captures.
func (q *quartet) startSender(t *testing.T) *agent {
	t.Helper()
	a := q.startAgent(t, "--input-raw", talkPort, "--output-link", q.link.String())
	a.awaitSays("the link is up", 1)
	return a
}

func (a *agent) awaitSays(words string, times int) {
	a.t.Helper()
	a.await(fmt.Sprintf("%q", words), func() bool { return strings.Count(a.stderr.String(), words) >= times })
}

// sent is what a sender's summary tells of its link.
func (a *agent) linkOutput() outputOf {
	a.t.Helper()
	for _, o := range a.read().Outputs {
		if strings.HasPrefix(o.Name, "link:") {
			return o
		}
	}
	a.t.Fatal("no link among the outputs")
	return outputOf{}
}

func (a *agent) read() (s summaryOf) {
	a.t.Helper()
	text, err := os.ReadFile(a.summary)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

func TestTwoAgentsReplayFromTheOriginalAddresses(t *testing.T) {
	q := newQuartet(t)
	origin, copied := startTalker(t, q.online, talkOrigin), startTalker(t, q.there.target, talkTarget)
	q.there.holdRoutes(t, talkTarget)
	replayer := q.startReplayer(t, "--session-client-ip", "original")
	sender := q.startSender(t)
	const sessions = 30
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() { talk(t, q.client, talkOrigin, i*977, 5, 100_000, i) })
	}
	wg.Wait()
	replayer.await("the target to have them all", func() bool { return len(copied.ended()) >= sessions })
	for _, a := range []*agent{sender, replayer} {
		if status := a.stop(); status != 0 {
			t.Errorf("exit status %d", status)
		}
	}
	if diff := cmp.Diff(origin.ended(), copied.ended()); diff != "" {
		t.Errorf("sessions (-captured +replayed):\n%s", diff)
	}
	if diff := cmp.Diff(origin.addresses(), copied.addresses()); diff != "" {
		t.Errorf("clients (-origin +target):\n%s", diff)
	}
	s := replayer.sessions()[0]
	s.allReplayed(t, sessions, 1)
	if s.Received != s.OriginalReceived {
		t.Errorf("received %d bytes, the clients %d", s.Received, s.OriginalReceived)
	}
	out, in := sender.linkOutput(), replayer.read()
	if len(out.Dropped) != 0 || out.Sent == 0 || in.Delivered.Packets != out.Sent || len(in.Dropped) != 0 {
		t.Errorf("sent %d packets, dropped %v; %d came, dropped %v", out.Sent, out.Dropped, in.Delivered.Packets, in.Dropped)
	}
}

func TestALinkThatIsTooSlowHoldsNothingUpAndBothEndsKnowWhatIsMissing(t *testing.T) {
	q := newQuartet(t)
	origin := startTalker(t, q.online, talkOrigin)
	startTalker(t, q.there.target, talkTarget)
	replayer := q.startReplayer(t)
	sender := q.startSender(t)
	if err := replayer.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c := q.dialTalk(t)
	line := "0 " + strings.Repeat("x", 60_000) + "\n"
	for sender.sum("gor_dropped_total", "reason", "slow") == 0 {
		for range 200 { // the client is never held up by the agent
			if _, err := io.WriteString(c, line); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Close()
	sender.await("the origin to have it all", func() bool { return len(origin.ended()) == 1 })
	if err := replayer.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	talk(t, q.client, talkOrigin, 100)
	replayer.await("the second session", func() bool { return replayer.sum("gor_sessions_total", "outcome", "replayed") >= 1 })
	for _, a := range []*agent{sender, replayer} {
		if status := a.stop(); status != 0 {
			t.Errorf("exit status %d", status)
		}
	}
	out, in := sender.linkOutput(), replayer.read()
	if len(in.Dropped) != 1 || in.Dropped[0].Reason != "sender" || in.Dropped[0].Packets != out.Dropped["slow"] || in.Delivered.Packets != out.Sent {
		t.Errorf("sent %d, dropped %v; %d came, dropped %v", out.Sent, out.Dropped, in.Delivered.Packets, in.Dropped)
	}
	if in.Matched.Packets != in.Delivered.Packets+in.Dropped[0].Packets {
		t.Errorf("%d matched, %d delivered", in.Matched.Packets, in.Delivered.Packets)
	}
	s := replayer.sessions()[0]
	// The first one is cut at the gap, or before, where it arrived faster than it is played.
	if s.Captured != 2 || s.Replayed != 1 || s.Partial["lost"]+s.Partial["queue-full"] != 1 {
		t.Errorf("%+v", s)
	}
}

func TestALinkComesBackAndTakesOneAgentAtATime(t *testing.T) {
	q := newQuartet(t)
	startTalker(t, q.online, talkOrigin)
	copied := startTalker(t, q.there.target, talkTarget)
	replayer := q.startReplayer(t)
	sender := q.startSender(t)

	second := launch(t, q.online, "--interface", lab.Device, "--listen", "", "--input-raw", talkPort, "--output-link", q.link.String())
	second.awaitSays("has another agent's link already", 1)
	replayer.awaitSays("was refused", 1)
	if status := second.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}

	replayed := func(n int) {
		t.Helper()
		talk(t, q.client, talkOrigin, 10, 20)
		sender.await(fmt.Sprintf("session %d", n), func() bool { return len(copied.ended()) == n })
	}
	replayed(1)
	replayer.cmd.Process.Kill()
	<-replayer.ended
	sender.awaitSays("the link is down", 1)
	replayer = q.startReplayer(t)
	sender.awaitSays("the link is up", 2)
	replayed(2)
	sender.cmd.Process.Kill()
	<-sender.ended
	replayer.awaitSays("a link has ended", 1)
	sender = q.startSender(t)
	replayed(3)
	for _, a := range []*agent{sender, replayer} {
		if status := a.stop(); status != 0 {
			t.Errorf("exit status %d", status)
		}
	}
	replayer.sessions()[0].allReplayed(t, 2, 1)
	if in := replayer.read(); len(in.Dropped) != 0 {
		t.Errorf("dropped %v", in.Dropped)
	}
}

func TestALinkTakesWhatTcpdumpSends(t *testing.T) {
	q := newQuartet(t)
	origin, copied := startTalker(t, q.online, talkOrigin), startTalker(t, q.there.target, talkTarget)
	replayer := q.startReplayer(t)
	conn, err := q.online.DialContext(t.Context(), "tcp", q.link.String())
	if err != nil {
		t.Fatal(err)
	}
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	dump := exec.Command("tcpdump", "-i", lab.Device, "-U", "--immediate-mode", "-s0", "-w", "-", "tcp port 7000")
	dump.Stdout = file
	said, err := dump.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := q.online.Start(dump); err != nil {
		t.Fatal(err)
	}
	file.Close()
	t.Cleanup(func() {
		dump.Process.Kill()
		dump.Wait()
	})
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || !strings.Contains(line, "listening") {
		t.Fatalf("tcpdump says %q: %v", line, err)
	}
	const sessions = 5
	for i := range sessions {
		talk(t, q.client, talkOrigin, 10*i, 20_000)
	}
	replayer.await("the target to have them all", func() bool { return len(copied.ended()) == sessions })
	if status := replayer.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if diff := cmp.Diff(origin.ended(), copied.ended()); diff != "" {
		t.Errorf("sessions (-captured +replayed):\n%s", diff)
	}
	replayer.sessions()[0].allReplayed(t, sessions, 1)
}
