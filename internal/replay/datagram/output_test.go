package datagram

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"gortap/internal/flow"
	"gortap/internal/process"
	"gortap/internal/replay/session"
	"gortap/internal/testutil"
)

// startEcho answers each datagram as often as says, and counts them.
func startEcho(t *testing.T, says int) (addr netip.AddrPort, asked *atomic.Int64) {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	asked = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2000)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			asked.Add(1)
			for range says {
				_, _ = c.WriteToUDPAddrPort(b[:n], from)
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return c.LocalAddr().(*net.UDPAddr).AddrPort(), asked
}

func newOutput(t *testing.T, target netip.AddrPort, change func(c *Config)) (*Output, *Feed) {
	t.Helper()
	cfg := Config{Wait: 10 * time.Second, Config: session.Config{Target: target.String(), From: 53, Limit: process.Limit{Connections: 1}, Max: 100, Live: true}}
	if change != nil {
		change(&cfg)
	}
	o, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o, NewFeed([]*Output{o})
}

var dnsServer = netip.MustParseAddrPort("192.0.2.1:53")

// say captures a datagram of a client, or of the server to it.
func say(f *Feed, clientPort uint16, text string, answers bool) {
	from, to := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), clientPort), dnsServer
	if answers {
		from, to = to, from
	}
	d := flow.Datagram{Len: len(text), Data: []byte(text), TsNs: 1}
	d.Key, d.Dir = flow.NewKey(from, to, 0)
	f.Datagram(&d)
}

// end closes the output and checks that all adds up.
func end(t *testing.T, o *Output, f *Feed) Stats {
	t.Helper()
	f.Close()
	if err := o.Close(t.Context()); err != nil {
		t.Error(err)
	}
	s := o.Stats()
	sum := s.Sent
	for _, n := range s.Skipped {
		sum += n
	}
	if s.Datagrams != sum || s.Sent != s.Answered+s.Unanswered || s.Sockets != 0 {
		t.Errorf("it does not add up: %+v", s)
	}
	return s
}

func TestRequestsAreSentAndAnswersCounted(t *testing.T) {
	testutil.CheckLeaks(t)
	target, asked := startEcho(t, 1)
	o, f := newOutput(t, target, nil)
	for i := range uint16(50) {
		say(f, 1000+i%10, "question", false)
		say(f, 1000+i%10, "the answer", true)
	}
	s := end(t, o, f)
	want := Stats{Captured: 50, Datagrams: 50, Sent: 50, Answered: 50, SentBytes: 400, Received: 400, OriginalSent: 400, OriginalAnswers: 50, OriginalReceived: 500}
	if s.Skipped != nil || s.Captured != want.Captured || s.Sent != want.Sent || s.Answered != want.Answered || s.SentBytes != want.SentBytes || s.Received != want.Received ||
		s.OriginalSent != want.OriginalSent || s.OriginalAnswers != want.OriginalAnswers || s.OriginalReceived != want.OriginalReceived || asked.Load() != 50 {
		t.Errorf("%+v, want %+v; the target was asked %d times", s, want, asked.Load())
	}
}

func TestCopiesAreSentEach(t *testing.T) {
	testutil.CheckLeaks(t)
	target, asked := startEcho(t, 2) // each twice
	o, f := newOutput(t, target, func(c *Config) { c.Limit.Connections = 3 })
	for i := range uint16(20) {
		say(f, 1000+i, "question", false)
	}
	f.Tick(1)
	deadline := time.Now().Add(20 * time.Second)
	for o.Stats().Answered+o.Stats().Unasked < 120 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	s := end(t, o, f)
	if s.Captured != 20 || s.Sent != 60 || s.Answered != 60 || s.Unasked != 60 || asked.Load() != 60 {
		t.Errorf("%+v; the target was asked %d times", s, asked.Load())
	}
}

func TestWhatIsNotSentHasAReason(t *testing.T) {
	testutil.CheckLeaks(t)
	target, _ := startEcho(t, 0)
	for why, c := range map[string]struct {
		change func(c *Config)
		say    func(f *Feed)
	}{
		skipSample:  {func(c *Config) { c.Limit.Connections = 1e-12 }, nil},
		skipSockets: {func(c *Config) { c.Max = 0 }, nil},
		skipSame:    {func(c *Config) { c.Target = dnsServer.String() }, nil},
		skipAddress: {func(c *Config) { c.Clients.Prefix = netip.MustParsePrefix("2001:db8::/64") }, nil},
		skipTruncated: {nil, func(f *Feed) {
			d := flow.Datagram{Len: 100, Data: []byte("short")}
			d.Key, d.Dir = flow.NewKey(netip.MustParseAddrPort("192.0.2.9:1000"), dnsServer, 0)
			f.Datagram(&d)
		}},
	} {
		o, f := newOutput(t, target, c.change)
		if c.say != nil {
			c.say(f)
		} else {
			say(f, 1000, "question", false)
		}
		f.Tick(1)
		o.end(time.Now()) // nobody answers
		if s := end(t, o, f); s.Captured != 1 || s.Skipped[why] != 1 {
			t.Errorf("%s: %+v", why, s)
		}
	}
}

func TestAMuteTargetsRequestsAreUnanswered(t *testing.T) {
	testutil.CheckLeaks(t)
	target, _ := startEcho(t, 0)
	o, f := newOutput(t, target, func(c *Config) { c.Wait = 50 * time.Millisecond })
	say(f, 1000, "question", false)
	say(f, 1000, "question", false)
	if s := end(t, o, f); s.Sent != 2 || s.Unanswered != 2 {
		t.Errorf("%+v", s)
	}
}
