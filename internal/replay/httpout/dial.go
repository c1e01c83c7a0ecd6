package httpout

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gortap/internal/flow"
	"gortap/internal/record"
)

// The wait after a failed connect, in which all that needs a new connection is
// dropped at once. It doubles up to the longest while nothing succeeds.
const (
	shortestBackoff = 50 * time.Millisecond
	longestBackoff  = 3 * time.Second
)

// health is what is known of a target that does not accept connections.
type health struct {
	mu      sync.Mutex
	until   time.Time
	wait    time.Duration // 0: it is up, as far as known
	probing bool
}

func (h *health) down() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if h.wait == 0 {
		return false
	}
	if now.Before(h.until) {
		return true
	}
	// Whoever asks first after the wait tries; to the others it is still down.
	h.until, h.probing = now.Add(h.wait), true
	return false
}

func (h *health) failed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wait > 0 && !h.probing {
		return // an attempt that began while the target was up
	}
	h.probing = false
	h.wait = min(max(2*h.wait, shortestBackoff), longestBackoff)
	h.until = time.Now().Add(h.wait)
}

func (h *health) succeeded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wait, h.probing = 0, false
}

// conn is a connection to the target.
type conn struct {
	net.Conn
	raw    syscall.RawConn // of the TCP connection
	peer   netip.AddrPort
	served int // responses
}

var errDown = errors.New("target is down")

// dial connects. It fails at once while the target is known to be down.
func (o *Output) dial(address string, config *tls.Config) (*conn, error) {
	if address != o.target.address { // where a redirect leads says nothing of the target
		c, err := o.connect(address, config)
		if err == nil {
			o.stats.add(&o.stats.opened)
		} else {
			o.trouble.connect(err)
		}
		return c, err
	}
	if o.health.down() {
		return nil, errDown
	}
	c, err := o.connect(address, config)
	switch {
	case err == nil:
		o.health.succeeded()
		o.stats.add(&o.stats.opened)
		return c, nil
	case !ours(err) && !errors.Is(err, context.Canceled):
		o.health.failed()
	}
	o.trouble.connect(err)
	return c, err
}

func (o *Output) connect(address string, config *tls.Config) (*conn, error) {
	ctx, cancel := o.timed()
	defer cancel()
	plain, err := o.tcp(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to target: %w", err)
	}
	raw, err := plain.(syscall.Conn).SyscallConn()
	if err != nil {
		plain.Close()
		return nil, fmt.Errorf("connect to target: %w", err)
	}
	c := &conn{Conn: plain, raw: raw}
	if a, ok := plain.RemoteAddr().(*net.TCPAddr); ok {
		ap := a.AddrPort()
		c.peer = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	if config == nil {
		return c, nil
	}
	t := tls.Client(plain, config)
	if err := t.HandshakeContext(ctx); err != nil {
		plain.Close()
		return nil, fmt.Errorf("connect to target: %w", err)
	}
	c.Conn = t
	return c, nil
}

// ours reports whether an error is this machine's and says nothing of the target.
func ours(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ENOBUFS)
}

// mark marks a socket as a replay's. Without CAP_NET_ADMIN it stays unmarked: then
// only the capture on this machine misses something.
func mark(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, flow.ReplayMark)
	})
}

// gone reports whether the target has closed the connection, which a write would not
// tell.
func (c *conn) gone() bool {
	closed := false
	err := c.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		closed = err == nil && n == 0 || err != nil && err != unix.EAGAIN && err != unix.EINTR
		return true
	})
	return closed || err != nil
}

// past interrupts reads and writes.
var past = time.Unix(1, 0)

// interrupt ends a read that is going on.
func (c *conn) interrupt() { _ = c.SetReadDeadline(past) }

// captured reports whether the peer is the server that r was recorded at: the same
// address, or another address of this machine with the same port.
func (o *Output) captured(r *record.Record, peer netip.AddrPort) bool {
	if !r.Server.IsValid() || r.Server.Port() != peer.Port() {
		return false
	}
	server := r.Server.Addr().Unmap()
	if server == peer.Addr() {
		return true
	}
	return o.here(server) && o.here(peer.Addr())
}

func (o *Output) here(a netip.Addr) bool { return a.IsLoopback() || o.local[a.WithZone("").String()] }
