package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gortap/internal/lab"
	"gortap/internal/testutil"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// line is what two readings of the same traffic must agree on: all but times, and
// the numbers that connections are given.
type line struct {
	Protocol, Method, Host, Target, Path string
	ClientIP                             string `json:"client_ip"`
	ClientPort                           int    `json:"client_port"`
	ServerPort                           int    `json:"server_port"`
	Seq, Status                          int
	Code                                 json.Number // empty where there is none
	RequestMessages                      int64       `json:"request_messages"`
	ResponseMessages                     int64       `json:"response_messages"`
	RequestMessageBytes                  int64       `json:"request_message_bytes"`
	ResponseMessageBytes                 int64       `json:"response_message_bytes"`
	RequestSize                          int64       `json:"request_size"`
	ResponseSize                         int64       `json:"response_size"`
	RequestBytes                         int64       `json:"request_bytes"`
	ResponseBytes                        int64       `json:"response_bytes"`
	Complete                             bool
	Incomplete                           string
}

func readLines(t *testing.T, path string) map[line]int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := map[line]int{}
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", scanner.Text(), err)
		}
		lines[l]++
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

const (
	pcapFilter = "tcp and portrange 80-90"
	h2Port     = "81"
	grpcPort   = "82"
	wsPort     = "83"
)

func TestLiveEqualsOffline(t *testing.T) {
	p := testutil.Pair(t, 2)
	testutil.Nginx(t, p.Server, lab.NginxOptions{Files: nginxFiles, Server: "listen " + h2Port + " http2; http2_max_requests 100000;"})
	serveGRPC(t, p.Server)
	serveWebSocket(t, p.Server)
	const rounds = 4
	for round := 1; !liveEqualsOffline(t, p); round++ {
		if round == rounds {
			t.Fatalf("tcpdump lost packets in each of %d rounds: there is nothing to compare with", rounds)
		}
	}
}

// liveEqualsOffline is one round. It returns false, and has compared nothing, where
// tcpdump lost packets: then the file is not what the agent saw.
func liveEqualsOffline(t *testing.T, p *lab.Pair) bool {
	t.Helper()
	dir := t.TempDir()
	dump, stopDump := tcpdump(t, p.Server, dir, pcapFilter)
	live := filepath.Join(dir, "live.jsonl")
	// Room for any burst: what is compared here is meaning, not loss.
	a := start(t, p.Server, "--interface", lab.Device, "--bpf-filter", pcapFilter, "--output-jsonl", live, "--ring-size", "64MiB")

	mixedTraffic(t, p.Client)

	if status := a.stop(); status != 0 {
		t.Errorf("live: exit status %d", status)
	}
	if !stopDump() {
		return false
	}
	offline := filepath.Join(dir, "offline.jsonl")
	b := launch(t, p.Server, "--input-file", dump, "--output-jsonl", offline, "--listen", "")
	if status := b.wait(); status != 0 {
		t.Errorf("offline: exit status %d", status)
	}
	want, got := readLines(t, offline), readLines(t, live)
	if len(want) < 500 {
		t.Errorf("only %d different exchanges: the load did not run", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("live differs from offline (-offline +live):\n%.6000s", diff)
	}
	x, y := a.readSummary(), b.readSummary()
	if x.TCPPayloadBytes != y.TCPPayloadBytes {
		t.Errorf("live counted %d bytes of payload, offline %d", x.TCPPayloadBytes, y.TCPPayloadBytes)
	}
	return true
}

func TestAWrittenCaptureHoldsWhatWasSeen(t *testing.T) {
	for _, name := range []string{"x.pcapng", "x.pcap.gz"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			p, a := watched(t, "--output-file", path, "--ring-size", "64MiB")
			askHundred(t, p)
			if _, err := p.Client.Run(t.Context(), "curl", "-s", "-o", "/dev/null", serverURL("/big.bin")); err != nil {
				t.Fatal(err)
			}
			if status := a.stop(); status != 0 {
				t.Errorf("live: exit status %d", status)
			}
			again := filepath.Join(t.TempDir(), "again.pcapng")
			b := launch(t, p.Server, "--input-file", path, "--output-file", again, "--listen", "")
			if status := b.wait(); status != 0 {
				t.Errorf("offline: exit status %d", status)
			}
			c := launch(t, p.Server, "--input-file", again, "--listen", "")
			if status := c.wait(); status != 0 {
				t.Errorf("the copy: exit status %d", status)
			}
			x, y, z := a.readSummary(), b.readSummary(), c.readSummary()
			if x.Exchanges != 101 || y.Exchanges != 101 || z.Exchanges != 101 {
				t.Errorf("%d exchanges live, %d in the file, %d in its copy; want 101", x.Exchanges, y.Exchanges, z.Exchanges)
			}
			if x.MessageBytes != y.MessageBytes || x.MessageBytes != z.MessageBytes || len(y.Incomplete) > 0 {
				t.Errorf("%d bytes live, %d in the file, %d in its copy; incomplete %v", x.MessageBytes, y.MessageBytes, z.MessageBytes, y.Incomplete)
			}
			openInTshark(t, path)
		})
	}
}

