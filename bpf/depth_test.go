package bpf_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// Depth is what user space makes of a connection, for as long as that lasts.
func TestDepthDecidesWhatIsCopied(t *testing.T) {
	const budget = 2048
	k := newKernel(t, build{budget: budget})
	const n = 3000
	copied := func(seq uint32) (cap int, told bool) {
		k.t.Helper()
		k.records()
		k.show(k.ingress(), client(ack, seq, 1, n).frame(), 0)
		r := k.records()
		if len(r) == 0 {
			return 0, false
		}
		return len(r[0].Data), true
	}
	k.show(k.ingress(), client4SYN().frame(), 0)
	if got, _ := copied(1001); got != budget {
		t.Errorf("copied %d bytes by default, want %d", got, budget)
	}
	k.setDepth(flow.DepthAll, theKey())
	if got, _ := copied(1001 + n); got != n {
		t.Errorf("copied %d bytes at full depth, want %d", got, n)
	}
	k.setDepth(flow.DepthNone, theKey())
	k.moved()
	if got, told := copied(1001 + 2*n); told {
		t.Errorf("told %d bytes at no depth", got)
	}
	if diff := cmp.Diff(counters{"COUNTED": {Packets: 1, Bytes: n + 40}}, k.moved()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if d := k.clientDir(); d.payload != 3*n {
		t.Errorf("payload %d, want %d", d.payload, 3*n)
	}
	k.show(k.ingress(), client(fin, 1001+3*n, 1, 100).frame(), 0)
	want := []piece{{Seq: 1001 + 3*n, Len: 100, NetBytes: 140, Flags: fin}}
	if diff := cmp.Diff(want, pieces(t, k.records())); diff != "" {
		t.Errorf("end at no depth (-want +got):\n%s", diff)
	}
	k.setDepth(flow.DepthDefault, theKey())
	if got, told := copied(2001 + 3*n); !told || got != 0 {
		t.Errorf("copied %d bytes beyond the budget, told %v, want 0, true", got, told)
	}
}

// Where everything is to be copied, a lack of interest changes nothing.
func TestDepthNoneIsNoneOnlyWithABudget(t *testing.T) {
	k := newKernel(t, build{budget: 0})
	k.show(k.ingress(), client4SYN().frame(), 0)
	k.setDepth(flow.DepthNone, theKey())
	k.records()
	k.show(k.ingress(), client(ack, 1001, 1, 3000).frame(), 0)
	if got := k.records(); len(got) != 1 || len(got[0].Data) != 3000 {
		t.Errorf("records %+v, want one with 3000 bytes", got)
	}
}

// A connection does not inherit the depth of the one before it on its ports.
func TestNextConnectionHasTheDefaultDepth(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	next := []segment{client(syn, 900, 0, 0), server(synAck, 4000, 901, 0), client(push, 901, 4001, 30)}
	for name, first := range map[string][]segment{
		"after its end":           opened(client(push, 1001, 5001, 100), server(rst, 5001, 0, 0)),
		"though no end was seen":  opened(client(push, 1001, 5001, 100)),
		"from the middle, no end": {client(push, 1001, 5001, 100)},
	} {
		k.reset()
		for _, s := range first {
			k.show(k.ingress(), s.frame(), 0)
		}
		k.setDepth(flow.DepthNone, theKey())
		for _, s := range next {
			k.show(k.ingress(), s.frame(), 0)
		}
		records := k.records()
		if last := records[len(records)-1]; last.Event.Cap != 30 {
			t.Errorf("%s: copied %d bytes of the next connection, want 30", name, last.Event.Cap)
		}
	}
}
