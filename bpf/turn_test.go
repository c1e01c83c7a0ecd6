package bpf_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// copied shows the segments and returns how many bytes of each were copied from its
// start, of those that have a record.
func (k *kernel) copied(segments ...segment) (n []int) {
	k.t.Helper()
	k.records()
	for _, s := range segments {
		k.show(k.ingress(), s.frame(), 0)
	}
	for _, p := range pieces(k.t, k.records()) {
		n = append(n, len(p.Data))
	}
	return n
}

// A turn begins when its sender has received something since the last one began. Who
// sends, in which order hooks see it, and what is seen of the other direction at all
// makes no difference.
func TestTurnBeginsWithWhatWasReceived(t *testing.T) {
	const budget, n = 1000, 1500
	k := newKernel(t, build{budget: budget})
	syn := client(syn, 1000, 0, 0)
	for _, tc := range []struct {
		name  string
		moves []segment
		want  []int
	}{
		{"requests of which one direction is seen (XDP)",
			[]segment{client(push, 1001, 5001, n), client(push, 1001+n, 6001, n), client(push, 1001+2*n, 6002, n)},
			[]int{budget, budget, budget}},
		{"data that its peer has not received begins none",
			[]segment{client(push, 1001, 5001, n), server(push, 5001, 1001, n), client(push, 1001+n, 5001, n), server(push, 5001+n, 1001, n)},
			[]int{budget, budget, 0, 0}},
		{"bare acknowledgements begin none",
			[]segment{client(push, 1001, 5001, n), server(push, 5001, 1001+n, n), client(ack, 1001+n, 5001+n, 0), server(push, 5001+n, 1001+n, n)},
			[]int{budget, budget, 0}},
		{"an upload that waits for 100 Continue",
			[]segment{client(push, 1001, 5001, 100), server(push, 5001, 1101, 25), client(push, 1101, 5026, n), client(push, 1101+n, 5026, n)},
			[]int{100, 25, budget, 0}},
		{"an upload that goes on behind an early answer",
			[]segment{client(push, 1001, 5001, n), server(push, 5001, 1001+n, 100), client(push, 1001+n, 5001, n), client(push, 1001+2*n, 5101, n)},
			[]int{budget, 100, 0, budget}},
		{"acknowledgements that wrap",
			[]segment{client(push, 1001, 0xfffffff0, n), client(push, 1001+n, 16, n)},
			[]int{budget, budget}},
		{"two gigabytes later and more",
			[]segment{client(push, 1001, 5001, n), client(push, 1001+n, 5001+3<<30, n)},
			[]int{budget, budget}},
		{"sent again, with a later acknowledgement",
			[]segment{client(push, 1001, 5001, n), client(push, 1001, 6001, n), client(push, 1001+n, 5001, n)},
			[]int{budget, budget, 0}},
		{"keep-alive probe",
			[]segment{client(push, 1001, 5001, n), client(ack, 1000+n, 6001, 1), client(push, 1001+n, 5001, n)},
			[]int{budget, 0, 0}},
		{"the second segment of a turn comes first",
			[]segment{client(push, 1001, 5001, n), client(push, 1501+n, 6001, 500), client(push, 1001+n, 6001, 500)},
			[]int{budget, 500, 500}},
		{"an acknowledgement of nonsense spoils one turn, not the next ones",
			[]segment{client(push, 1001, 5001, n), client(push, 1001+n, 0x70000000, n), client(push, 1001+2*n, 6001, n), client(push, 1001+3*n, 6001, n)},
			[]int{budget, budget, budget, 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.t = t
			k.reset()
			k.show(k.ingress(), syn.frame(), 0)
			if diff := cmp.Diff(tc.want, k.copied(tc.moves...)); diff != "" {
				t.Errorf("bytes copied of each segment (-want +got):\n%s", diff)
			}
		})
	}
}

// The answer to a request that came in the middle of another answer is not lost in that
// answer's turn. Only of longer answers there is a middle.
func TestRequestInTheMiddleOfAnAnswerIsNoticed(t *testing.T) {
	const budget, n = 1000, 3000
	k := newKernel(t, build{budget: budget})
	request := func(seq, ackno uint32) segment {
		s := client(push, seq, ackno, 0)
		s.payload = []byte("GET / HTTP/1.1\r\n\r\n")
		return s
	}
	for _, tc := range []struct {
		name  string
		moves []segment
		depth flow.Depth
	}{
		{"in one long segment", []segment{server(ack, 5001, 1019, n), request(1019, 5001+n/2)}, flow.DepthAll},
		{"in several short ones",
			[]segment{server(ack, 5001, 1019, 100), server(ack, 5101, 1019, 100), request(1019, 5101)}, flow.DepthAll},
		{"behind it", []segment{server(ack, 5001, 1019, n), request(1019, 5001+n)}, flow.DepthDefault},
		{"in a later answer",
			[]segment{server(ack, 5001, 1019, 100), request(1019, 5101), server(ack, 5101, 1037, n), request(1037, 5101+n/2)}, flow.DepthAll},
		{"in one that was copied whole by then", nil, flow.DepthAll},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.t = t
			k.reset()
			for _, s := range opened(request(1001, 5001)) {
				k.show(k.ingress(), s.frame(), 0)
			}
			if tc.moves == nil {
				k.setDepth(flow.DepthAll, theKey())
				k.copied(server(ack, 5001, 1019, n))
				k.setDepth(flow.DepthDefault, theKey())
				tc.moves = []segment{request(1019, 5001+n/2)}
			}
			k.copied(tc.moves...)
			if got := flow.Depth(k.flow().Depth); got != tc.depth {
				t.Errorf("depth %d, want %d", got, tc.depth)
			}
		})
	}
}
