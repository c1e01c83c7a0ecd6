package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"gortap/internal/flow"
	rec "gortap/internal/session"
)

// dial connects copy number n of a session, from the address that Clients say. Where
// the client's port is taken it takes another, and tells so.
func (o *Output) dial(ctx context.Context, s *rec.Session, n int) (c *net.TCPConn, otherPort bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancel()
	if !o.cfg.Clients.foreign() {
		c, err = o.connect(ctx, nil, s.Window)
		return c, false, err
	}
	from, err := o.cfg.Clients.address(s.Client, s.Hash, n, o.target.Addr())
	if err != nil {
		return nil, false, err
	}
	c, err = o.connect(ctx, net.TCPAddrFromAddrPort(from), s.Window)
	if from.Port() != 0 && (errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EADDRNOTAVAIL)) {
		c, err = o.connect(ctx, net.TCPAddrFromAddrPort(netip.AddrPortFrom(from.Addr(), 0)), s.Window)
		return c, true, err
	}
	return c, from.Port() == 0, err
}

func (o *Output) connect(ctx context.Context, from *net.TCPAddr, window int) (*net.TCPConn, error) {
	// No keep-alive probes: the client's kernel sent its own, or none.
	d := net.Dialer{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		return prepare(raw, from, window)
	}}
	if from != nil {
		d.LocalAddr = from
	}
	c, err := d.DialContext(ctx, "tcp", o.target.String())
	if err != nil {
		return nil, fmt.Errorf("connect to target: %w", err)
	}
	return c.(*net.TCPConn), nil
}

// prepare marks a socket as a replay's and lets it have an address that is not the
// machine's. A window makes it a socket that can take no more at once. Without CAP_NET_ADMIN it stays unmarked: then only the capture on this
// machine misses something.
func prepare(raw syscall.RawConn, from *net.TCPAddr, window int) error {
	var err error
	ctl := raw.Control(func(fd uintptr) {
		s := int(fd)
		_ = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_MARK, flow.ReplayMark)
		if window > 0 {
			setBuffer(s, window)
		}
		if from == nil {
			return
		}
		if from.IP.To4() != nil {
			err = unix.SetsockoptInt(s, unix.SOL_IP, unix.IP_TRANSPARENT, 1)
		} else {
			err = unix.SetsockoptInt(s, unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
		}
		if err != nil {
			err = fmt.Errorf("take a client's address: %w (needs CAP_NET_ADMIN)", err)
			return
		}
		// A port that another connection, or one in TIME_WAIT, has is free for a
		// different peer.
		_ = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if from.Port == 0 {
			_ = unix.SetsockoptInt(s, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		}
	})
	return errors.Join(ctl, err)
}

// whyNot says what a failure to connect means.
func whyNot(ctx context.Context, err error) reason {
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return stopped
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, unix.EHOSTUNREACH):
		return connectTime
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return openFiles
	case errors.Is(err, errFamily), errors.Is(err, unix.EADDRINUSE), errors.Is(err, unix.EADDRNOTAVAIL),
		errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL):
		return address
	}
	return connectFail
}

// checkTransparent finds out at the start whether sockets may have foreign addresses.
func checkTransparent(a netip.Addr) error {
	family, level, option := unix.AF_INET, unix.SOL_IP, unix.IP_TRANSPARENT
	if a.Is6() {
		family, level, option = unix.AF_INET6, unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		return fmt.Errorf("take a client's address: %w (needs CAP_NET_ADMIN)", err)
	}
	return nil
}

// DialUDP opens a socket that asks target from the address that clients say, as copy number
// n of a client. It carries the replay's mark.
func DialUDP(clients Clients, client netip.AddrPort, hash uint64, n int, target netip.AddrPort) (*net.UDPConn, error) {
	dial := func(from *net.TCPAddr) (net.Conn, error) {
		d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error { return prepare(raw, from, 0) }}
		if from != nil {
			d.LocalAddr = &net.UDPAddr{IP: from.IP, Port: from.Port}
		}
		return d.Dial("udp", target.String())
	}
	if !clients.foreign() {
		return asUDP(dial(nil))
	}
	from, err := clients.address(client, hash, n, target.Addr())
	if err != nil {
		return nil, err
	}
	c, err := dial(net.TCPAddrFromAddrPort(from))
	if errors.Is(err, unix.EADDRINUSE) {
		c, err = dial(net.TCPAddrFromAddrPort(netip.AddrPortFrom(from.Addr(), 0)))
	}
	return asUDP(c, err)
}

func asUDP(c net.Conn, err error) (*net.UDPConn, error) {
	if err != nil {
		return nil, fmt.Errorf("open udp socket: %w", err)
	}
	return c.(*net.UDPConn), nil
}
