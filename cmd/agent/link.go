package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/flow"
	"gortap/internal/output"
	"gortap/internal/pcapio"
	"gortap/internal/pcapio/packet"
)

// links is the receiving end of --output-link: each address takes one agent at a time,
// and is a shard of its own, whose clock is that agent's.
type links struct {
	listeners []net.Listener
	log       *slog.Logger
	running   atomic.Bool

	mu    sync.Mutex
	links []*pcapio.Link // set by run
}

var _ input = (*links)(nil)

// linkAddress completes ':PORT' by the loopback address: what comes here is played to
// targets, so that others must be let in on purpose.
func linkAddress(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return "", usagef("--input-link %q: want HOST:PORT, or :PORT for this machine alone", text)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

func openLinks(cfg *Config, log *slog.Logger) (input, error) {
	l := &links{log: log}
	for _, text := range cfg.InputLink {
		addr, err := linkAddress(text)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		keep := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
		listener, err := keep.Listen(context.Background(), "tcp", addr)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--input-link: %w", err), l.close())
		}
		l.listeners = append(l.listeners, listener)
	}
	return l, nil
}

func (l *links) shards() int              { return len(l.listeners) }
func (l *links) control(int) flow.Control { return nil }
func (l *links) ownTotals() bool          { return true }
func (l *links) ready() bool              { return l.running.Load() }
func (l *links) idle() error              { return nil }

func (l *links) describe() string {
	var at []string
	for _, listener := range l.listeners {
		at = append(at, listener.Addr().String())
	}
	return "waiting for the link of another agent on " + strings.Join(at, ", ")
}

func (l *links) close() error {
	var errs []error
	for _, listener := range l.listeners {
		if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// run takes links until ctx is done.
func (l *links) run(ctx context.Context, handlers []flow.Handler) error {
	l.mu.Lock()
	for _, h := range handlers {
		l.links = append(l.links, pcapio.NewLink(h))
	}
	l.mu.Unlock()
	l.running.Store(true)
	defer l.running.Store(false)
	defer context.AfterFunc(ctx, func() { _ = l.close() })()
	var all sync.WaitGroup
	for i, listener := range l.listeners {
		all.Go(func() { l.accept(ctx, listener, l.links[i]) })
	}
	all.Wait()
	return nil
}

// accept lets one agent in at a time. Others are told.
func (l *links) accept(ctx context.Context, listener net.Listener, link *pcapio.Link) {
	var one sync.WaitGroup
	defer one.Wait()
	var taken atomic.Bool
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files, say
			l.log.Warn("take a link", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		if taken.Swap(true) {
			l.refuse(conn)
			continue
		}
		one.Go(func() {
			defer taken.Store(false)
			l.take(ctx, conn, link)
		})
	}
}

// greetTimeout is how long the few bytes of a greeting may take to be sent.
const greetTimeout = time.Second

func (l *links) refuse(conn net.Conn) {
	defer conn.Close()
	l.log.Warn("another agent's link was refused (each --input-link takes one)", "from", conn.RemoteAddr().String())
	_ = conn.SetWriteDeadline(time.Now().Add(greetTimeout))
	_, _ = io.WriteString(conn, output.LinkBusy) // it retries either way
}

func (l *links) take(ctx context.Context, conn net.Conn, link *pcapio.Link) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	from := conn.RemoteAddr().String()
	_ = conn.SetWriteDeadline(time.Now().Add(greetTimeout))
	_, err := io.WriteString(conn, output.LinkReady)
	if err == nil {
		l.log.Info("a link is up", "from", from)
		err = link.Run(conn)
	}
	if err != nil && ctx.Err() == nil {
		l.log.Warn("a link is broken", "from", from, "error", err)
		return
	}
	l.log.Info("a link has ended", "from", from)
}

// volumes adds up the links: what senders had is what came, and what did not.
func (l *links) volumes() (volumes, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var v volumes
	for _, link := range l.links {
		st := link.Stats()
		one := fileVolumes(&st.Stats)
		v.add(&one)
		v.drop("link", "sender", st.SenderDropped)
		v.drop("link", "disconnect", st.Lost)
	}
	return v, nil
}

// add adds what another source delivered and dropped.
func (v *volumes) add(o *volumes) {
	v.matched.Packets += o.matched.Packets
	v.matched.Bytes += o.matched.Bytes
	v.delivered.Packets += o.delivered.Packets
	v.delivered.Bytes += o.delivered.Bytes
	for _, d := range o.dropped {
		v.note(d)
	}
	for _, c := range o.outcomes {
		v.outcome(c)
	}
}

// drop notes packets that are known by their number alone.
func (v *volumes) drop(stage, reason string, packets uint64) {
	v.outcome(outcome{reason, output.Volume{Packets: packets}})
	if packets > 0 {
		v.matched.Packets += packets
		v.note(output.Drop{Stage: stage, Reason: reason, Volume: output.Volume{Packets: packets}})
	}
}

func (v *volumes) note(d output.Drop) {
	for i := range v.dropped {
		if e := &v.dropped[i]; e.Stage == d.Stage && e.Reason == d.Reason {
			e.Packets += d.Packets
			e.Bytes += d.Bytes
			return
		}
	}
	v.dropped = append(v.dropped, d)
}

func (v *volumes) outcome(o outcome) {
	for i := range v.outcomes {
		if e := &v.outcomes[i]; e.name == o.name {
			e.Packets += o.Packets
			e.Bytes += o.Bytes
			return
		}
	}
	v.outcomes = append(v.outcomes, o)
}

// fileVolumes counts as the live capture does: what is no TCP was never matched. Bytes
// are of whole frames, as captures hold them.
func fileVolumes(st *pcapio.Stats) volumes {
	v := volumes{
		delivered: output.Volume(st.Delivered),
		outcomes:  []outcome{{"delivered", output.Volume(st.Delivered)}, {"no-match", output.Volume(st.Filtered)}},
	}
	v.matched = v.delivered
	for i, n := range st.Dropped {
		reason := packet.Reason(i)
		if reason == packet.Delivered {
			continue
		}
		v.outcomes = append(v.outcomes, outcome{reason.String(), output.Volume(n)})
		if !reason.Loss() {
			continue
		}
		v.matched.Packets += n.Packets
		v.matched.Bytes += n.Bytes
		if n.Packets > 0 {
			v.dropped = append(v.dropped, output.Drop{Stage: "file", Reason: reason.String(), Volume: output.Volume(n)})
		}
	}
	return v
}
