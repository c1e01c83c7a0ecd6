package capture

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Before TCX (Linux 6.6) programs hang in a clsact qdisc as filters, which the
// kernel keeps when the process dies. So the filter is a relay (relay.go), which
// the kernel empties with the process: what kill -9 leaves behind does nothing,
// holds no memory, and is taken off by the next agent that attaches here.
const clsactName = "gortap:"

func attachClsact(n nic, p programs, o *owner) (*attachment, error) {
	ours, err := ensureClsact(n)
	if err != nil {
		return nil, explainAttach("clsact", n, err)
	}
	a := &attachment{how: "clsact"}
	if ours {
		// Closed last: by then our filters are gone.
		a.closers = append(a.closers, clsactQdisc{n})
	}
	for _, side := range []struct {
		prog   *ebpf.Program
		parent uint32
	}{{p.ingress, netlink.HANDLE_MIN_INGRESS}, {p.egress, netlink.HANDLE_MIN_EGRESS}} {
		if side.prog == nil {
			continue
		}
		f, err := addFilter(n, side.prog, side.parent, o.name)
		if err != nil {
			return nil, errors.Join(explainAttach("clsact", n, err), a.Close())
		}
		a.closers = append([]io.Closer{f}, a.closers...)
	}
	return a, nil
}

// ensureClsact makes the qdisc where it is missing, and takes off the filters of
// dead agents. It reports whether the qdisc is there for agents alone: then the
// last one removes it.
func ensureClsact(n nic) (ours bool, err error) {
	err = netlink.QdiscAdd(clsact(n))
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, unix.EEXIST) {
		return false, err
	}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		// Best effort: what cannot be removed now costs next to nothing.
		found, _ := agentFilters(n, parent)
		for _, f := range found {
			ours = true
			if !ownerLives(f.Name) {
				_ = netlink.FilterDel(f)
			}
		}
	}
	return ours, nil
}

func clsact(n nic) netlink.Qdisc {
	return &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: n.index,
		Handle:    netlink.MakeHandle(0xffff, 0),
		Parent:    netlink.HANDLE_CLSACT,
	}}
}

// agentFilters lists the filters of all agents, dead or alive.
func agentFilters(n nic, parent uint32) ([]*netlink.BpfFilter, error) {
	list, err := netlink.FilterList(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: n.index}}, parent)
	var found []*netlink.BpfFilter
	for _, f := range list {
		if b, ok := f.(*netlink.BpfFilter); ok && strings.HasPrefix(b.Name, clsactName) {
			found = append(found, b)
		}
	}
	return found, err
}

// clsactFilter is one program in a clsact qdisc.
type clsactFilter struct {
	nic    nic
	parent uint32
	relay  *relay
}

func addFilter(n nic, prog *ebpf.Program, parent uint32, name string) (*clsactFilter, error) {
	r, err := newRelay(prog)
	if err != nil {
		return nil, err
	}
	f := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: n.index,
			Parent:    parent,
			Protocol:  unix.ETH_P_ALL,
			// Before all others: one that redirects or drops would hide packets.
			// In a priority the last filter runs first; with a handle of its own
			// it survives those who replace theirs, which is mostly number 1.
			Priority: 1,
			Handle:   rand.Uint32() | 1<<31,
		},
		Fd:           r.prog.FD(),
		Name:         name,
		DirectAction: true,
	}
	err = netlink.FilterAdd(f)
	if errors.Is(err, unix.EINVAL) {
		// A filter of another kind has that priority: the kernel chooses one.
		f.Priority = 0
		err = netlink.FilterAdd(f)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return &clsactFilter{nic: n, parent: parent, relay: r}, nil
}

// Close takes the filter off. It is no error if that has happened already, with
// the interface or with the qdisc.
func (f *clsactFilter) Close() error {
	found, err := agentFilters(f.nic, f.parent)
	for _, b := range found {
		if ebpf.ProgramID(b.Id) == f.relay.id {
			err = errors.Join(err, netlink.FilterDel(b))
		}
	}
	return errors.Join(err, f.relay.Close())
}

// clsactQdisc is a qdisc that agents made for themselves.
type clsactQdisc struct{ nic nic }

// Close removes the qdisc, unless somebody's filter is in it.
func (q clsactQdisc) Close() error {
	link := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: q.nic.index}}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		if list, err := netlink.FilterList(link, parent); err != nil || len(list) > 0 {
			return err
		}
	}
	return netlink.QdiscDel(clsact(q.nic))
}
