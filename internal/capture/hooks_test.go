package capture

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// Whatever the programs hang on, they tell what the two ends sent: in bytes, and
// byte by byte. XDP tells what its interface receives.
func TestConnectionsAreToldAsTheyWere(t *testing.T) {
	v4, v6 := lab.ServerIP(), lab.ServerIP6()
	for name, tc := range map[string]struct {
		opts     Options
		server   netip.Addr
		how      string
		receives bool // only
	}{
		"tcx, IPv4":        {opts: Options{}, server: v4, how: "eth0 (tcx)"},
		"tcx, IPv6":        {opts: Options{Attach: AttachTCX}, server: v6, how: "eth0 (tcx)"},
		"clsact, IPv4":     {opts: Options{Attach: AttachClsact}, server: v4, how: "eth0 (clsact)"},
		"clsact, IPv6":     {opts: Options{Attach: AttachClsact, Shards: 4}, server: v6, how: "eth0 (clsact)"},
		"XDP native, IPv4": {opts: Options{Hook: HookXDP}, server: v4, how: "eth0 (xdp native)", receives: true},
		"XDP native, IPv6": {opts: Options{Hook: HookXDP, Shards: 4}, server: v6, how: "eth0 (xdp native)", receives: true},
	} {
		t.Run(name, func(t *testing.T) {
			testutil.CheckLeaks(t)
			p := testutil.Pair(t, 1)
			tc.opts.Interfaces = []string{lab.Device}
			l := start(t, p.Server, tc.opts)
			if diff := cmp.Diff([]string{tc.how}, l.Attached()); diff != "" {
				t.Errorf("attached (-want +got):\n%s", diff)
			}
			sent := talks(t, p.Server, p.Client, netip.AddrPortFrom(tc.server, 80).String(), 4, 300_000, 1_000_000)
			s := l.stop()
			for _, x := range sent {
				l.checkTalk(x, true, !tc.receives)
			}
			l.checkBalance(s)
			if got := l.largest(); !tc.receives && got <= 1500 {
				t.Errorf("no packet above the MTU of 1500 (the largest has %d bytes): the sender did not offload", got)
			}
			if left := testutil.Attached(t, p.Server, lab.Device); len(left) > 0 {
				t.Errorf("still attached: %v", left)
			}
			if left := qdiscs(t, p.Server, lab.Device); len(left) > 0 {
				t.Errorf("qdiscs left: %v", left)
			}
		})
	}
}

// On loopback each packet leaves and arrives, and is told once.
func TestLoopbackIsToldOnce(t *testing.T) {
	for name, opts := range map[string]Options{
		"tcx":         {},
		"clsact":      {Attach: AttachClsact},
		"XDP generic": {Hook: HookXDP},
	} {
		t.Run(name, func(t *testing.T) {
			testutil.CheckLeaks(t)
			host := testutil.Namespace(t)
			opts.Interfaces = []string{"lo"}
			l := start(t, host, opts)
			sent := talks(t, host, host, "127.0.0.1:80", 2, 200_000, 500_000)
			s := l.stop()
			for _, x := range sent {
				l.checkTalk(x, true, true)
			}
			l.checkBalance(s)
			if n := s.Ignored["duplicate"]; n != (Count{}) {
				t.Errorf("duplicates %+v, want none", n)
			}
		})
	}
}

// qdiscs lists the clsact qdiscs of a device.
func qdiscs(t *testing.T, n *lab.Namespace, device string) (found []string) {
	t.Helper()
	err := n.Do(func() error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		list, err := netlink.QdiscList(link)
		for _, q := range list {
			if q.Type() == "clsact" {
				found = append(found, q.Attrs().String())
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
