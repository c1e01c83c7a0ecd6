package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"gortap/internal/lab"
)

// datagramsOf is what the summary tells of one target of UDP requests.
type datagramsOf struct {
	Name                                                           string
	Captured, Lost, Datagrams, Sent, Answered, Unanswered, Unasked uint64
	Skipped                                                        map[string]uint64
	OriginalAnswers                                                uint64 `json:"original_answers"`
	SentBytes                                                      uint64 `json:"sent_bytes"`
	OriginalSent                                                   uint64 `json:"original_sent_bytes"`
}

func (a *agent) datagrams() datagramsOf {
	a.t.Helper()
	text, err := os.ReadFile(a.summary)
	if err != nil {
		a.t.Fatal(err)
	}
	var s struct{ Datagrams []datagramsOf }
	if err := json.Unmarshal(text, &s); err != nil || len(s.Datagrams) != 1 {
		a.t.Fatal(err, string(text))
	}
	return s.Datagrams[0]
}

// dns is a server of names, which are all at one address.
type dns struct {
	conn net.PacketConn
	wg   sync.WaitGroup

	mu    sync.Mutex
	asked []string // who, and for what
}

func startDNS(t *testing.T, n *lab.Namespace, addr string) *dns {
	t.Helper()
	s := &dns{}
	err := n.Do(func() (err error) {
		s.conn, err = net.ListenPacket("udp", addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.wg.Go(func() {
		b := make([]byte, 1500)
		for {
			k, from, err := s.conn.ReadFrom(b)
			if err != nil {
				return
			}
			s.answer(t, b[:k], from)
		}
	})
	t.Cleanup(func() {
		s.conn.Close()
		s.wg.Wait()
	})
	return s
}

func (s *dns) answer(t *testing.T, query []byte, from net.Addr) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		t.Errorf("a query of %d bytes: %v", len(query), err)
		return
	}
	q := m.Questions[0]
	s.mu.Lock()
	s.asked = append(s.asked, from.String()+" "+q.Name.String())
	s.mu.Unlock()
	m.Response, m.Additionals = true, nil
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
		Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 77}},
	}}
	reply, err := m.Pack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = s.conn.WriteTo(reply, from)
}

// queries returns who asked for what.
func (s *dns) queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.asked)
	slices.Sort(all)
	return all
}

// askDNS asks for so many names, each from a port of its own.
func askDNS(t *testing.T, n *lab.Namespace, names int) {
	t.Helper()
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return n.DialContext(ctx, "udp", "192.0.2.1:53")
	}}
	for i := range names {
		if got, err := resolver.LookupNetIP(t.Context(), "ip4", fmt.Sprintf("name%d.test.", i)); err != nil || len(got) != 1 {
			t.Fatalf("look up: %v %v", got, err)
		}
	}
}

func TestDNSRequestsAreSentAgain(t *testing.T) {
	n := newTrio(t, 1)
	startDNS(t, n.online, "192.0.2.1:53")
	copied := startDNS(t, n.target, targetIP+":53")
	const names = 40
	tape, stopDump := tcpdump(t, n.online, t.TempDir(), "udp port 53")
	a := n.startAgent(t, "--input-raw", ":53/udp", "--output-session", "udp://"+targetIP+":53|x2")
	askDNS(t, n.client, names)
	a.await("the answers", func() bool { return a.sum("gor_datagram_answers_total", "side", "replay") >= 2*names })
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if !stopDump() {
		t.Fatal("tcpdump lost packets: there is no file to play")
	}
	live := a.datagrams()
	live.all(t, names, 2)
	if got := len(copied.queries()); got != 2*names {
		t.Errorf("the target was asked %d times, want %d", got, 2*names)
	}
	if live.OriginalAnswers != names || live.Lost != 0 {
		t.Errorf("%+v, want %d captured answers", live, names)
	}
	b := n.replayFile(t, tape, "--output-session", "udp://"+targetIP+":53", "--session-speed", "10")
	file := b.datagrams()
	file.all(t, names, 1)
	if got := len(copied.queries()); got != 3*names || file.OriginalAnswers != names {
		t.Errorf("the target was asked %d times, want %d; %+v", got, 3*names, file)
	}
}

// all checks that all that was captured was sent and answered.
func (d datagramsOf) all(t *testing.T, n, copies uint64) {
	t.Helper()
	if d.Captured != n || d.Datagrams != n*copies || d.Sent != n*copies || d.Answered != n*copies || len(d.Skipped) > 0 || d.SentBytes != d.OriginalSent || d.Unasked > 0 {
		t.Errorf("%+v, want all of %d sent %d times and answered", d, n, copies)
	}
}

func TestDNSRequestsComeFromTheClientsAddresses(t *testing.T) {
	n := newTrio(t, 2)
	origin := startDNS(t, n.online, "192.0.2.1:53")
	copied := startDNS(t, n.target, targetIP+":53")
	ip(t, n.online, "rule add pref 300 iif "+backDevice+" ipproto udp sport 53 lookup 300")
	ip(t, n.online, "route add local 0.0.0.0/0 dev lo table 300")
	a := n.startAgent(t, "--input-raw", ":53/udp", "--output-session", "udp://"+targetIP+":53", "--session-client-ip", "original")
	askDNS(t, n.client, 10)
	a.await("the answers", func() bool { return a.sum("gor_datagram_answers_total", "side", "replay") >= 10 })
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	a.datagrams().all(t, 10, 1)
	if diff := cmp.Diff(origin.queries(), copied.queries()); diff != "" {
		t.Errorf("queries (-origin +target):\n%s", diff)
	}
}
