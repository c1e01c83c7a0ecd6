package capture

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gortap/internal/flow"
	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// live is a capture at work in a namespace, with a handler of the test behind
// each shard.
type live struct {
	*Capture
	t        *testing.T
	handlers []*traffic
	log      *bytes.Buffer
	stopOnce func() error
}

// start opens a capture and waits until it is attached. It ends with the test, or
// before by stop.
func start(t *testing.T, host *lab.Namespace, opts Options) *live {
	t.Helper()
	return startWith(t, host, opts, nil)
}

// startWith is start with something to do at each SYN, in the handler.
func startWith(t *testing.T, host *lab.Namespace, opts Options, onSYN func(flow.Control, flow.Key)) *live {
	t.Helper()
	l := &live{t: t, log: &bytes.Buffer{}}
	opts.Log = slog.New(slog.NewTextHandler(&locked{w: l.log}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if opts.RingBytes == 0 {
		opts.RingBytes = 16 << 20 // room for all that a test sends: it may be slower than the kernel
	}
	c, err := Open(opts)
	if err != nil {
		t.Fatalf("%v\n%+v", err, err)
	}
	l.Capture = c
	var handlers []flow.Handler
	for i := range c.Shards() {
		h := newTraffic(c.Control(i))
		h.onSYN = onSYN
		l.handlers = append(l.handlers, h)
		handlers = append(handlers, h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- host.Do(func() error { return c.Run(ctx, handlers) }) }()
	l.stopOnce = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		l.stop()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "attached", func() bool {
		select {
		case err := <-done:
			done <- err
			t.Fatalf("capture ended: %v", err)
		default:
		}
		return c.Ready()
	})
	return l
}

// stop ends the capture and returns its counts. A warning fails the test.
func (l *live) stop() Stats {
	l.t.Helper()
	if err := l.stopOnce(); err != nil {
		l.t.Errorf("run: %v", err)
	}
	if l.log.Len() > 0 {
		l.t.Errorf("warned: %s", l.log)
		l.log.Reset()
	}
	return l.stats()
}

func (l *live) stats() Stats {
	l.t.Helper()
	s, err := l.Stats()
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// conn returns what the capture told of one connection.
func (l *live) conn(key flow.Key) *told {
	l.t.Helper()
	for _, h := range l.handlers {
		if c := h.conns[key]; c != nil {
			return c
		}
	}
	l.t.Fatalf("nothing told of %v - %v", key.Source(flow.FromA), key.Source(flow.FromB))
	return nil
}

// largest returns the bytes of the largest packet that was told.
func (l *live) largest() (n int) {
	for _, h := range l.handlers {
		n = max(n, h.largest)
	}
	return n
}

// locked lets several goroutines write.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// eventually polls a condition that other goroutines or the kernel bring about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not %s after 20 s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// traffic is a handler that puts the connections of its shard together.
type traffic struct {
	control  flow.Control
	onSYN    func(flow.Control, flow.Key)
	conns    map[flow.Key]*told
	segments int
	largest  int // NetBytes of a packet
}

// told is what a capture said of a connection.
type told struct {
	dirs    [2]stream
	updates []flow.Totals
	ends    []flow.Totals
	late    int // calls after the end
}

// stream is one direction: bytes at their places, counted from the SYN.
type stream struct {
	base   uint32
	begun  bool
	data   []byte
	have   []byte // 1 for each byte that was told
	missed int    // segments from before the SYN
}

func newTraffic(c flow.Control) *traffic {
	return &traffic{control: c, conns: map[flow.Key]*told{}}
}

func (t *traffic) of(k flow.Key) *told {
	if t.conns[k] == nil {
		t.conns[k] = &told{}
	}
	c := t.conns[k]
	if len(c.ends) > 0 {
		c.late++
	}
	return c
}

func (t *traffic) Segment(s *flow.Segment) {
	t.segments++
	t.largest = max(t.largest, s.NetBytes)
	d := &t.of(s.Key).dirs[s.Dir]
	at := s.Seq
	if s.Flags.Has(flow.SYN) {
		d.base, d.begun = s.Seq+1, true
		at++
		if t.onSYN != nil {
			t.onSYN(t.control, s.Key)
		}
	}
	if !d.begun {
		d.missed++
		return
	}
	d.put(int(at-d.base), s.Data)
}

func (s *stream) put(at int, b []byte) {
	if more := at + len(b) - len(s.data); more > 0 {
		s.data = append(s.data, make([]byte, more)...)
		s.have = append(s.have, make([]byte, more)...)
	}
	copy(s.data[at:], b)
	copy(s.have[at:], bytes.Repeat([]byte{1}, len(b)))
}

// gaps counts the bytes that are not there, below the highest that is.
func (s *stream) gaps() int { return bytes.Count(s.have, []byte{0}) }

func (t *traffic) Update(u *flow.Totals) { c := t.of(u.Key); c.updates = append(c.updates, *u) }

func (t *traffic) End(e *flow.Totals) { c := t.of(e.Key); c.ends = append(c.ends, *e) }

func (t *traffic) Tick(int64) {}

// talk is one connection as its two ends know it.
type talk struct {
	key      flow.Key
	client   flow.Dir
	up, down []byte // what the client sent, and the server
}

// talks has each of n clients send up bytes to a server, which answers with down
// bytes, and returns when all connections are closed by both ends.
func talks(t *testing.T, server, client *lab.Namespace, address string, n, up, down int) []talk {
	t.Helper()
	sent, answer := noise(1, up), noise(2, down)
	origin := testutil.NewOrigin(t, server, address, testutil.ReadN(up), testutil.Write(string(answer)))
	all := make([]talk, n)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			c, err := dial(client, origin.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if _, err := c.Write(sent); err != nil {
				t.Error(err)
			}
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, answer) {
				t.Errorf("client read %d bytes, %v, want %d", len(got), err, down)
			}
			key, dir := flow.NewKey(addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()), 0)
			all[i] = talk{key: key, client: dir, up: sent, down: answer}
		})
	}
	wg.Wait()
	for _, s := range origin.Drain() {
		if s.Err != nil {
			t.Errorf("server: %v", s.Err)
		}
	}
	return all
}