// openInTshark asks another program whether the packets are well made. Packets that
// overtook each other on the way are the network's doing: it is told to expect them.
func openInTshark(t *testing.T, path string) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Log("tshark is not installed: only our own reader has read the file")
		return
	}
	cmd := exec.Command("tshark", "-r", path, "-Y", "(_ws.malformed && !tcp.analysis.out_of_order && !tcp.analysis.retransmission) || ip.checksum.status == 0 || tcp.checksum.status == 0",
		"-o", "tcp.reassemble_out_of_order:TRUE",
		"-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE")
	if out, err := cmd.Output(); err != nil || len(out) > 0 {
		t.Errorf("tshark: %v\n%.2000s", err, out)
	}
}

// tcpdump writes what the agent sees to a file; stop returns once that is written, and
// whether it is complete.
func tcpdump(t *testing.T, n *lab.Namespace, dir, filter string) (path string, stop func() bool) {
	t.Helper()
	path = filepath.Join(dir, "traffic.pcap")
	// Each packet takes 64 KiB of the buffer: so it holds 4,000.
	cmd := exec.Command("tcpdump", "-i", lab.Device, "-s", "0", "-B", "262144", "--immediate-mode", "-Z", "root", "-w", path, filter)
	var messages locked
	cmd.Stderr = &messages
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	stop = func() bool {
		t.Helper()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		complete := strings.Contains(messages.String(), "\n0 packets dropped by kernel")
		if !complete {
			t.Logf("tcpdump lost packets: %s", messages.String())
		}
		return complete
	}
	for deadline := time.Now().Add(startWait); !strings.Contains(messages.String(), "listening on"); {
		if time.Now().After(deadline) {
			t.Fatalf("tcpdump does not start: %s", messages.String())
		}
		time.Sleep(pollEvery)
	}
	return path, stop
}

// mixedTraffic is every protocol that real clients of this machine speak.
func mixedTraffic(t *testing.T, n *lab.Namespace) {
	h2 := "http://" + lab.ServerIP().String() + ":" + h2Port
	for _, command := range []string{
		"h2load -n 300 -c 4 -m 10 " + h2 + "/page.html " + h2 + "/small.txt",
		"for f in big.bin page.html small.txt; do curl -s --http2-prior-knowledge -o /dev/null " + h2 + "/$f || exit 1; done",
		"for i in $(seq 30); do curl -s -o /dev/null " + serverURL("/page.html") + " -o /dev/null " + serverURL("/big.bin") + " -I " + serverURL("/small.txt") + "; done",
		"curl -s -o /dev/null -H 'Expect: 100-continue' --data-binary @/proc/self/exe " + serverURL("/api/upload"),
	} {
		if _, err := n.Run(t.Context(), "sh", "-c", command); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	goKeepAliveSome(t, n)
	callGRPC(t, n)
	talkWebSocket(t, n)
}

func goKeepAliveSome(t *testing.T, n *lab.Namespace) {
	transport := &http.Transport{DialContext: n.DialContext}
	defer transport.CloseIdleConnections()
	goClient(t, &http.Client{Transport: transport}, 400)
}

func serveGRPC(t *testing.T, n *lab.Namespace) *health.Server {
	l, err := n.Listen(t.Context(), "tcp", ":"+grpcPort)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	service := health.NewServer()
	healthpb.RegisterHealthServer(s, service)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return service
}

func dialGRPC(t *testing.T, n *lab.Namespace) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+lab.ServerIP().String()+":"+grpcPort,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(
			func(ctx context.Context, addr string) (net.Conn, error) { return n.DialContext(ctx, "tcp", addr) }))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// callGRPC makes unary calls, one of them failing, and a streaming one.
func callGRPC(t *testing.T, n *lab.Namespace) {
	conn := dialGRPC(t, n)
	defer conn.Close()
	client := healthpb.NewHealthClient(conn)
	for i := range 50 {
		service := ""
		if i%10 == 3 {
			service = "unknown" // NOT_FOUND
		}
		if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service}); err != nil && service == "" {
			t.Errorf("gRPC: %v", err)
		}
	}
	watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Errorf("gRPC stream: %v", err)
	}
}

func serveWebSocket(t *testing.T, n *lab.Namespace) {
	l, err := n.Listen(t.Context(), "tcp", ":"+wsPort)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: websocket.Handler(func(c *websocket.Conn) {
		var text string
		for websocket.Message.Receive(c, &text) == nil {
			_ = websocket.Message.Send(c, strings.ToUpper(text))
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
}

func dialWebSocket(t *testing.T, n *lab.Namespace) *websocket.Conn {
	t.Helper()
	address := lab.ServerIP().String() + ":" + wsPort
	config, err := websocket.NewConfig("ws://"+address+"/chat/42", "http://"+address)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := n.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := websocket.NewClient(config, raw)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func talkWebSocket(t *testing.T, n *lab.Namespace) {
	c := dialWebSocket(t, n)
	defer c.Close()
	for i := range 100 {
		text := strings.Repeat("hello ", i*i)
		if err := websocket.Message.Send(c, text); err != nil {
			t.Fatal(err)
		}
		var back string
		if err := websocket.Message.Receive(c, &back); err != nil || back != strings.ToUpper(text) {
			t.Fatalf("WebSocket message %d: %d bytes came back, %v", i, len(back), err)
		}
	}
}
