package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Device is the name of the link in both namespaces of a Pair.
const Device = "eth0"

// MaxClients is how many addresses the client of a Pair can have.
const MaxClients = 200

// Pair is a client and a server with a veth link between them. The addresses are
// those for documentation (RFC 5737, RFC 3849).
type Pair struct {
	Client, Server *Namespace
}

// ServerIP is the server's IPv4 address.
func ServerIP() netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, 1}) }

// ServerIP6 is the server's IPv6 address.
func ServerIP6() netip.Addr { return host6(1) }

// ClientIP is the client's IPv4 address number i, from 0.
func ClientIP(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}) }

// ClientIP6 is the client's IPv6 address number i, from 0.
func ClientIP6(i int) netip.Addr { return host6(byte(10 + i)) }

func host6(n byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: n})
}

// NewPair makes a pair whose client has so many addresses of each family, at
// least one. The caller closes it.
func NewPair(clients int) (*Pair, error) {
	if clients < 1 || clients > MaxClients {
		return nil, fmt.Errorf("create pair: %d client addresses (1 to %d are possible)", clients, MaxClients)
	}
	p, err := newPair(clients)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create pair: %w", err), p.Close())
	}
	return p, nil
}

func newPair(clients int) (*Pair, error) {
	p := &Pair{}
	var err error
	if p.Server, err = NewNamespace(); err != nil {
		return p, err
	}
	if p.Client, err = NewNamespace(); err != nil {
		return p, err
	}
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: Device},
		PeerName:      Device,
		PeerNamespace: netlink.NsFd(p.Client.net.Fd()),
	}
	err = p.Server.Do(func() error {
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		return linkUp(Device)
	})
	if err != nil {
		return p, err
	}
	if err := p.Client.Do(func() error { return linkUp(Device) }); err != nil {
		return p, err
	}
	// The addresses come last: on a link without carrier IPv6 would put off joining
	// the groups by which it is found, and the first connection would wait a second.
	if err := p.Server.Do(func() error { return addAddresses(ServerIP(), ServerIP6()) }); err != nil {
		return p, err
	}
	return p, p.Client.Do(func() error {
		for i := range clients {
			if err := addAddresses(ClientIP(i), ClientIP6(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// addAddresses gives the Device of the thread's namespace more addresses.
func addAddresses(addrs ...netip.Addr) error {
	link, err := netlink.LinkByName(Device)
	if err != nil {
		return fmt.Errorf("find link %s: %w", Device, err)
	}
	for _, a := range addrs {
		prefix := 24
		if a.Is6() {
			prefix = 64
		}
		// Without duplicate address detection an IPv6 address can be used at once.
		addr := &netlink.Addr{
			IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(prefix, a.BitLen())},
			Flags: unix.IFA_F_NODAD,
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("add address %s: %w", a, err)
		}
	}
	return nil
}

// Close removes both namespaces and the link.
func (p *Pair) Close() error {
	var errs []error
	for _, n := range []*Namespace{p.Client, p.Server} {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}