func dial(client *lab.Namespace, address string) (net.Conn, error) {
	if client == nil {
		return net.Dial("tcp", address)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return client.DialContext(ctx, "tcp", address)
}

func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// noise returns n bytes that are the same for the same seed.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// checkTalk compares what was told with what the two ends know. Of a direction
// that the hook does not see, nothing is told.
func (l *live) checkTalk(x talk, seesUp, seesDown bool) {
	l.t.Helper()
	c := l.conn(x.key)
	if len(c.ends) != 1 || c.late != 0 {
		l.t.Fatalf("%d ends, %d calls after the first, want 1 and 0", len(c.ends), c.late)
	}
	end := c.ends[0]
	for _, d := range []struct {
		name string
		dir  flow.Dir
		sees bool
		want []byte
	}{{"up", x.client, seesUp, x.up}, {"down", x.client.Other(), seesDown, x.down}} {
		totals, got := end.Dirs[d.dir], &c.dirs[d.dir]
		if !d.sees {
			if totals != (flow.DirTotals{}) || len(got.data) > 0 {
				l.t.Errorf("%s: told %+v and %d bytes, want nothing", d.name, totals, len(got.data))
			}
			continue
		}
		if totals.Payload != uint64(len(d.want)) {
			l.t.Errorf("%s: payload %d, want %d", d.name, totals.Payload, len(d.want))
		}
		if got.missed > 0 || got.gaps() > 0 || !bytes.Equal(got.data, d.want) {
			l.t.Errorf("%s: %d bytes told, %d of them missing, %d segments before the SYN; want the %d bytes sent",
				d.name, len(got.data), got.gaps(), got.missed, len(d.want))
		}
	}
	if seesUp && (!end.OpenerKnown || end.Opener != x.client) {
		l.t.Errorf("opened by direction %d (known: %v), want %d", end.Opener, end.OpenerKnown, x.client)
	}
	if end.FirstNs > end.LastNs || time.Since(time.Unix(0, end.FirstNs)).Abs() > time.Minute {
		l.t.Errorf("first %v, last %v", time.Unix(0, end.FirstNs), time.Unix(0, end.LastNs))
	}
}

// checkBalance checks that every packet has one fate, and that flows and packet
// counters tell of the same packets.
func (l *live) checkBalance(s Stats) {
	l.t.Helper()
	sum := s.Delivered
	for _, d := range s.Dropped {
		sum.add(d)
	}
	if sum != s.Matched {
		l.t.Errorf("matched %+v, but delivered and dropped are %+v", s.Matched, sum)
	}
	var flows Count
	for _, h := range l.handlers {
		for _, c := range h.conns {
			for _, e := range c.ends {
				for _, d := range e.Dirs {
					flows.add(Count{d.Packets, d.Bytes})
				}
			}
		}
	}
	for _, reason := range []string{"fragment", "malformed", "flow-table-full", "evicting"} {
		flows.add(s.Dropped[reason]) // lost before they were of a flow
	}
	if flows != s.Matched {
		l.t.Errorf("matched %+v, but flows and losses have %+v", s.Matched, flows)
	}
}

// handlersFor returns handlers for a capture that is run by hand.
func handlersFor(c *Capture) (handlers []flow.Handler) {
	for i := range c.Shards() {
		handlers = append(handlers, newTraffic(c.Control(i)))
	}
	return handlers
}
