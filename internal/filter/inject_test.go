package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	xbpf "golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"gortap/bpf"
)

func compiled(t testing.TB, expr string, link LinkType) *Filter {
	t.Helper()
	f, err := Compile(expr, link)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// run injects a filter the way the agent does, and returns the verdict.
func run(t *testing.T, spec *ebpf.CollectionSpec, program, stub string, f *Filter, opts ebpf.RunOptions) uint32 {
	t.Helper()
	prog := spec.Programs[program].Copy()
	if err := Inject(prog, stub, f); err != nil {
		t.Fatal(err)
	}
	loaded, err := ebpf.NewProgram(prog)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	verdict, err := loaded.Run(&opts)
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func TestStubMatchesUntilReplaced(t *testing.T) {
	spec := probeSpec(t)
	data := eth(0x800, ip4(ipA, ipB, 6, 0, nil, tcp(1, 80, 2, nil)))
	for _, hook := range []string{"tc_l2", "tc_l3", "xdp_l2", "xdp_l3"} {
		link, no := Ethernet, "tcp port 81"
		if strings.HasSuffix(hook, "l3") {
			link, no = Raw, "ip"
		}
		tests := []struct {
			name string
			f    *Filter
			want uint32
		}{
			{"no filter", nil, 1},
			{"empty expression", compiled(t, "", link), 1},
			{"length only", compiled(t, "greater 10", link), 1},
			{no, compiled(t, no, link), 0},
			{"not " + no, compiled(t, "not ("+no+")", link), 1},
		}
		for _, tt := range tests {
			got := run(t, spec, "probe_"+hook, "filter_"+hook, tt.f, ebpf.RunOptions{Data: data})
			if got != tt.want {
				t.Errorf("%s, %s: verdict %d, want %d", hook, tt.name, got, tt.want)
			}
		}
	}
}

func TestInjectRefusesWhatDoesNotFit(t *testing.T) {
	spec, err := bpf.LoadFilterProbe()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, program, stub, want string
		f                         *Filter
	}{
		{"unknown stub", "probe_tc_l2", "filter_tc", `no stub is called "filter_tc"`, compiled(t, "tcp", Ethernet)},
		{"stub that the program does not call", "probe_tc_l2", "filter_xdp_l2", "does not call", compiled(t, "tcp", Ethernet)},
		{"Ethernet filter for raw IP", "probe_tc_l3", "filter_tc_l3", "compiled for Ethernet [compile it for raw IP]", compiled(t, "tcp", Ethernet)},
		{"raw IP filter for Ethernet", "probe_tc_l2", "filter_tc_l2", "compiled for raw IP [compile it for Ethernet]", compiled(t, "tcp", Raw)},
	}
	for _, tt := range tests {
		err := Inject(spec.Programs[tt.program].Copy(), tt.stub, tt.f)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want it to say %s", tt.name, err, tt.want)
		}
	}
	if err := Inject(spec.Programs["probe_tc_l2"].Copy(), "filter_tc_l2", compiled(t, "tcp", 12)); err == nil {
		t.Error("a file's raw IP fits an Ethernet stub")
	}
	if err := Inject(spec.Programs["probe_tc_l3"].Copy(), "filter_tc_l3", compiled(t, "tcp", 101)); err != nil {
		t.Errorf("LINKTYPE_RAW: %v", err)
	}
}

// hosts returns an expression with so many addresses, none of them in a packet.
func hosts(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(" or ")
		}
		fmt.Fprintf(&b, "host 172.16.%d.%d", i>>8, i&0xff)
	}
	return b.String()
}

func TestManyTerms(t *testing.T) {
	spec := probeSpec(t)
	f := compiled(t, hosts(100), Ethernet)
	inside := eth(0x800, ip4(ipA, []byte{172, 16, 0, 99}, 6, 0, nil, tcp(1, 80, 2, nil)))
	if got := run(t, spec, "probe_tc_l2", "filter_tc_l2", f, ebpf.RunOptions{Data: inside}); got != 1 {
		t.Errorf("packet of one of 100 hosts: verdict %d, want 1", got)
	}
	outside := eth(0x800, ip4(ipA, []byte{172, 16, 0, 100}, 6, 0, nil, tcp(1, 80, 2, nil)))
	if got := run(t, spec, "probe_tc_l2", "filter_tc_l2", f, ebpf.RunOptions{Data: outside}); got != 0 {
		t.Errorf("packet of another host: verdict %d, want 0", got)
	}

	_, err := Compile(hosts(8000), Ethernet)
	if !errors.Is(err, ErrTooLarge) || len(err.Error()) > 300 {
		t.Errorf("8000 hosts: error %v, want a short ErrTooLarge", err)
	}
}

