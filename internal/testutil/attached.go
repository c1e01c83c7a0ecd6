package testutil

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gortap/internal/lab"
)

// Attached lists the BPF programs on an interface of the namespace, one line
// each: tcx, classic tc filters and XDP. An empty list means that whatever was
// attached there is gone.
func Attached(t testing.TB, n *lab.Namespace, device string) []string {
	t.Helper()
	var found []string
	err := n.Do(func() error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return fmt.Errorf("find link %s: %w", device, err)
		}
		tcx, err := attachedTCX(l)
		if err != nil {
			return err
		}
		filters, err := attachedFilters(l)
		if err != nil {
			return err
		}
		found = append(tcx, filters...)
		if xdp := l.Attrs().Xdp; xdp != nil && xdp.Attached {
			found = append(found, fmt.Sprintf("xdp program %d", xdp.ProgId))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("list programs on %s: %v", device, err)
	}
	return found
}

func attachedTCX(l netlink.Link) ([]string, error) {
	var found []string
	for _, where := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
		result, err := link.QueryPrograms(link.QueryOptions{Target: l.Attrs().Index, Attach: where})
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
			continue // nothing was ever attached, or the kernel is older than tcx (6.6)
		}
		if err != nil {
			return nil, fmt.Errorf("query %s: %w", where, err)
		}
		for _, p := range result.Programs {
			found = append(found, fmt.Sprintf("%s program %d", where, p.ID))
		}
	}
	return found, nil
}

func attachedFilters(l netlink.Link) ([]string, error) {
	var found []string
	for _, parent := range []uint32{netlink.HANDLE_MIN_INGRESS, netlink.HANDLE_MIN_EGRESS} {
		filters, err := netlink.FilterList(l, parent)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			continue // no clsact qdisc
		}
		if err != nil {
			return nil, fmt.Errorf("list filters: %w", err)
		}
		for _, f := range filters {
			found = append(found, fmt.Sprintf("tc filter %s at %s", f.Type(), netlink.HandleStr(parent)))
		}
	}
	return found, nil
}
