package govern

import "testing"

func TestSizesFitTheLimit(t *testing.T) {
	want := Sizes{RingBytes: 8 << 20, MaxFlows: 65536, Buffered: 32 << 20}
	recording := want
	recording.Records = 256 << 20
	for _, tc := range []struct {
		name           string
		limit          uint64
		shards         int
		want           Sizes
		rings          int
		flowsMin, most int
	}{
		{"plenty", 1 << 30, 1, want, 8 << 20, 65536, 65536},
		{"64 MiB", 64 << 20, 1, want, 8 << 20, 9_000, 10_000},
		{"64 MiB on many CPUs", 64 << 20, 8, want, 2 << 20, 7_000, 8_000},
		{"64 MiB with records", 64 << 20, 1, recording, 8 << 20, 4_000, 5_000},
		{"the least", MinMemory, 1, want, 2 << 20, 1024, 4096},
		{"less than the least", 1, 1, recording, 2 << 20, 1024, 4096},
	} {
		got := Fit(tc.limit, tc.shards, tc.want)
		if got.RingBytes != tc.rings || got.MaxFlows < tc.flowsMin || got.MaxFlows > tc.most {
			t.Errorf("%s: %+v, want rings of %d, %d to %d flows", tc.name, got, tc.rings, tc.flowsMin, tc.most)
		}
		limit := max(tc.limit, MinMemory)
		if of := got.HeapBytes; uint64(got.Buffered)+uint64(got.Records)+uint64(got.MaxFlows)*userFlowBytes+baseBytes > of && got.MaxFlows > minFlows {
			t.Errorf("%s: %+v: flows, records and held bytes do not fit the heap", tc.name, got)
		}
		if sum := uint64(got.RingBytes*tc.shards) + uint64(got.MaxFlows)*kernelFlowBytes + got.HeapBytes; sum > limit {
			t.Errorf("%s: %+v takes %d of %d bytes", tc.name, got, sum, limit)
		}
	}
}
