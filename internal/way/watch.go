package way

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// seen is what passed this machine's interfaces of one attempt to connect.
type seen struct {
	watched bool   // without it the rest means nothing
	syn     bool   // left this machine
	answer  string // the interface that a SYN-ACK came in by
	reset   bool   // the target refused
	icmp    []icmp // somebody on the way refused
	asked   bool   // the target looks for the client on its own link
}

// icmp is a message that a packet cannot be delivered.
type icmp struct {
	from netip.Addr
	kind string
}

// watcher looks at the packets to and from a target on all interfaces, behind this
// machine's firewall where they leave and before it where they come.
type watcher struct {
	file   *os.File
	target netip.Addr
	done   sync.WaitGroup

	mu      sync.Mutex
	packets []observed
}

// observed is a packet of interest.
type observed struct {
	out      bool
	device   int
	from, to netip.AddrPort
	flags    byte
	icmp     string
	asksFor  netip.Addr // an ARP request or a neighbour solicitation
}

// Packet types and ancillary offsets of packet sockets (linux/if_packet.h, linux/filter.h).
const (
	packetOutgoing = 4
	etherARP       = 0x0806
	etherIPv4      = 0x0800
	etherIPv6      = 0x86dd
	maxObserved    = 4096
	snapLength     = 128
)

// watch begins to look. The caller ends it.
func watch(target netip.Addr) (*watcher, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("watch packets: %w (needs CAP_NET_RAW)", err)
	}
	program, err := bpf.Assemble(packetsOf(target))
	if err == nil {
		err = attach(fd, program)
	}
	if err == nil { // only now does anything come
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL)})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("watch packets: %w", err)
	}
	w := &watcher{file: os.NewFile(uintptr(fd), "packets"), target: target}
	w.done.Go(w.run)
	return w, nil
}

func attach(fd int, program []bpf.RawInstruction) error {
	var filter []unix.SockFilter
	for _, i := range program {
		filter = append(filter, unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// packetsOf is the program that lets pass: TCP of the target, ICMP, and questions for
// addresses of the link.
func packetsOf(target netip.Addr) []bpf.Instruction {
	ether, next, icmpProto, from, to := uint32(etherIPv4), uint32(9), uint32(unix.IPPROTO_ICMP), uint32(12), uint32(16)
	if target.Is6() {
		ether, next, icmpProto, from, to = etherIPv6, 6, unix.IPPROTO_ICMPV6, 8, 24
	}
	// Whether the last four bytes of an address are the target's is enough here.
	b := target.AsSlice()
	last := binary.BigEndian.Uint32(b[len(b)-4:])
	skip := uint32(len(b) - 4)
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtProto},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherARP, SkipTrue: 8},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: ether, SkipTrue: 8},
		bpf.LoadAbsolute{Off: next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpProto, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 5},
		bpf.LoadAbsolute{Off: from + skip, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: last, SkipTrue: 2},
		bpf.LoadAbsolute{Off: to + skip, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: last, SkipTrue: 1},
		bpf.RetConstant{Val: snapLength},
		bpf.RetConstant{Val: 0},
	}
}

func (w *watcher) run() {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		w.drain(int(fd))
		return false // it ends with the deadline
	})
	_ = raw.Control(func(fd uintptr) { w.drain(int(fd)) })
}

// drain takes the packets that have come.
func (w *watcher) drain(fd int) {
	buf := make([]byte, snapLength)
	for {
		n, from, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err != nil {
			return
		}
		if at, ok := from.(*unix.SockaddrLinklayer); ok {
			w.take(buf[:n], at)
		}
	}
}

func (w *watcher) take(b []byte, at *unix.SockaddrLinklayer) {
	p := observed{out: at.Pkttype == packetOutgoing, device: at.Ifindex}
	if !p.parse(b, htons(at.Protocol)) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.packets) < maxObserved {
		w.packets = append(w.packets, p)
	}
}

// end stops looking, when what has come by now is read.
func (w *watcher) end() {
	_ = w.file.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	w.done.Wait()
	w.file.Close()
}

// of sums up what was seen of a connection from client to target, which device leads to.
func (w *watcher) of(client, target netip.AddrPort, device string) seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := seen{watched: true}
	for _, p := range w.packets {
		switch {
		case p.out && p.from == client && p.to == target && p.flags&flagSYN != 0:
			s.syn = true
		case p.out:
		case p.icmp != "" && p.to == client:
			if m := (icmp{p.from.Addr(), p.icmp}); !slices.Contains(s.icmp, m) {
				s.icmp = append(s.icmp, m)
			}
		case p.asksFor == client.Addr() && p.from.Addr() == target.Addr():
			s.asked = true
		case p.asksFor.IsValid():
			// It wants to send by an interface that does not answer, for the reverse path
			// filter is about these questions too.
			if in := nameOf(p.device); p.from.Addr() == target.Addr() && in != device && s.answer == "" {
				s.answer = in
			}
		case p.icmp != "" || p.from != target || p.to != client:
		case p.flags&flagRST != 0:
			s.reset = true
		case p.flags&flagSYN != 0:
			s.answer = nameOf(p.device)
		}
	}
	return s
}

// nameOf is an interface's name, "" where it is gone.
func nameOf(index int) string {
	i, err := net.InterfaceByIndex(index)
	if err != nil {
		return ""
	}
	return i.Name
}

func htons(v uint16) uint16 { return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v)) }
