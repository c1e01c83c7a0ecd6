package session

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gortap/internal/process"
	rec "gortap/internal/session"
	"gortap/internal/testutil"
)

// target is a server on loopback with a script for each connection.
type target struct {
	listener net.Listener
	wg       sync.WaitGroup
}

func startTarget(t *testing.T, serve func(c *net.TCPConn)) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &target{listener: l}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.wg.Wait()
	})
	return s
}

func (s *target) addr() string { return s.listener.Addr().String() }

// config is for a live replay with limits that no healthy target meets.
func config(addr string) Config {
	return Config{
		Target: addr, Limit: process.Limit{Connections: 1}, Order: ByTurns, Stall: 10 * time.Second, Speed: 1, RTT: -1,
		Timeout: 10 * time.Second, Max: 1000, MaxQueue: 1 << 20, Live: true,
	}
}

// stage is a hub with one output for each config, and the lines that they logged.
type stage struct {
	t       *testing.T
	hub     *Hub
	outputs []*Output
	mu      sync.Mutex
	lines   []Line
	id      uint64
}

func newStage(t *testing.T, o HubOptions, configs ...Config) *stage {
	t.Helper()
	s := &stage{t: t}
	for _, c := range configs {
		c.Log = func(l *Line) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.lines = append(s.lines, *l)
		}
		out, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		s.outputs = append(s.outputs, out)
	}
	o.Outputs = s.outputs
	if o.Memory == 0 {
		o.Memory = 64 << 20
	}
	s.hub = NewHub(o)
	return s
}

// begin opens a session whose events the test puts.
func (s *stage) begin() *script {
	s.id++
	c := &script{stage: s, session: &rec.Session{
		ID: s.id, Hash: s.id, OpenedNs: 1, Client: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), uint16(s.id)),
		Server: netip.MustParseAddrPort("192.0.2.1:80"),
	}}
	c.put(&rec.Event{Kind: rec.Open})
	return c
}

type script struct {
	stage   *stage
	session *rec.Session
}

func (c *script) put(e *rec.Event) {
	one := &rec.Event{Session: c.session, Kind: e.Kind, End: e.End, TsNs: 1, Need: e.Need, NeedNs: 1, NeedEnd: e.NeedEnd, Received: e.Received, Data: e.Data}
	c.stage.hub.Put(one)
}

func (c *script) write(data string, need int64) {
	c.put(&rec.Event{Kind: rec.Write, Data: []byte(data), Need: need})
}

// finish ends the session as a client does that had need bytes.
func (c *script) finish(need int64) {
	c.put(&rec.Event{Kind: rec.Shutdown, Need: need})
	c.put(&rec.Event{Kind: rec.Over, End: rec.Finished, Received: need})
}

// close plays to the end and checks that nothing is left, and that the sums hold.
func (s *stage) close() {
	s.t.Helper()
	if err := s.hub.Close(s.t.Context()); err != nil {
		s.t.Error(err)
	}
	if used := s.hub.Used(); used != 0 {
		s.t.Errorf("%d bytes of events are still held", used)
	}
	for _, o := range s.outputs {
		st := o.Stats()
		sum := st.Replayed
		for _, m := range []map[string]uint64{st.Partial, st.Skipped} {
			for _, n := range m {
				sum += n
			}
		}
		verdicts := st.Compared.Compared()
		for _, n := range st.Compared.Uncompared {
			verdicts += n
		}
		if o.cfg.Compare != CompareNone && verdicts != st.Sessions {
			s.t.Errorf("%s: %d verdicts on %d sessions: %+v", o.Name(), verdicts, st.Sessions, st.Compared)
		}
		if sum != st.Sessions || st.Running != 0 {
			s.t.Errorf("%s: %d sessions, %d accounted for, %d run", o.Name(), st.Sessions, sum, st.Running)
		}
	}
}

// only returns the one line that was logged.
func (s *stage) only() Line {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) != 1 {
		s.t.Fatalf("%d sessions were logged, want 1: %+v", len(s.lines), s.lines)
	}
	return s.lines[0]
}

