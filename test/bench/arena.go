package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gortap/internal/lab"
	"gortap/test/bench/gauge"
)

// The networks that loads are run in.
const (
	loopback = "loopback"
	veth     = "veth"      // MTU 1500, the kernel's defaults: segments are merged
	vethBare = "veth-bare" // every segment is a packet of its own
)

// arena is an nginx, and where its clients and its observers are.
type arena struct {
	client, server *lab.Namespace
	address        string
	device         string // the server's, that the load passes
	nginx          *lab.Nginx
	free           func() error
}

// on returns an arena, which it makes at its first use.
func (b *bench) on(ctx context.Context, network string) (*arena, error) {
	if a, ok := b.arenas[network]; ok {
		if a == nil {
			return nil, fmt.Errorf("no network %s", network)
		}
		return a, nil
	}
	if b.arenas == nil {
		b.arenas = map[string]*arena{}
	}
	b.arenas[network] = nil // it is not tried again
	a, err := newArena(ctx, network)
	if err != nil {
		return nil, fmt.Errorf("make network %s: %w", network, err)
	}
	b.arenas[network] = a
	return a, nil
}

func (b *bench) close() {
	for _, a := range b.arenas {
		if a != nil {
			_ = a.close() // the process ends, and what is in it
		}
	}
}

func newArena(ctx context.Context, network string) (*arena, error) {
	a, err := connect(network)
	if err != nil {
		return nil, err
	}
	if err := a.prepare(ctx, network == vethBare); err != nil {
		return nil, errors.Join(err, a.free())
	}
	return a, nil
}

func connect(network string) (*arena, error) {
	if network == loopback {
		n, err := lab.NewNamespace()
		if err != nil {
			return nil, err
		}
		return &arena{client: n, server: n, address: "127.0.0.1", device: "lo", free: n.Close}, nil
	}
	p, err := lab.NewPair(1)
	if err != nil {
		return nil, err
	}
	return &arena{client: p.Client, server: p.Server, address: lab.ServerIP().String(), device: lab.Device, free: p.Close}, nil
}

// prepare starts nginx, and serves each kind of load once.
func (a *arena) prepare(ctx context.Context, bare bool) error {
	// A connection a request: the ports must last for a run.
	if out, err := a.client.Run(ctx, "sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=1024 65000", "net.ipv4.tcp_tw_reuse=1"); err != nil {
		return fmt.Errorf("widen port range: %w: %s", err, out)
	}
	if bare {
		for _, n := range []*lab.Namespace{a.client, a.server} {
			if _, err := n.Run(ctx, "ethtool", "-K", lab.Device, "gso", "off", "tso", "off", "gro", "off"); err != nil {
				return fmt.Errorf("switch off merged segments: %w", err)
			}
		}
	}
	var err error
	a.nginx, err = lab.StartNginx(ctx, a.server, lab.NginxOptions{
		Files:  map[string]int{"4k.bin": 4 << 10, "10k.bin": 10 << 10, "1m.bin": 1 << 20, "upload": 1},
		Server: serverBlock + gauge.StatusServer,
	})
	return err
}

// processes are those of nginx.
func (a *arena) processes() ([]int, error) {
	master := a.nginx.Pid()
	workers, err := gauge.Children(master)
	return append(workers, master), err
}

func (a *arena) close() error {
	_, err := a.nginx.Stop()
	return errors.Join(err, a.free())
}

// hangLimit is added to a program's own time before it is taken for hung.
const hangLimit = 30 * time.Second
