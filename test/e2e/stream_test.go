package e2e

import (
	"path/filepath"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"

	"golang.org/x/net/websocket"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// streams watches a server of gRPC and WebSocket.
func streams(t *testing.T, p *lab.Pair) (a *agent, out string) {
	t.Helper()
	out = filepath.Join(t.TempDir(), "out.jsonl")
	return start(t, p.Server, "--interface", lab.Device, "--bpf-filter", pcapFilter, "--output-jsonl", out), out
}

// counted waits until the messages of a direction are as many as sent.
func (a *agent) counted(path, direction string, messages, bytes float64) {
	a.t.Helper()
	a.await("the messages to be counted", func() bool {
		return a.sum("gor_stream_messages_total", "path", path, "direction", direction) == messages &&
			a.sum("gor_stream_message_bytes_total", "path", path, "direction", direction) == bytes
	})
}

func TestAStreamingCallIsSeenWhileItRuns(t *testing.T) {
	p := testutil.Pair(t, 1)
	service := serveGRPC(t, p.Server)
	a, out := streams(t, p)
	conn := dialGRPC(t, p.Client)
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)
	if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "unknown"}); status.Code(err) != codes.NotFound {
		t.Fatalf("gRPC: %v, want NotFound", err)
	}
	watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	const path = "/grpc.health.v1.Health/Watch"
	const size = 2 // of each status: one enum field
	for i := range 6 {
		if i > 0 {
			service.SetServingStatus("shop", healthpb.HealthCheckResponse_ServingStatus(1+i%2))
		}
		if _, err := watch.Recv(); err != nil {
			t.Fatal(err)
		}
		a.counted(path, "response", float64(i+1), float64(i+1)*size)
	}
	a.counted(path, "request", 1, float64(len("shop")+2))
	if n := a.sum("gor_requests_total", "path", path); n != 0 {
		t.Errorf("%v calls have ended while one runs", n)
	}
	a.await("the failed call", func() bool {
		return a.sum("gor_requests_total", "path", "/grpc.health.v1.Health/Check", "code", "5") == 1
	})
	conn.Close()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	for l := range readLines(t, out) {
		switch {
		case l.Path == path && (l.Code != "" || l.RequestMessages != 1 || l.ResponseMessages != 6 || l.ResponseMessageBytes != 6*size):
			t.Errorf("the call that was cut off: %+v", l)
		case l.Path != path && (l.Code != "5" || l.Status != 200 || l.RequestMessages != 1 || l.ResponseMessages != 0):
			t.Errorf("the call that failed: %+v", l)
		}
	}
}

func TestAWebSocketSessionIsCountedWhileItRuns(t *testing.T) {
	p := testutil.Pair(t, 1)
	serveWebSocket(t, p.Server)
	a, out := streams(t, p)
	c := dialWebSocket(t, p.Client)
	sent := 0.0
	for i := range 5 {
		text := string(make([]byte, 100*i))
		if err := websocket.Message.Send(c, text); err != nil {
			t.Fatal(err)
		}
		var back string
		if err := websocket.Message.Receive(c, &back); err != nil {
			t.Fatal(err)
		}
		sent += float64(len(text))
		a.counted("/chat/{id}", "request", float64(i+1), sent)
		a.counted("/chat/{id}", "response", float64(i+1), sent)
	}
	if err := c.WriteClose(4001); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	sessions := 0
	for l := range readLines(t, out) {
		if l.Protocol != "websocket" {
			continue
		}
		sessions++
		if l.Code != "4001" || l.RequestMessages != 5 || l.ResponseMessages != 5 || l.RequestMessageBytes != 1000 {
			t.Errorf("session: %+v", l)
		}
	}
	if sessions != 1 {
		t.Errorf("%d sessions, want 1", sessions)
	}
}
