package session

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"gortap/internal/testutil"
)

// clientHello is what a TLS client says first.
func clientHello(t *testing.T) string {
	t.Helper()
	here, there := net.Pipe()
	defer there.Close()
	go func() {
		_ = tls.Client(here, &tls.Config{ServerName: "shop.example"}).Handshake() // nobody answers
		here.Close()
	}()
	_ = there.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 4096)
	n, err := there.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestTLSIsPartialAndNamedOnce(t *testing.T) {
	testutil.CheckLeaks(t)
	hello := clientHello(t)
	polite := startTarget(t, func(c *net.TCPConn) { // an alert, and that is it
		_, _ = c.Read(make([]byte, 4096))
		_, _ = c.Write([]byte("\x15\x03\x03\x00\x02\x02\x14"))
	})
	rude := startTarget(t, func(c *net.TCPConn) { // a reset, but not before the connection is there
		_, _ = c.Read(make([]byte, 1))
		_ = c.SetLinger(0)
	})
	var said testutil.Buffer
	warn := func(text string) { _, _ = said.Write([]byte(text + "\n")) }
	one, two := config(polite.addr()), config(rude.addr())
	one.Warn, two.Warn = warn, warn
	one.Compare, one.Stall = CompareLengths, 50*time.Millisecond
	s := newStage(t, HubOptions{}, one, two)
	for range 3 {
		c := s.begin()
		c.write(hello, 0)
		c.write("what only the server could read", 3000)
		c.finish(4000)
	}
	s.close()
	for _, o := range s.outputs {
		if st := o.Stats(); st.Partial["tls"] != 3 {
			t.Errorf("%s: %+v", o.Name(), st)
		}
	}
	if st := s.outputs[0].Stats(); st.Compared.Uncompared["partial"] != 3 {
		t.Errorf("compared: %+v", st.Compared)
	}
	if text := said.String(); strings.Count(text, "it is TLS") != 2 {
		t.Errorf("said, for two targets:\n%s", text)
	}
}

func TestWhatIsNoClientHelloIsNoTLS(t *testing.T) {
	hello := clientHello(t)
	for text, want := range map[string]bool{
		hello: true, hello[:6]: true, hello[:5]: false, "": false, "GET / HTTP/1.1\r\n": false,
		"\x16\x03\x01\x00\x05\x02": false, // a handshake, but not its first message
		"\x17\x03\x03\x00\x05\x01": false, // data
		"\x16\x02\x00\x00\x05\x01": false,
	} {
		if isClientHello([]byte(text)) != want {
			t.Errorf("%.10q: want %v", text, want)
		}
	}
}
