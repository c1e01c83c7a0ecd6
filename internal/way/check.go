package way

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// State is what a Check came to.
type State uint8

// The states.
const (
	OK   State = iota
	Bad        // sessions do not get through
	Note       // it may have to do with it
)

// Check is one thing that was looked at.
type Check struct {
	State  State
	What   string
	Detail string
	Remedy []string // commands, or what to do
}

// Options steer a diagnosis.
type Options struct {
	Target netip.AddrPort
	// Client is a client's address to try. Zero: only this machine's own.
	Client netip.Addr
	// StandIn says that Client was made up.
	StandIn bool
	// Replayer is the machine that sessions come from, where this one is the target.
	Replayer netip.Addr
	// Timeout is how long an attempt to connect may take.
	Timeout time.Duration
	// Dial connects once, as a session does, and closes the connection. Of an address
	// that is foreign it makes a transparent socket.
	Dial func(ctx context.Context, from netip.AddrPort, foreign bool) error
}

// Diagnose looks for what keeps sessions from their target, and stops at what explains
// the rest. The target sees one or two connections without a byte.
func Diagnose(ctx context.Context, o Options) []Check {
	w, err := Find(o.Target)
	switch {
	case err != nil:
		return []Check{{Bad, "way to the target", err.Error(), []string{"ip route get " + o.Target.Addr().String()}}}
	case w.Here:
		return atTarget(ctx, &o)
	}
	d := &diagnosis{Options: o, way: w}
	detail := fmt.Sprintf("%s by %s, from %s", o.Target, w.Device, w.Local)
	if w.Gateway.IsValid() {
		detail += " through " + w.Gateway.String()
	}
	d.add(Check{OK, "way to the target", detail, nil})
	if d.own(ctx) && o.Client.IsValid() {
		d.foreign(ctx)
	}
	return d.checks
}

// diagnosis is one run.
type diagnosis struct {
	Options
	way    *Way
	checks []Check
}

func (d *diagnosis) add(c Check) { d.checks = append(d.checks, c) }

// own tries this machine's own address.
func (d *diagnosis) own(ctx context.Context) bool {
	a := d.attempt(ctx, d.way.Local, false)
	if a.err == nil {
		d.add(Check{OK, "own address", fmt.Sprintf("%s connects in %s", d.way.Local, a.took.Round(10*time.Microsecond)), nil})
		return true
	}
	d.add(d.explain(a, false))
	d.hints(a)
	return false
}

// foreign tries a client's address.
func (d *diagnosis) foreign(ctx context.Context) {
	if err := transparent(d.Target.Addr()); err != nil {
		d.add(Check{Bad, "privilege", err.Error(), []string{"run as root, or: setcap cap_net_admin,cap_net_raw,cap_bpf,cap_perfmon+ep AGENT"}})
		return
	}
	if !d.Client.IsGlobalUnicast() {
		d.add(Check{Bad, "client address", d.Client.String() + " is no address of a machine", []string{"choose other ones with --session-client-ip"}})
		return
	}
	a := d.attempt(ctx, d.Client, true)
	if a.err == nil {
		detail := fmt.Sprintf("%s connects in %s", d.Client, a.took.Round(10*time.Microsecond))
		if d.StandIn {
			detail += " (a stand-in for the clients: give one with --session-client-ip ADDR/32 to be sure)"
		}
		d.add(Check{OK, "client address", detail, nil})
		return
	}
	routed := true
	if a.seen.answer == "" || a.seen.answer == d.way.Device {
		routed = d.wayBack(a.from)
	}
	c := d.explain(a, true)
	if !routed {
		c.State, c.Remedy = Note, nil // what has to be done first is said
	}
	d.add(c)
	d.hints(a)
}

// wayBack looks at this machine's routes for the answer, as the kernel does.
func (d *diagnosis) wayBack(client netip.AddrPort) bool {
	h, err := query{from: d.Target, to: client, device: d.way.Device}.ask()
	switch {
	case errors.Is(err, errReversePath):
		d.add(Check{Bad, "routes here", fmt.Sprintf("answers that come in by %s: %s", d.way.Device, err),
			[]string{"sysctl -w " + reverse{d.way.Device}.name() + "=2"}})
	case err != nil || !h.local:
		d.add(Check{Bad, "routes here", fmt.Sprintf("the target's answers to %s are not for this machine: no rule leads them to a local route", d.Client), d.apply("")})
	default:
		d.add(Check{OK, "routes here", fmt.Sprintf("answers to %s that come in by %s are taken", d.Client, d.way.Device), nil})
		return true
	}
	return false
}

func (d *diagnosis) apply(device string) []string {
	command := "agent session-routes --target " + d.Target.String()
	if device != "" {
		command += " --device " + device
	}
	return []string{command + " --apply"}
}

// attempt is one connection that was tried.
type attempt struct {
	from    netip.AddrPort
	err     error
	took    time.Duration
	seen    seen
	blind   error // why nothing was seen
	invalid bool  // conntrack took a packet for none of a connection meanwhile
}

// attempt connects once, from a port of its own so that its packets can be told.
func (d *diagnosis) attempt(ctx context.Context, from netip.Addr, foreign bool) *attempt {
	var a *attempt
	for range 5 {
		a = d.attemptFrom(ctx, netip.AddrPortFrom(from, uint16(20000+rand.IntN(12000))), foreign)
		if !errors.Is(a.err, unix.EADDRINUSE) && (foreign || !errors.Is(a.err, unix.EADDRNOTAVAIL)) {
			break
		}
	}
	return a
}

func (d *diagnosis) attemptFrom(ctx context.Context, from netip.AddrPort, foreign bool) *attempt {
	a := &attempt{from: from}
	w, err := watch(d.Target.Addr())
	a.blind = err
	before := invalidPackets()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	a.err = d.Dial(ctx, from, foreign)
	a.took = time.Since(began)
	a.invalid = invalidPackets() > before
	if a.blind == nil {
		w.end()
		a.seen = w.of(from, d.Target, d.way.Device)
	}
	return a
}

// transparent finds out whether this process may use foreign addresses.
func transparent(a netip.Addr) error {
	domain, level, option := unix.AF_INET, unix.SOL_IP, unix.IP_TRANSPARENT
	if a.Is6() {
		domain, level, option = unix.AF_INET6, unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		return fmt.Errorf("sockets with clients' addresses: %w (needs CAP_NET_ADMIN or CAP_NET_RAW)", err)
	}
	return nil
}
