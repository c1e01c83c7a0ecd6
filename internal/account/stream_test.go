package account

import (
	"testing"

	"gortap/internal/proto"
)

func TestMessagesOfAStreamAreCountedWhileItRuns(t *testing.T) {
	a := newAccount(t, Config{}, 2)
	for i := range 2 {
		f := newSim(a.Shard(i), "10.0.0.9:40000", "10.0.0.1:80").open()
		x := f.begin("POST", "h", "/s.S/Watch")
		x.Protocol = proto.GRPC
		f.s.Messages(x, req, 1, 5)
		f.s.Messages(x, res, 2, 300)
		f.s.Messages(x, res, 1, 40)
		f.exchange("GET", "h", "/plain", 1, 1, 1)
	}
	m := flatten(t, a)
	const labels = ",method=POST,path=/s.S/Watch,service=h}"
	for key, want := range map[string]float64{
		"gor_stream_messages_total{direction=request" + labels:       2,
		"gor_stream_messages_total{direction=response" + labels:      6,
		"gor_stream_message_bytes_total{direction=request" + labels:  10,
		"gor_stream_message_bytes_total{direction=response" + labels: 680,
	} {
		if m[key] != want {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
	if n := sum(m, "gor_stream_messages_total"); n != 8 {
		t.Errorf("%v messages in all, want 8", n)
	}
}

func TestTheCodeOfACallIsItsGRPCStatus(t *testing.T) {
	for _, c := range []struct {
		name     string
		protocol proto.Protocol
		status   int
		grpc     int // -1: none seen
		want     string
	}{
		{"OK", proto.GRPC, 200, 0, "0"},
		{"not found", proto.GRPC, 200, 5, "5"},
		{"refused by a proxy", proto.GRPC, 503, -1, "503"},
		{"cut off before its status", proto.GRPC, 200, -1, "(none)"},
		{"without response", proto.GRPC, 0, -1, "(none)"},
		{"known as a call by its status alone", proto.HTTP2, 200, 7, "7"},
		{"plain HTTP/2", proto.HTTP2, 200, -1, "200"},
		{"plain HTTP/2 without response", proto.HTTP2, 0, -1, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAccount(t, Config{}, 1)
			f := newSim(a.Shard(0), "10.0.0.9:40000", "10.0.0.1:80").open()
			x := f.begin("POST", "h", "/s.S/M")
			x.Protocol, x.Status, x.Code, x.HasCode = c.protocol, c.status, max(c.grpc, 0), c.grpc >= 0
			a.Shard(0).Done(x)
			if got := distinct(flatten(t, a), "gor_requests_total", "code"); len(got) != 1 || !got[c.want] {
				t.Errorf("codes %v, want %s", got, c.want)
			}
		})
	}
}
