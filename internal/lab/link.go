package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Link connects two namespaces by a veth pair that has the same name in both, with
// the addresses of each end.
func Link(name string, a, b *Namespace, atA, atB []netip.Prefix) error {
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name, PeerNamespace: netlink.NsFd(b.net.Fd())}
	err := a.Do(func() error {
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		return linkUp(name)
	})
	if err != nil {
		return err
	}
	if err := b.Do(func() error { return linkUp(name) }); err != nil {
		return err
	}
	// As in a Pair, the addresses come last.
	if err := a.Do(func() error { return address(name, atA) }); err != nil {
		return err
	}
	return b.Do(func() error { return address(name, atB) })
}

func address(name string, prefixes []netip.Prefix) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	for _, p := range prefixes {
		addr := &netlink.Addr{
			IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())},
			Flags: unix.IFA_F_NODAD,
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("add address %s: %w", p, err)
		}
	}
	return nil
}
