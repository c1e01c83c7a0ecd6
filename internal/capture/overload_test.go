package capture

import (
	"testing"
	"time"

	"gortap/bpf"
	"gortap/internal/flow"
	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// A ring that is far too small loses records, and says how many: each packet is
// delivered or dropped, and the counts of the flows miss nothing.
func TestOverloadIsToldToTheByte(t *testing.T) {
	for name, opts := range map[string]Options{
		"tcx":    {Shards: 2},
		"clsact": {Attach: AttachClsact, Shards: 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := testutil.Pair(t, 1)
			opts.Interfaces = []string{lab.Device}
			opts.RingBytes = 64 << 10
			l := start(t, p.Server, opts)
			const up, down = 100_000, 5_000_000
			sent := talks(t, p.Server, p.Client, "192.0.2.1:80", 4, up, down)
			s := l.stop()
			l.checkBalance(s)
			if s.Dropped["ring-full"].Packets == 0 {
				t.Error("the ring was large enough: that tests nothing")
			}
			for _, x := range sent {
				c := l.conn(x.key)
				if len(c.ends) != 1 || c.late != 0 {
					t.Fatalf("%d ends, %d calls after the first", len(c.ends), c.late)
				}
				got := c.ends[0].Dirs
				if got[x.client].Payload != up || got[x.client.Other()].Payload != down {
					t.Errorf("payload %d up, %d down, want %d, %d", got[x.client].Payload, got[x.client.Other()].Payload, up, down)
				}
			}
		})
	}
}

// More flows than the table holds are lost and counted; those in it are exact.
func TestFullFlowTableIsTold(t *testing.T) {
	p := testutil.Pair(t, 1)
	l := start(t, p.Server, Options{Interfaces: []string{lab.Device}, MaxFlows: 3})
	sent := talks(t, p.Server, p.Client, "192.0.2.1:80", 10, 1000, 1000)
	s := l.stop()
	l.checkBalance(s)
	if s.Dropped["flow-table-full"].Packets == 0 {
		t.Error("no packet was lost to the full table")
	}
	known := 0
	for _, x := range sent {
		for _, h := range l.handlers {
			if h.conns[x.key] != nil {
				known++
				l.checkTalk(x, true, true)
			}
		}
	}
	if known != 3 {
		t.Errorf("%d connections told, want 3", known)
	}
}

// Live flows tell their totals now and then, closed ones end soon, and nothing
// comes after the end.
func TestTotalsGrowUntilTheEnd(t *testing.T) {
	p := testutil.Pair(t, 1)
	l := start(t, p.Server, Options{Interfaces: []string{lab.Device}, SweepEvery: 20 * time.Millisecond})
	more := make(chan struct{})
	origin := testutil.NewOrigin(t, p.Server, "192.0.2.1:80", testutil.ReadN(10), testutil.Write("first"),
		testutil.Wait(more), testutil.Write("second"), testutil.ReadToEnd())
	c, err := dial(p.Client, origin.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	read := func(want int) {
		if _, err := c.Read(make([]byte, want)); err != nil {
			t.Fatal(err)
		}
	}
	read(len("first"))
	eventually(t, "counted as a flow", func() bool { return l.Flows() == 1 })
	close(more)
	read(len("second"))
	c.Close()
	origin.Drain()
	eventually(t, "ended, the flow", func() bool { return l.Flows() == 0 })
	l.stop()

	key, dir := flow.NewKey(addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()), 0)
	told := l.conn(key)
	if len(told.ends) != 1 || told.late != 0 {
		t.Fatalf("%d ends, %d calls after the first", len(told.ends), told.late)
	}
	if told.ends[0].Stopped {
		t.Error("the end says that the capture stopped; the connection was closed")
	}
	if len(told.updates) == 0 {
		t.Fatal("no totals before the end")
	}
	last := flow.Totals{}
	for _, u := range append(told.updates, told.ends...) {
		for d := range u.Dirs {
			if u.Dirs[d].Payload < last.Dirs[d].Payload || u.Dirs[d].Packets < last.Dirs[d].Packets || u.LastNs+int64(time.Millisecond) < last.LastNs {
				t.Errorf("totals shrank from %+v to %+v", last, u)
			}
		}
		last = u
	}
	if got := last.Dirs[dir.Other()].Payload; got != uint64(len("firstsecond")) {
		t.Errorf("payload %d at the end, want %d", got, len("firstsecond"))
	}
}

// Connections that go on when the capture stops end with it, and say so.
func TestLiveFlowsEndWithTheCapture(t *testing.T) {
	testutil.CheckLeaks(t)
	p := testutil.Pair(t, 1)
	l := start(t, p.Server, Options{Interfaces: []string{lab.Device}, SweepEvery: time.Hour})
	hold := make(chan struct{})
	origin := testutil.NewOrigin(t, p.Server, "192.0.2.1:80", testutil.ReadN(1), testutil.Write("x"), testutil.Wait(hold))
	var keys []flow.Key
	for range 300 {
		c, err := dial(p.Client, origin.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("y")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		key, _ := flow.NewKey(addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()), 0)
		keys = append(keys, key)
	}
	s := l.stop()
	l.checkBalance(s)
	for _, key := range keys {
		c := l.conn(key)
		if len(c.ends) != 1 || !c.ends[0].Stopped || c.ends[0].Dirs[0].Payload != 1 || c.ends[0].Dirs[1].Payload != 1 {
			t.Fatalf("ends %+v, want one with a byte each way, stopped", c.ends)
		}
	}
	close(hold)
}

// What a handler asks for reaches the kernel in time to matter.
func TestHandlerSteersTheDepth(t *testing.T) {
	for name, tc := range map[string]struct {
		depth flow.Depth
		want  func(copied, sent int) bool
	}{
		"default": {flow.DepthDefault, func(copied, sent int) bool { return copied > 0 && copied < sent/2 }},
		"all":     {flow.DepthAll, func(copied, sent int) bool { return copied > sent/2 }},
		"none":    {flow.DepthNone, func(copied, _ int) bool { return copied == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			p := testutil.Pair(t, 1)
			const n = 200_000
			asked := make(chan flow.Key, 1)
			opts := Options{Interfaces: []string{lab.Device}, RequestBudget: 100, ResponseBudget: 100}
			l := startWith(t, p.Server, opts, func(c flow.Control, k flow.Key) {
				if tc.depth != flow.DepthDefault {
					c.SetDepth(k, tc.depth)
				}
				select {
				case asked <- k:
				default:
				}
			})
			begin := make(chan struct{})
			origin := testutil.NewOrigin(t, p.Server, "192.0.2.1:80", testutil.Wait(begin), testutil.Write(string(noise(1, n))))
			c, err := dial(p.Client, origin.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			key := <-asked
			eventually(t, "set in the kernel", func() bool {
				var f bpf.CaptureFlow
				if err := l.objs.Flows.Lookup(kernelKey(&key), &f); err != nil {
					t.Fatal(err)
				}
				return f.Depth == uint8(tc.depth)
			})
			close(begin)
			got := make([]byte, n)
			for at := 0; at < n; {
				m, err := c.Read(got[at:])
				if err != nil {
					t.Fatal(err)
				}
				at += m
			}
			l.stop()
			copied := 0
			for _, d := range l.conn(key).dirs {
				copied += len(d.have) - d.gaps()
			}
			if !tc.want(copied, n) {
				t.Errorf("copied %d of %d bytes", copied, n)
			}
		})
	}
}
