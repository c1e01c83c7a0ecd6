package main

import (
	"context"
	"net/netip"
	"time"

	"gortap/internal/replay/session"
	"gortap/internal/way"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// targetExam is `agent doctor --target`: why sessions do not get to a target.
type targetExam struct {
	target   string
	clients  string
	replayer string
	timeout  time.Duration
}

func (t *targetExam) flags(f *pflag.FlagSet) {
	f.StringVar(&t.target, "target", "", "look for what keeps replayed sessions from `HOST:PORT`: connects there once or twice, without a byte")
	f.StringVar(&t.clients, "session-client-ip", "own", "addresses that sessions will come from, as of the agent: own, original or a CIDR")
	f.StringVar(&t.replayer, "session-replayer", "", "`ADDR` of the machine that replays, where this one is the target")
	f.DurationVar(&t.timeout, "session-timeout", 4*time.Second, "of connecting to the target")
}

func (t *targetExam) used(cmd *cobra.Command) bool {
	f := cmd.Flags()
	return f.Changed("target") || f.Changed("session-client-ip") || f.Changed("session-replayer") || f.Changed("session-timeout")
}

func (t *targetExam) diagnose(ctx context.Context) ([]finding, error) {
	clients, err := session.ParseClients(t.clients)
	if err != nil {
		return nil, usagef("--session-client-ip: %w", err)
	}
	if t.timeout <= 0 {
		return nil, usagef("--session-timeout: want a positive duration")
	}
	to, err := lookUp(ctx, t.target)
	if err != nil {
		return nil, err
	}
	o := way.Options{
		Target: to, Timeout: t.timeout,
		Dial: func(ctx context.Context, from netip.AddrPort, foreign bool) error {
			return session.Probe(ctx, to, from, foreign)
		},
	}
	if o.Client, o.StandIn, err = clientToTry(clients, to.Addr()); err != nil {
		return nil, err
	}
	if t.replayer != "" {
		if o.Replayer, err = netip.ParseAddr(t.replayer); err != nil || o.Replayer.Is4() != to.Addr().Is4() {
			return nil, usagef("--session-replayer %q: want an address of the target's family", t.replayer)
		}
	}
	states := map[way.State]string{way.OK: stateOK, way.Bad: stateNo, way.Note: stateNote}
	var findings []finding
	for _, c := range way.Diagnose(ctx, o) {
		findings = append(findings, finding{what: c.What, state: states[c.State], detail: c.Detail, remedy: c.Remedy})
	}
	return findings, nil
}

// clientToTry is a client's address; for the original ones, which nobody knows yet, one
// that is kept for tests (RFC 2544, RFC 5180).
func clientToTry(c session.Clients, target netip.Addr) (a netip.Addr, standIn bool, err error) {
	switch {
	case c.Original && target.Is4():
		return netip.AddrFrom4([4]byte{198, 18, 70, 70}), true, nil
	case c.Original:
		return netip.MustParseAddr("2001:2::7070"), true, nil
	case !c.Prefix.IsValid():
		return netip.Addr{}, false, nil
	case c.Prefix.Addr().Is4() != target.Is4():
		return netip.Addr{}, false, usagef("--session-client-ip %s: of another address family than the target %s", c.Prefix, target)
	}
	return c.Example(), false, nil
}
