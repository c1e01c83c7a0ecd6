package session

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Probe connects to a target once as a session does, and closes the connection without a
// byte. An address that is foreign, not this machine's, is taken as a session takes it.
// It returns the errors that sessions meet.
func Probe(ctx context.Context, target, from netip.AddrPort, foreign bool) error {
	c, err := probe(ctx, target, net.TCPAddrFromAddrPort(from), foreign)
	if err != nil {
		return err
	}
	return c.Close()
}

func probe(ctx context.Context, target netip.AddrPort, from *net.TCPAddr, foreign bool) (net.Conn, error) {
	if foreign {
		return (&Output{target: target}).connect(ctx, from, 0)
	}
	d := net.Dialer{KeepAlive: -1, LocalAddr: from, Control: func(_, _ string, raw syscall.RawConn) error { return prepare(raw, nil, 0) }}
	c, err := d.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return nil, fmt.Errorf("connect to target: %w", err)
	}
	return c, nil
}

// Example is one of the addresses of a prefix that sessions come from; the first ones are
// often those of machines.
func (c Clients) Example() netip.Addr { return pick(c.Prefix, 76) }
