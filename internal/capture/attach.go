package capture

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Hook is where in the kernel the programs run.
type Hook string

// The hooks. XDP sees only what an interface receives.
const (
	HookTC  Hook = "tc"
	HookXDP Hook = "xdp"
)

// Attach chooses how tc programs are attached.
type Attach string

// TCX needs Linux 6.6. Auto takes it where it is there, else clsact.
const (
	AttachAuto   Attach = "auto"
	AttachTCX    Attach = "tcx"
	AttachClsact Attach = "clsact"
)

// attachment is what holds programs on one interface.
type attachment struct {
	how     string // "tcx", "clsact", "xdp native", "xdp generic"
	closers []io.Closer
}

func (a *attachment) Close() error {
	var err error
	for _, c := range a.closers {
		err = errors.Join(err, c.Close())
	}
	a.closers = nil
	return err
}

// programs are the two directions' programs for one kind of interface.
type programs struct {
	ingress, egress *ebpf.Program // tc
	xdp             *ebpf.Program
}

func (c *Capture) programsFor(raw bool) programs {
	if raw {
		return programs{c.objs.TcL3Ingress, c.objs.TcL3Egress, c.objs.XdpL3}
	}
	return programs{c.objs.TcL2Ingress, c.objs.TcL2Egress, c.objs.XdpL2}
}

func (c *Capture) attachTo(n nic) (*attachment, error) {
	p := c.programsFor(n.raw)
	if n.loopback {
		// Each packet on loopback leaves and enters: once is enough.
		p.ingress = nil
	}
	if c.opts.Hook == HookXDP {
		return attachXDP(n, p.xdp)
	}
	if c.opts.Attach != AttachClsact {
		a, err := c.tcx(n, p)
		if err == nil || c.opts.Attach == AttachTCX || !tcxMissing(err) {
			return a, err
		}
	}
	if c.owner == nil {
		o, err := newOwner()
		if err != nil {
			return nil, explainAttach("clsact", n, err)
		}
		c.owner = o
	}
	return attachClsact(n, p, c.owner)
}

// tcxMissing tells a kernel without TCX from another failure: it does not know
// the attach type.
func tcxMissing(err error) bool {
	return errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL)
}

// attachTCX puts the programs before all others, for one that redirects or
// drops would hide packets from us.
func attachTCX(n nic, p programs) (*attachment, error) {
	a := &attachment{how: "tcx"}
	for _, side := range []struct {
		prog *ebpf.Program
		at   ebpf.AttachType
	}{{p.ingress, ebpf.AttachTCXIngress}, {p.egress, ebpf.AttachTCXEgress}} {
		if side.prog == nil {
			continue
		}
		l, err := link.AttachTCX(link.TCXOptions{Interface: n.index, Program: side.prog, Attach: side.at, Anchor: link.Head()})
		if err != nil {
			a.Close()
			return nil, explainAttach("tcx", n, err)
		}
		a.closers = append(a.closers, l)
	}
	return a, nil
}

func attachXDP(n nic, prog *ebpf.Program) (*attachment, error) {
	var errs error
	for _, mode := range []struct {
		how   string
		flags link.XDPAttachFlags
	}{{"xdp native", link.XDPDriverMode}, {"xdp generic", link.XDPGenericMode}} {
		l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: n.index, Flags: mode.flags})
		if err == nil {
			return &attachment{how: mode.how, closers: []io.Closer{l}}, nil
		}
		errs = err
		if errors.Is(err, unix.EBUSY) || errors.Is(err, os.ErrPermission) {
			break
		}
	}
	return nil, explainAttach("xdp", n, errs)
}

// explainAttach names the interface and the remedy, on one line.
func explainAttach(how string, n nic, err error) error {
	remedy := ""
	switch {
	case errors.Is(err, os.ErrPermission):
		remedy = " (needs CAP_NET_ADMIN and CAP_BPF; see README, Privileges)"
	case errors.Is(err, unix.EBUSY):
		remedy = " (another XDP program is there; use --hook tc)"
	case how == "tcx" && tcxMissing(err):
		remedy = " (needs Linux 6.6 or later; use --tc-attach auto, which takes clsact there)"
	case errors.Is(err, unix.ENODEV):
		remedy = " (the interface is gone)"
	}
	return fmt.Errorf("attach %s to %s: %w%s", how, n.name, errShort(err), remedy)
}

// nic is an interface as attaching needs it.
type nic struct {
	name     string
	index    int
	raw      bool // frames begin at the IP header
	loopback bool
	up       bool
}

func gone(err error) bool {
	var opErr *net.OpError
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) || errors.As(err, &opErr)
}
