package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Before TCX (Linux 6.6) programs hang in a clsact qdisc as filters, which the
// kernel keeps when the process dies. A filter's name holds its owner's pid and
// start time, so that the next agent can remove those of dead ones.
const clsactPrefix = "gortap:"

func attachClsact(n nic, p programs) (*attachment, error) {
	if err := ensureClsact(n); err != nil {
		return nil, explainAttach("clsact", n, err)
	}
	removeStale(n)
	a := &attachment{how: "clsact"}
	for _, side := range []struct {
		prog   *ebpf.Program
		parent uint32
	}{{p.ingress, netlink.HANDLE_MIN_INGRESS}, {p.egress, netlink.HANDLE_MIN_EGRESS}} {
		if side.prog == nil {
			continue
		}
		f, err := addFilter(n, side.prog, side.parent)
		if err != nil {
			a.Close()
			return nil, explainAttach("clsact", n, err)
		}
		a.closers = append(a.closers, f)
	}
	return a, nil
}

func ensureClsact(n nic) error {
	err := netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: n.index,
		Handle:    netlink.MakeHandle(0xffff, 0),
		Parent:    netlink.HANDLE_CLSACT,
	}})
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// clsactFilter is one program in a clsact qdisc. Closing it removes the qdisc
// too once nobody's filter is left in it.
type clsactFilter struct {
	nic    nic
	parent uint32
	name   string
}

var _ io.Closer = (*clsactFilter)(nil)

func addFilter(n nic, prog *ebpf.Program, parent uint32) (*clsactFilter, error) {
	owner, err := ownerName(os.Getpid())
	if err != nil {
		return nil, err
	}
	f := &clsactFilter{nic: n, parent: parent, name: owner}
	return f, netlink.FilterAdd(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: n.index,
			Parent:    parent,
			Protocol:  unix.ETH_P_ALL,
			Handle:    1,
			Priority:  0, // the kernel chooses a free one
		},
		Fd:           prog.FD(),
		Name:         owner,
		DirectAction: true,
	})
}

func (f *clsactFilter) Close() error {
	err := removeFilters(f.nic, f.parent, func(name string) bool { return name == f.name })
	if gone(err) {
		return nil
	}
	return errors.Join(err, removeEmptyClsact(f.nic))
}

func removeFilters(n nic, parent uint32, which func(name string) bool) error {
	l := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: n.index, Name: n.name}}
	list, err := netlink.FilterList(l, parent)
	if err != nil {
		return err
	}
	var errs error
	for _, f := range list {
		if b, ok := f.(*netlink.BpfFilter); ok && which(b.Name) {
			errs = errors.Join(errs, netlink.FilterDel(b))
		}
	}
	return errs
}

func removeEmptyClsact(n nic) error {
	l := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: n.index, Name: n.name}}
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		if list, err := netlink.FilterList(l, parent); err != nil || len(list) > 0 {
			return err
		}
	}
	return netlink.QdiscDel(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: n.index,
		Handle:    netlink.MakeHandle(0xffff, 0),
		Parent:    netlink.HANDLE_CLSACT,
	}})
}

// removeStale takes off filters whose agent is dead.
func removeStale(n nic) {
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		// Best effort: what cannot be removed now only costs what it costs.
		_ = removeFilters(n, parent, func(name string) bool {
			if !strings.HasPrefix(name, clsactPrefix) {
				return false
			}
			pid, _, _ := strings.Cut(strings.TrimPrefix(name, clsactPrefix), ":")
			number, err := strconv.Atoi(pid)
			if err != nil {
				return false
			}
			owner, err := ownerName(number)
			return err != nil || owner != name
		})
	}
}

// ownerName is unique to a process: a pid alone is used again.
func ownerName(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", fmt.Errorf("read process start time: %w", err)
	}
	// Field 22, counted behind the parenthesised command name (proc(5)).
	rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return "", fmt.Errorf("read process start time: %d fields in /proc/%d/stat", len(fields), pid)
	}
	return fmt.Sprintf("%s%d:%s", clsactPrefix, pid, fields[19]), nil
}
