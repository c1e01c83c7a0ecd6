package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gortap/internal/flow"
	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// A node sees a pod's packets on the pod's veth, on a bridge, and on the way out.
// They are counted once, on whatever they show first.
func TestPacketsOnTheirWayThroughTheNodeCountOnce(t *testing.T) {
	for _, how := range []Attach{AttachTCX, AttachClsact} {
		t.Run(string(how), func(t *testing.T) {
			pod, node, far := testutil.Namespace(t), testutil.Namespace(t), testutil.Namespace(t)
			// pod 10.0.0.2 - (veth) - br0 10.0.0.1 - node - (veth) 10.0.1.1 - 10.0.1.2 far
			wire(t, node, "vpod", pod, "10.0.0.2/24", "10.0.0.1")
			wire(t, node, "nic", far, "10.0.1.2/24", "10.0.1.1")
			inside(t, node, func() error {
				br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
				return errors.Join(netlink.LinkAdd(br), enslave("vpod", "br0"), setUp("br0"),
					address("br0", "10.0.0.1/24"), address("nic", "10.0.1.1/24"),
					os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0))
			})
			l := start(t, node, Options{Attach: how})
			on := func(n string) string { return fmt.Sprintf("%s (%s)", n, how) }
			l.waitAttached(on("br0"), on("lo"), on("nic"), on("vpod"))
			sent := talks(t, pod, far, "10.0.0.2:80", 3, 100_000, 400_000)
			s := l.stop()
			for _, x := range sent {
				l.checkTalk(x, true, true)
			}
			l.checkBalance(s)
			// Three hooks a packet and way: into the node, through the bridge, out.
			if dup := s.Ignored["duplicate"].Packets; dup < 2*s.Matched.Packets {
				t.Errorf("%d duplicates of %d packets, want twice as many: was the way so long?", dup, s.Matched.Packets)
			}
		})
	}
}

// wire puts a veth between the node and another namespace, where it is eth0.
func wire(t *testing.T, node *lab.Namespace, name string, other *lab.Namespace, addr, gateway string) {
	t.Helper()
	inside(t, node, func() error {
		return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "peer-" + name})
	})
	moveTo(t, node, "peer-"+name, other)
	inside(t, node, func() error { return setUp(name) })
	inside(t, other, func() error {
		link, err := netlink.LinkByName("peer-" + name)
		if err != nil {
			return err
		}
		_, all, _ := net.ParseCIDR("0.0.0.0/0")
		return errors.Join(setUp("peer-"+name), address("peer-"+name, addr),
			netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: all, Gw: net.ParseIP(gateway)}))
	})
}

