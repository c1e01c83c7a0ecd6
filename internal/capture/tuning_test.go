package capture

import (
	"bytes"
	"testing"

	"gortap/bpf"
	"gortap/internal/flow"
	"gortap/internal/testutil"
)

// What is copied can be changed while the capture runs; what is counted cannot.
func TestTuningChangesWhatIsCopiedNotWhatIsCounted(t *testing.T) {
	const up, down = 10_000, 30_000
	p := testutil.Pair(t, 1)
	l := start(t, p.Server, Options{RequestBudget: 1000, ResponseBudget: 2000})
	converse := func() talk { return talks(t, p.Server, p.Client, "192.0.2.1:80", 1, up, down)[0] }
	heads := converse()
	if err := l.SetBudgets(CopyAll, 2000); err != nil {
		t.Fatal(err)
	}
	requests := converse()
	if err := l.SetSample(SampleNone); err != nil {
		t.Fatal(err)
	}
	if s, err := l.Sample(); err != nil || s.Ratio() != 0 {
		t.Errorf("sample %v, %v, want none", s.Ratio(), err)
	}
	nothing := converse()
	l.checkBalance(l.stop())
	for name, tc := range map[string]struct {
		talk
		up, down  int // at least; the ends of writes come on top
		unsampled bool
	}{
		"heads":    {heads, 1000, 2000, false},
		"requests": {requests, up, 2000, false},
		"nothing":  {nothing, 0, 0, true},
	} {
		c := l.conn(tc.key)
		for dir, want := range map[flow.Dir]int{tc.client: tc.up, tc.client.Other(): tc.down} {
			if got := bytes.Count(c.dirs[dir].have, []byte{1}); got < want || got > want+500 {
				t.Errorf("%s: copied %d bytes of direction %d, want about %d", name, got, dir, want)
			}
		}
		if e := c.ends[0]; e.Dirs[0].Payload+e.Dirs[1].Payload != up+down || e.Unsampled != tc.unsampled {
			t.Errorf("%s: ended with %+v, want %d bytes", name, e, up+down)
		}
	}
}

func TestSampleRatioIsAShare(t *testing.T) {
	for share, want := range map[float64]Sample{0: SampleNone, -1: SampleNone, 1: SampleAll, 2: SampleAll, 0.5: SampleAll / 2} {
		if got := SampleRatio(share); got != want {
			t.Errorf("%v: %d, want %d", share, got, want)
		}
	}
	if got := SampleRatio(0.1).Ratio(); got < 0.0999 || got > 0.1001 {
		t.Errorf("0.1 comes back as %v", got)
	}
}

// User space lets go of the same connections that the kernel does not begin.
func TestHashIsTheKernels(t *testing.T) {
	c := openIdle(t, Options{})
	for port := range uint16(100) {
		show(t, c, testFrame(40000+port, false, flow.SYN, 1, 0, nil))
	}
	n := 0
	r := newFlowReader(c.objs.Flows)
	if err := r.each(func(k *bpf.CaptureFlowKey, f *bpf.CaptureFlow) {
		n++
		if got, kernel := flowKey(k).Hash(), uint32(f.Dirs[0].Lock>>32); got != kernel {
			t.Errorf("hash of %+v is %#x, the kernel's %#x", k, got, kernel)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if n != 100 {
		t.Errorf("%d flows, want 100", n)
	}
}

// The kernel's memory for a capture includes its rings, and grows with the flows.
func TestMemoryIncludesRingsAndFlows(t *testing.T) {
	c := openIdle(t, Options{Shards: 2})
	before, err := c.Memory()
	if err != nil {
		t.Fatal(err)
	}
	if before < 2<<20 || before > 8<<20 {
		t.Errorf("%d bytes for two rings of 1 MiB and no flows", before)
	}
	putFlows(t, c, 10_000, bpf.CaptureFlow{FirstNs: 1})
	after, err := c.Memory()
	if err != nil {
		t.Fatal(err)
	}
	if after-before < 10_000*100 {
		t.Errorf("%d bytes more for 10000 flows", after-before)
	}
}
