package way

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	// Table is the routing table that answers to foreign addresses are looked up in.
	Table = 7070
	// ours marks rules and routes that this program made (ip(8) calls it the
	// protocol), so that those of others are never touched.
	ours = 170
)

// Routes are what the answers of one target need, here and there.
type Routes struct {
	Way
	// Answers is the interface that the target's answers come in by. It is mostly
	// Device.
	Answers string
}

// rule sends the target's answers to table Table. It has no priority: the kernel puts it
// right behind the machine's own addresses, which keep their traffic.
func (r *Routes) rule() *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family = int(family(r.Target.Addr()))
	rule.Src = &net.IPNet{IP: r.Target.Addr().AsSlice(), Mask: net.CIDRMask(r.Target.Addr().BitLen(), r.Target.Addr().BitLen())}
	rule.IifName = r.Answers
	rule.IPProto = unix.IPPROTO_TCP
	rule.Sport = netlink.NewRulePortRange(r.Target.Port(), r.Target.Port())
	rule.Table = Table
	rule.Protocol = ours
	return rule
}

// localRoute makes whatever is looked up in the table this machine's own.
func localRoute(family uint8) (*netlink.Route, error) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return nil, fmt.Errorf("find interface lo: %w", err)
	}
	all := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	if family == netlink.FAMILY_V6 {
		all = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	}
	r := &netlink.Route{LinkIndex: lo.Index, Dst: all, Table: Table, Type: unix.RTN_LOCAL, Protocol: ours, Scope: unix.RT_SCOPE_HOST}
	return r, nil
}

// ip is the beginning of an ip(8) command for the target's family.
func (r *Routes) ip() string {
	if r.Target.Addr().Is6() {
		return "ip -6 "
	}
	return "ip "
}

// Here are the commands that do by hand, on this machine, what Apply does.
func (r *Routes) Here() []string {
	all := "0.0.0.0/0"
	if r.Target.Addr().Is6() {
		all = "::/0"
	}
	cmds := []string{
		r.ip() + fmt.Sprintf("route add local %s dev lo table %d", all, Table),
		r.ip() + fmt.Sprintf("rule add from %s iif %s ipproto tcp sport %d lookup %d", r.Target.Addr(), r.Answers, r.Target.Port(), Table),
	}
	if s := r.strict(); s != nil {
		cmds = append(cmds, "sysctl -w "+s.name()+"=2")
	}
	return cmds
}

// AtTarget are the commands for the target: its answers, of this service alone, go back
// to local.
func AtTarget(target netip.AddrPort, local netip.Addr) []string {
	ip := "ip "
	if target.Addr().Is6() {
		ip = "ip -6 "
	}
	return []string{
		ip + fmt.Sprintf("route add default via %s table %d", local, Table),
		ip + fmt.Sprintf("rule add from %s ipproto tcp sport %d lookup %d", target.Addr(), target.Port(), Table),
	}
}

// Text tells people all commands, and what for.
func (r *Routes) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Here: what %s answers to clients' addresses is for this machine. Real clients whose\n", r.Target)
	fmt.Fprintf(&b, "# connections to it are routed through this machine would lose their answers.\n")
	for _, c := range r.Here() {
		fmt.Fprintln(&b, c)
	}
	fmt.Fprintf(&b, "# At the target: answers of this service go back through this machine (reach it directly: a\n")
	fmt.Fprintf(&b, "# router between the two would send them to the clients).\n")
	for _, c := range AtTarget(r.Target, r.Local) {
		fmt.Fprintln(&b, c)
	}
	fmt.Fprintf(&b, "# Remove them with del in the place of add.\n")
	return b.String()
}
