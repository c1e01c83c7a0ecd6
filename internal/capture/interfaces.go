package capture

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// interfaces keeps the programs on every interface that the options name, as
// interfaces come and go.
type interfaces struct {
	c        *Capture
	patterns []string // empty: any
	rawErr   error    // why raw-IP interfaces cannot be captured with this filter

	mu       sync.Mutex
	attached map[int]*attachedNIC
	failed   map[int]bool // told once
}

type attachedNIC struct {
	nic
	*attachment
}

func newInterfaces(c *Capture, f *filters) *interfaces {
	in := &interfaces{c: c, rawErr: f.rawErr, attached: map[int]*attachedNIC{}, failed: map[int]bool{}}
	for _, p := range c.opts.Interfaces {
		if p != "" && p != "any" {
			in.patterns = append(in.patterns, p)
		}
	}
	return in
}

// list returns "name (how)", sorted by name.
func (in *interfaces) list() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var out []string
	for _, a := range in.attached {
		out = append(out, fmt.Sprintf("%s (%s)", a.name, a.how))
	}
	sort.Strings(out)
	return out
}

// attach puts the programs on what is there now. Where an interface is named it
// must work; of "any", one must.
func (in *interfaces) attach() error {
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return fmt.Errorf("list interfaces: %w", err)
	}
	var names []string
	var errs []error
	for _, l := range links {
		n, ok := describe(l)
		names = append(names, l.Attrs().Name)
		if !ok && slices.Contains(in.patterns, n.name) {
			errs = append(errs, fmt.Errorf("capture on %s: interfaces of type %q are not supported", n.name, l.Attrs().EncapType))
		}
		if !ok || !in.wants(n) {
			continue
		}
		if err := in.add(n); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 && (len(in.patterns) > 0 || len(in.attached) == 0) {
		return errs[0]
	}
	for _, p := range in.patterns {
		if !slices.ContainsFunc(names, func(name string) bool { return matches(p, name) }) && !strings.ContainsAny(p, "*?[") {
			return fmt.Errorf("find interface %q: no such interface (there are: %s)", p, strings.Join(names, ", "))
		}
	}
	return nil
}

// watch follows the interfaces until ctx is done.
func (in *interfaces) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if err := in.follow(ctx); err != nil {
			// The kernel dropped notifications: list again and go on.
			in.c.opts.Log.Debug("watch interfaces", "error", err)
			in.prune()
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

func (in *interfaces) follow(ctx context.Context) error {
	updates := make(chan netlink.LinkUpdate, 64)
	done := make(chan struct{})
	var failure error
	err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{
		ListExisting:  true,
		ErrorCallback: func(err error) { failure = err },
	})
	if err != nil {
		close(done)
		return fmt.Errorf("subscribe to interfaces: %w", err)
	}
	defer func() {
		close(done)
		for range updates { // closed by the subscription once it has stopped
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-updates:
			if !ok {
				return failure
			}
			in.update(u)
		}
	}
}

// prune lets go of interfaces whose end was not told.
func (in *interfaces) prune() {
	links, err := netlink.LinkList()
	if err != nil {
		return
	}
	there := map[int]bool{}
	for _, l := range links {
		there[l.Attrs().Index] = true
	}
	in.mu.Lock()
	var vanished []int
	for index := range in.attached {
		if !there[index] {
			vanished = append(vanished, index)
		}
	}
	in.mu.Unlock()
	for _, index := range vanished {
		in.remove(index)
	}
}

func (in *interfaces) update(u netlink.LinkUpdate) {
	if u.Family == unix.AF_BRIDGE {
		return // about a bridge's port: RTM_DELLINK means that it left the bridge
	}
	if u.Header.Type == unix.RTM_DELLINK {
		in.remove(u.Link.Attrs().Index)
		return
	}
	n, ok := describe(u.Link)
	if !ok || !in.wants(n) {
		return
	}
	if err := in.add(n); err != nil && !in.failed[n.index] {
		in.failed[n.index] = true
		if !gone(err) {
			in.c.opts.Log.Warn("interface not captured", "interface", n.name, "error", err)
		}
	}
}

func (in *interfaces) add(n nic) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if a := in.attached[n.index]; a != nil {
		a.name = n.name
		return nil
	}
	if n.raw && in.rawErr != nil {
		return fmt.Errorf("capture raw-IP interface %s: %w", n.name, in.rawErr)
	}
	a, err := in.c.attachTo(n)
	if err != nil {
		return err
	}
	in.attached[n.index] = &attachedNIC{n, a}
	if in.c.Ready() {
		in.c.opts.Log.Info("attached", "interface", n.name, "how", a.how)
	}
	return nil
}

func (in *interfaces) remove(index int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.failed, index)
	a := in.attached[index]
	if a == nil {
		return
	}
	delete(in.attached, index)
	a.Close() // the kernel detached it with the interface: nothing to report
	in.c.opts.Log.Info("interface gone", "interface", a.name)
}

// detach takes all programs off. The kernel counters and the flow table live on.
func (in *interfaces) detach() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for index, a := range in.attached {
		if err := a.Close(); err != nil && !gone(err) {
			in.c.opts.Log.Warn("detach", "interface", a.name, "error", err)
		}
		delete(in.attached, index)
	}
}

func (in *interfaces) wants(n nic) bool {
	if !n.up {
		return false
	}
	return len(in.patterns) == 0 || slices.ContainsFunc(in.patterns, func(p string) bool { return matches(p, n.name) })
}

func matches(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok || (err != nil && pattern == name)
}

// describe tells how to parse an interface's frames; false: gortap cannot.
func describe(l netlink.Link) (nic, bool) {
	a := l.Attrs()
	n := nic{name: a.Name, index: a.Index, up: a.RawFlags&unix.IFF_UP != 0, loopback: a.RawFlags&unix.IFF_LOOPBACK != 0}
	switch a.EncapType {
	case "ether", "loopback":
	case "none", "ppp", "ipip", "tunnel6", "sit", "rawip":
		n.raw = true
	default:
		return n, false
	}
	return n, true
}
