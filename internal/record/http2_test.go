package record

import (
	"bytes"
	"strings"
	"testing"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
	"gortap/internal/testutil/corpus"
)

func TestGRPCIsWrittenLikeHTTP1(t *testing.T) {
	entry := corpus.Get(t, "packt-grpc-server-streaming.pcapng")
	calls := 0
	for _, conn := range prototest.Read(t, entry.Path()) {
		p := play(t, conn, RecorderOptions{})
		for _, r := range p.records {
			if r.Protocol != proto.GRPC || r.Kind == End {
				continue
			}
			calls++
			head, body, ok := strings.Cut(string(r.Data), "\r\n\r\n")
			switch {
			case !ok:
				t.Errorf("no head: %q", r.Data)
			case r.Kind == Request && (!strings.HasPrefix(head, "POST /") || !strings.Contains(head, " HTTP/2.0\r\nhost: ") || body[0] != 0):
				t.Errorf("request %q", r.Data)
			case r.Kind == Response && (!strings.HasPrefix(head, "HTTP/2.0 200 ") || !strings.HasSuffix(head, "\r\ntransfer-encoding: chunked") ||
				!strings.HasSuffix(body, "\r\n\r\n") || !strings.Contains(body, "\r\n0\r\ngrpc-status: 0\r\n")):
				t.Errorf("response %q", r.Data)
			}
		}
	}
	if calls < 2 {
		t.Errorf("%d messages", calls)
	}
}

func TestHTTP2BodiesAreWhole(t *testing.T) {
	entry := corpus.Get(t, "gen-h2c-upgrade.pcap")
	var bodies int
	for _, conn := range prototest.Read(t, entry.Path()) {
		p := play(t, conn, RecorderOptions{})
		sizes := map[uint64]int64{}
		for _, x := range p.ledger.Exchanges {
			if isHTTP2(&x) && !x.Upgraded {
				sizes[x.Seq] = x.Request.Body
			}
		}
		for _, r := range p.records {
			want, isHTTP2 := sizes[r.Seq]
			if r.Kind != Request || !isHTTP2 || bytes.Contains(r.Data, []byte("transfer-encoding: chunked")) {
				continue
			}
			_, body, _ := bytes.Cut(r.Data, []byte("\r\n\r\n"))
			if int64(len(body)) != want {
				t.Errorf("request %d: %d bytes of body, want %d", r.Seq, len(body), want)
			}
			bodies += len(body)
		}
	}
	if bodies == 0 {
		t.Error("no bodies")
	}
}

func TestTrailersMakeABodyChunked(t *testing.T) {
	const head = "POST / HTTP/2.0\r\nhost: h\r\n"
	got := string(chunked([]byte(head+"\r\nbodyt: v\r\n\r\n"), len(head)+2, len(head)+6))
	if want := head + "transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nt: v\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = string(chunked([]byte(head+"\r\nt: v\r\n\r\n"), len(head)+2, len(head)+2))
	if want := head + "transfer-encoding: chunked\r\n\r\n0\r\nt: v\r\n\r\n"; got != want {
		t.Errorf("without a body: got %q, want %q", got, want)
	}
}

func TestARequestThatTheServerMadeUpIsNotRecorded(t *testing.T) {
	var got collector
	r := NewRecorder(RecorderOptions{Put: got.put})
	x := &proto.Exchange{Conn: &proto.Conn{}, Protocol: proto.HTTP2}
	x.Request.Seen = true // by a PUSH_PROMISE: no byte of it is the client's
	r.Begin(x)
	r.Payload(x, proto.Client, proto.Head, []byte("GET /style.css HTTP/2.0\r\n\r\n"))
	r.Exchange(x)
	r.Close()
	if reasons := reasons(r.Stats()); len(got.records) > 0 || reasons != "pushed 1" {
		t.Errorf("recorded %s, dropped %q", &got, reasons)
	}
}
