package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/lab"
	"gortap/internal/testutil"
	"gortap/internal/testutil/corpus"
)

// Where requests are captured, and where they are replayed to.
const (
	original = "192.0.2.1:80"
	target   = "127.0.0.1:8081"
)

// dialogue is what a client sends on one connection, piece by piece: it waits for
// answers before the next piece.
type dialogue []struct {
	send    string
	answers int // of which it waits, interim ones included
}

// dialogues are what recorders get wrong.
func dialogues() []dialogue {
	get := "GET /plain?a=1 HTTP/1.1\r\nhOST: Shop.example\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\n"
	big := strings.Repeat("0123456789abcdef", 6<<20/16)
	return []dialogue{
		{{get, 1}, {"HEAD /head HTTP/1.1\r\nHost: h\r\n\r\n", 1}, {get, 1}},
		{{get + get + "GET /third HTTP/1.1\r\nHost: h\r\n\r\n", 3}},
		{{fmt.Sprintf("PUT /big HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", len(big)) + big, 1}},
		{{"POST /chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nab", 0}, {"cde\r\n0\r\nX-Trailer: t\r\n\r\n", 1}},
		{{"POST /expect HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", 1}, {"body", 1}},
		{{"POST /separator HTTP/1.1\r\nHost: h\r\nContent-Length: 34\r\n\r\nx\n🐵🙈🙉\n1 abc 123 0\nGET / H", 1}},
		{{"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 1}},
	}
}

// speak plays the dialogues, each on a connection of its own.
func speak(t *testing.T, n *lab.Namespace, addr string) {
	t.Helper()
	for i, d := range dialogues() {
		c, err := n.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		in := bytes.Buffer{}
		for _, piece := range d {
			if _, err := io.WriteString(c, piece.send); err != nil {
				t.Fatalf("dialogue %d: %v", i, err)
			}
			awaitAnswers(t, c, &in, piece.answers)
		}
		c.Close()
	}
}

func awaitAnswers(t *testing.T, c net.Conn, in *bytes.Buffer, n int) {
	t.Helper()
	in.Reset()
	b := make([]byte, 4096)
	for strings.Count(in.String(), "HTTP/1.1 ") < n || !strings.HasSuffix(in.String(), "ok") && !strings.HasSuffix(in.String(), "\r\n\r\n") {
		if n == 0 {
			return
		}
		k, err := c.Read(b)
		if err != nil {
			t.Fatalf("wait for answer %d: %v in %q", n, err, in)
		}
		in.Write(b[:k])
	}
}

// sentOf and droppedOf are of all outputs of a summary.
func (s *summaryOf) sent() (n uint64) {
	for _, o := range s.Outputs {
		n += o.Sent
	}
	return n
}

func (s *summaryOf) droppedByOutputs() (n uint64) {
	for _, o := range s.Outputs {
		for _, d := range o.Dropped {
			n += d
		}
	}
	return n
}

func TestShadowedRequestsAreTheSameToTheByte(t *testing.T) {
	p := testutil.Pair(t, 1)
	source, shadow := startKeeper(t, p.Server, original, false), startKeeper(t, p.Server, target, false)
	a := start(t, p.Server, "--interface", lab.Device, "--input-raw", ":80", "--output-http", "http://"+target, "--http-original-host", "--output-http-allow-unsafe")
	speak(t, p.Client, original)
	a.await("the shadow to have them all", func() bool { return shadow.count() >= source.count() })
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if diff := cmp.Diff(source.digests(), shadow.digests()); diff != "" {
		t.Errorf("requests (-captured +replayed):\n%s", diff)
	}
	s := a.readSummary()
	if s.Records.Requests != uint64(source.count()) || s.sent() != s.Records.Requests {
		t.Errorf("captured %d, recorded %d, sent %d", source.count(), s.Records.Requests, s.sent())
	}
}

func TestATargetThatHangsCostsOnlyItsOwnRecords(t *testing.T) {
	p := testutil.Pair(t, 4)
	stopNginx := testutil.Nginx(t, p.Server, lab.NginxOptions{Files: nginxFiles})
	startKeeper(t, p.Server, target, true)
	shadow := startKeeper(t, p.Server, "127.0.0.1:8082", false)
	a := start(t, p.Server, "--interface", lab.Device, "--input-raw", ":80",
		"--output-http", "http://"+target, "--output-http", "http://127.0.0.1:8082", "--output-http-queue-len", "100", "--output-http-timeout", "30s")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { goKeepAlive(t, p.Client) })
	}
	wg.Wait()
	log := stopNginx()
	a.await("the books to balance", func() bool { return a.sum("gor_requests_total") >= float64(len(log)) })
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.readSummary()
	s.conserved(t)
	if s.Exchanges != uint64(len(log)) {
		t.Errorf("%d exchanges counted, nginx logged %d", s.Exchanges, len(log))
	}
	dropped := map[string]uint64{}
	for _, d := range s.Records.Dropped {
		dropped[d.Stage] += d.Records
	}
	if s.Records.Messages != s.Records.Recorded+dropped["recorder"] || s.Records.Recorded != s.Records.Dispatched || s.Records.Requests != uint64(len(log)) {
		t.Errorf("records are not conserved: %+v", s.Records)
	}
	for _, o := range s.Outputs {
		n := o.Sent
		for _, d := range o.Dropped {
			n += d
		}
		if n != s.Records.Requests {
			t.Errorf("%s: %d sent and %v dropped of %d", o.Name, o.Sent, o.Dropped, s.Records.Requests)
		}
	}
	if hung, fine := s.Outputs[0], s.Outputs[1]; hung.Sent != 0 || uint64(shadow.count()) != fine.Sent {
		t.Errorf("the target that hangs: %d sent; the other: %d sent, %d arrived", hung.Sent, fine.Sent, shadow.count())
	}
}