func TestAWriteGoesOutOnceTheAnswerBeforeItIsThere(t *testing.T) {
	testutil.CheckLeaks(t)
	var early atomic.Bool
	srv := startTarget(t, func(c *net.TCPConn) {
		b := make([]byte, 100)
		n, _ := io.ReadFull(c, b[:5])
		fmt.Fprint(c, "01234") // half of the answer
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
		k, _ := c.Read(b[n:])
		early.Store(k > 0)
		_ = c.SetReadDeadline(time.Time{})
		fmt.Fprint(c, "56789")
		_, _ = io.Copy(io.Discard, c)
	})
	s := newStage(t, HubOptions{}, config(srv.addr()))
	c := s.begin()
	c.write("first", 0)
	c.write("second", 10)
	c.finish(10)
	s.close()
	if early.Load() {
		t.Error("the second write came before the first one was answered in full")
	}
	if l := s.only(); l.Outcome != "replayed" || l.Sent != 11 || l.Received != 10 || l.Stalls != 0 {
		t.Errorf("%+v", l)
	}
}

func TestAShorterAnswerHoldsNobodyUp(t *testing.T) {
	for order, stalls := range map[Order]int{ByBytes: 1, ByTurns: 0, ByTime: 0} {
		srv := startTarget(t, func(c *net.TCPConn) {
			b := make([]byte, 5)
			for {
				if _, err := io.ReadFull(c, b); err != nil {
					return
				}
				fmt.Fprint(c, "short")
			}
		})
		cfg := config(srv.addr())
		cfg.Order, cfg.Stall = order, 200*time.Millisecond
		s := newStage(t, HubOptions{}, cfg)
		c := s.begin()
		c.write("one..", 0)
		c.write("two..", 100)
		c.finish(100)
		s.close()
		if l := s.only(); l.Outcome != "replayed" || l.Sent != 10 || l.Received != 10 || l.Stalls != stalls {
			t.Errorf("order %d: %+v, want %d stalls", order, l, stalls)
		}
	}
}

func TestATargetThatNeverAnswersIsSentItAll(t *testing.T) {
	srv := startTarget(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	cfg := config(srv.addr())
	cfg.Order, cfg.Stall = ByBytes, 20*time.Millisecond
	s := newStage(t, HubOptions{}, cfg)
	c := s.begin()
	c.write("after a greeting", 10)
	c.write("after an answer", 20)
	c.finish(30)
	s.close()
	if l := s.only(); l.Outcome != "replayed" || l.Sent != 31 || l.Stalls != maxStalls {
		t.Errorf("%+v", l)
	}
}

func TestBothDirectionsAtOnceDoNotBlockEachOther(t *testing.T) {
	// The target reads nothing before all it writes is taken, and that is more than
	// any buffer holds.
	srv := startTarget(t, func(c *net.TCPConn) {
		_, _ = c.Write(make([]byte, 32<<20))
		_, _ = io.Copy(io.Discard, c)
	})
	cfg := config(srv.addr())
	cfg.MaxQueue = 64 << 20
	s := newStage(t, HubOptions{}, cfg)
	c := s.begin()
	for range 500 {
		c.write(strings.Repeat("x", 60_000), 0)
	}
	c.finish(0)
	s.close()
	if l := s.only(); l.Outcome != "replayed" || l.Sent != 30_000_000 || l.Received != 32<<20 {
		t.Errorf("%+v", l)
	}
}

func TestOutcomesWithReasons(t *testing.T) {
	testutil.CheckLeaks(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	closes := startTarget(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.SetLinger(0)
	})
	aborts := startTarget(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		_, _ = io.WriteString(c, "some")
		_ = c.SetLinger(0)
	})
	mute := startTarget(t, func(c *net.TCPConn) {
		b := make([]byte, 1)
		_, _ = c.Read(b)
		<-t.Context().Done()
	})
	good := startTarget(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	for _, c := range []struct {
		name    string
		addr    string
		change  func(*Config)
		play    func(*script)
		outcome string
		reason  string
	}{
		{"nobody listens", gone.Addr().String(), nil, func(c *script) { c.write("x", 0); c.finish(0) }, "skipped", "connect"},
		{"the target aborts", closes.addr(), nil, func(c *script) { c.write("x", 0); c.write("y", 1); c.finish(1) }, "partial", "target-closed"},
		{"the target aborts after all was sent", aborts.addr(), nil, func(c *script) { c.write("x", 0); c.finish(9) }, "partial", "target-closed"},
		{"the target reads nothing", mute.addr(), func(c *Config) { c.Timeout, c.MaxQueue = 50*time.Millisecond, 64<<20 }, func(c *script) {
			for range 800 {
				c.write(strings.Repeat("x", 60_000), 0)
			}
			c.finish(0)
		}, "partial", "write-timeout"},
		{"not in the sample", good.addr(), func(c *Config) { c.Limit.Connections = 1e-9 }, func(c *script) { c.write("x", 0); c.finish(0) }, "skipped", "sample"},
		{"none may run", good.addr(), func(c *Config) { c.Max = 0 }, func(c *script) { c.write("x", 0); c.finish(0) }, "skipped", "max-sessions"},
		{"bytes were lost", good.addr(), nil, func(c *script) { c.write("x", 0); c.put(&rec.Event{Kind: rec.Over, End: rec.Lost}) }, "partial", "lost"},
		{"the capture ended", good.addr(), nil, func(c *script) { c.write("x", 0); c.put(&rec.Event{Kind: rec.Over, End: rec.Unfinished}) }, "partial", "unfinished"},
		{"an abort", good.addr(), nil, func(c *script) {
			c.write("x", 0)
			c.put(&rec.Event{Kind: rec.Abort})
			c.put(&rec.Event{Kind: rec.Over})
		}, "replayed", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config(c.addr)
			cfg.Stall = 50 * time.Millisecond
			if c.change != nil {
				c.change(&cfg)
			}
			s := newStage(t, HubOptions{}, cfg)
			c.play(s.begin())
			s.close()
			if l := s.only(); l.Outcome != c.outcome || l.Reason != c.reason {
				t.Errorf("%s (%s), want %s (%s): %+v", l.Outcome, l.Reason, c.outcome, c.reason, l)
			}
		})
	}
}

