package datagram

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gortap/internal/flow"
	"gortap/internal/process"
	"gortap/internal/replay"
	"gortap/internal/replay/session"
)

// Config makes an Output. Target, From, Limit and Clients are as for sessions; From is the
// servers' port and must be set.
type Config struct {
	session.Config
	Timing *replay.Timing // nil: live
	Wait   time.Duration  // for an answer
}

// Output sends the requests that are for one target.
type Output struct {
	cfg    Config
	target netip.AddrPort
	stats  stats
	rate   *process.Rate
	clock  *replay.Clock
	start  time.Time
	quit   chan struct{}
	once   sync.Once

	mu      sync.Mutex
	clients map[client]*copies // of those whose sockets are open
	open    int                // sockets
	waiting sync.WaitGroup
}

// client is one end that asks, and whom.
type client struct{ from, server netip.AddrPort }

// copies are the sockets of one client.
type copies struct {
	peers []*peer // nil: not in the sample, or no socket
	why   string  // why there are none
}

// New makes an Output. It looks the target up.
func New(cfg Config) (*Output, error) {
	a, err := net.ResolveUDPAddr("udp", cfg.Target)
	if err != nil {
		return nil, fmt.Errorf("look up target: %w", err)
	}
	ap := a.AddrPort()
	o := &Output{cfg: cfg, target: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), clients: map[client]*copies{}, quit: make(chan struct{})}
	if cfg.Limit.PerSecond > 0 {
		o.rate = process.NewRate(cfg.Limit.PerSecond)
	}
	if cfg.Timing != nil {
		o.clock = replay.NewClock(*cfg.Timing)
	}
	return o, nil
}

// Name tells the output in logs and the summary.
func (o *Output) Name() string { return fmt.Sprintf("udp://%d->%s", o.cfg.From, o.cfg.Target) }

// Stats returns what became of the datagrams so far.
func (o *Output) Stats() Stats {
	o.stats.mu.Lock()
	s := o.stats.Stats
	s.Skipped = maps.Clone(s.Skipped)
	o.stats.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	s.Sockets = o.open
	return s
}

func (o *Output) concerns(k *flow.Key) bool { return k.APort == o.cfg.From || k.BPort == o.cfg.From }

// tick lets the schedule of files begin.
func (o *Output) tick(nowNs int64) {
	if o.clock != nil && o.start.IsZero() && nowNs > 0 {
		o.start = time.Now().Add(-o.clock.Due(nowNs))
	}
}

// put takes one datagram, of the client or of the server.
func (o *Output) put(r *request) {
	from, to := r.Key.Source(r.Dir), r.Key.Source(r.Dir.Other())
	asks := to.Port() == o.cfg.From
	if asks && from.Port() == o.cfg.From { // the one who spoke first asks
		o.mu.Lock()
		_, answers := o.clients[client{to, from}]
		o.mu.Unlock()
		asks = !answers
	}
	if !asks {
		if from.Port() == o.cfg.From && !(o.cfg.Live && from == o.target) {
			o.stats.change(func(s *Stats) {
				s.OriginalAnswers++
				s.OriginalReceived += uint64(r.Len)
			})
		}
		return
	}
	o.await(r.TsNs)
	o.stats.change(func(s *Stats) { s.Captured++ })
	c, n := o.socketsOf(client{from, to})
	o.stats.change(func(s *Stats) { s.OriginalSent += uint64(r.Len) * uint64(n) })
	for i := range n {
		why := o.obstacle(r, c)
		for why == "" && !c.peers[i].send(r.Data) {
			c, _ = o.socketsOf(client{from, to})
			why = c.why
		}
		if why != "" {
			o.stats.skip(why)
		}
	}
}

// obstacle returns why a request is not sent, if it is not.
func (o *Output) obstacle(r *request, c *copies) string {
	switch {
	case c.why != "":
		return c.why
	case r.lost:
		return skipQueue
	case len(r.Data) < r.Len:
		return skipTruncated
	case o.rate != nil && !o.rate.Allow(time.Now().UnixNano()):
		return skipRate
	}
	select {
	case <-o.quit:
		return skipStopped
	default:
		return ""
	}
}

// await waits until a file's datagram is due.
func (o *Output) await(tsNs int64) {
	if o.clock == nil {
		return
	}
	o.tick(tsNs)
	timer := time.NewTimer(time.Until(o.start.Add(o.clock.Due(tsNs))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.quit:
	}
}

// socketsOf returns a client's sockets, and how many there should be: at least one, so that
// what is not sent counts.
func (o *Output) socketsOf(who client) (*copies, int) {
	hash := hashOf(who)
	n := o.cfg.Limit.Copies(hash)
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.clients[who]
	if c != nil && (c.why != "" || !o.ended(c)) {
		return c, max(n, 1)
	}
	c = &copies{}
	switch {
	case o.cfg.Live && who.server == o.target:
		c.why = skipSame
	case n == 0:
		c.why = skipSample
	case o.open+n > o.cfg.Max:
		c.why = skipSockets
	default:
		o.dial(c, who, hash, n)
	}
	if c.why == "" {
		o.clients[who] = c
	}
	return c, max(n, 1)
}

// ended reports whether a client's sockets were closed. The caller holds the lock.
func (o *Output) ended(c *copies) bool {
	for _, p := range c.peers {
		if p.closed() {
			return true
		}
	}
	return false
}

// dial opens a client's sockets: all of them, or none. The caller holds the lock.
func (o *Output) dial(c *copies, who client, hash uint64, n int) {
	for i := range n {
		conn, err := session.DialUDP(o.cfg.Clients, who.from, hash, i, o.target)
		if err != nil {
			for _, p := range c.peers {
				p.conn.Close()
			}
			c.peers, c.why = nil, skipAddress
			if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
				c.why = skipFiles
			}
			return
		}
		c.peers = append(c.peers, &peer{out: o, conn: conn, until: time.Now().Add(o.cfg.Wait)})
	}
	o.open += n
	for _, p := range c.peers {
		o.waiting.Go(func() {
			p.run()
			o.mu.Lock()
			defer o.mu.Unlock()
			o.open--
			if o.clients[who] == c {
				delete(o.clients, who)
			}
		})
	}
}

// Interrupt ends the waits of put: the run is over.
func (o *Output) Interrupt() { o.once.Do(func() { close(o.quit) }) }

// Close waits for the answers that may still come, or until ctx is done. Nothing is put any
// more.
func (o *Output) Close(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { o.end(time.Unix(1, 0)) })()
	o.Interrupt()
	o.end(time.Now().Add(o.cfg.Wait))
	o.waiting.Wait()
	return nil
}

// end lets all sockets wait for answers no longer than until then.
func (o *Output) end(then time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.clients {
		for _, p := range c.peers {
			p.endBy(then)
		}
	}
}

func hashOf(c client) uint64 {
	h := fnv.New64a()
	for _, a := range []netip.AddrPort{c.from, c.server} {
		b, _ := a.MarshalBinary()
		_, _ = h.Write(b)
	}
	return h.Sum64()
}
