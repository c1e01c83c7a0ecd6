package testutil_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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

// recorder is a test that notes its errors instead of failing.
type recorder struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (r *recorder) Helper()                   {}
func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Error(args ...any)         { r.errors = append(r.errors, fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, a ...any) { r.errors = append(r.errors, fmt.Sprintf(f, a...)) }

func (r *recorder) end() []string {
	for _, f := range r.cleanups {
		f()
	}
	return r.errors
}

func TestCheckLeaksTellsWhatLeaks(t *testing.T) {
	for name, tc := range map[string]struct {
		leak func(t *testing.T) (undo func())
		want string
	}{
		"nothing": {func(*testing.T) func() { return func() {} }, ""},
		"open file": {func(t *testing.T) func() {
			f, err := os.Open("/proc/version")
			if err != nil {
				t.Fatal(err)
			}
			return func() { f.Close() }
		}, "leaked 1 open file(s) on /proc/version"},
		"goroutine": {func(*testing.T) func() {
			end := make(chan struct{})
			go func() { <-end }()
			return func() { close(end) }
		}, "found unexpected goroutines"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{TB: t}
			testutil.CheckLeaks(r)
			undo := tc.leak(t)
			defer undo()
			got := strings.Join(r.end(), "\n")
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("reported %q, want %q", got, tc.want)
			}
		})
	}
}

func TestCheckLeaksFindsBPFPrograms(t *testing.T) {
	testutil.RequireRoot(t)
	r := &recorder{TB: t}
	testutil.CheckLeaks(r)
	p := passProgram(t)
	defer p.Close()
	got := strings.Join(r.end(), "\n")
	if !strings.Contains(got, "bpf-prog") {
		t.Errorf("reported %q, want a bpf-prog", got)
	}
}

// passProgram returns a tc program that lets everything through.
func passProgram(t *testing.T) *ebpf.Program {
	t.Helper()
	const next = -1 // TCX_NEXT, TC_ACT_UNSPEC
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.SchedCLS,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, next), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAttachedSeesTCXUntilItIsGone(t *testing.T) {
	testutil.CheckLeaks(t)
	p := testutil.Pair(t, 1)
	if got := testutil.Attached(t, p.Server, lab.Device); len(got) != 0 {
		t.Fatalf("a new link has %v", got)
	}
	prog := passProgram(t)
	defer prog.Close()
	var tcx link.Link
	err := p.Server.Do(func() error {
		dev, err := net.InterfaceByName(lab.Device)
		if err != nil {
			return err
		}
		tcx, err = link.AttachTCX(link.TCXOptions{Interface: dev.Index, Program: prog, Attach: ebpf.AttachTCXEgress})
		return err
	})
	if errors.Is(err, ebpf.ErrNotSupported) {
		t.Skip("the kernel has no tcx (6.6)")
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := testutil.Attached(t, p.Server, lab.Device); len(got) != 1 || !strings.Contains(got[0], "program") {
		t.Errorf("with one program attached: %v", got)
	}
	tcx.Close()
	if got := testutil.Attached(t, p.Server, lab.Device); len(got) != 0 {
		t.Errorf("after detaching: %v", got)
	}
}

func TestAttachedSeesClassicFilters(t *testing.T) {
	p := testutil.Pair(t, 1)
	prog := passProgram(t)
	defer prog.Close()
	err := p.Server.Do(func() error {
		dev, err := net.InterfaceByName(lab.Device)
		if err != nil {
			return err
		}
		clsact := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: dev.Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
		}}
		if err := netlink.QdiscAdd(clsact); err != nil {
			return err
		}
		return netlink.FilterAdd(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{
				LinkIndex: dev.Index, Parent: netlink.HANDLE_MIN_EGRESS, Handle: 1, Protocol: unix.ETH_P_ALL, Priority: 1,
			},
			Fd: prog.FD(), Name: "pass", DirectAction: true,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"tc filter bpf at ffff:fff3"}
	if diff := cmp.Diff(want, testutil.Attached(t, p.Server, lab.Device)); diff != "" {
		t.Errorf("attached (-want +got):\n%s", diff)
	}
}

func TestAttachedSeesXDP(t *testing.T) {
	p := testutil.Pair(t, 1)
	const pass = 2 // XDP_PASS
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.XDP,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	var xdp link.Link
	err = p.Server.Do(func() error {
		dev, err := net.InterfaceByName(lab.Device)
		if err != nil {
			return err
		}
		xdp, err = link.AttachXDP(link.XDPOptions{Interface: dev.Index, Program: prog})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer xdp.Close()
	got := testutil.Attached(t, p.Server, lab.Device)
	if len(got) != 1 || !strings.HasPrefix(got[0], "xdp program ") {
		t.Errorf("attached %v, want one xdp program", got)
	}
}

func TestOriginPlaysItsScript(t *testing.T) {
	testutil.CheckLeaks(t)
	reset := func(err error) bool { return errors.Is(err, unix.ECONNRESET) }
	clean := func(err error) bool { return err == nil }
	for name, tc := range map[string]struct {
		script []testutil.Step
		send   string
		want   string
		ended  func(error) bool
	}{
		"answers a head and leaves the body": {
			[]testutil.Step{testutil.ReadHead(), testutil.ReadN(3), testutil.Write("HTTP/1.1 200 OK\r\n\r\n")},
			"POST / HTTP/1.1\r\n\r\nabc", "HTTP/1.1 200 OK\r\n\r\n", clean,
		},
		"reads on after FIN": {
			[]testutil.Step{testutil.Write("early"), testutil.CloseWrite(), testutil.ReadToEnd()}, "late", "early", clean,
		},
		"resets": {[]testutil.Step{testutil.ReadN(1), testutil.Reset()}, "x", "", reset},
	} {
		t.Run(name, func(t *testing.T) {
			origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", tc.script...)
			c, err := net.Dial("tcp", origin.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, tc.send); err != nil {
				t.Fatal(err)
			}
			c.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(c)
			if string(got) != tc.want || !tc.ended(err) {
				t.Errorf("received %q, %v, want %q", got, err, tc.want)
			}
			served := origin.Drain()
			if len(served) != 1 {
				t.Fatalf("served %+v", served)
			}
			if served[0].Err != nil || string(served[0].Received) != tc.send || served[0].Sent != int64(len(tc.want)) {
				t.Errorf("origin saw %+v", served[0])
			}
		})
	}
}

func TestOriginCloseEndsAWaitingScript(t *testing.T) {
	testutil.CheckLeaks(t)
	origin := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.ReadN(1), testutil.Write("y"), testutil.Wait(nil))
	c, err := net.Dial("tcp", origin.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "x")
	io.ReadFull(c, make([]byte, 1)) // now the script waits
	served := origin.Close()
	if len(served) != 1 || !errors.Is(served[0].Err, net.ErrClosed) {
		t.Errorf("served %+v", served)
	}
}
