package e2e

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"gortap/internal/lab"
)

const (
	slowBytes = 20_000_000
	slowPiece = 64_000
	slowEvery = 16 * time.Millisecond // 4 MB/s
	// feedRate is what a server sends a second at most: what an agent that wakes up late
	// on a busy machine may take too early is bounded by it.
	feedRate = 25_000_000
)

// feeder is a server that sends slowBytes for a byte and keeps when how many of them
// its kernel had taken from it.
type feeder struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	progress []fed
	done     bool
}

// fed is how many bytes were sent a time after the first.
type fed struct {
	after time.Duration
	bytes int64
}

func startFeeder(t *testing.T, n *lab.Namespace, addr string) *feeder {
	t.Helper()
	l, err := n.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &feeder{listener: l}
	f.wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10) // what waits here is not sent
		f.serve(t, c)
	})
	t.Cleanup(func() {
		l.Close()
		f.wg.Wait()
	})
	return f
}

func (f *feeder) serve(t *testing.T, c net.Conn) {
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Errorf("read the request: %v", err)
		return
	}
	piece := make([]byte, 16<<10)
	began := time.Now()
	for sent := int64(0); sent < slowBytes; {
		time.Sleep(time.Until(began.Add(time.Duration(sent) * time.Second / feedRate)))
		n, err := c.Write(piece[:min(int64(len(piece)), slowBytes-sent)])
		sent += int64(n)
		f.mu.Lock()
		f.progress = append(f.progress, fed{time.Since(began), sent})
		f.mu.Unlock()
		if err != nil {
			t.Errorf("send: %v", err)
			return
		}
	}
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = true
}

func (f *feeder) told() ([]fed, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.progress), f.done
}

// ahead is by how many bytes one server was ahead of another at most, where the time of
// the first counts slowdown fold.
func ahead(first, second []fed, speed float64) (most int64) {
	for _, p := range first {
		by := time.Duration(float64(p.after) * speed)
		i, _ := slices.BinarySearchFunc(second, by, func(f fed, d time.Duration) int { return int(f.after - d) })
		had := int64(0)
		if i > 0 {
			had = second[i-1].bytes
		}
		most = max(most, p.bytes-had)
	}
	return most
}

// readSlowly asks a feeder, and reads what comes piece by piece.
func readSlowly(t *testing.T, n *lab.Namespace) {
	t.Helper()
	c, err := n.DialContext(t.Context(), "tcp", talkOrigin)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "x")
	began := time.Now()
	piece := make([]byte, slowPiece)
	for i, n := 0, 0; n < slowBytes; i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i) * slowEvery))) // it is what the test is about
		k, err := io.ReadAtLeast(c, piece, min(slowPiece, slowBytes-n))
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
}

func TestTheTargetOfASlowReaderWaitsAsTheOriginDid(t *testing.T) {
	n := newTrio(t, 1)
	const buffer = 128 << 10
	// A client's machine that gives its sockets little room, and not more later.
	if _, err := n.client.Run(t.Context(), "sysctl", "-w", fmt.Sprintf("net.ipv4.tcp_rmem=4096 %d %d", 2*buffer, 2*buffer)); err != nil {
		t.Fatal(err)
	}
	origin, copied := startFeeder(t, n.online, talkOrigin), startFeeder(t, n.target, talkTarget)
	tape, stopDump := tcpdump(t, n.online, t.TempDir(), "tcp port "+talkPort[1:])
	a := n.startAgent(t, "--input-raw", talkPort, "--output-session", talkTarget)
	readSlowly(t, n.client)
	a.await("the target to be done", func() bool { _, done := copied.told(); return done })
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if !stopDump() {
		t.Fatal("tcpdump lost packets: there is no file to play")
	}
	a.sessions()[0].allReplayed(t, 1, 1)
	was, _ := origin.told()
	now, _ := copied.told()
	waited(t, "live", was, now, 1)

	copied.listener.Close()
	copied = startFeeder(t, n.target, talkTarget)
	const speed = 2
	b := n.replayFile(t, tape, "--output-session", talkTarget, "--session-speed", fmt.Sprint(speed))
	b.sessions()[0].allReplayed(t, 1, 1)
	now, _ = copied.told()
	waited(t, "from a file", was, now, speed)
}

// waited checks that the target was never far ahead of where the origin was at that time of
// the connection. That it was behind can be the machine's fault.
func waited(t *testing.T, what string, origin, target []fed, speed float64) {
	t.Helper()
	if len(origin) == 0 || len(target) == 0 {
		t.Fatal("nothing was sent")
	}
	took, lasted := origin[len(origin)-1].after, target[len(target)-1].after
	most := ahead(target, origin, speed)
	t.Logf("%s: the origin sent for %v, the target for %v, it was ahead by %d bytes at most, and behind by %d", what, took, lasted, most, ahead(origin, target, 1/speed))
	if most > slowBytes/2 {
		t.Errorf("%s: the target was ahead of the origin by %d of %d bytes", what, most, slowBytes)
	}
}
