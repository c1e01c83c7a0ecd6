package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// The network of these tests: clients - online - target. The target's way back to the
// clients leads through online, as it must where sessions come from the clients'
// addresses.
type trio struct {
	client, online, target *lab.Namespace
}

const (
	backDevice = "back"
	onlineBack = "198.51.100.1"
	targetIP   = "198.51.100.2"
	targetIP6  = "2001:db8:1::2"
)

func newTrio(t *testing.T, clients int) *trio {
	t.Helper()
	p := testutil.Pair(t, clients)
	n := &trio{client: p.Client, online: p.Server, target: testutil.Namespace(t)}
	err := lab.Link(backDevice, n.online, n.target,
		[]netip.Prefix{netip.MustParsePrefix(onlineBack + "/24"), netip.MustParsePrefix("2001:db8:1::1/64")},
		[]netip.Prefix{netip.MustParsePrefix(targetIP + "/24"), netip.MustParsePrefix(targetIP6 + "/64")})
	if err != nil {
		t.Fatal(err)
	}
	ip(t, n.target, "route add default via "+onlineBack)
	ip(t, n.target, "-6 route add default via 2001:db8:1::1")
	return n
}

func ip(t *testing.T, n *lab.Namespace, command string) {
	t.Helper()
	if _, err := n.Run(t.Context(), "ip", strings.Fields(command)...); err != nil {
		t.Fatal(err)
	}
}

// talker is a server of a protocol of its own: it greets first, then answers each line
// with as many bytes as the line says. It keeps what each connection sent.
type talker struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	sessions []string // what each sent, as a digest, and how it ended
	peers    []string
	open     map[net.Conn]struct{}
}

func startTalker(t *testing.T, n *lab.Namespace, addr string) *talker {
	t.Helper()
	l, err := n.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &talker{listener: l, open: map[net.Conn]struct{}{}}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open[c] = struct{}{}
			s.peers = append(s.peers, c.RemoteAddr().String())
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for c := range s.open {
			c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *talker) serve(c net.Conn) {
	defer c.Close()
	sum := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(c, sum), 256<<10)
	fmt.Fprintf(c, "hello, say how many bytes\n")
	n, end := 0, "end"
	for {
		line, err := in.ReadString('\n')
		n += len(line)
		if err != nil {
			if errors.Is(err, syscall.ECONNRESET) {
				end = "reset"
			}
			break
		}
		var size int
		_, _ = fmt.Sscanf(line, "%d", &size)
		if _, err := c.Write(make([]byte, size)); err != nil {
			end = "reset"
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	s.sessions = append(s.sessions, fmt.Sprintf("%d bytes, sha256 %.8x, %s", n, sum.Sum(nil), end))
}

func (s *talker) ended() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.sessions)
	slices.Sort(all)
	return all
}

func (s *talker) addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.peers)
	slices.Sort(all)
	return all
}

// talk has one conversation: it waits for the greeting, and for each answer in full.
func talk(t *testing.T, n *lab.Namespace, addr string, sizes ...int) string {
	t.Helper()
	c, err := n.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		fmt.Fprintf(c, "%d %s\n", size, strings.Repeat("x", size%3000))
		if _, err := io.CopyN(io.Discard, in, int64(size)); err != nil {
			t.Fatal(err)
		}
	}
	return c.LocalAddr().String()
}

// sessionsOf is what the summary tells of one target.
type sessionsOf struct {
	Name                         string
	Captured, Sessions, Replayed uint64
	PickedUp                     uint64 `json:"picked_up"`
	Partial, Skipped             map[string]uint64
	Sent                         uint64 `json:"sent_bytes"`
	Received                     uint64 `json:"received_bytes"`
	OriginalSent                 uint64 `json:"original_sent_bytes"`
	OriginalReceived             uint64 `json:"original_received_bytes"`
	Stalled, Unreached           uint64
	OtherPort                    uint64 `json:"other_port"`
}

func (a *agent) sessions() []sessionsOf {
	a.t.Helper()
	text, err := os.ReadFile(a.summary)
	if err != nil {
		a.t.Fatal(err)
	}
	var s struct{ Sessions []sessionsOf }
	if err := json.Unmarshal(text, &s); err != nil {
		a.t.Fatal(err)
	}
	return s.Sessions
}

// allReplayed checks that n sessions were captured and all of them replayed, times
// copies, byte for byte in number.
func (s sessionsOf) allReplayed(t *testing.T, n, copies uint64) {
	t.Helper()
	if s.Captured != n || s.Replayed != n*copies || s.Sessions != n*copies {
		t.Errorf("%d captured, %d of %d replayed; want %d and %d: partial %v, skipped %v", s.Captured, s.Replayed, s.Sessions, n, n*copies, s.Partial, s.Skipped)
	}
	if s.Sent != s.OriginalSent || s.Sent == 0 {
		t.Errorf("sent %d bytes, the clients %d", s.Sent, s.OriginalSent)
	}
}
