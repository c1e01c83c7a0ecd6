package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
)

const (
	mss         = 1448
	connections = 64 // open at a time, taking turns
	// perConn is how many exchanges a connection has before another one follows it.
	perConn = 100
	gapNs   = 2000 // between packets
	startNs = 1_700_000_000_000_000_000
)

// ensure generates a file unless it is there. What is there was complete when it
// got its name.
func ensure(path, kind string, size int64) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "bench: generating %s\n", path)
	part := path + ".part.pcap"
	w, err := pcapio.Create(part)
	if err != nil {
		return err
	}
	err = errors.Join(generate(&traffic{w: w, now: startNs, left: size}, kind), w.Close())
	if err != nil {
		return err
	}
	return os.Rename(part, path)
}

// talker makes the exchanges of one connection, each anew, into c.
type talker interface {
	// exchange sends exchange number n of all, the i-th of its connection.
	exchange(c *conn, n, i int)
}

func generate(t *traffic, kind string) error {
	var make func() talker
	switch kind {
	case "http1-large":
		make = func() talker { return &http1{body: largeBody()} }
	case "http1-small":
		make = func() talker { return &http1{body: []byte(smallBody)} }
	case "http2-large":
		make = func() talker { return newHTTP2(largeBody()) }
	case "http2-small":
		make = func() talker { return newHTTP2([]byte(smallBody)) }
	default:
		return fmt.Errorf("unknown kind %q", kind)
	}
	conns := [connections]*conn{}
	talkers := [connections]talker{}
	for n := 0; t.left > 0 && t.err == nil; n++ {
		at, i := n%connections, n/connections%perConn
		if i == 0 {
			conns[at], talkers[at] = t.open(n/(connections*perConn)*connections+at), make()
		}
		talkers[at].exchange(conns[at], n, i)
		if i == perConn-1 {
			conns[at].close()
			conns[at] = nil
		}
	}
	for _, c := range conns {
		if c != nil {
			c.close()
		}
	}
	return t.err
}

// traffic writes packets, one after the other, until enough is written.
type traffic struct {
	w    *pcapio.Writer
	now  int64
	left int64
	err  error
}

// conn is a TCP connection; sequence numbers are by side, 0 being the client.
type conn struct {
	t    *traffic
	key  flow.Key
	dirs [2]flow.Dir
	seq  [2]uint32
}

// open makes connection number n, with its handshake.
func (t *traffic) open(n int) *conn {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(n >> 16), byte(n >> 8)}), uint16(32768+n%16384))
	key, up := flow.NewKey(client, netip.MustParseAddrPort("192.0.2.1:80"), 0)
	c := &conn{t: t, key: key, dirs: [2]flow.Dir{up, up.Other()}, seq: [2]uint32{uint32(n) * 7919, uint32(n) * 104729}}
	c.packet(0, flow.SYN, nil)
	c.packet(1, flow.SYN|flow.ACK, nil)
	c.packet(0, flow.ACK, nil)
	return c
}

func (c *conn) close() {
	c.packet(0, flow.FIN|flow.ACK, nil)
	c.packet(1, flow.FIN|flow.ACK, nil)
	c.packet(0, flow.ACK, nil)
}

// send writes bytes as segments; the other side acknowledges each second one.
func (c *conn) send(side int, b []byte) {
	for i := 1; len(b) > 0; i++ {
		n := min(len(b), mss)
		c.packet(side, flow.ACK|flow.PSH, b[:n])
		if b = b[n:]; i%2 == 0 || len(b) == 0 {
			c.packet(1-side, flow.ACK, nil)
		}
	}
}

func (c *conn) packet(side int, flags flow.Flags, b []byte) {
	s := flow.Segment{
		Key: c.key, Dir: c.dirs[side], Flags: flags, Seq: c.seq[side], Window: 502,
		Len: len(b), Data: b, NetBytes: 40 + len(b), TsNs: c.t.now,
	}
	if flags.Has(flow.ACK) {
		s.Ack = c.seq[1-side]
	}
	c.seq[side] += uint32(len(b))
	if flags.Has(flow.SYN | flow.FIN) {
		c.seq[side]++
	}
	c.t.now += gapNs
	c.t.left -= int64(16 + 54 + len(b))
	if err := c.t.w.Segment(&s); err != nil && c.t.err == nil {
		c.t.err = err
	}
}
