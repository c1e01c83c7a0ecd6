package e2e

import (
	"io"
	"net/http"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

func TestKeepAliveConnectionsThatRunAlreadyArePickedUp(t *testing.T) {
	n := newTrio(t, 1)
	files := lab.NginxOptions{Files: map[string]int{"x": 500}}
	testutil.Nginx(t, n.online, files)
	stopTarget := testutil.Nginx(t, n.target, files)
	const conns = 5
	get := make([]func(), conns)
	for i := range get {
		transport := &http.Transport{DialContext: n.client.DialContext, MaxConnsPerHost: 1}
		defer transport.CloseIdleConnections()
		get[i] = func() {
			res, err := (&http.Client{Transport: transport}).Get("http://192.0.2.1/x")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		get[i]()
	}
	startTalker(t, n.online, talkOrigin)
	other := n.dialTalk(t) // of no protocol that is known
	defer other.Close()

	a := n.startAgent(t, "--input-raw", ":80,7000", "--output-session", targetIP+":80")
	if _, err := io.WriteString(other, "10 bytes\n"); err != nil {
		t.Fatal(err)
	}
	ask := func() {
		for _, g := range get {
			g()
		}
	}
	// So long a request waits for what may come before it; the next one is it.
	a.await("the connections to be picked up", func() bool { ask(); return a.sum("gor_sessions_running") >= conns })
	ask()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.sessions()[0]
	if s.PickedUp != conns || s.Skipped["mid-stream"] != 1 || s.Captured != conns+1 || s.Partial["unfinished"] != conns {
		t.Errorf("%+v, want %d picked up, and one not", s, conns)
	}
	if s.Sent != s.OriginalSent {
		t.Errorf("sent %d bytes of %d", s.Sent, s.OriginalSent)
	}
	for _, r := range stopTarget() {
		if r.Status != 200 {
			t.Errorf("the target answered %+v", r)
		}
	}
}
