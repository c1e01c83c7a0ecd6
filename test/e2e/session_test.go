package e2e

import (
	"net"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/lab"
)

const (
	talkPort   = ":7000"
	talkOrigin = "192.0.2.1" + talkPort
	talkTarget = targetIP + talkPort
)

// captureTalk has the agent on the clients' side of online.
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
