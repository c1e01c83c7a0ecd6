package capture

import (
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/capture/ring/ringtest"
	"gortap/internal/flow"
)

// keeper is a handler that keeps what it is told.
type keeper struct {
	segments []flow.Segment
	updates  []flow.Totals
	ends     []flow.Totals
	ticks    int
}

func (k *keeper) Segment(s *flow.Segment) {
	c := *s
	c.Data = append([]byte(nil), s.Data...)
	k.segments = append(k.segments, c)
}
func (k *keeper) Update(t *flow.Totals) { k.updates = append(k.updates, *t) }
func (k *keeper) End(t *flow.Totals)    { k.ends = append(k.ends, *t) }
func (k *keeper) Tick(int64)            { k.ticks++ }

var _ flow.Handler = (*keeper)(nil)

func testKey() flow.Key {
	k, _ := flow.NewKey(netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("[2001:db8::1]:40000"), 0)
	return k
}

// eventRecord returns a record as the kernel writes it: with room behind the
// payload, up to the end of its size class.
func eventRecord(e bpf.CaptureEvent, payload string, tail ...string) []byte {
	e.Type = uint8(bpf.CaptureEventTypeEVENT_SEGMENT)
	e.Cap = uint16(len(payload))
	k := testKey()
	e.Key = *kernelKey(&k)
	b := make([]byte, eventSize+len(payload)+100)
	*(*bpf.CaptureEvent)(unsafe.Pointer(&b[0])) = e
	copy(b[eventSize:], payload+strings.Join(tail, ""))
	return b
}

func TestRecordBecomesSegment(t *testing.T) {
	k := &keeper{}
	s := &shard{handler: k, clock: clock{offset: 1e18}}
	s.deliver(eventRecord(bpf.CaptureEvent{
		TsNs: 7, Dir: 1, Flags: 0xf8, Seq: 10, Ack: 20, Window: 30, Len: 5, NetBytes: 45,
	}, "hello"))
	want := []flow.Segment{{
		Key: testKey(), Dir: flow.FromB, Flags: flow.PSH | flow.ACK, Seq: 10, Ack: 20, Window: 30,
		Len: 5, Data: []byte("hello"), NetBytes: 45, TsNs: 1e18 + 7,
	}}
	if diff := cmp.Diff(want, k.segments); diff != "" {
		t.Errorf("segments (-want +got):\n%s", diff)
	}
}

// A write whose middle was skipped becomes two segments around the gap; the first
// has what begins the stream, the second what ends it.
func TestTailBecomesASegmentOfItsOwn(t *testing.T) {
	for name, flags := range map[string]flow.Flags{
		"push":          flow.PSH | flow.ACK,
		"end":           flow.FIN | flow.ACK,
		"SYN with data": flow.SYN | flow.PSH,
	} {
		t.Run(name, func(t *testing.T) {
			k := &keeper{}
			s := &shard{handler: k}
			e := bpf.CaptureEvent{Flags: uint8(flags), Seq: 0xfffffff0, Len: 1000, NetBytes: 1040, TailLen: 16}
			s.deliver(eventRecord(e, "start", "the last 16 byte"))
			tailSeq := e.Seq + 984
			if flags.Has(flow.SYN) {
				tailSeq++
			}
			want := []flow.Segment{
				{Key: testKey(), Flags: flags &^ (flow.FIN | flow.PSH), Seq: e.Seq, Len: 984, Data: []byte("start"), NetBytes: 1040},
				{Key: testKey(), Flags: flags &^ flow.SYN, Seq: tailSeq, Len: 16, Data: []byte("the last 16 byte")},
			}
			if diff := cmp.Diff(want, k.segments); diff != "" {
				t.Errorf("segments (-want +got):\n%s", diff)
			}
		})
	}
}

// What no record has told of a flow comes before its end.
func TestEndTellsWhatWasSkipped(t *testing.T) {
	k := &keeper{}
	s := &shard{handler: k}
	end := make([]byte, unsafe.Sizeof(bpf.CaptureFlowEnd{}))
	e := (*bpf.CaptureFlowEnd)(unsafe.Pointer(&end[0]))
	e.Type = uint8(bpf.CaptureEventTypeEVENT_FLOW_END)
	key := testKey()
	e.Key = *kernelKey(&key)
	e.Skip = bpf.CaptureSkip{TsNs: 9, End: 1000, Len: 300, Ack: 77, Dir: 1}
	s.deliver(end)
	want := []flow.Segment{{Key: testKey(), Dir: flow.FromB, Flags: flow.ACK, Seq: 700, Ack: 77, Len: 300, TsNs: 9}}
	if diff := cmp.Diff(want, k.segments); diff != "" {
		t.Errorf("segments (-want +got):\n%s", diff)
	}
}

