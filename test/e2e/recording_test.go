package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// record lets the clients speak while the agent records to a .gor file, and returns
// who served them, and the recording.
func recordDialogues(t *testing.T, p *lab.Pair) (*keeper, string) {
	t.Helper()
	source := startKeeper(t, p.Server, original, false)
	pattern := filepath.Join(t.TempDir(), "rec.gor")
	a := start(t, p.Server, "--interface", lab.Device, "--input-raw", ":80", "--output-file", pattern)
	speak(t, p.Client, original)
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if s := a.readSummary(); s.sent() != uint64(source.count()) {
		t.Errorf("%d requests, %d recorded: %+v", source.count(), s.sent(), s.Records)
	}
	return source, strings.TrimSuffix(pattern, ".gor") + "_0.gor"
}

func TestWhatIsRecordedIsReplayedToTheByte(t *testing.T) {
	p := testutil.Pair(t, 1)
	source, recording := recordDialogues(t, p)
	k := startKeeper(t, p.Server, target, false)
	a := launch(t, p.Server, "--listen", "", "--input-file", recording+"|10000%", "--output-http", "http://"+target, "--http-original-host")
	if status := a.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if diff := cmp.Diff(source.digests(), k.digests()); diff != "" {
		t.Errorf("requests (-captured +replayed):\n%s", diff)
	}
	if s := a.readSummary(); s.Exchanges != uint64(source.count()) {
		t.Errorf("%d exchanges counted in the recording, want %d", s.Exchanges, source.count())
	}
}

func TestGoReplayReplaysWhatIsRecorded(t *testing.T) {
	gor := testutil.GoReplay(t)
	p := testutil.Pair(t, 1)
	source := startKeeper(t, p.Server, original, false)
	pattern := filepath.Join(t.TempDir(), "rec.gor")
	a := start(t, p.Server, "--interface", lab.Device, "--input-raw", ":80", "--output-file", pattern)
	speakPlainly(t, p.Client)
	a.stop()
	k := startKeeper(t, p.Server, target, false)
	replay := exec.Command(gor, "--input-file", strings.TrimSuffix(pattern, ".gor")+"_0.gor", "--output-http", "http://"+target, "--http-original-host", "--exit-after", "20s")
	runUntil(t, p.Server, replay, func() bool { return k.count() >= source.count() })
	if diff := cmp.Diff(normalized(source), normalized(k)); diff != "" {
		t.Errorf("requests (-recorded +replayed by GoReplay):\n%s", diff)
	}
}

func TestWhatGoReplayRecordsIsReplayed(t *testing.T) {
	gor := testutil.GoReplay(t)
	p := testutil.Pair(t, 1)
	source := startKeeper(t, p.Server, original, false)
	dir := t.TempDir()
	record := exec.Command(gor, "--input-raw", "192.0.2.1:80", "--output-file", filepath.Join(dir, "rec.gor"), "--output-file-flush-interval", "100ms", "--exit-after", "20s")
	recorded := func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "rec_0.gor"))
		return strings.Contains(string(text), "🐵🙈🙉") // it may lose some
	}
	if err := p.Server.Start(record); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = record.Wait()
	}()
	// It says nothing when it captures: it does once a request of the client is there.
	deadline := time.After(startWait)
	for !recorded() {
		speakPlainly(t, p.Client)
		select {
		case <-deadline:
			t.Skip("GoReplay recorded nothing here")
		case <-time.After(20 * pollEvery):
		}
	}
	_ = record.Process.Signal(os.Interrupt)
	<-ended

	k := startKeeper(t, p.Server, target, false)
	a := launch(t, p.Server, "--listen", "", "--input-file", filepath.Join(dir, "rec_0.gor")+"|10000%", "--output-http", "http://"+target, "--http-original-host")
	if status := a.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	sent := map[string]bool{}
	for _, d := range source.digests() {
		sent[d] = true
	}
	if k.count() == 0 {
		t.Error("nothing was replayed")
	}
	for _, d := range k.digests() {
		if !sent[d] {
			t.Errorf("replayed what was never sent: %s", d)
		}
	}
	if s := a.readSummary(); s.sent() != uint64(k.count()) {
		t.Errorf("%d sent, %d arrived", s.sent(), k.count())
	}
}

// speakPlainly sends what GoReplay records without fault: one request at a time, in
// one segment each.
func speakPlainly(t *testing.T, n *lab.Namespace) {
	t.Helper()
	for _, request := range []string{
		"GET /one?a=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n",
		"POST /two HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\n\r\nbody",
	} {
		c, err := n.DialContext(t.Context(), "tcp", original)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

// normalized are the requests without what GoReplay's client adds to them.
func normalized(k *keeper) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for _, r := range k.requests {
		line, _, _ := strings.Cut(string(r), "\r\n")
		_, body, _ := strings.Cut(string(r), "\r\n\r\n")
		all = append(all, line+" "+body)
	}
	slices.Sort(all)
	return all
}

// runUntil runs a command until something holds, then interrupts it.
func runUntil(t *testing.T, n *lab.Namespace, cmd *exec.Cmd, holds func() bool) {
	t.Helper()
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	deadline := time.After(startWait)
	for wait := true; wait && !holds(); {
		select {
		case <-ended:
			wait = false
		case <-deadline:
			wait = false
		case <-time.After(pollEvery):
		}
	}
	_ = cmd.Process.Signal(os.Interrupt)
	<-ended
}
