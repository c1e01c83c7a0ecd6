package filter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"gortap/bpf"
	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// tally is a program that counts on the egress of a loopback device.
type tally struct {
	objects *ebpf.Collection
	link    link.Link
}

func attachTally(t *testing.T, n *lab.Namespace, expr string) *tally {
	t.Helper()
	spec, err := bpf.LoadFilterProbe()
	if err != nil {
		t.Fatal(err)
	}
	if err := Inject(spec.Programs["tally"], "filter_tc_l2", compiled(t, expr, Ethernet)); err != nil {
		t.Fatal(err)
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	counts := &tally{objects: c}
	err = n.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		counts.link, err = link.AttachTCX(link.TCXOptions{
			Interface: lo.Attrs().Index, Program: c.Programs["tally"], Attach: ebpf.AttachTCXEgress,
		})
		return err
	})
	if errors.Is(err, ebpf.ErrNotSupported) {
		t.Skip("needs tcx (Linux 6.6)")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { counts.link.Close() })
	return counts
}

// read returns how many packets matched, and how many of those were not wholly in
// the linear part.
func (c *tally) read(t *testing.T) (matched, nonLinear uint64) {
	t.Helper()
	for key, into := range []*uint64{&matched, &nonLinear} {
		if err := c.objects.Maps["tallies"].Lookup(uint32(key), into); err != nil {
			t.Fatal(err)
		}
	}
	return matched, nonLinear
}

// Real segments are large and not linear: TCP hands its device up to 64 KiB at
// once, and with BIG TCP more than a packet offset of 16 bits reaches.
func TestFilterReachesAllOfALargePacket(t *testing.T) {
	n := testutil.Namespace(t)
	bigTCP := true
	err := n.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetGSOIPv4MaxSize(lo, 200_000)
	})
	if err != nil {
		bigTCP = false
		t.Logf("no BIG TCP for IPv4 (Linux 6.3): %v", err)
	}

	// Every packet that is long enough has the same 4 bytes at these offsets.
	const port = 4242
	offsets := []int{4000, 40_000, 64_000}
	if bigTCP {
		offsets = append(offsets, 120_000)
	}
	type pair struct{ long, right, wrong *tally }
	var all []pair
	for _, off := range offsets {
		long := fmt.Sprintf("tcp dst port %d and greater %d", port, off+4)
		all = append(all, pair{
			long:  attachTally(t, n, long),
			right: attachTally(t, n, fmt.Sprintf("%s and ether[%d:4] = 0xcacacaca", long, off)),
			wrong: attachTally(t, n, fmt.Sprintf("%s and ether[%d:4] != 0xcacacaca", long, off)),
		})
	}
	transfer(t, n, port, 32<<20)

	for i, off := range offsets {
		long, nonLinear := all[i].long.read(t)
		right, _ := all[i].right.read(t)
		wrong, _ := all[i].wrong.read(t)
		t.Logf("offset %d: %d packets are long enough, %d of them not linear", off, long, nonLinear)
		if long == 0 || nonLinear == 0 {
			t.Errorf("offset %d: %d packets, %d not linear: nothing is proved", off, long, nonLinear)
		}
		if right != long || wrong != 0 {
			t.Errorf("offset %d: of %d packets %d match and %d match the opposite", off, long, right, wrong)
		}
	}
}

// transfer sends so many bytes, all the same, over a connection in the namespace.
func transfer(t *testing.T, n *lab.Namespace, port, size int) {
	t.Helper()
	l, err := n.Listen(t.Context(), "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	received := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			received <- -1
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		received <- n
	}()
	c, err := n.DialContext(t.Context(), "tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	pattern := bytes.Repeat([]byte{0xca}, 1<<20)
	for sent := 0; sent < size; sent += len(pattern) {
		if _, err := c.Write(pattern); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	if got := <-received; got != int64(size) {
		t.Fatalf("received %d bytes of %d", got, size)
	}
}
