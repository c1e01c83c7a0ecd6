package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"gortap/internal/way"

	"github.com/spf13/cobra"
)

// sessionRoutesCommand tells, or makes, the way back for the answers of a target that
// is played sessions from the clients' own addresses.
func sessionRoutesCommand(e env) *cobra.Command {
	var target, device string
	var apply, clean bool
	cmd := &cobra.Command{
		Use:   "session-routes --target HOST:PORT [--apply]",
		Short: "print the routes that --session-client-ip needs here and at the target; --apply sets those here until SIGINT",
		Long: `session-routes prints the commands by which the answers of a target to clients' addresses come to
the machine that replays. With --apply it sets those for this machine, and removes them when it ends.
What one that was killed left behind goes with the next --apply, or with --clean.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if clean && target == "" {
				return cleanRoutes(cmd.Context(), e)
			}
			r, err := findRoutes(cmd.Context(), target, device)
			if err != nil {
				return err
			}
			fmt.Fprint(e.stdout, r.Text())
			if !apply {
				return nil
			}
			return holdRoutes(cmd.Context(), e, r)
		},
	}
	cmd.Flags().StringVar(&target, "target", "", "where sessions are replayed to, `HOST:PORT`")
	cmd.Flags().StringVar(&device, "device", "", "`NAME` of the interface that the target's answers come in by; empty: the one that leads to it")
	cmd.Flags().BoolVar(&apply, "apply", false, "set the routes of this machine, and remove them at the end")
	cmd.Flags().BoolVar(&clean, "clean", false, "remove what a killed session-routes left behind, and nothing else")
	return cmd
}

// lookUp turns --target into an address.
func lookUp(ctx context.Context, target string) (netip.AddrPort, error) {
	if _, _, err := net.SplitHostPort(target); err != nil {
		return netip.AddrPort{}, usagef("--target %q: want HOST:PORT, as in 10.0.0.3:3306", target)
	}
	c, err := new(net.Dialer).DialContext(ctx, "udp", target) // sends nothing, and chooses an address that there is a way to
	if err == nil {
		defer c.Close()
		a := c.RemoteAddr().(*net.UDPAddr).AddrPort()
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
	}
	a, err := net.ResolveTCPAddr("tcp", target)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("look up --target: %w", err)
	}
	return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), uint16(a.Port)), nil
}

func findRoutes(ctx context.Context, target, device string) (*way.Routes, error) {
	to, err := lookUp(ctx, target)
	if err != nil {
		return nil, err
	}
	w, err := way.Find(to)
	if err != nil {
		return nil, err
	}
	if w.Here {
		return nil, usagef("--target %s: is this machine itself, which needs no routes; clients' addresses cannot be used for it", target)
	}
	r := &way.Routes{Way: *w, Answers: w.Device}
	if device != "" {
		if _, err := net.InterfaceByName(device); err != nil {
			return nil, usagef("--device %s: %w", device, err)
		}
		r.Answers = device
	}
	return r, nil
}

// holdRoutes sets the routes of this machine until ctx is done. Where another process
// holds the same ones, it takes over when that ends.
func holdRoutes(ctx context.Context, e env, r *way.Routes) error {
	for {
		held, err := r.Apply(ctx)
		if errors.Is(err, way.ErrHeld) {
			fmt.Fprintln(e.stderr, "routes are set by another session-routes; they stay when it ends")
			if err := r.Await(ctx); err != nil {
				return ignoreDone(ctx, err)
			}
			continue
		}
		if err != nil {
			return ignoreDone(ctx, err)
		}
		tellRoutes(e, held)
		<-ctx.Done()
		return held.Release(context.WithoutCancel(ctx))
	}
}

func tellRoutes(e env, held *way.Held) {
	if held.Swept > 0 {
		fmt.Fprintf(e.stderr, "removed %d rule(s) of a session-routes that was killed\n", held.Swept)
	}
	if !held.Mine {
		fmt.Fprintln(e.stderr, "routes are set: by hand, so that they stay")
		return
	}
	fmt.Fprintln(e.stderr, "routes are set; they go with this command (Ctrl-C)")
}

// ignoreDone takes the end of ctx for what it is: asked for.
func ignoreDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end was asked for
	}
	return err
}

func cleanRoutes(ctx context.Context, e env) error {
	n, err := way.Sweep(ctx)
	fmt.Fprintf(e.stdout, "removed %d rule(s) of a session-routes that was killed\n", n)
	return err
}
