package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"gortap/test/bench/gauge"
)

// idleRow is what idle sessions take.
type idleRow struct {
	Sessions int     `json:"sessions"`
	AtOnce   int     `json:"at_once"` // as the target saw it
	Replayed uint64  `json:"replayed"`
	MiB      float64 `json:"peak_rss_mib"`
	FewMiB   float64 `json:"peak_rss_of_few_mib"`
	Bytes    float64 `json:"bytes_per_session"`
}

// few is how many sessions the other run has.
const few = 100

func (b *bench) measureIdle(ctx context.Context) {
	fmt.Fprintf(os.Stderr, "%d idle sessions\n", b.idle)
	small, _, err := b.idleOnce(ctx, few)
	if err != nil {
		b.fail("%d idle sessions: %s", few, err)
		return
	}
	many, atOnce, err := b.idleOnce(ctx, b.idle)
	if err != nil {
		b.fail("%d idle sessions: %s", b.idle, err)
		return
	}
	b.report.Idle = &idleRow{b.idle, atOnce, many.Replayed, many.rss, small.rss, (many.rss - small.rss) * (1 << 20) / float64(b.idle-few)}
}

// idlers is one run.
type idlers struct {
	Replayed uint64
	rss      float64
}

// idleOnce plays n sessions that all are there at once before the first one asks.
func (b *bench) idleOnce(ctx context.Context, n int) (idlers, int, error) {
	file := b.path("idle.pcap")
	const opening = 5 * time.Second
	if err := (recording{sessions: n, gap: opening / time.Duration(n), hold: opening + b.hold}).write(file); err != nil {
		return idlers{}, 0, err
	}
	l, err := b.ns.Listen(ctx, "tcp", serverIP+":81")
	if err != nil {
		return idlers{}, 0, err
	}
	t := &patient{listener: l}
	t.wg.Go(t.accept)
	defer t.close()
	p, err := b.player(ctx, file, clients, serverIP+":81", "--listen", "")
	if err != nil {
		return idlers{}, 0, err
	}
	all := make(chan struct{})
	var peak float64
	go func() {
		defer close(all)
		for { // until it is gone
			rss, err := gauge.PeakRSS(p.cmd.Process.Pid)
			if err != nil || rss == 0 {
				return
			}
			peak = rss
			time.Sleep(50 * time.Millisecond)
		}
	}()
	end, err := p.wait()
	<-all
	if err == nil && end.Replayed == 0 {
		err = errors.New("none was replayed")
	}
	return idlers{end.Replayed, peak}, t.most(), err
}

// patient is a target that answers a request once and hangs up, however long it has to
// wait for it. A session takes little of it: both share the machine's memory.
type patient struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu        sync.Mutex
	now, peak int
}

func (t *patient) accept() {
	for {
		c, err := t.listener.Accept()
		if err != nil {
			return
		}
		t.count(1)
		t.wg.Go(func() {
			defer t.count(-1)
			defer c.Close()
			b := make([]byte, 512)
			if _, err := c.Read(b); err == nil {
				_, _ = c.Write([]byte(respond)) // a client that has gone is counted by the agent
			}
		})
	}
}

func (t *patient) count(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now += n
	t.peak = max(t.peak, t.now)
}

func (t *patient) most() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.peak
}

func (t *patient) close() {
	t.listener.Close()
	t.wg.Wait()
}

func (r *report) idleTable() *gauge.Table {
	t := &gauge.Table{Title: "Idle sessions of a file", Head: "sessions|at once|replayed|peak memory, MiB|of 100, MiB|bytes/session"}
	if i := r.Idle; i != nil {
		t.Add("%d|%d|%d|%.1f|%.1f|%.0f", i.Sessions, i.AtOnce, i.Replayed, i.MiB, i.FewMiB, i.Bytes)
	}
	return t
}