// The verifier's work must not grow faster than the filter: whatever fits the
// format, it takes.
func TestWhatInjectTakesTheVerifierTakes(t *testing.T) {
	spec := probeSpec(t)
	rng := rand.New(rand.NewPCG(9, 10))
	code := defined(nil)
	for size := 8000; ; size += 1000 {
		longer := make([]xbpf.RawInstruction, size, size+1)
		for i := range longer {
			longer[i] = randomInstruction(rng, min(size-i, 256))
		}
		longer = defined(append(longer, xbpf.RawInstruction{Op: unix.BPF_RET | unix.BPF_K, K: 1}))
		err := Inject(spec.Programs["probe_tc_l2"].Copy(), "filter_tc_l2", &Filter{link: Ethernet, code: longer})
		if errors.Is(err, ErrTooLarge) && len(code) > 0 {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		code = longer
	}
	for _, p := range probes(Ethernet) {
		if p.tagType == 0 && !p.calls {
			p.load(t, spec, code).Close()
		}
	}
	t.Logf("%d instructions of classic BPF", len(code))
}

func TestProtochainFollowsAsManyHeadersAsItSays(t *testing.T) {
	spec := probeSpec(t)
	f := compiled(t, "ip6 protochain 6", Ethernet)
	for headers, want := range map[int]uint32{0: 1, 1: 1, maxLoops: 1, maxLoops + 1: 0} {
		first, chain := byte(6), []byte(nil)
		if headers > 0 {
			first = 60 // destination options
			chain = slices.Repeat([]byte{60, 0, 1, 4, 0, 0, 0, 0}, headers)
			chain[len(chain)-8] = 6
		}
		data := eth(0x86dd, ip6(ip6A, ip6B, first, chain, tcp(1, 80, 2, nil)))
		if got := run(t, spec, "probe_tc_l2", "filter_tc_l2", f, ebpf.RunOptions{Data: data}); got != want {
			t.Errorf("%d headers: verdict %d, want %d", headers, got, want)
		}
		if !f.Match(data, len(data)) {
			t.Errorf("%d headers: libpcap says no", headers)
		}
	}
}

func TestDirectionAndInterface(t *testing.T) {
	spec := probeSpec(t)
	const ingressIfindex, ifindex, lo = 36, 40, 1 // offsets in struct __sk_buff; the loopback's number
	skb := func(in, at uint32) []byte {
		ctx := make([]byte, ifindex+4)
		binary.LittleEndian.PutUint32(ctx[ingressIfindex:], in)
		binary.LittleEndian.PutUint32(ctx[ifindex:], at)
		return ctx
	}
	tests := []struct {
		expr string
		ctx  []byte
		want uint32
	}{
		{"inbound", skb(lo, lo), 1},
		{"inbound", skb(0, lo), 0},
		{"inbound", skb(7, lo), 0}, // forwarded
		{"outbound", skb(0, lo), 1},
		{"outbound", skb(7, lo), 1},
		{"outbound", skb(lo, lo), 0},
		{"ifindex 1", skb(0, lo), 1},
		{"ifindex 2", skb(0, lo), 0},
		{"tcp and inbound and not ifindex 2", skb(lo, lo), 1},
	}
	for _, tt := range tests {
		f := compiled(t, tt.expr, Ethernet)
		if !f.LiveOnly() {
			t.Errorf("%s: LiveOnly() = false", tt.expr)
		}
		got := run(t, spec, "probe_tc_l2", "filter_tc_l2", f, ebpf.RunOptions{Data: frames()[0].data, Context: tt.ctx})
		if got != tt.want {
			t.Errorf("%s: verdict %d, want %d", tt.expr, got, tt.want)
		}
	}
	if got := run(t, spec, "probe_xdp_l2", "filter_xdp_l2", compiled(t, "inbound", Ethernet), ebpf.RunOptions{Data: frames()[0].data}); got != 1 {
		t.Errorf("XDP, inbound: verdict %d, want 1", got)
	}
	if compiled(t, "tcp port 80", Ethernet).LiveOnly() {
		t.Error("tcp port 80: LiveOnly() = true")
	}
}
