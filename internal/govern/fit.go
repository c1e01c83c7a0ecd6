package govern

// What things cost, in bytes, rounded up from measurements (BenchmarkCrowd in
// internal/capture, and the heap of an agent that has just started). The kernel gives
// a flow of 352 bytes a piece of 512, and its place in the hash table.
const (
	baseBytes       = 16 << 20 // the Go runtime, parsers, labels
	kernelFlowBytes = 768      // an entry of the flow table
	userFlowBytes   = 3072     // its ledger, connection and parser, the sweep's notes: 2,720 live
	minRing         = 256 << 10
	minFlows        = 1024
)

// MinMemory is the smallest limit that Fit can keep to.
const MinMemory = 24 << 20

// Sizes are what memory is divided into.
type Sizes struct {
	RingBytes int    // of each shard
	MaxFlows  int    // in the kernel's table
	Buffered  int    // bytes held for order
	Records   int    // bytes of what is recorded or replayed, on its way
	HeapBytes uint64 // a soft limit for the Go runtime
}

// Fit makes sizes smaller, where they have to be, so that together they stay within
// limit bytes: rings get a third of what the agent does not need for itself, records a
// quarter of what is left and as much again for their garbage, bytes held for order an
// eighth, the flows the rest. What want has is an upper bound; the less records get,
// the more flows there may be.
func Fit(limit uint64, shards int, want Sizes) Sizes {
	if limit < MinMemory {
		limit = MinMemory
	}
	rest := limit - baseBytes
	s := want
	for s.RingBytes > minRing && uint64(s.RingBytes*shards) > rest/3 {
		s.RingBytes /= 2
	}
	left := rest - min(uint64(s.RingBytes*shards), rest)
	s.Buffered = min(s.Buffered, int(left/8))
	s.Records = min(s.Records, int(left/4))
	s.MaxFlows = min(s.MaxFlows, max(int((left-uint64(s.Buffered+2*s.Records))/(kernelFlowBytes+userFlowBytes)), minFlows))
	// What is allocated while the collector works goes beyond its limit.
	s.HeapBytes = baseBytes + left - min(uint64(s.MaxFlows)*kernelFlowBytes+uint64(s.Records), left)
	return s
}
