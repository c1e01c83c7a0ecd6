package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"gortap/internal/filter"
	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
)

const (
	// datagramBuffer is what may wait in the socket. Beyond it the kernel drops, and counts.
	datagramBuffer = 8 << 20
	// ownersMax bounds the flows of which it is known which hook shows them.
	ownersMax = 65536
	// ownerIdle is after what silence another hook may show a flow.
	ownerIdle = time.Second
	// maxDatagram is the largest packet over IP.
	maxDatagram = 64 << 10
)

// Datagrams captures UDP. It is a packet socket with the filter in the kernel, and no part
// of the programs for TCP: these cost nothing more for it, but that the socket's filter
// looks at each packet while it is open. Of several interfaces that show the same
// datagram one counts, as for TCP.
type Datagrams struct {
	file    *os.File
	decoder *packet.Decoder
	owners  map[ownerKey]shown
	devices map[int]bool // nil: all
	lost    uint64
}

type ownerKey struct {
	key flow.Key
	dir flow.Dir
}

// shown is which hook shows a direction of a flow, and when it last did.
type shown struct {
	device   int
	outgoing bool
	tsNs     int64
}

// OpenDatagrams captures what matches a pcap-filter expression, on interfaces as in
// Options, but without globs. What a replay's sockets send is left out.
func OpenDatagrams(expr string, interfaces []string) (*Datagrams, error) {
	f, err := filter.Compile(expr, filter.Raw)
	if err != nil {
		return nil, err
	}
	d := &Datagrams{decoder: packet.NewDecoder(packet.Options{}), owners: map[ownerKey]shown{}}
	for _, name := range interfaces {
		if name == "any" {
			d.devices = nil
			break
		}
		device, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("capture udp on %s: %w (want names of interfaces that are here, or any)", name, err)
		}
		if d.devices == nil {
			d.devices = map[int]bool{}
		}
		d.devices[device.Index] = true
	}
	// No protocol yet: nothing may come before the filter is there.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w (needs CAP_NET_RAW)", err)
	}
	d.file = os.NewFile(uintptr(fd), "udp")
	if err := d.prepare(fd, f.Classic()); err != nil {
		d.file.Close()
		return nil, err
	}
	return d, nil
}

func (d *Datagrams) prepare(fd int, code []bpf.RawInstruction) error {
	const markOffset = 0xfffff000 + 20 // SKF_AD_OFF + SKF_AD_MARK
	code = append([]bpf.RawInstruction{
		{Op: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: markOffset},
		{Op: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: flow.ReplayMark},
		{Op: unix.BPF_RET | unix.BPF_K, K: 0},
	}, code...)
	program := unix.SockFprog{Len: uint16(len(code)), Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		return fmt.Errorf("attach filter to packet socket: %w", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, datagramBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, datagramBuffer)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("ask for times of packets: %w", err)
	}
	all := uint16(unix.ETH_P_ALL)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

// sink takes what the decoder finds: nothing but datagrams.
type sink struct {
	d        *Datagrams
	device   int
	outgoing bool
	take     func(*flow.Datagram)
}

var _ flow.DatagramHandler = (*sink)(nil)

func (*sink) Segment(*flow.Segment) {}
func (*sink) Update(*flow.Totals)   {}
func (*sink) End(*flow.Totals)      {}
func (*sink) Tick(int64)            {}

// Datagram passes on what the flow's hook shows.
func (s *sink) Datagram(g *flow.Datagram) {
	k := ownerKey{g.Key, g.Dir}
	owner, known := s.d.owners[k]
	if known && (owner.device != s.device || owner.outgoing != s.outgoing) && g.TsNs-owner.tsNs < int64(ownerIdle) {
		return
	}
	if !known && len(s.d.owners) >= ownersMax {
		clear(s.d.owners)
	}
	s.d.owners[k] = shown{s.device, s.outgoing, g.TsNs}
	s.take(g)
}

// Run hands each datagram to take, and calls tick where none waits any more, until ctx is
// done. Close it then.
func (d *Datagrams) Run(ctx context.Context, take func(*flow.Datagram), tick func()) error {
	defer context.AfterFunc(ctx, func() { _ = d.file.SetReadDeadline(time.Unix(1, 0)) })()
	raw, err := d.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("read packet socket: %w", err)
	}
	s := &sink{d: d, take: take}
	b, oob := make([]byte, maxDatagram), make([]byte, 256)
	for {
		var n, control int
		var from unix.Sockaddr
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, control, _, from, failed = unix.Recvmsg(int(fd), b, oob, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
			if errors.Is(failed, unix.EAGAIN) {
				tick()
				return false
			}
			return true
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read packet socket: %w", err)
		case errors.Is(failed, unix.ENETDOWN), errors.Is(failed, unix.EINTR): // an interface went
			continue
		case failed != nil:
			return fmt.Errorf("read packet socket: %w", failed)
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok || d.devices != nil && !d.devices[link.Ifindex] {
			continue
		}
		s.device, s.outgoing = link.Ifindex, link.Pkttype == unix.PACKET_OUTGOING
		d.decoder.Decode(&packet.Record{Data: b[:min(n, len(b))], WireLen: n, TsNs: stampOf(oob[:control]), Link: packet.Raw}, s)
	}
}

// stampOf reads when the kernel saw a packet.
func stampOf(oob []byte) int64 {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err == nil {
		for _, m := range messages {
			if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
				return int64(binary.NativeEndian.Uint64(m.Data))*1e9 + int64(binary.NativeEndian.Uint64(m.Data[8:]))
			}
		}
	}
	return time.Now().UnixNano()
}

// Lost is how many packets the socket had no room for. It is not for two goroutines at once.
func (d *Datagrams) Lost() uint64 {
	raw, err := d.file.SyscallConn()
	if err != nil {
		return d.lost
	}
	_ = raw.Control(func(fd uintptr) {
		if st, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			d.lost += uint64(st.Drops) // the kernel begins anew with each look
		}
	})
	return d.lost
}

// Close frees the socket. Run must have returned.
func (d *Datagrams) Close() error { return d.file.Close() }
