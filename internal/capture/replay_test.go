package capture

import (
	"context"
	"io"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gortap/internal/flow"
	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// An agent on the machine that it replays from, to a server on the same machine,
// sees the connections of others only.
func TestReplayIsNotCapturedAgain(t *testing.T) {
	for _, how := range []Attach{AttachTCX, AttachClsact} {
		t.Run(string(how), func(t *testing.T) {
			n := testutil.Namespace(t)
			l := start(t, n, Options{Interfaces: []string{"lo"}, Attach: how})
			origin := testutil.NewOrigin(t, n, "127.0.0.1:80", testutil.ReadN(50_000), testutil.Write(string(noise(2, 200_000))))
			replayed := request(t, n, origin.Addr().String(), flow.ReplayMark)
			other := request(t, n, origin.Addr().String(), 0)
			marked := request(t, n, origin.Addr().String(), 7)
			origin.Drain()
			s := l.stop()
			for _, key := range []flow.Key{other, marked} {
				if ends := len(l.conn(key).ends); ends != 1 {
					t.Errorf("%d ends of a connection that is no replay, want 1", ends)
				}
			}
			for _, h := range l.handlers {
				if h.conns[replayed] != nil {
					t.Errorf("told of a replay: %+v", h.conns[replayed])
				}
			}
			if n := s.Ignored["replay"].Bytes; n < 250_000 {
				t.Errorf("%d bytes of a replay ignored, want at least 250000", n)
			}
			l.checkBalance(s)
		})
	}
}

// request sends 50,000 bytes from a socket with a mark, and reads the answer.
func request(t *testing.T, n *lab.Namespace, address string, mark int) (key flow.Key) {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark) }); e != nil {
			return e
		}
		return err
	}}
	var c net.Conn
	inside(t, n, func() (err error) {
		c, err = dialer.DialContext(context.Background(), "tcp4", address)
		return err
	})
	defer c.Close()
	if _, err := c.Write(noise(1, 50_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	key, _ = flow.NewKey(addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()), 0)
	return key
}
