package e2e

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// What keeps sessions from their target, made with real means, and what the doctor says
// of it. The clients' address is one that nobody has.
const (
	absent  = "203.0.113.7"
	absent6 = "2001:db8:7::7"
)

// examined is what `agent doctor --target` prints, a line a check.
type examined struct {
	status int
	lines  []struct {
		State, Check, Detail string
		Remedy               []string
	}
}

// doctor runs the doctor in a namespace, maybe through another program.
func doctor(t *testing.T, n *lab.Namespace, through []string, flags ...string) *examined {
	t.Helper()
	args := append(append(through, binary, "doctor", "--json", "--session-timeout", "3s"), flags...)
	var out, errs testutil.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	e := &examined{}
	var exit *exec.ExitError
	if err := cmd.Wait(); errors.As(err, &exit) {
		e.status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		e.lines = append(e.lines, e.parse(t, line))
	}
	t.Logf("exit status %d\n%s%s", e.status, out.String(), errs.String())
	return e
}

func (e *examined) parse(t *testing.T, line string) (l struct {
	State, Check, Detail string
	Remedy               []string
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &l); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return l
}

// says reports whether a check came to a state, with words in its detail or remedy.
func (e *examined) says(state, check, words string) bool {
	for _, l := range e.lines {
		if l.State == state && l.Check == check && (strings.Contains(l.Detail, words) || strings.Contains(strings.Join(l.Remedy, "\n"), words)) {
			return true
		}
	}
	return false
}

// finding is what a case must come to.
type finding struct{ state, check, words string }

func nft(t *testing.T, n *lab.Namespace, rules string) {
	t.Helper()
	if _, err := n.Run(t.Context(), "nft", "table inet broken { "+rules+"; }"); err != nil {
		t.Fatal(err)
	}
}

func sysctl(t *testing.T, n *lab.Namespace, setting string) {
	t.Helper()
	if _, err := n.Run(t.Context(), "sysctl", "-qw", setting); err != nil {
		t.Fatal(err)
	}
}

