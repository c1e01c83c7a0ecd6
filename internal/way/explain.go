package way

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// explain says why an attempt failed, from what was seen of it.
func (d *diagnosis) explain(a *attempt, foreign bool) Check {
	what := "own address"
	if foreign {
		what = "client address"
	}
	say := func(detail string, remedy ...string) Check {
		return Check{Bad, what, a.from.Addr().String() + ": " + detail, remedy}
	}
	var timeout net.Error
	late := errors.As(a.err, &timeout) && timeout.Timeout()
	switch {
	case d.way.neighbourSilent():
		return say(fmt.Sprintf("%s does not answer on %s: it is down, or the address is wrong", d.way.next(), d.way.Device),
			"ip neigh show "+d.way.next().String())
	case len(a.seen.icmp) > 0:
		m := a.seen.icmp[0]
		if m.kind == "host unreachable" || m.kind == "network unreachable" || m.kind == "time exceeded" {
			return say(fmt.Sprintf("%s says %s (ICMP): it has no way to the target, or the target is down", m.from, m.kind),
				"ip route get "+d.Target.Addr().String()+"   # at "+m.from.String())
		}
		return say(fmt.Sprintf("a firewall rejects it: %s says %s (ICMP)", m.from, m.kind),
			fmt.Sprintf("nft insert rule inet filter input ip saddr %s tcp dport %d accept   # at %s, in the chain that rejects", a.from.Addr(), d.Target.Port(), m.from))
	case a.seen.reset:
		return say(fmt.Sprintf("the target refuses: nothing listens on %s (or a firewall answers with a reset)", d.Target),
			fmt.Sprintf("ss -tlnp 'sport = :%d'   # at the target", d.Target.Port()))
	case errors.Is(a.err, unix.EADDRNOTAVAIL), errors.Is(a.err, unix.EADDRINUSE):
		return say("no socket can have this address: "+a.err.Error(), "choose other ones with --session-client-ip")
	case errors.Is(a.err, unix.EINVAL), errors.Is(a.err, unix.ENETUNREACH):
		return say("the kernel sends nothing from it: "+a.err.Error(), "choose other ones with --session-client-ip")
	case a.seen.answer != "":
		return d.answered(a, say)
	case a.seen.watched && !a.seen.syn:
		return say("nothing leaves this machine: a firewall drops or rejects it here, on its way out", "nft list ruleset   # the chains with hook output and postrouting")
	case errors.Is(a.err, unix.ECONNREFUSED):
		return say("it is refused: nothing listens, or a firewall rejects it", fmt.Sprintf("ss -tlnp 'sport = :%d'   # at the target", d.Target.Port()))
	case !late:
		return say(a.err.Error())
	case !foreign:
		return say("no answer: a firewall drops it at the target or on the way, or the target is down",
			fmt.Sprintf("tcpdump -ni any 'tcp port %d and host %s'   # at the target: does it come?", d.Target.Port(), d.way.Local))
	}
	return d.unanswered(a, say)
}

// answered says why a connection does not come about though the target answers.
func (d *diagnosis) answered(a *attempt, say func(string, ...string) Check) Check {
	client := a.from
	if a.seen.answer != d.way.Device {
		r := reverse{a.seen.answer}
		detail := fmt.Sprintf("the target's answers come in by %s, not by %s which leads to it", a.seen.answer, d.way.Device)
		if client.Addr().Is4() && r.mode() == 1 {
			detail += "; the reverse path filter of this machine drops them"
		}
		return say(detail, d.apply(a.seen.answer)...)
	}
	h, err := query{from: d.Target, to: client, device: a.seen.answer}.ask()
	switch {
	case errors.Is(err, errReversePath):
		return say("the target answers, and the reverse path filter of this machine drops it", "sysctl -w "+reverse{a.seen.answer}.name()+"=2")
	case err != nil || !h.local:
		return say("the target answers; only the routes here are missing", d.apply("")...)
	}
	const accept = "nft list ruleset   # the chains with hook prerouting and input"
	if a.invalid {
		return say(fmt.Sprintf("the target answers on %s, and this machine drops it: conntrack takes the answer for INVALID", a.seen.answer),
			accept+": the rule with `ct state invalid`")
	}
	return say(fmt.Sprintf("the target answers on %s, and a firewall of this machine drops it", a.seen.answer), accept)
}

// unanswered says what may be wrong where a client's address gets no answer, and this
// machine's own does.
func (d *diagnosis) unanswered(a *attempt, say func(string, ...string) Check) Check {
	back := AtTarget(d.Target, d.way.Local)
	if a.seen.asked {
		return say(fmt.Sprintf("the target looks for %s on its own link: the route back to this machine is missing there", a.from.Addr()), atEnd(back, "   # at the target")...)
	}
	doctor := fmt.Sprintf("agent doctor --target %s --session-client-ip %s/%d --session-replayer %s   # at the target: says which",
		d.Target, a.from.Addr(), a.from.Addr().BitLen(), d.way.Local)
	return say("it leaves this machine, and no answer comes, while the own address is answered. One of these: the route back is missing at the target; "+
		"its reverse path filter or firewall drops clients' addresses; the network lets only known addresses pass (cloud: source/destination check, IP forwarding)",
		append(atEnd(back, "   # at the target: the route"), doctor)...)
}

func atEnd(commands []string, comment string) []string {
	out := make([]string, 0, len(commands)+1)
	for _, c := range commands {
		out = append(out, c+comment)
	}
	return out
}

// hints adds the rules of this machine's firewall that may be meant.
func (d *diagnosis) hints(a *attempt) {
	if a.blind != nil {
		d.add(Check{Note, "packets", "what came could not be seen, so that less can be said: " + a.blind.Error(), nil})
	}
	out := a.seen.watched && !a.seen.syn
	if !out && a.seen.answer == "" {
		return
	}
	family, match := "ip", "%s saddr %s tcp sport %d"
	if d.Target.Addr().Is6() {
		family = "ip6"
	}
	if out {
		match = "%s daddr %s tcp dport %d"
	}
	if rules := droppingRules(out); len(rules) > 0 {
		pass := fmt.Sprintf(match, family, d.Target.Addr(), d.Target.Port())
		d.add(Check{Note, "firewall here", "it may be: " + textOf(rules), accepting(rules, pass)})
	}
}
