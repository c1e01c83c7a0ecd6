package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// inside runs fn in the namespace; an error fails the test.
func inside(t *testing.T, n *lab.Namespace, fn func() error) {
	t.Helper()
	if err := n.Do(fn); err != nil {
		t.Fatal(err)
	}
}

func addVeth(name, peer string) error {
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peer}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth %s: %w", name, err)
	}
	return errors.Join(setUp(name), setUp(peer))
}

func setUp(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	return netlink.LinkSetUp(l)
}

func (l *live) waitAttached(want ...string) {
	l.t.Helper()
	slices.Sort(want)
	eventually(l.t, fmt.Sprintf("attached to %v", want), func() bool { return slices.Equal(want, l.Attached()) })
}

// Interfaces come and go; none of it needs a word to the user.
func TestInterfacesAreFollowed(t *testing.T) {
	for _, how := range []Attach{AttachTCX, AttachClsact} {
		t.Run(string(how), func(t *testing.T) {
			testutil.CheckLeaks(t)
			host := testutil.Namespace(t)
			l := start(t, host, Options{Attach: how})
			on := func(names ...string) (list []string) {
				for _, n := range names {
					list = append(list, fmt.Sprintf("%s (%s)", n, how))
				}
				return list
			}
			l.waitAttached(on("lo")...)
			inside(t, host, func() error { return addVeth("early", "peer0") })
			l.waitAttached(on("lo", "early", "peer0")...)
			inside(t, host, func() error {
				return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "down0"}, PeerName: "down1"})
			})
			inside(t, host, func() error { return setUp("down0") }) // the other stays down
			l.waitAttached(on("lo", "early", "peer0", "down0")...)
			inside(t, host, func() error {
				link, err := netlink.LinkByName("early")
				if err != nil {
					return err
				}
				return netlink.LinkDel(link) // and its peer
			})
			l.waitAttached(on("lo", "down0")...)
			inside(t, host, func() error { return addVeth("early", "peer0") })
			l.waitAttached(on("lo", "early", "peer0", "down0")...)
			l.stop()
			if got := l.Attached(); len(got) > 0 {
				t.Errorf("attached after the end: %v", got)
			}
		})
	}
}

// A bridge tells of a port that leaves it in the same words as of an interface
// that is gone.
func TestPortThatLeavesItsBridgeStaysAttached(t *testing.T) {
	host := testutil.Namespace(t)
	inside(t, host, func() error {
		return errors.Join(addVeth("port", "peer"), netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}))
	})
	l := start(t, host, Options{Interfaces: []string{"port", "last*"}})
	before := l.attachment("port")
	move := func(change func(port, bridge netlink.Link) error) {
		inside(t, host, func() error {
			port, err := netlink.LinkByName("port")
			if err != nil {
				return err
			}
			bridge, err := netlink.LinkByName("br0")
			if err != nil {
				return err
			}
			return change(port, bridge)
		})
	}
	move(netlink.LinkSetMaster)
	move(func(port, _ netlink.Link) error { return netlink.LinkSetNoMaster(port) })
	// What comes after it has been seen, so has it.
	inside(t, host, func() error { return addVeth("last", "peer1") })
	l.waitAttached("last (tcx)", "port (tcx)")
	if l.attachment("port") != before {
		t.Error("the port was let go meanwhile")
	}
}

// attachment returns what is on an interface now.
func (l *live) attachment(name string) *attachment {
	l.links.mu.Lock()
	defer l.links.mu.Unlock()
	for _, a := range l.links.attached {
		if a.name == name {
			return a.attachment
		}
	}
	return nil
}

// The kernel drops notifications where too many come at once.
func TestInterfaceWhoseEndWasNotToldIsLetGo(t *testing.T) {
	host := testutil.Namespace(t)
	l := start(t, host, Options{})
	l.waitAttached("lo (tcx)")
	l.links.mu.Lock()
	l.links.attached[1<<20] = &attachedNIC{nic{name: "ghost"}, &attachment{how: "tcx"}}
	l.links.mu.Unlock()
	inside(t, host, func() error {
		l.links.prune()
		return nil
	})
	l.waitAttached("lo (tcx)")
}

func TestRenamedInterfaceKeepsItsPrograms(t *testing.T) {
	host := testutil.Namespace(t)
	inside(t, host, func() error { return addVeth("old", "peer") })
	l := start(t, host, Options{Interfaces: []string{"old*", "new*"}})
	inside(t, host, func() error {
		link, err := netlink.LinkByName("old")
		if err != nil {
			return err
		}
		return netlink.LinkSetName(link, "new")
	})
	l.waitAttached("new (tcx)")
}

func TestOnlyNamedInterfacesAreCaptured(t *testing.T) {
	host := testutil.Namespace(t)
	inside(t, host, func() error { return errors.Join(addVeth("veth0", "veth1"), addVeth("eth5", "other")) })
	for _, tc := range []struct{ patterns, want []string }{
		{[]string{"eth5"}, []string{"eth5 (tcx)"}},
		{[]string{"veth*"}, []string{"veth0 (tcx)", "veth1 (tcx)"}},
		{[]string{"veth1", "l[no]"}, []string{"lo (tcx)", "veth1 (tcx)"}},
		{[]string{"nothing*"}, nil},
		{[]string{"any"}, []string{"eth5 (tcx)", "lo (tcx)", "other (tcx)", "veth0 (tcx)", "veth1 (tcx)"}},
	} {
		l := start(t, host, Options{Interfaces: tc.patterns, RingBytes: 4096, Shards: 1})
		if diff := cmp.Diff(tc.want, l.Attached()); diff != "" {
			t.Errorf("%v: attached (-want +got):\n%s", tc.patterns, diff)
		}
		l.stop()
	}
}

