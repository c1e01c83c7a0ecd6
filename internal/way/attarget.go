package way

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// atTarget looks at the target's side, where this machine is the target: what it would do
// with a client's connection that the replayer sends.
func atTarget(ctx context.Context, o *Options) []Check {
	checks := []Check{{OK, "this machine", "is the target", nil}}
	tried, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	err := o.Dial(tried, netip.AddrPortFrom(o.Target.Addr(), 0), false)
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		checks = append(checks, Check{Bad, "service", fmt.Sprintf("nothing listens on %s", o.Target), []string{fmt.Sprintf("ss -tlnp 'sport = :%d'", o.Target.Port())}})
	case err != nil:
		checks = append(checks, Check{Bad, "service", err.Error(), []string{"nft list ruleset"}})
	default:
		checks = append(checks, Check{OK, "service", fmt.Sprintf("%s accepts connections", o.Target), nil})
	}
	if !o.Client.IsValid() {
		return checks
	}
	if !o.Replayer.IsValid() {
		return append(checks, Check{Note, "route back", "unknown: give the machine that replays with --session-replayer ADDR", nil})
	}
	w, err := Find(netip.AddrPortFrom(o.Replayer, o.Target.Port()))
	if err != nil {
		return append(checks, Check{Bad, "way to the replayer", err.Error(), nil})
	}
	client := netip.AddrPortFrom(o.Client, 40000)
	checks = append(checks, routeBack(o, w, client), arrival(o, w, client))
	if rules := droppingRules(false); len(rules) > 0 {
		checks = append(checks, Check{Note, "firewall", "may drop clients: " + textOf(rules), nil})
	}
	for _, c := range checks {
		if c.State != OK {
			return checks
		}
	}
	return append(checks, Check{Note, "the network", fmt.Sprintf("where sessions do not come all the same, something before this machine lets only known addresses pass (cloud: " +
		"source/destination check, IP forwarding; a firewall): nothing here sees it"), []string{fmt.Sprintf("tcpdump -ni %s 'src host %s and tcp port %d'   # while doctor runs on the replayer: does it come?", w.Device, o.Client, o.Target.Port())}})
}

// routeBack checks that answers to a client leave for the replayer.
func routeBack(o *Options, w *Way, client netip.AddrPort) Check {
	remedy := AtTarget(o.Target, o.Replayer)
	h, err := query{from: o.Target, to: client}.ask()
	switch {
	case err != nil:
		return Check{Bad, "route back", fmt.Sprintf("answers to %s have none: %s", o.Client, err), remedy}
	case h.local:
		return Check{Bad, "route back", fmt.Sprintf("%s is an address of this machine", o.Client), nil}
	case h.gateway != o.Replayer:
		by := "looks for it on the link " + h.device
		if h.gateway.IsValid() {
			by = "sends them to " + h.gateway.String() + " by " + h.device
		}
		return Check{Bad, "route back", fmt.Sprintf("answers to %s do not go to %s: this machine %s", o.Client, o.Replayer, by), remedy}
	}
	return Check{OK, "route back", fmt.Sprintf("answers to %s go to %s by %s", o.Client, o.Replayer, w.Device), nil}
}

// arrival checks that the kernel takes a client's packet from where the replayer is.
func arrival(o *Options, w *Way, client netip.AddrPort) Check {
	_, err := query{from: client, to: o.Target, device: w.Device}.ask()
	r := reverse{w.Device}
	switch {
	case errors.Is(err, errReversePath):
		remedy := "sysctl -w " + r.name() + "=2"
		if all := (reverse{"all"}); r.mode() != 1 {
			remedy = "sysctl " + all.name() + " " + r.name()
		}
		return Check{Bad, "reverse path filter", fmt.Sprintf("drops what comes from %s by %s (rp_filter %d)", o.Client, w.Device, r.mode()), []string{remedy}}
	case err != nil:
		return Check{Bad, "reverse path filter", err.Error(), nil}
	}
	return Check{OK, "reverse path filter", fmt.Sprintf("lets %s come in by %s", o.Client, w.Device), nil}
}