func TestDeliveringDoesNotAllocate(t *testing.T) {
	s := &shard{handler: silent{}}
	plain := eventRecord(bpf.CaptureEvent{Len: 5}, "hello")
	tailed := eventRecord(bpf.CaptureEvent{Len: 1000, TailLen: 16}, "hello")
	end := make([]byte, unsafe.Sizeof(bpf.CaptureFlowEnd{}))
	(*bpf.CaptureFlowEnd)(unsafe.Pointer(&end[0])).Type = uint8(bpf.CaptureEventTypeEVENT_FLOW_END)
	if n := testing.AllocsPerRun(100, func() {
		s.deliver(plain)
		s.deliver(tailed)
		s.deliver(end)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

type silent struct{}

func (silent) Segment(*flow.Segment) {}
func (silent) Update(*flow.Totals)   {}
func (silent) End(*flow.Totals)      {}
func (silent) Tick(int64)            {}

// Totals that wait are not overtaken by later ones.
func TestTotalsAreHandedOverOnceEach(t *testing.T) {
	k := &keeper{}
	s := &shard{handler: k, ring: ringtest.New(1, 16<<10).Ring, control: newControl(nil, nil)}
	if !s.idle() {
		t.Error("a new shard has totals to handle")
	}
	first := []flow.Totals{{FirstNs: 1}, {FirstNs: 2}}
	if !s.post(first) || s.idle() {
		t.Error("the shard did not take the first totals")
	}
	if s.post([]flow.Totals{{FirstNs: 3}}) {
		t.Error("the shard took totals while others wait")
	}
	s.batch()
	s.batch()
	if diff := cmp.Diff([]flow.Totals{{FirstNs: 1}, {FirstNs: 2}}, k.updates); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
	if !s.idle() {
		t.Error("handled totals still wait")
	}
}

// The totals of very many flows do not keep a shard from its ring.
func TestManyTotalsAreHandedOverInParts(t *testing.T) {
	k := &keeper{}
	s := &shard{handler: k, ring: ringtest.New(1, 16<<10).Ring, control: newControl(nil, nil)}
	const n = 2*batchTotals + 1
	s.post(make([]flow.Totals, n))
	var parts []int
	for !s.idle() {
		before := len(k.updates)
		s.batch()
		parts = append(parts, len(k.updates)-before)
	}
	if diff := cmp.Diff([]int{batchTotals, batchTotals, 1}, parts); diff != "" {
		t.Errorf("totals a batch (-want +got):\n%s", diff)
	}
}

// Totals that were counted before a shard had read its ring are told after that: told
// before it, twice, they would make bytes lost that are still to come. So is the end of
// the flow that had the four-tuple before.
func TestTotalsComeBehindTheRecordsBeforeThem(t *testing.T) {
	const ringBytes = 1 << 20
	r := ringtest.New(2, ringBytes)
	k := &keeper{}
	s := &shard{handler: k, ring: r.Ring, control: newControl(nil, nil)}
	record := func() []byte {
		return eventRecord(bpf.CaptureEvent{TsNs: monotonicNow(), Len: 1000}, strings.Repeat("x", 1000))
	}
	n := (2*batchBytes + batchBytes/2) / len(record())
	for range n {
		r.Write(0, record())
	}
	end := make([]byte, unsafe.Sizeof(bpf.CaptureFlowEnd{}))
	e := (*bpf.CaptureFlowEnd)(unsafe.Pointer(&end[0]))
	e.Type, e.TsNs = uint8(bpf.CaptureEventTypeEVENT_FLOW_END), monotonicNow()
	r.Write(1, end)
	s.post([]flow.Totals{{FirstNs: 1}})
	r.Write(0, record())
	for !s.idle() {
		s.batch()
		if len(k.updates) > 0 && (len(k.segments) < n || len(k.ends) != 1) {
			t.Fatalf("totals after %d of %d records and %d of 1 ends", len(k.segments), n, len(k.ends))
		}
	}
	if len(k.updates) != 1 {
		t.Errorf("%d totals, want 1", len(k.updates))
	}
}
