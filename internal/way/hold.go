package way

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrHeld says that another process holds the same routes.
var ErrHeld = errors.New("another process holds these routes already (they stay as long as it runs)")

// Held are routes that are set. Release must be called once.
type Held struct {
	routes *Routes
	owner  *claim
	// Mine says that the rule was made here. One that somebody set by hand stays.
	Mine bool
	// Swept is how many rules of processes that were killed had to be removed.
	Swept int
}

// Apply sets the routes of this machine, after it has removed what processes that were
// killed left behind. It fails with ErrHeld where another process holds the same ones.
func (r *Routes) Apply(ctx context.Context) (*Held, error) {
	owner, err := claimName(r.key())
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, ErrHeld
	}
	if err != nil {
		return nil, err
	}
	h := &Held{routes: r, owner: owner}
	if err := changing(ctx, func() error { return h.set() }); err != nil {
		return nil, errors.Join(err, owner.Close())
	}
	return h, nil
}

// Sweep removes what processes that were killed left behind, and returns how many rules
// these were.
func Sweep(ctx context.Context) (swept int, err error) {
	err = changing(ctx, func() error {
		for _, f := range []uint8{netlink.FAMILY_V4, netlink.FAMILY_V6} {
			n, err := sweep(f, "")
			swept += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	return swept, err
}

func (h *Held) set() error {
	r, f := h.routes, family(h.routes.Target.Addr())
	swept, err := sweep(f, r.key())
	if err != nil {
		return err
	}
	h.Swept = swept
	if err := addRoute(f); err != nil {
		return err
	}
	rule := r.rule()
	same, err := rulesLike(rule)
	if err != nil {
		return err
	}
	if len(same) == 0 {
		if err := netlink.RuleAdd(rule); err != nil {
			return errors.Join(fmt.Errorf("add rule: %w (needs CAP_NET_ADMIN)", err), dropRoute(f))
		}
		h.Mine = true
	}
	if s := r.strict(); s != nil {
		if err := s.loosen(); err != nil {
			return errors.Join(err, h.unset())
		}
	}
	return nil
}

func (h *Held) unset() error {
	var errs []error
	if h.Mine {
		if err := netlink.RuleDel(h.routes.rule()); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, fmt.Errorf("remove rule: %w", err))
		}
	}
	errs = append(errs, dropRoute(family(h.routes.Target.Addr())), h.routes.tighten())
	return errors.Join(errs...)
}

// tighten sets the reverse path filter back, unless rules of others need it as it is.
func (r *Routes) tighten() error {
	if r.Answers == r.Device || r.Target.Addr().Is6() {
		return nil
	}
	left, err := ourRules(netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, rule := range left {
		if rule.IifName == r.Answers {
			return nil
		}
	}
	return reverse{r.Answers}.restore()
}

// Release removes what Apply set.
func (h *Held) Release(ctx context.Context) error {
	err := changing(ctx, h.unset)
	return errors.Join(err, h.owner.Close())
}

// sweep removes the rules of one family whose process is gone, or that are called own;
// with the last rule goes the route.
func sweep(f uint8, own string) (int, error) {
	rules, err := ourRules(f)
	if err != nil {
		return 0, err
	}
	swept := 0
	for i := range rules {
		name := keyOf(&rules[i])
		if name != own {
			c, err := claimName(name)
			if errors.Is(err, unix.EADDRINUSE) {
				continue
			}
			if err != nil {
				return swept, err
			}
			defer c.Close()
		}
		if err := netlink.RuleDel(&rules[i]); err != nil && !errors.Is(err, unix.ENOENT) {
			return swept, fmt.Errorf("remove rule of a process that is gone: %w (needs CAP_NET_ADMIN)", err)
		}
		swept++
	}
	if err := dropRoute(f); err != nil {
		return swept, err
	}
	return swept, sweepFilters()
}

// sweepFilters sets reverse path filters back that no rule needs loose any more.
func sweepFilters() error {
	changed, err := loosened()
	if err != nil || len(changed) == 0 {
		return err
	}
	rules, err := ourRules(netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, c := range changed {
		needed := false
		for i := range rules {
			needed = needed || rules[i].IifName == c.device
		}
		if !needed {
			if err := c.restore(); err != nil {
				return err
			}
		}
	}
	return nil
}

// addRoute makes the table's one route. What others put into the table is not for us to
// change.
func addRoute(f uint8) error {
	routes, err := tableRoutes(f)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if r.Type != unix.RTN_LOCAL || r.Dst != nil && r.Dst.String() != "0.0.0.0/0" && r.Dst.String() != "::/0" {
			return fmt.Errorf("use table %d: it has routes of somebody else (see `ip route show table %d`)", Table, Table)
		}
	}
	if len(routes) > 0 {
		return nil
	}
	route, err := localRoute(f)
	if err != nil {
		return err
	}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("add route to table %d: %w (needs CAP_NET_ADMIN)", Table, err)
	}
	return nil
}

// dropRoute removes the table's route if we made it and no rule leads there.
func dropRoute(f uint8) error {
	rules, err := netlink.RuleListFiltered(int(f), &netlink.Rule{Table: Table}, netlink.RT_FILTER_TABLE)
	if err != nil || len(rules) > 0 {
		return err
	}
	routes, err := tableRoutes(f)
	if err != nil {
		return err
	}
	for i := range routes {
		if routes[i].Protocol != ours {
			continue
		}
		if err := netlink.RouteDel(&routes[i]); err != nil {
			return fmt.Errorf("remove route from table %d: %w", Table, err)
		}
	}
	return nil
}

func tableRoutes(f uint8) ([]netlink.Route, error) {
	routes, err := netlink.RouteListFiltered(int(f), &netlink.Route{Table: Table}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list routes of table %d: %w", Table, err)
	}
	return routes, nil
}

func ourRules(f uint8) ([]netlink.Rule, error) {
	rules, err := netlink.RuleListFiltered(int(f), &netlink.Rule{Table: Table, Protocol: ours}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	mine := rules[:0]
	for _, r := range rules {
		if r.Protocol == ours {
			mine = append(mine, r)
		}
	}
	return mine, nil
}

// rulesLike lists rules, of anybody, that do what one does.
func rulesLike(want *netlink.Rule) ([]netlink.Rule, error) {
	rules, err := netlink.RuleListFiltered(want.Family, &netlink.Rule{Table: Table}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	same := rules[:0]
	for _, r := range rules {
		if keyOf(&r) == keyOf(want) {
			same = append(same, r)
		}
	}
	return same, nil
}

// key names the rule, and who holds it.
func (r *Routes) key() string { return keyOf(r.rule()) }

func keyOf(r *netlink.Rule) string {
	from, sport := "", uint16(0)
	if r.Src != nil {
		a, _ := netip.AddrFromSlice(r.Src.IP)
		from = a.Unmap().String()
	}
	if r.Sport != nil {
		sport = r.Sport.Start
	}
	return fmt.Sprintf("%s,%s,%d,%d", from, r.IifName, r.IPProto, sport)
}

// claim is a name that one process has at a time, within its network namespace: an
// abstract socket, which goes with the process however that ends.
type claim struct{ net.Listener }

func claimName(name string) (*claim, error) {
	l, err := net.Listen("unix", "@gortap/session-routes/"+name)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", name, err)
	}
	return &claim{l}, nil
}

// changing lets one process at a time change routes.
func changing(ctx context.Context, change func() error) error {
	for {
		lock, err := claimName("change")
		if err == nil {
			return errors.Join(change(), lock.Close())
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return err
		}
		if err := awaitOwner(ctx, "change"); err != nil {
			return err
		}
	}
}

// Await returns when the process that holds the routes has let go of them.
func (r *Routes) Await(ctx context.Context) error { return awaitOwner(ctx, r.key()) }

// awaitOwner returns when a name is free, or ctx is done.
func awaitOwner(ctx context.Context, name string) error {
	c, err := new(net.Dialer).DialContext(ctx, "unix", "@gortap/session-routes/"+name)
	if err != nil {
		if errors.Is(err, unix.ECONNREFUSED) {
			return ctx.Err() // it went meanwhile
		}
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	_, _ = c.Read(make([]byte, 1)) // nothing is ever sent: it ends with the owner
	return ctx.Err()
}
