// Package session plays captured TCP connections again, whatever they speak: one
// connection to a target for each, on kernel sockets, with the client's bytes, turns,
// pauses and endings. Use it below HTTP, or for what is no HTTP; where requests are to be
// changed, filtered or compared, httpout is for that. A target that makes each
// connection differ (TLS, passwords with a challenge) refuses what was recorded with
// another server: such sessions are partial.
package session

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gortap/internal/process"
)

// Order says what a client's write waits for.
type Order uint8

// The orders. A session that stalls by bytes goes on by turns, and one that stalls
// again and again by time.
const (
	ByTime  Order = iota // for its time alone
	ByTurns              // until the target has answered as much since the last write as the server had
	ByBytes              // until the target has answered as much in all as the server had
)

// ParseOrder reads "time", "turns" or "bytes".
func ParseOrder(s string) (Order, error) {
	for i, name := range []string{"time", "turns", "bytes"} {
		if s == name {
			return Order(i), nil
		}
	}
	return 0, fmt.Errorf("order %q: want turns, bytes or time", s)
}

// ParseRTT reads "captured" or a duration; less than 0 stands for the former.
func ParseRTT(s string) (time.Duration, error) {
	if s == "captured" {
		return -1, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("round trip %q: want captured, 0 or a duration like 80ms", s)
	}
	return d, nil
}

// Config makes an Output.
type Config struct {
	Target  string        // host:port
	From    uint16        // only sessions to this port; 0: all
	Limit   process.Limit // shares and copies of sessions, new sessions a second
	Clients Clients
	Proxy   int // version of the PROXY protocol header that is sent first; 0: none

	Order   Order
	Stall   time.Duration
	Speed   float64       // 1: as recorded
	MaxWait time.Duration // longest pause within a session; 0: as recorded
	// RTT is the round trip that clients are played with; less than 0: their own.
	RTT     time.Duration
	Timeout time.Duration // of connecting, and of a write that the target does not take
	Max     int           // sessions at once
	// Ramp is how long it takes until all sessions are admitted; their share grows
	// from none.
	Ramp    time.Duration
	Compare Compare
	// MaxQueue bounds the bytes of one session that wait for the target.
	MaxQueue int
	// Live refuses the very server that the sessions were captured from.
	Live bool
	// Log takes a line for each session that is over; it may be nil.
	Log func(*Line)
	// Warn tells the user, once, what keeps all sessions from their target.
	Warn func(text string)
}

// ParseTarget reads "[PORT->]HOST:PORT[|LIMIT...]" into c.
func (c *Config) ParseTarget(text string) error {
	base, limit, err := process.ParseLimit(text)
	if err != nil {
		return err
	}
	c.Limit = limit
	if from, to, found := strings.Cut(base, "->"); found {
		port, err := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
		if err != nil || port == 0 {
			return fmt.Errorf("parse %q: want a port before the arrow, as in 80->10.0.0.3:8080", base)
		}
		c.From, base = uint16(port), strings.TrimSpace(to)
	}
	host, port, err := net.SplitHostPort(base)
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("parse %q: want HOST:PORT, as in 10.0.0.3:3306", base)
	}
	c.Target = base
	return nil
}

// Clients says which address a session comes from.
type Clients struct {
	Original bool         // that of the client
	Prefix   netip.Prefix // one of these; else the machine's own
}

// ParseClients reads "own", "original" or a CIDR.
func ParseClients(s string) (Clients, error) {
	switch s {
	case "own", "":
		return Clients{}, nil
	case "original":
		return Clients{Original: true}, nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return Clients{}, fmt.Errorf("client address %q: want own, original or a CIDR like 10.9.0.0/16", s)
	}
	return Clients{Prefix: p.Masked()}, nil
}

// String is what ParseClients reads.
func (c Clients) String() string {
	switch {
	case c.Original:
		return "original"
	case c.Prefix.IsValid():
		return c.Prefix.String()
	}
	return "own"
}

// foreign reports whether the addresses are not the machine's own.
func (c Clients) foreign() bool { return c.Original || c.Prefix.IsValid() }

var errFamily = errors.New("client and target are of different address families")

// address returns where copy number n of a session of client comes from. Copies that
// have addresses to choose from have different ones.
func (c Clients) address(client netip.AddrPort, hash uint64, n int, target netip.Addr) (netip.AddrPort, error) {
	a := client.Addr()
	if c.Prefix.IsValid() {
		a = pick(c.Prefix, hash+uint64(n)*0x9e3779b97f4a7c15)
	}
	if a.Is4() != target.Is4() {
		return netip.AddrPort{}, errFamily
	}
	port := client.Port()
	if n > 0 && c.Original {
		port = 0
	}
	return netip.AddrPortFrom(a, port), nil
}

// pick returns the address of p that a hash falls on, but neither the first nor the
// last one where there are others.
func pick(p netip.Prefix, hash uint64) netip.Addr {
	bits := p.Addr().BitLen() - p.Bits()
	n := uint64(1)<<min(bits, 63) - 2
	if bits < 2 {
		n = 1 << bits
		hash %= n
	} else {
		hash = hash%n + 1
	}
	b := p.Addr().AsSlice()
	for i := len(b) - 1; i >= 0 && hash > 0; i-- {
		b[i] |= byte(hash)
		hash >>= 8
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