// moveTo gives an interface to another namespace.
func moveTo(t *testing.T, from *lab.Namespace, name string, to *lab.Namespace) {
	t.Helper()
	var target *os.File
	inside(t, to, func() (err error) {
		target, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	defer target.Close()
	inside(t, from, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkSetNsFd(link, int(target.Fd()))
	})
}

func enslave(port, bridge string) error {
	p, err := netlink.LinkByName(port)
	if err != nil {
		return err
	}
	b, err := netlink.LinkByName(bridge)
	if err != nil {
		return err
	}
	return netlink.LinkSetMaster(p, b)
}

func address(dev, cidr string) error {
	link, err := netlink.LinkByName(dev)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	return netlink.AddrAdd(link, addr)
}

// Packets above 64 KiB, which a sender with BIG TCP makes, come in slices.
func TestPacketsAbove64KiBAreToldWhole(t *testing.T) {
	for name, server := range map[string]netip.Addr{"IPv4": lab.ServerIP(), "IPv6": lab.ServerIP6()} {
		t.Run(name, func(t *testing.T) {
			p := testutil.Pair(t, 1)
			for _, n := range []*lab.Namespace{p.Server, p.Client} {
				inside(t, n, bigTCP)
			}
			l := start(t, p.Server, Options{Interfaces: []string{lab.Device}, RingBytes: 32 << 20})
			sent := talks(t, p.Server, p.Client, netip.AddrPortFrom(server, 80).String(), 1, 3_000_000, 3_000_000)
			s := l.stop()
			l.checkTalk(sent[0], true, true)
			l.checkBalance(s)
			if got := l.largest(); got <= 64<<10 {
				t.Errorf("the largest packet had %d bytes, want more than 64 KiB", got)
			}
		})
	}
}

// bigTCP lets the Device have packets above 64 KiB, sent and merged.
func bigTCP() error {
	const size = 200_000
	link, err := netlink.LinkByName(lab.Device)
	if err != nil {
		return err
	}
	return errors.Join(
		netlink.LinkSetGSOMaxSize(link, size), netlink.LinkSetGSOIPv4MaxSize(link, size),
		netlink.LinkSetGROMaxSize(link, size), netlink.LinkSetGROIPv4MaxSize(link, size))
}

// The capture's bytes are those of the interface, less what is before the IP header.
func TestBytesAreThoseOfTheInterface(t *testing.T) {
	p := testutil.Pair(t, 1)
	l := start(t, p.Server, Options{Interfaces: []string{lab.Device}, RequestBudget: 2048, ResponseBudget: 2048})
	const ether = 14
	frames := func() (c Count) {
		s := l.stats()
		c = s.Matched
		c.Bytes += ether * s.Matched.Packets
		for _, n := range s.Ignored { // ARP and the like: whole frames
			c.add(n)
		}
		return c
	}
	// The kernel's own packets (IPv6 sets itself up) must not fall between the two.
	before, base := deviceCount(t, p.Server), frames()
	for now := deviceCount(t, p.Server); now != before; now = deviceCount(t, p.Server) {
		before, base = now, frames()
	}
	talks(t, p.Server, p.Client, "192.0.2.1:80", 2, 50_000, 500_000)
	var dev, seen Count
	same := func() bool {
		dev, seen = deviceCount(t, p.Server), frames()
		dev.Packets -= before.Packets
		dev.Bytes -= before.Bytes
		seen.Packets -= base.Packets
		seen.Bytes -= base.Bytes
		return dev == seen
	}
	defer func() {
		if t.Failed() {
			t.Errorf("interface %+v, capture %+v", dev, seen)
		}
	}()
	eventually(t, "equal in packets and bytes", same)
	if seen.Packets < 20 {
		t.Errorf("%d packets, that proves little", seen.Packets)
	}
}

func deviceCount(t *testing.T, n *lab.Namespace) (c Count) {
	t.Helper()
	inside(t, n, func() error {
		link, err := netlink.LinkByName(lab.Device)
		if err != nil {
			return err
		}
		s := link.Attrs().Statistics
		c = Count{s.RxPackets + s.TxPackets, s.RxBytes + s.TxBytes}
		return nil
	})
	return c
}

// On a tun device packets begin at the IP header.
func TestRawIPDeviceIsCaptured(t *testing.T) {
	for name, opts := range map[string]Options{
		"tcx":    {},
		"clsact": {Attach: AttachClsact},
		"XDP":    {Hook: HookXDP},
	} {
		t.Run(name, func(t *testing.T) {
			host := testutil.Namespace(t)
			tun := openTun(t, host, "tun0", "198.51.100.1/24")
			opts.Interfaces = []string{"tun0"}
			l := start(t, host, opts)
			src, dst := netip.MustParseAddrPort("198.51.100.2:40000"), netip.MustParseAddrPort("198.51.100.1:80")
			if _, err := tun.Write(synPacket(src, dst)); err != nil {
				t.Fatal(err)
			}
			answers := uint64(1) // the host has no server there: it says RST
			if opts.Hook == HookXDP {
				answers = 0
			}
			eventually(t, "told", func() bool { return l.stats().Matched.Packets >= 1+answers })
			s := l.stop()
			l.checkBalance(s)
			key, dir := flow.NewKey(src, dst, 0)
			end := l.conn(key).ends[0]
			want := [2]flow.DirTotals{}
			want[dir] = flow.DirTotals{Packets: 1, Bytes: 40}
			want[dir.Other()] = flow.DirTotals{Packets: answers, Bytes: 40 * answers}
			if diff := cmp.Diff(want, end.Dirs); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
		})
	}
}

// openTun makes a tun device; the test is its network.
func openTun(t *testing.T, host *lab.Namespace, name, addr string) *os.File {
	t.Helper()
	var fd int
	inside(t, host, func() (err error) {
		fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("needs /dev/net/tun")
		}
		if err != nil {
			return err
		}
		req, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			return fmt.Errorf("make tun: %w", err)
		}
		return errors.Join(setUp(name), address(name, addr))
	})
	f := os.NewFile(uintptr(fd), "tun")
	t.Cleanup(func() { f.Close() })
	return f
}

// synPacket returns an IPv4 packet with a SYN, checksums and all.
func synPacket(src, dst netip.AddrPort) []byte {
	p := make([]byte, 40)
	p[0], p[3], p[8], p[9] = 0x45, 40, 64, unix.IPPROTO_TCP
	copy(p[12:], src.Addr().AsSlice())
	copy(p[16:], dst.Addr().AsSlice())
	binary.BigEndian.PutUint16(p[10:], checksum(p[:20], 0))
	tcp := p[20:]
	binary.BigEndian.PutUint16(tcp, src.Port())
	binary.BigEndian.PutUint16(tcp[2:], dst.Port())
	tcp[12], tcp[13], tcp[14] = 5<<4, uint8(flow.SYN), 0xff
	pseudo := uint32(unix.IPPROTO_TCP + len(tcp))
	for i := 12; i < 20; i += 2 {
		pseudo += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	binary.BigEndian.PutUint16(tcp[16:], checksum(tcp, pseudo))
	return p
}

// checksum is that of RFC 1071.
func checksum(b []byte, sum uint32) uint16 {
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
