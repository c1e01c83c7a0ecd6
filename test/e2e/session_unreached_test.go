package e2e

import (
	"strings"
	"testing"
)

func TestAReplayWhoseAnswersDoNotComeSaysSo(t *testing.T) {
	n := newTrio(t, 1)
	const sessions = 5
	path, _ := n.tapeTalk(t, sessions)
	startTalker(t, n.target, talkTarget)
	ip(t, n.target, "route del default") // nor are there routes here
	a := launch(t, n.online, "--input-file", path, "--listen", "", "--output-session", talkTarget, "--session-client-ip", "original", "--session-timeout", "1s")
	if status := a.wait(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	const remedy = "agent doctor --target " + talkTarget + " --session-client-ip original"
	said := a.stderr.String()
	if warned := strings.Count(said, "a session was not replayed"); warned != 1 || strings.Count(said, remedy) != 3 {
		t.Errorf("%d warnings, want one, with the remedy there, in the summary and in the error:\n%s", warned, said)
	}
	s := a.sessions()[0]
	if s.Captured != sessions || s.Replayed != 0 || s.Skipped["connect-timeout"] != sessions || s.Unreached != sessions {
		t.Errorf("%+v", s)
	}
}
