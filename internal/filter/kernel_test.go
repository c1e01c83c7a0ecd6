package filter

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	xbpf "golang.org/x/net/bpf"

	"gortap/bpf"
	"gortap/internal/testutil"
)

// probe is a way for a packet to meet a filter in the kernel.
type probe struct {
	name    string
	program string // of filter.bpf.c
	stub    string
	calls   bool // every load is a call
	part    int  // of the corpus that an expression meets: 1 of so many packets, in turn
	// A tag that is put beside the frame: its EtherType and TCI.
	tagType, tci uint16
}

func probes(link LinkType) []probe {
	if link == Raw {
		return []probe{
			{name: "tc", program: "probe_tc_l3", stub: "filter_tc_l3", part: 2},
			{name: "tc calls", program: "probe_tc_l3", stub: "filter_tc_l3", calls: true, part: 8},
			{name: "xdp", program: "probe_xdp_l3", stub: "filter_xdp_l3", part: 4},
			{name: "xdp calls", program: "probe_xdp_l3", stub: "filter_xdp_l3", calls: true, part: 8},
		}
	}
	return []probe{
		{name: "tc", program: "probe_tc_l2", stub: "filter_tc_l2", part: 4},
		{name: "tc calls", program: "probe_tc_l2", stub: "filter_tc_l2", calls: true, part: 16},
		{name: "tc tag", program: "probe_tc_l2_tagged", stub: "filter_tc_l2", tagType: 0x8100, tci: 0x6064, part: 8},
		{name: "tc outer tag", program: "probe_tc_l2_tagged", stub: "filter_tc_l2", tagType: 0x88a8, tci: 7, part: 16},
		{name: "tc tag calls", program: "probe_tc_l2_tagged", stub: "filter_tc_l2", tagType: 0x8100, tci: 5, calls: true, part: 16},
		{name: "xdp", program: "probe_xdp_l2", stub: "filter_xdp_l2", part: 8},
		{name: "xdp calls", program: "probe_xdp_l2", stub: "filter_xdp_l2", calls: true, part: 16},
	}
}

// wire returns the packet as libpcap sees it.
func (p probe) wire(data []byte) []byte {
	if p.tagType == 0 {
		return data
	}
	return withTag(data, p.tagType, p.tci)
}

// takes reports whether the kernel makes an skb of the packet for a test run: where
// the EtherType says IP, it wants all of an IP header.
func (p probe) takes(data []byte) bool {
	if strings.HasPrefix(p.name, "xdp") {
		return true
	}
	switch binary.BigEndian.Uint16(data[12:]) {
	case 0x800:
		return len(data) >= 14+20
	case 0x86dd:
		return len(data) >= 14+40
	}
	return true
}

// context returns the input context of a run.
func (p probe) context() any {
	if p.tagType == 0 {
		return nil
	}
	const cb = 48 // offset in struct __sk_buff
	ctx := make([]byte, cb+8)
	binary.LittleEndian.PutUint32(ctx[cb:], uint32(p.tagType))
	binary.LittleEndian.PutUint32(ctx[cb+4:], uint32(p.tci))
	return ctx
}

// load puts a program into the probe and the probe into the kernel.
func (p probe) load(t testing.TB, spec *ebpf.CollectionSpec, code []xbpf.RawInstruction) *ebpf.Program {
	t.Helper()
	h, _ := hookOf(p.stub)
	h.callAlways = p.calls
	body, err := translate(code, h)
	if err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	prog := spec.Programs[p.program].Copy()
	if err := replace(prog, p.stub, body); err != nil {
		t.Fatal(err)
	}
	loaded, err := ebpf.NewProgram(prog)
	if err != nil {
		var refused *ebpf.VerifierError
		if errors.As(err, &refused) {
			t.Fatalf("%s: %s", p.name, strings.Join(refused.Log[max(0, len(refused.Log)-6):], "\n"))
		}
		t.Fatal(err)
	}
	return loaded
}

