// Package way is about the way to a target and back where sessions come from addresses
// that are not this machine's: it finds it, sets the routes that the answers need, and
// finds out why none come. Use it beside a replay, not in it: nothing here is on the path
// of a packet. What lies between this machine and the target it can only judge by what
// comes back.
package way

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Way is how this machine reaches a target.
type Way struct {
	Target  netip.AddrPort
	Local   netip.Addr // of this machine, as the target knows it
	Device  string     // that leads to the target
	Gateway netip.Addr // zero: the target is on the link
	Here    bool       // the target is this machine
}

// Find asks the kernel for the way to target.
func Find(target netip.AddrPort) (*Way, error) {
	h, err := query{to: target}.ask()
	if err != nil {
		return nil, fmt.Errorf("find the way to %s: %w", target, err)
	}
	w := &Way{Target: target, Local: h.source, Device: h.device, Gateway: h.gateway, Here: h.local}
	if !w.Local.IsValid() && !w.Here {
		return nil, fmt.Errorf("find the way to %s: this machine has no address of its family", target)
	}
	return w, nil
}

// query asks which way a TCP segment would go.
type query struct {
	from   netip.AddrPort // zero: a socket without an address
	to     netip.AddrPort
	device string // where it comes in; "": it is sent by this machine
}

// hop is the kernel's answer.
type hop struct {
	local   bool // it is for this machine
	device  string
	gateway netip.Addr
	source  netip.Addr
	table   int
}

// errReversePath says that the kernel drops such a packet: its source is not where it
// comes from, as far as routes tell.
var errReversePath = errors.New("the reverse path filter drops it")

// Attributes of a route message that golang.org/x/sys has no name for
// (include/uapi/linux/rtnetlink.h).
const (
	rtaIPProto = 0x1b
	rtaSport   = 0x1c
	rtaDport   = 0x1d
)

func (q query) ask() (*hop, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_REQUEST)
	bits := uint8(q.to.Addr().BitLen())
	msg := &nl.RtMsg{}
	msg.Family, msg.Dst_len, msg.Flags = family(q.to.Addr()), bits, unix.RTM_F_LOOKUP_TABLE
	if q.from.IsValid() {
		msg.Src_len = bits
	}
	req.AddData(msg)
	add := func(kind int, b []byte) { req.AddData(nl.NewRtAttr(kind, b)) }
	add(unix.RTA_DST, q.to.Addr().AsSlice())
	add(rtaIPProto, []byte{unix.IPPROTO_TCP})
	add(rtaDport, binary.BigEndian.AppendUint16(nil, q.to.Port()))
	if q.from.IsValid() {
		add(unix.RTA_SRC, q.from.Addr().AsSlice())
		add(rtaSport, binary.BigEndian.AppendUint16(nil, q.from.Port()))
	}
	if q.device != "" {
		i, err := net.InterfaceByName(q.device)
		if err != nil {
			return nil, fmt.Errorf("find interface %s: %w", q.device, err)
		}
		add(unix.RTA_IIF, binary.NativeEndian.AppendUint32(nil, uint32(i.Index)))
	}
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.EINVAL) && q.device != "" {
		return nil, errReversePath // EINVAL: a martian, for the same reason
	}
	if err != nil {
		return nil, err
	}
	if len(answers) == 0 {
		return nil, unix.ENETUNREACH
	}
	return parseHop(answers[0])
}

func parseHop(b []byte) (*hop, error) {
	msg := nl.DeserializeRtMsg(b)
	attrs, err := nl.ParseRouteAttr(b[msg.Len():])
	if err != nil {
		return nil, fmt.Errorf("read the kernel's route: %w", err)
	}
	h := &hop{local: msg.Type == unix.RTN_LOCAL, table: int(msg.Table)}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.RTA_OIF:
			if i, err := net.InterfaceByIndex(int(binary.NativeEndian.Uint32(a.Value))); err == nil {
				h.device = i.Name
			}
		case unix.RTA_GATEWAY:
			h.gateway, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_PREFSRC:
			h.source, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_TABLE:
			h.table = int(binary.NativeEndian.Uint32(a.Value))
		}
	}
	if msg.Type == unix.RTN_UNREACHABLE || msg.Type == unix.RTN_BLACKHOLE || msg.Type == unix.RTN_PROHIBIT {
		return nil, unix.EHOSTUNREACH
	}
	return h, nil
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

// next is whom the machine's link layer must know to reach the target.
func (w *Way) next() netip.Addr {
	if w.Gateway.IsValid() {
		return w.Gateway
	}
	return w.Target.Addr()
}

// neighbourSilent reports whether the next hop is known not to answer on the link.
func (w *Way) neighbourSilent() bool {
	i, err := net.InterfaceByName(w.Device)
	if err != nil {
		return false
	}
	all, err := netlink.NeighList(i.Index, int(family(w.Target.Addr())))
	if err != nil {
		return false
	}
	for _, n := range all {
		if a, _ := netip.AddrFromSlice(n.IP); a.Unmap() == w.next() {
			return n.State&(netlink.NUD_FAILED|netlink.NUD_INCOMPLETE) != 0
		}
	}
	return false
}
