package detect

import (
	"gortap/internal/insight"
)

// retransmission finds services whose bytes were sent twice. What the kernel counts is
// handed in by Set.Network.
type retransmission struct {
	t       *Thresholds
	of      map[string]*resent
	maximum int
}

// resent is one service's totals; base is what they were when the window began.
type resent struct {
	bytes, again         uint64
	baseBytes, baseAgain uint64
	seen                 span64
}

func newRetransmission(t *Thresholds) *retransmission {
	return &retransmission{t: t, of: make(map[string]*resent), maximum: 1024}
}

func (*retransmission) observe(*exchange) {}
func (*retransmission) forget(int)        {}

func (d *retransmission) reset() {
	for _, s := range d.of {
		s.baseBytes, s.baseAgain, s.seen = s.bytes, s.again, span64{}
	}
}

func (d *retransmission) network(service string, bytes, again uint64, nowNs int64) {
	s := d.of[service]
	if s == nil {
		if len(d.of) >= d.maximum {
			return
		}
		s = &resent{}
		d.of[service] = s
	}
	if again > s.again {
		s.seen.see(nowNs)
	}
	s.bytes, s.again = bytes, again
}

func (d *retransmission) find(r *report) {
	for name, s := range d.of {
		bytes, again := int64(s.bytes-s.baseBytes), int64(s.again-s.baseAgain)
		if bytes == 0 || float64(again) < d.t.Retransmitted*float64(bytes) || !r.matters(again) {
			continue
		}
		f := draft{bytes: bytes}
		f.ID = string(insight.Retransmission) + ":" + name
		f.Kind, f.Severity, f.Service = insight.Retransmission, insight.Warning, name
		f.First, f.Last = s.seen.times()
		f.Title = percent(float64(again)/float64(bytes)) + " of the bytes of " + name + " are sent again (" + size(again) + " of " + size(bytes) + ")"
		f.evidence("Sent again", "%s", size(again))
		f.Remedy = "Packets get lost on the way, or come late: look at the interface's drops (ip -s link), at queues and shapers on the path, and at a duplex or MTU mismatch; " +
			"BBR (net.ipv4.tcp_congestion_control=bbr with fq) loses less on paths with small buffers."
		f.Saves = again
		r.add(f)
	}
}