func TestDoctorNamesWhatKeepsSessionsFromTheirTarget(t *testing.T) {
	const (
		v4, v6   = targetIP + ":7000", "[" + targetIP6 + "]:7000"
		from, f6 = absent + "/32", absent6 + "/128"
	)
	var cases sync.WaitGroup
	some := make(chan struct{}, 10)
	for _, c := range []struct {
		name    string
		target  string
		clients string
		routes  bool
		through []string
		spoil   func(t *testing.T, n *trio)
		want    []finding
		there   []finding // by the doctor at the target
	}{
		{name: "nothing", target: v4, clients: from, routes: true, want: []finding{{"ok", "client address", absent + " connects"}},
			there: []finding{{"ok", "route back", "go to " + onlineBack}, {"ok", "reverse path filter", ""}, {"note", "the network", "cloud"}}},
		{name: "nothing, IPv6", target: v6, clients: f6, routes: true, want: []finding{{"ok", "client address", absent6 + " connects"}},
			there: []finding{{"ok", "route back", "go to 2001:db8:1::1"}}},
		{name: "nothing, original", target: v4, clients: "original", routes: true, want: []finding{{"ok", "client address", "a stand-in"}}},
		{name: "no routes here", target: v4, clients: from, want: []finding{
			{"no", "routes here", "agent session-routes --target " + v4 + " --apply"}, {"note", "client address", "only the routes here are missing"}}},
		{name: "no routes here, IPv6", target: v6, clients: f6, want: []finding{
			{"no", "routes here", "agent session-routes --target " + v6 + " --apply"}, {"note", "client address", "only the routes here are missing"}}},
		{name: "no route at the target", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) { ip(t, n.target, "route del default") },
			want:  []finding{{"no", "client address", "the route back is missing"}, {"no", "client address", "ip route add default via " + onlineBack + " table 7070"}},
			there: []finding{{"no", "route back", "have none"}, {"no", "route back", "ip rule add from " + targetIP + " ipproto tcp sport 7000 lookup 7070"}}},
		{name: "no route at the target, IPv6", target: v6, clients: f6, routes: true,
			spoil: func(t *testing.T, n *trio) { ip(t, n.target, "-6 route del default") },
			want:  []finding{{"no", "client address", "ip -6 route add default via 2001:db8:1::1 table 7070"}},
			there: []finding{{"no", "route back", "have none"}}},
		{name: "clients on the target's link", target: v4, clients: "198.51.100.77/32", routes: true,
			want:  []finding{{"no", "client address", "looks for 198.51.100.77 on its own link"}},
			there: []finding{{"no", "route back", "looks for it on the link " + backDevice}}},
		{name: "clients on the target's link, IPv6", target: v6, clients: "2001:db8:1::77/128", routes: true,
			want: []finding{{"no", "client address", "looks for 2001:db8:1::77 on its own link"}}},
		{name: "reverse path filter at the target", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) {
				n.link(t, "side", n.client)
				ip(t, n.target, "route replace default via 10.1.1.1 dev side")
				sysctl(t, n.target, "net.ipv4.conf."+backDevice+".rp_filter=1")
			},
			want:  []finding{{"no", "client address", "reverse path filter"}, {"no", "client address", "agent doctor --target " + v4 + " --session-client-ip " + from + " --session-replayer " + onlineBack}},
			there: []finding{{"no", "reverse path filter", "rp_filter 1"}, {"no", "reverse path filter", "sysctl -w net.ipv4.conf." + backDevice + ".rp_filter=2"}, {"no", "route back", "10.1.1.1 by side"}}},
		{name: "answers by another interface, reverse path filter here", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) {
				n.link(t, "side", n.online)
				ip(t, n.target, "route replace default via 10.1.1.1 dev side")
				sysctl(t, n.online, "net.ipv4.conf.side.rp_filter=1")
			},
			want: []finding{{"no", "client address", "come in by side, not by " + backDevice}, {"no", "client address", "reverse path filter of this machine"},
				{"no", "client address", "agent session-routes --target " + v4 + " --device side --apply"}}},
		{name: "firewall out", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) {
				nft(t, n.online, "chain o { type filter hook output priority 0; tcp dport 7000 drop; }")
			},
			want: []finding{{"no", "own address", "nothing leaves this machine"}, {"note", "firewall here", "inet broken o: tcp dport 7000 drop"}}},
		{name: "firewall out, of clients' addresses", target: v6, clients: f6, routes: true,
			spoil: func(t *testing.T, n *trio) {
				nft(t, n.online, "chain o { type filter hook output priority 0; ip6 saddr "+absent6+" drop; }")
			},
			want: []finding{{"ok", "own address", ""}, {"no", "client address", "nothing leaves this machine"}}},
		{name: "firewall in", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) {
				nft(t, n.online, "chain i { type filter hook input priority 0; tcp sport 7000 drop; }")
			},
			want: []finding{{"no", "own address", "the target answers on " + backDevice + ", and a firewall of this machine drops it"}}},
		{name: "firewall in, of clients' addresses", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) {
				nft(t, n.online, "chain i { type filter hook prerouting priority 0; ip daddr "+absent+" drop; }")
			},
			want: []finding{{"no", "client address", "a firewall of this machine drops it"}, {"note", "firewall here", "ip daddr " + absent + " drop"}}},
		{name: "INVALID is dropped", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) {
				nft(t, n.online, "chain o { type filter hook output priority raw; ip saddr "+absent+" notrack; }; chain i { type filter hook input priority 0; ct state invalid drop; }")
			},
			want: []finding{{"ok", "own address", ""}, {"no", "client address", "conntrack takes the answer for INVALID"}, {"note", "firewall here", "ct state invalid drop"}, {"note", "firewall here", "nft insert rule inet broken i ip saddr " + targetIP + " tcp sport 7000 accept"}}},
		{name: "rejected at the target", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) {
				nft(t, n.target, "chain i { type filter hook input priority 0; ip saddr "+absent+" reject with icmpx admin-prohibited; }")
			},
			want: []finding{{"no", "client address", "a firewall rejects it: " + targetIP + " says administratively prohibited"}}},
		{name: "rejected at the target, port unreachable, IPv6", target: v6, clients: f6, routes: true,
			spoil: func(t *testing.T, n *trio) {
				nft(t, n.target, "chain i { type filter hook input priority 0; tcp dport 7000 reject with icmpx port-unreachable; }")
			},
			want: []finding{{"no", "own address", "a firewall rejects it: " + targetIP6 + " says port unreachable"}}},
		{name: "dropped at the target", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) {
				nft(t, n.target, "chain i { type filter hook input priority 0; tcp dport 7000 drop; }")
			},
			want: []finding{{"no", "own address", "no answer: a firewall drops it at the target or on the way"}}},
		{name: "only clients dropped at the target", target: v4, clients: from, routes: true,
			spoil: func(t *testing.T, n *trio) {
				nft(t, n.target, "chain i { type filter hook input priority 0; ip saddr "+absent+" drop; }")
			},
			want:  []finding{{"ok", "own address", ""}, {"no", "client address", "firewall drops clients' addresses"}},
			there: []finding{{"note", "firewall", "ip saddr " + absent + " drop"}}},
		{name: "the network knows no such address", target: v4, clients: from, routes: true, // before any hook of the target's
			spoil: func(t *testing.T, n *trio) {
				if _, err := n.target.Run(t.Context(), "nft", "table netdev cloud { chain c { type filter hook ingress device "+backDevice+" priority 0; ip saddr != "+onlineBack+" drop; }; }"); err != nil {
					t.Fatal(err)
				}
			},
			want: []finding{{"ok", "own address", ""}, {"no", "client address", "source/destination check"}}},
		{name: "closed port", target: targetIP + ":7999", clients: from, routes: true,
			want: []finding{{"no", "own address", "nothing listens on " + targetIP + ":7999"}}},
		{name: "closed port, IPv6", target: "[" + targetIP6 + "]:7999", clients: f6, routes: true,
			want: []finding{{"no", "own address", "nothing listens"}}},
		{name: "no such machine", target: "198.51.100.9:7000", clients: from, routes: true,
			want: []finding{{"no", "own address", "198.51.100.9 does not answer on " + backDevice}}},
		{name: "no route to the target", target: "203.0.113.9:7000", clients: from,
			want: []finding{{"no", "way to the target", "unreachable"}}},
		{name: "no CAP_NET_ADMIN", target: v4, clients: from, through: []string{"setpriv", "--bounding-set", "-net_admin,-net_raw"},
			want: []finding{{"ok", "own address", ""}, {"no", "privilege", "needs CAP_NET_ADMIN"}}},
		{name: "no CAP_NET_RAW", target: v4, clients: from, through: []string{"setpriv", "--bounding-set", "-net_raw"},
			want: []finding{{"no", "routes here", "session-routes"}, {"note", "packets", "needs CAP_NET_RAW"}}},
		{name: "no address of a client", target: v4, clients: "224.0.0.9/32", routes: true,
			want: []finding{{"no", "client address", "no address of a machine"}}},
	} {
		cases.Go(func() {
			t.Run(c.name, func(t *testing.T) {
				some <- struct{}{} // most of the time a case waits
				defer func() { <-some }()
				n := newTrio(t, 1)
				startTalker(t, n.target, "[::]:7000")
				if c.routes {
					n.holdRoutes(t, c.target)
				}
				if c.spoil != nil {
					c.spoil(t, n)
				}
				e := doctor(t, n.online, c.through, "--target", c.target, "--session-client-ip", c.clients)
				e.check(t, c.want)
				if c.there == nil {
					return
				}
				replayer := onlineBack
				if c.target == v6 {
					replayer = "2001:db8:1::1"
				}
				doctor(t, n.target, nil, "--target", c.target, "--session-client-ip", c.clients, "--session-replayer", replayer).check(t, c.there)
			})
		})
	}
	cases.Wait()
}

// check compares what was found, and with it the exit status.
func (e *examined) check(t *testing.T, want []finding) {
	t.Helper()
	bad := 0
	for _, w := range want {
		if !e.says(w.state, w.check, w.words) {
			t.Errorf("it does not say %q", w)
		}
		if w.state == "no" {
			bad = 1
		}
	}
	if e.status != bad {
		t.Errorf("exit status %d, want %d", e.status, bad)
	}
}

// link adds a link between the target and another namespace, which has 10.1.1.1 on it.
func (n *trio) link(t *testing.T, name string, to *lab.Namespace) {
	t.Helper()
	if err := lab.Link(name, to, n.target, []netip.Prefix{netip.MustParsePrefix("10.1.1.1/24")}, []netip.Prefix{netip.MustParsePrefix("10.1.1.2/24")}); err != nil {
		t.Fatal(err)
	}
}