// runErr opens and runs a capture that must not come to work.
func runErr(t *testing.T, host *lab.Namespace, opts Options) error {
	t.Helper()
	opts.RingBytes = 4096
	c, err := Open(opts)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	handlers := handlersFor(c)
	return host.Do(func() error { return c.Run(ctx, handlers) })
}

// What keeps a capture from working is told with its remedy.
func TestFailuresNameTheirRemedy(t *testing.T) {
	testutil.CheckLeaks(t)
	host := testutil.Namespace(t)
	inside(t, host, func() error { return addVeth("veth0", "veth1") })
	busy := start(t, host, Options{Hook: HookXDP, Interfaces: []string{"veth0"}})
	for name, tc := range map[string]struct {
		opts Options
		want []string
	}{
		"no such interface": {Options{Interfaces: []string{"eth7"}}, []string{`"eth7"`, "there are: ", "lo", "veth0"}},
		"XDP is taken":      {Options{Hook: HookXDP, Interfaces: []string{"veth0"}}, []string{"veth0", "--hook tc"}},
		"wrong filter":      {Options{Filter: "prot 80"}, []string{"prot 80"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := runErr(t, host, tc.opts)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %q, want one line with %q", err, want)
				}
			}
		})
	}
	busy.stop()
}

// A tcx program that lets nothing through to those behind it hides nothing.
func TestForeignTCXProgramHidesNothing(t *testing.T) {
	p := testutil.Pair(t, 1)
	const pass = 0 // TCX_PASS ends the list
	prog := verdictProgram(t, pass)
	defer prog.Close()
	inside(t, p.Server, func() error {
		tcx, err := link.AttachTCX(link.TCXOptions{
			Interface: ifindex(t), Program: prog, Attach: ebpf.AttachTCXEgress, Anchor: link.Head(),
		})
		if err != nil {
			return err
		}
		t.Cleanup(func() { tcx.Close() })
		return nil
	})
	l := start(t, p.Server, Options{Attach: AttachTCX, Interfaces: []string{lab.Device}})
	sent := talks(t, p.Server, p.Client, "192.0.2.1:80", 1, 1000, 1000)
	l.stop()
	l.checkTalk(sent[0], true, true)
}

func verdictProgram(t *testing.T, verdict int32) *ebpf.Program {
	t.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, verdict), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// A clsact qdisc that was there stays there, and so does what others put in it.
// They may let nothing through to those behind them, or be of a kind that shares
// its priority with no one.
func TestForeignQdiscAndFilterStay(t *testing.T) {
	for name, tc := range map[string]struct {
		verdict int32
		proto   uint16
	}{
		"which ends the list":    {verdict: 0, proto: unix.ETH_P_ALL}, // TC_ACT_OK
		"which keeps its place":  {verdict: -1, proto: unix.ETH_P_IP},
		"which does as ours did": {verdict: -1, proto: unix.ETH_P_ALL},
	} {
		t.Run(name, func(t *testing.T) {
			testutil.CheckLeaks(t)
			p := testutil.Pair(t, 1)
			addForeign(t, p.Server, tc.verdict, tc.proto)
			opts := Options{Attach: AttachClsact, Interfaces: []string{lab.Device}}
			l := start(t, p.Server, opts)
			sent := talks(t, p.Server, p.Client, "192.0.2.1:80", 1, 1000, 1000)
			l.stop()
			l.checkTalk(sent[0], true, true)
			want := []string{"tc filter bpf at ffff:fff3"}
			if diff := cmp.Diff(want, testutil.Attached(t, p.Server, lab.Device)); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("empty", func(t *testing.T) {
		p := testutil.Pair(t, 1)
		inside(t, p.Server, func() error { return netlink.QdiscAdd(clsact(nic{index: ifindex(t)})) })
		start(t, p.Server, Options{Attach: AttachClsact, Interfaces: []string{lab.Device}}).stop()
		if got := qdiscs(t, p.Server, lab.Device); len(got) != 1 {
			t.Errorf("the qdisc that was there is gone: %v", got)
		}
	})
}

// ifindex returns the number of the Device where the thread is.
func ifindex(t *testing.T) int {
	t.Helper()
	link, err := netlink.LinkByName(lab.Device)
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Index
}

// addForeign puts somebody else's filter at egress, where such are put: first.
func addForeign(t *testing.T, n *lab.Namespace, verdict int32, proto uint16) {
	t.Helper()
	prog := verdictProgram(t, verdict)
	defer prog.Close()
	inside(t, n, func() error {
		index := ifindex(t)
		if err := netlink.QdiscAdd(clsact(nic{index: index})); err != nil {
			return err
		}
		return netlink.FilterAdd(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{
				LinkIndex: index, Parent: netlink.HANDLE_MIN_EGRESS, Handle: 1, Priority: 1, Protocol: proto,
			},
			Fd: prog.FD(), Name: "foreign", DirectAction: true,
		})
	})
}
