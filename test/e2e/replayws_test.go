package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// upgrading serves one connection: it answers the upgrade and keeps what follows.
func upgrading(t *testing.T, n *lab.Namespace, addr string) <-chan []byte {
	t.Helper()
	l, err := n.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got := make(chan []byte, 1)
	go func() {
		defer close(got)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		in := bufio.NewReader(c)
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi")
		all, _ := io.ReadAll(in)
		got <- all
	}()
	return got
}

func TestAWebSocketSessionIsReplayed(t *testing.T) {
	p := testutil.Pair(t, 1)
	served := upgrading(t, p.Server, original)
	recording := filepath.Join(t.TempDir(), "rec.gor")
	a := start(t, p.Server, "--interface", lab.Device, "--input-raw", ":80", "--output-file", recording, "--output-file-append")
	session := bytes.Repeat([]byte("\x82\x84abcdwxyz"), 5000)
	c, err := p.Client.DialContext(t.Context(), "tcp", original)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(c).ReadString('\x02'); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(session); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if got := <-served; !bytes.Equal(got, session) {
		t.Fatalf("the server got %d bytes, want %d", len(got), len(session))
	}
	c.Close()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	replayed := upgrading(t, p.Server, target)
	b := launch(t, p.Server, "--listen", "", "--input-file", recording+"|10000%", "--output-http", "http://"+target)
	if status := b.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if got := <-replayed; !bytes.Equal(got, session) {
		t.Errorf("the target got %d bytes, want %d: %+v", len(got), len(session), b.readSummary().Outputs)
	}
}