func TestAReplayToTheCapturedServerIsNotCapturedAgain(t *testing.T) {
	p := testutil.Pair(t, 1)
	source := startKeeper(t, p.Server, original, false)
	a := start(t, p.Server, "--input-raw", ":80", "--output-http", "http://"+original)
	const n = 50
	client := &http.Client{Transport: &http.Transport{DialContext: p.Client.DialContext}}
	for range n {
		get(t, client, "http://"+original+"/")
	}
	client.CloseIdleConnections()
	a.await("the replay", func() bool { return source.count() >= 2*n })
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.readSummary()
	if s.Records.Requests != n || s.sent() != n || source.count() != 2*n {
		t.Errorf("%d requests: %d captured, %d sent, %d arrived", n, s.Records.Requests, s.sent(), source.count())
	}
}

func get(t *testing.T, c *http.Client, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
}

func TestACaptureFileIsReplayed(t *testing.T) {
	n := namespace(t)
	k := startKeeper(t, n, target, false)
	e := corpus.Get(t, "gen-concurrent-v6.pcapng")
	a := launch(t, n, "--listen", "", "--input-file", e.Path()+"|10000%", "--output-http", "http://"+target, "--http-original-host")
	if status := a.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if k.count() != e.HTTPPaired {
		t.Errorf("%d requests arrived, the capture has %d", k.count(), e.HTTPPaired)
	}
	s := a.readSummary()
	if s.sent() != uint64(e.HTTPPaired) || s.droppedByOutputs() != 0 || s.Outputs[0].Lag == nil || s.Outputs[0].LagP99 == nil {
		t.Errorf("%+v", s.Outputs)
	}
	if k.opened != e.TCPStreams {
		t.Errorf("%d connections opened, the capture has %d", k.opened, e.TCPStreams)
	}
}

func TestARecordingOfGoReplayIsReplayedAndCounted(t *testing.T) {
	n := namespace(t)
	k := startKeeper(t, n, target, false)
	a := launch(t, n, "--listen", "", "--input-file", filepath.Join("..", "..", "internal", "gorfile", "testdata", "plain.gor"), "--output-http", "http://"+target)
	if status := a.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.readSummary()
	if k.count() != 5 || s.sent() != 5 || s.Exchanges != 5 {
		t.Errorf("%d requests arrived, %d sent, %d exchanges counted; want 5", k.count(), s.sent(), s.Exchanges)
	}
}

func namespace(t *testing.T) *lab.Namespace {
	t.Helper()
	return testutil.Pair(t, 1).Server
}
