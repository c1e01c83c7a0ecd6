package capture

import (
	"fmt"

	"gortap/bpf"
)

// Count is a number of packets and their bytes: layer 3 for packets of TCP
// flows, whole frames for what was ignored.
type Count struct {
	Packets, Bytes uint64
}

func (c *Count) add(o Count) {
	c.Packets += o.Packets
	c.Bytes += o.Bytes
}

// Stats says where every packet that a hook saw went. Matched = Delivered + the
// sum of Dropped, in packets and in bytes.
type Stats struct {
	Matched Count
	// Delivered packets are told in full: Emitted to the rings, or Counted in
	// the flow table because nothing else in them is wanted.
	Delivered, Emitted, Counted Count
	Dropped                     map[string]Count // by reason
	Ignored                     map[string]Count // not of TCP flows that match, by reason
	// RingBytes have passed the rings: the payload that was copied, and what each
	// record has beside it.
	RingBytes uint64
}

var droppedNames = map[bpf.CaptureOutcome]string{
	bpf.CaptureOutcomeOUT_FRAGMENT:        "fragment",
	bpf.CaptureOutcomeOUT_MALFORMED:       "malformed",
	bpf.CaptureOutcomeOUT_RING_FULL:       "ring-full",
	bpf.CaptureOutcomeOUT_FLOW_TABLE_FULL: "flow-table-full",
	bpf.CaptureOutcomeOUT_EVICTING:        "evicting",
	bpf.CaptureOutcomeOUT_OUT_OF_WINDOW:   "out-of-window",
	bpf.CaptureOutcomeOUT_COPY_FAILED:     "copy-failed",
	bpf.CaptureOutcomeOUT_CONTENDED:       "contended",
}

var ignoredNames = map[bpf.CaptureOutcome]string{
	bpf.CaptureOutcomeOUT_NO_MATCH:  "no-match",
	bpf.CaptureOutcomeOUT_NOT_IP:    "not-ip",
	bpf.CaptureOutcomeOUT_NOT_TCP:   "not-tcp",
	bpf.CaptureOutcomeOUT_DUPLICATE: "duplicate",
	bpf.CaptureOutcomeOUT_REPLAY:    "replay",
}

// Stats reads the kernel's counters. After Close it returns the last values.
func (c *Capture) Stats() (Stats, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.final != nil {
		return *c.final, nil
	}
	s := Stats{Dropped: map[string]Count{}, Ignored: map[string]Count{}}
	if c.objs == nil {
		return s, nil
	}
	for o := range bpf.CaptureOutcomeOUT_MAX {
		n, err := c.outcome(o)
		if err != nil {
			return Stats{}, err
		}
		switch o {
		case bpf.CaptureOutcomeOUT_EMITTED:
			s.Emitted = n
		case bpf.CaptureOutcomeOUT_COUNTED:
			s.Counted = n
		default:
			if name, ok := ignoredNames[o]; ok {
				s.Ignored[name] = n
				continue
			}
			s.Dropped[droppedNames[o]] = n
		}
		s.Matched.add(n)
	}
	s.Delivered.add(s.Emitted)
	s.Delivered.add(s.Counted)
	for _, r := range c.rings {
		s.RingBytes += r.Written()
	}
	return s, nil
}

func (c *Capture) outcome(o bpf.CaptureOutcome) (Count, error) {
	var perCPU []bpf.CaptureCounter
	if err := c.objs.Counters.Lookup(uint32(o), &perCPU); err != nil {
		return Count{}, fmt.Errorf("read packet counters: %w", err)
	}
	var n Count
	for _, v := range perCPU {
		n.add(Count{Packets: v.Packets, Bytes: v.Bytes})
	}
	return n, nil
}

// RingFill returns the fullest ring's fill, 0 to 1. After Close it is 0.
func (c *Capture) RingFill() float64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	fill := 0.0
	if c.final != nil {
		return fill
	}
	for _, r := range c.rings {
		fill = max(fill, r.Fill())
	}
	return fill
}