func TestASessionThatFindsNoRoomIsCutAndTheOthersGoOn(t *testing.T) {
	hold := make(chan struct{})
	srv := startTarget(t, func(c *net.TCPConn) {
		<-hold // so that the first session's bytes wait
		_, _ = io.Copy(io.Discard, c)
	})
	free := startTarget(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	slow, fast := config(srv.addr()), config(free.addr())
	slow.MaxQueue, fast.MaxQueue = 100_000, 100<<20
	s := newStage(t, HubOptions{Memory: 200 << 20}, slow, fast)
	c := s.begin()
	for range 1000 {
		c.write(strings.Repeat("x", 60_000), 0)
	}
	close(hold)
	c.finish(0)
	s.close()
	if st := s.outputs[0].Stats(); st.Partial["queue-full"] != 1 {
		t.Errorf("the slow target: %+v", st)
	}
	if st := s.outputs[1].Stats(); st.Replayed != 1 || st.Sent != st.OriginalSent {
		t.Errorf("the other target: %+v", st)
	}
}

func TestTheEndOfARunEndsSessionsThatStillWait(t *testing.T) {
	testutil.CheckLeaks(t)
	srv := startTarget(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	cfg := config(srv.addr())
	cfg.Stall = time.Hour
	s := newStage(t, HubOptions{}, cfg)
	c := s.begin()
	c.write("waits for an answer", 10)
	c.finish(20)
	done, cancel := canceled(t)
	defer cancel()
	if err := s.hub.Close(done); err != nil {
		t.Error(err)
	}
	s.close()
	if l := s.only(); l.Outcome != "partial" && l.Outcome != "skipped" || l.Reason != "stopped" {
		t.Errorf("%+v", l)
	}
}

func TestTheCapturedServerIsNotPlayedItsOwnSessionsLive(t *testing.T) {
	cfg := config("192.0.2.1:80")
	s := newStage(t, HubOptions{}, cfg)
	c := s.begin()
	c.write("x", 0)
	c.finish(0)
	s.close()
	if l := s.only(); l.Reason != "same-server" || l.OriginalSent != 1 {
		t.Errorf("%+v", l)
	}
}

// canceled is a context that is done.
func canceled(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}