// agree compares the kernel's verdicts with libpcap's.
func (p probe) agree(t testing.TB, spec *ebpf.CollectionSpec, f *Filter, packets iter.Seq[packet]) (runs, matches int) {
	t.Helper()
	prog := p.load(t, spec, f.code)
	defer prog.Close()
	ctx := p.context()
	for pkt := range packets {
		if !p.takes(pkt.data) {
			continue
		}
		wire := p.wire(pkt.data)
		want := f.Match(wire, len(wire))
		verdict, err := prog.Run(&ebpf.RunOptions{Data: pkt.data, Context: ctx})
		if err != nil {
			t.Fatalf("%s, packet %s: %v", p.name, pkt.name, err)
		}
		if got := verdict != 0; got != want || verdict > 1 {
			t.Errorf("filter %q, %s, packet %q: verdict %d, libpcap says %v\n% x", f.expr, p.name, pkt.name, verdict, want, wire)
			return runs, matches
		}
		runs++
		if want {
			matches++
		}
	}
	return runs, matches
}

// full makes each expression meet each packet, in minutes in place of seconds.
var full = flag.Bool("full", false, "compare every verdict on the corpus")

// choose returns the packets for an expression by its number.
func (p probe) choose(packets []packet, number int) iter.Seq[packet] {
	if *full {
		return slices.Values(packets)
	}
	return func(yield func(packet) bool) {
		for i := number % p.part; i < len(packets); i += p.part {
			if !yield(packets[i]) {
				return
			}
		}
	}
}

func probeSpec(t testing.TB) *ebpf.CollectionSpec {
	t.Helper()
	testutil.RequireRoot(t)
	spec, err := bpf.LoadFilterProbe()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestKernelAgreesWithLibpcapOnEthernet(t *testing.T) {
	differential(t, Ethernet, frames())
}

func TestKernelAgreesWithLibpcapOnRawIP(t *testing.T) {
	differential(t, Raw, rawPackets())
}

func differential(t *testing.T, link LinkType, packets []packet) {
	spec := probeSpec(t)
	var filters, runs, matches int
	all, table := expressions(40)
	for i, expr := range all {
		f, err := Compile(expr, link)
		var other *LinkError
		if err != nil && (i >= table || errors.As(err, &other)) {
			continue
		}
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		filters++
		for _, p := range probes(link) {
			if p.calls && i%4 > 0 && !*full {
				continue
			}
			r, m := p.agree(t, spec, f, p.choose(packets, i))
			runs, matches = runs+r, matches+m
		}
	}
	t.Logf("%d filters, %d packets: %d verdicts, %d of them matches", filters, len(packets), runs, matches)
	if filters < 200 || matches < runs/20 {
		t.Errorf("%d filters and %d of %d verdicts matches prove little", filters, matches, runs)
	}
}

// A frame of XDP that is larger than a page is in several fragments.
func TestXDPFilterReachesFragments(t *testing.T) {
	spec := probeSpec(t)
	data := eth(0x800, ip4(ipA, ipB, 17, 0, nil, udp(1, 2, make([]byte, 60_000))))
	rng := rand.New(rand.NewPCG(11, 12))
	for i := 42; i < len(data); i++ {
		data[i] = byte(rng.Uint32())
	}
	offsets := []int{100, 20_000, 32_760, 32_763, 32_764, 32_768, 50_000, len(data) - 4}
	for off := 3500; off < 4100; off += 37 { // where the first page may end
		offsets = append(offsets, off)
	}
	for _, off := range offsets {
		for _, form := range []string{"ether[%d:4] = %d", "ether[0] - 2 + ether[%d:4] = %d", "ether[ether[0] - 2 + %d : 4] = %d"} {
			expr := fmt.Sprintf(form, off, binary.BigEndian.Uint32(data[off:]))
			for want, e := range []string{"not " + expr, expr} {
				f := compiled(t, e, Ethernet)
				got := run(t, spec, "probe_xdp_l2", "filter_xdp_l2", f, ebpf.RunOptions{Data: data})
				if got != uint32(want) {
					t.Errorf("%s: verdict %d, want %d", e, got, want)
				}
			}
		}
	}
	beyond := compiled(t, fmt.Sprintf("ether[%d:4] >= 0", len(data)-3), Ethernet)
	if got := run(t, spec, "probe_xdp_l2", "filter_xdp_l2", beyond, ebpf.RunOptions{Data: data}); got != 0 {
		t.Errorf("load across the end: verdict %d, want 0", got)
	}
	length := compiled(t, fmt.Sprintf("len = %d", len(data)), Ethernet)
	if got := run(t, spec, "probe_xdp_l2", "filter_xdp_l2", length, ebpf.RunOptions{Data: data}); got != 1 {
		t.Errorf("%s: verdict %d, want 1", length, got)
	}
}
