package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
)

// routeTable is the routing table that answers to foreign addresses are looked up in.
const routeTable = "7070"

// sessionRoutesCommand tells, or makes, the way back for the answers of a target that
// is played sessions from the clients' own addresses.
func sessionRoutesCommand(e env) *cobra.Command {
	var target string
	var apply bool
	cmd := &cobra.Command{
		Use:   "session-routes --target HOST:PORT [--apply]",
		Short: "print the routes that --session-client-ip needs here and at the target; --apply sets those here until SIGINT",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := findWay(cmd.Context(), target)
			if err != nil {
				return err
			}
			fmt.Fprint(e.stdout, w.text())
			if !apply {
				return nil
			}
			return w.hold(cmd.Context(), e)
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "where sessions are replayed to, `HOST:PORT`")
	cmd.Flags().BoolVar(&apply, "apply", false, "set the routes of this machine, and remove them at the end")
	return cmd
}

// wayBack is how the target's answers come to this machine.
type wayBack struct {
	target netip.AddrPort
	local  netip.Addr // of this machine, as the target knows it
	device string
}

// findWay asks the kernel which way leads to the target.
func findWay(ctx context.Context, target string) (*wayBack, error) {
	if _, _, err := net.SplitHostPort(target); err != nil {
		return nil, usagef("--target %q: want HOST:PORT, as in 10.0.0.3:3306", target)
	}
	c, err := new(net.Dialer).DialContext(ctx, "udp", target) // sends nothing
	if err != nil {
		return nil, fmt.Errorf("find the way to %s: %w", target, err)
	}
	defer c.Close()
	to, from := c.RemoteAddr().(*net.UDPAddr).AddrPort(), c.LocalAddr().(*net.UDPAddr).AddrPort()
	w := &wayBack{target: netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), local: from.Addr().Unmap()}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	for _, i := range interfaces {
		addrs, _ := i.Addrs() // one that goes away meanwhile has none
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == w.local {
				w.device = i.Name
			}
		}
	}
	if w.device == "" {
		return nil, fmt.Errorf("find the way to %s: no interface has %s", target, w.local)
	}
	if w.target.Addr() == w.local {
		return nil, usagef("--target %s: is this machine itself, which needs no routes; clients' addresses cannot be used for it", target)
	}
	return w, nil
}

// here are the commands for this machine, without add or del.
func (w *wayBack) here() [][2]string {
	all := "0.0.0.0/0"
	if w.target.Addr().Is6() {
		all = "::/0"
	}
	return [][2]string{
		{"route", fmt.Sprintf("local %s dev lo table %s", all, routeTable)},
		{"rule", fmt.Sprintf("from %s iif %s ipproto tcp sport %d lookup %s", w.target.Addr(), w.device, w.target.Port(), routeTable)},
	}
}

// ip is an ip(8) command for the target's address family.
func (w *wayBack) ip(object, verb, rest string) []string {
	args := append([]string{object, verb}, strings.Fields(rest)...)
	if w.target.Addr().Is6() {
		args = append([]string{"-6"}, args...)
	}
	return args
}

func (w *wayBack) text() string {
	var b strings.Builder
	line := func(args []string) { fmt.Fprintf(&b, "ip %s\n", strings.Join(args, " ")) }
	fmt.Fprintf(&b, "# Here: what %s answers to clients' addresses is for this machine. Real clients whose\n", w.target)
	fmt.Fprintf(&b, "# connections to it are routed through this machine would lose their answers.\n")
	for _, c := range w.here() {
		line(w.ip(c[0], "add", c[1]))
	}
	fmt.Fprintf(&b, "# At the target: answers of this service go back through this machine (reach it directly: a\n")
	fmt.Fprintf(&b, "# router between the two would send them to the clients).\n")
	line(w.ip("route", "add", fmt.Sprintf("default via %s table %s", w.local, routeTable)))
	line(w.ip("rule", "add", fmt.Sprintf("from %s ipproto tcp sport %d lookup %s", w.target.Addr(), w.target.Port(), routeTable)))
	fmt.Fprintf(&b, "# Remove them with del in the place of add.\n")
	return b.String()
}

// hold sets the routes of this machine until ctx is done.
func (w *wayBack) hold(ctx context.Context, e env) (err error) {
	set := w.here()
	for i, c := range set {
		if err = runIP(ctx, w.ip(c[0], "add", c[1])); err != nil {
			set = set[:i]
			break
		}
	}
	if err == nil {
		fmt.Fprintln(e.stderr, "routes are set; they go with this command (Ctrl-C)")
		<-ctx.Done()
	}
	late := context.WithoutCancel(ctx)
	for i := len(set) - 1; i >= 0; i-- {
		err = errors.Join(err, runIP(late, w.ip(set[i][0], "del", set[i][1])))
	}
	return err
}

func runIP(ctx context.Context, args []string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run ip %s: %w: %s (needs root and iproute2)", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
