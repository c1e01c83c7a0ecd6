package bpf_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"runtime"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"gortap/bpf"
	"gortap/internal/capture/ring"
	"gortap/internal/filter"
	"gortap/internal/flow"
	"gortap/internal/testutil"
)

// build is what Go sets before the load: what differs needs a load of its own.
type build struct {
	budget   uint32 // of both directions; 0: all
	response uint32 // of the server's, where it differs
	shards   int    // default 1
	maxFlows int    // default as in maps.h
	windows  bool
	ring     int    // bytes a shard; default defaultRing
	filter   string // of tc_l2_ingress and xdp_l2; the others match everything
}

const copyAll = 0xffffffff // COPY_ALL in config.h

// defaultRing is the size of a ring unless a test asks for another.
const defaultRing = 1 << 20

// loads keeps what was loaded until the tests end: the verifier takes half a
// second, a test that finds the programs loaded a few milliseconds.
type loads map[build]*programs

// programs are loaded, with the memory that they share with their readers.
type programs struct {
	*bpf.CaptureObjects
	layout ring.Layout
	memory ring.Memory
}

var loaded = loads{}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, p := range loaded {
		p.Close()
	}
	os.Exit(code)
}

func (l loads) get(t testing.TB, b build) *programs {
	t.Helper()
	if p := l[b]; p != nil {
		return p
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	spec, err := bpf.LoadCapture()
	if err != nil {
		t.Fatal(err)
	}
	if b.maxFlows > 0 {
		spec.Maps[bpf.CaptureMapFlows].MaxEntries = uint32(b.maxFlows)
	}
	request, response := b.budget, b.budget
	if b.budget == 0 {
		request, response = copyAll, copyAll
	}
	if b.response != 0 {
		response = b.response
	}
	setVariable(t, spec, bpf.CaptureVarCfgRequestBudget, request)
	setVariable(t, spec, bpf.CaptureVarCfgResponseBudget, response)
	p := &programs{layout: ring.LayoutOf(max(b.shards, 1), ebpf.MustPossibleCPU(), cmp.Or(b.ring, defaultRing))}
	if err := p.layout.Apply(spec); err != nil {
		t.Fatal(err)
	}
	if b.windows {
		if err := spec.Variables[bpf.CaptureVarCfgWindows].Set(uint8(1)); err != nil {
			t.Fatal(err)
		}
	}
	b.inject(t, spec)
	p.CaptureObjects = new(bpf.CaptureObjects)
	if err := spec.LoadAndAssign(p.CaptureObjects, nil); err != nil {
		t.Fatalf("%+v", err)
	}
	if p.memory, err = ring.Map(p.layout, p.Chunks.FD(), p.Lanes.FD(), p.Pool.FD()); err != nil {
		t.Fatal(err)
	}
	l[b] = p
	return p
}

func (b build) inject(t testing.TB, spec *ebpf.CollectionSpec) {
	t.Helper()
	if b.filter == "" {
		return
	}
	f, err := filter.Compile(b.filter, filter.Ethernet)
	if err != nil {
		t.Fatal(err)
	}
	for program, stub := range map[string]string{
		bpf.CaptureProgTcL2Ingress: "filter_tc_l2", bpf.CaptureProgXdpL2: "filter_xdp_l2",
	} {
		if err := filter.Inject(spec.Programs[program], stub, f); err != nil {
			t.Fatal(err)
		}
	}
}

func setVariable(t testing.TB, spec *ebpf.CollectionSpec, name string, value uint32) {
	t.Helper()
	if err := spec.Variables[name].Set(value); err != nil {
		t.Fatal(err)
	}
}

// kernel is the loaded programs, and their rings in the hands of the test.
// Nothing is attached: packets come by BPF_PROG_TEST_RUN.
type kernel struct {
	*programs
	t      testing.TB
	rings  []*ring.Ring
	oneCPU bool // packets come on the first one
	last   counters
}

func newKernel(t testing.TB, b build) *kernel {
	t.Helper()
	testutil.RequireRoot(t)
	k := &kernel{programs: loaded.get(t, b), t: t}
	k.rings = make([]*ring.Ring, k.layout.Shards)
	for i := range k.rings {
		k.newRing(i, k.layout.Chunks)
	}
	k.reset()
	return k
}

// room leaves no more than so many chunks in the pool of the first shard, for the
// packets of one CPU.
func (k *kernel) room(chunks int) {
	k.t.Helper()
	k.oneCPU = true
	k.newRing(0, chunks)
}

// newRing makes a shard's lanes empty and so many of its chunks free.
func (k *kernel) newRing(shard, chunks int) {
	k.t.Helper()
	l := k.layout
	for i := range l.Lanes {
		if err := k.Lanes.Put(uint32(shard*l.Lanes+i), bpf.CaptureLane{}); err != nil {
			k.t.Fatal(err)
		}
	}
	pool := k.memory.Pool[shard*len(k.memory.Pool)/l.Shards:][:len(k.memory.Pool)/l.Shards]
	clear(pool)
	for i := range chunks {
		pool[i/64] |= 1 << (i % 64)
	}
	k.rings[shard] = ring.New(l, k.memory, shard)
}

// reset forgets flows, records and counts: the next case starts from nothing.
func (k *kernel) reset() {
	k.t.Helper()
	for key := range k.flows() {
		if err := k.Flows.Delete(&key); err != nil {
			k.t.Fatal(err)
		}
	}
	k.records()
	k.last = k.counters()
}

// flows returns the flow table.
func (k *kernel) flows() map[bpf.CaptureFlowKey]bpf.CaptureFlow {
	k.t.Helper()
	all := map[bpf.CaptureFlowKey]bpf.CaptureFlow{}
	var key bpf.CaptureFlowKey
	var value bpf.CaptureFlow
	entries := k.Flows.Iterate()
	for entries.Next(&key, &value) {
		all[key] = value
	}
	if err := entries.Err(); err != nil {
		k.t.Fatal(err)
	}
	return all
}

// flow returns the only flow.
func (k *kernel) flow() bpf.CaptureFlow {
	k.t.Helper()
	all := k.flows()
	if len(all) != 1 {
		k.t.Fatalf("%d flows in the table, want 1", len(all))
	}
	for _, f := range all {
		return f
	}
	panic("unreachable")
}

// counters are the packets and bytes of each outcome, those that are not zero.
type counters map[string]bpf.CaptureCounter

// add counts one packet more.
func (c counters) add(outcome string, bytes uint64) {
	n := c[outcome]
	c[outcome] = bpf.CaptureCounter{Packets: n.Packets + 1, Bytes: n.Bytes + bytes}
}

// outcomes names them as event.h does.
func outcomes() [bpf.CaptureOutcomeOUT_MAX]string {
	return [...]string{
		bpf.CaptureOutcomeOUT_NO_MATCH:        "NO_MATCH",
		bpf.CaptureOutcomeOUT_NOT_IP:          "NOT_IP",
		bpf.CaptureOutcomeOUT_NOT_TCP:         "NOT_TCP",
		bpf.CaptureOutcomeOUT_DUPLICATE:       "DUPLICATE",
		bpf.CaptureOutcomeOUT_REPLAY:          "REPLAY",
		bpf.CaptureOutcomeOUT_EMITTED:         "EMITTED",
		bpf.CaptureOutcomeOUT_COUNTED:         "COUNTED",
		bpf.CaptureOutcomeOUT_FRAGMENT:        "FRAGMENT",
		bpf.CaptureOutcomeOUT_MALFORMED:       "MALFORMED",
		bpf.CaptureOutcomeOUT_RING_FULL:       "RING_FULL",
		bpf.CaptureOutcomeOUT_FLOW_TABLE_FULL: "FLOW_TABLE_FULL",
		bpf.CaptureOutcomeOUT_EVICTING:        "EVICTING",
		bpf.CaptureOutcomeOUT_OUT_OF_WINDOW:   "OUT_OF_WINDOW",
		bpf.CaptureOutcomeOUT_COPY_FAILED:     "COPY_FAILED",
		bpf.CaptureOutcomeOUT_CONTENDED:       "CONTENDED",
	}
}

func (k *kernel) counters() counters {
	k.t.Helper()
	all := counters{}
	for i, name := range outcomes() {
		var perCPU []bpf.CaptureCounter
		if err := k.Counters.Lookup(uint32(i), &perCPU); err != nil {
			k.t.Fatal(err)
		}
		sum := bpf.CaptureCounter{}
		for _, c := range perCPU {
			sum.Packets += c.Packets
			sum.Bytes += c.Bytes
		}
		if sum.Packets != 0 || sum.Bytes != 0 {
			all[name] = sum
		}
	}
	return all
}

// moved returns what was counted since the last call.
func (k *kernel) moved() counters {
	k.t.Helper()
	now, diff := k.counters(), counters{}
	for name, c := range now {
		c.Packets -= k.last[name].Packets
		c.Bytes -= k.last[name].Bytes
		if c.Packets != 0 || c.Bytes != 0 {
			diff[name] = c
		}
	}
	k.last = now
	return diff
}

// record is a ring record: an event with the bytes behind it, or a flow's end.
type record struct {
	Event *bpf.CaptureEvent
	Data  string
	Tail  string
	End   *bpf.CaptureFlowEnd
	Shard int
}

// records empties the rings.
func (k *kernel) records() []record {
	k.t.Helper()
	var all []record
	for shard, r := range k.rings {
		r.Drain(math.MaxInt, monotonic(k.t), func(raw []byte) {
			rec := decode(k.t, raw)
			rec.Shard = shard
			all = append(all, rec)
		})
	}
	return all
}

func decode(t testing.TB, raw []byte) record {
	t.Helper()
	var rec record
	var into any
	switch kind := raw[4]; kind {
	case uint8(bpf.CaptureEventTypeEVENT_SEGMENT):
		rec.Event = new(bpf.CaptureEvent)
		into = rec.Event
	case uint8(bpf.CaptureEventTypeEVENT_FLOW_END):
		rec.End = new(bpf.CaptureFlowEnd)
		into = rec.End
	default:
		t.Fatalf("record of type %d", kind)
	}
	n, err := binary.Decode(raw, binary.LittleEndian, into)
	if err != nil {
		t.Fatal(err)
	}
	if rec.Event != nil {
		rec.Data = string(raw[n : n+int(rec.Event.Cap)])
		rec.Tail = string(raw[n+int(rec.Event.Cap):][:rec.Event.TailLen])
	}
	return rec
}

// skb is the part of struct __sk_buff that a test run may set: the interface.
type skb struct {
	_       [2]uint32
	Mark    uint32
	_       [7]uint32
	Ifindex uint32
	_       [33]uint32
}

// xdpMD is struct xdp_md.
type xdpMD struct {
	Data, DataEnd, DataMeta, IngressIfindex, RxQueueIndex, EgressIfindex uint32
}

// show runs a hook's program on a frame and checks what holds for every packet:
// it goes on, unchanged. Interface 0 is the kernel's choice, loopback.
func (k *kernel) show(h hook, frame []byte, ifindex int) {
	k.t.Helper()
	k.showMarked(h, frame, ifindex, 0)
}

// showMarked is show for a packet with a mark.
func (k *kernel) showMarked(h hook, frame []byte, ifindex int, mark uint32) {
	k.t.Helper()
	out := make([]byte, len(frame)+64)
	opts := &ebpf.RunOptions{Data: frame, DataOut: out}
	switch {
	case ifindex != 0 && h.xdp:
		opts.Context = xdpMD{DataEnd: uint32(len(frame)), IngressIfindex: uint32(ifindex)}
	case ifindex != 0 || mark != 0:
		opts.Context = skb{Ifindex: uint32(ifindex), Mark: mark}
	}
	verdict, err := k.run(h.prog, opts)
	if err != nil {
		k.t.Fatalf("run %s on %d bytes: %v", h.name, len(frame), err)
	}
	if int32(verdict) != h.pass {
		k.t.Errorf("%s: verdict %d, want %d", h.name, int32(verdict), h.pass)
	}
	if !bytes.Equal(opts.DataOut, frame) {
		k.t.Errorf("%s changed the packet:\n%x\n%x", h.name, frame, opts.DataOut)
	}
}

// run runs a program, on the first CPU where the test is of that alone.
func (k *kernel) run(p *ebpf.Program, opts *ebpf.RunOptions) (uint32, error) {
	if !k.oneCPU {
		return p.Run(opts)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, first unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return 0, err
	}
	for cpu := 0; first.Count() == 0; cpu++ {
		if before.IsSet(cpu) {
			first.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &first); err != nil {
		return 0, err
	}
	verdict, err := p.Run(opts)
	return verdict, errors.Join(err, unix.SchedSetaffinity(0, &before))
}

const tcNext = -1 // TCX_NEXT, TC_ACT_UNSPEC

// hook is a program and what it takes.
type hook struct {
	name     string
	prog     *ebpf.Program
	raw, xdp bool
	pass     int32
}

func (k *kernel) hooks() []hook {
	const xdpPass = 2
	return []hook{
		{"tc_l2_ingress", k.TcL2Ingress, false, false, tcNext},
		{"tc_l2_egress", k.TcL2Egress, false, false, tcNext},
		{"tc_l3_ingress", k.TcL3Ingress, true, false, tcNext},
		{"tc_l3_egress", k.TcL3Egress, true, false, tcNext},
		{"xdp_l2", k.XdpL2, false, true, xdpPass},
		{"xdp_l3", k.XdpL3, true, true, xdpPass},
	}
}

// ingress is the hook of the tests for which any will do.
func (k *kernel) ingress() hook { return k.hooks()[0] }

func (k *kernel) xdp() hook { return k.hooks()[4] }

func monotonic(t testing.TB) uint64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return uint64(ts.Nano())
}

func kernelKey(k flow.Key) bpf.CaptureFlowKey {
	return bpf.CaptureFlowKey{A: k.A, B: k.B, Aport: k.APort, Bport: k.BPort, Net: k.Net}
}
