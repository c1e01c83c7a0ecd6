package detect

import (
	"gortap/internal/insight"
)

// retransmission finds services whose bytes were sent twice. Files of records and of
// lines do not tell it.
type retransmission struct{ t *Thresholds }

func (*retransmission) observe(*exchange) {}
func (*retransmission) forget(int)        {}
func (*retransmission) reset()            {}

func (d *retransmission) find(r *report) {
	for _, s := range r.services.order {
		if s.bytes == 0 || float64(s.again) < d.t.Retransmitted*float64(s.bytes) || !r.matters(s.again) {
			continue
		}
		f := draft{bytes: s.bytes}
		f.ID = string(insight.Retransmission) + ":" + s.name
		f.Kind, f.Severity, f.Service = insight.Retransmission, insight.Warning, s.name
		f.First, f.Last = s.seenAgain.times()
		f.Title = size(s.again) + " were sent again for " + size(s.bytes) + " of " + s.name + " (" + percent(float64(s.again)/float64(s.bytes)) + ")"
		f.evidence("Sent again", "%s", size(s.again))
		f.Remedy = "Packets get lost on the way, or come late: look at the interface's drops (ip -s link), at queues and shapers on the path, and at a duplex or MTU mismatch; " +
			"BBR (net.ipv4.tcp_congestion_control=bbr with fq) loses less on paths with small buffers."
		f.Saves = s.again
		r.add(f)
	}
}
