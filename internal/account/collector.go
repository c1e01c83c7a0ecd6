package account

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"gortap/internal/proto"
)

// descs are the metrics of an account.
type descs struct {
	bytes, requests, durations, incomplete *prometheus.Desc
	streamMessages, streamMessageBytes     *prometheus.Desc
	network, retransmitted, payload        *prometheus.Desc
	reconcileErrors, unchecked, overflow   *prometheus.Desc
	flows                                  *prometheus.Desc
}

func newDescs() descs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("gor_"+name, help, labels, nil)
	}
	return descs{
		bytes: desc("bytes_total",
			"Wire bytes of messages; with an empty method, payload that belongs to no message. Adds up to gor_tcp_payload_bytes_total, which is read once a second and may lag.",
			"service", "method", "path", "direction"),
		requests: desc("requests_total",
			"Requests whose exchange ended, by status code; code 0 had no response. Of gRPC calls the code is grpc-status, where 0 is OK, and (none) had no status.",
			"service", "method", "path", "code"),
		durations: desc("request_duration_seconds",
			"Time from the first byte of the request to the last byte of the response, where both were seen whole.",
			"service", "method", "path"),
		incomplete: desc("incomplete_messages_total",
			"Messages that are not whole, by reason.", "service", "path", "direction", "reason"),
		streamMessages: desc("stream_messages_total",
			"gRPC and WebSocket messages, each when it ended.", "service", "method", "path", "direction"),
		streamMessageBytes: desc("stream_message_bytes_total",
			"Payload bytes of gRPC and WebSocket messages as transferred, without prefixes and frame headers.",
			"service", "method", "path", "direction"),
		network: desc("network_bytes_total",
			"Layer 3 bytes, every packet as often as it was sent.", "service", "direction"),
		retransmitted: desc("retransmitted_bytes_total",
			"TCP payload bytes that were seen again.", "service", "direction"),
		payload: desc("tcp_payload_bytes_total",
			"TCP payload bytes as the capture counted them, each byte once.", "service", "direction"),
		reconcileErrors: desc("reconcile_errors_total",
			"Bytes credited to messages that the capture did not count (excess) or whose flow it never told of (unreported). Not 0 means a bug.",
			"reason"),
		unchecked: desc("unreconciled_bytes_total",
			"Payload bytes beyond the limit of flows, as the parsers credited and as the capture counted them.", "by"),
		overflow: desc("label_overflow_total",
			"Requests booked as (other) because a limit of label values was reached.", "label"),
		flows: desc("account_flows", "Flows under reconciliation."),
	}
}

// Describe implements prometheus.Collector.
func (a *Account) Describe(out chan<- *prometheus.Desc) {
	d := &a.descs
	for _, desc := range []*prometheus.Desc{
		d.bytes, d.requests, d.durations, d.incomplete, d.streamMessages, d.streamMessageBytes, d.network, d.retransmitted, d.payload,
		d.reconcileErrors, d.unchecked, d.overflow, d.flows,
	} {
		out <- desc
	}
}

// Collect implements prometheus.Collector. It locks each shard while it copies
// that shard's counters.
func (a *Account) Collect(out chan<- prometheus.Metric) {
	b := a.merge()
	e := emitter{out}
	d := &a.descs
	for _, s := range b.sorted() {
		e.sides(d.network, s.network, s.name)
		e.sides(d.retransmitted, s.retransmitted, s.name)
		e.sides(d.payload, s.payload, s.name)
		for _, k := range s.sortedKeys() {
			a.collectEndpoint(e, s.name, k, s.endpoints[k])
		}
		a.collectIncomplete(e, s)
	}
	e.counter(d.reconcileErrors, b.errors.excess, "excess")
	e.counter(d.reconcileErrors, b.errors.unreported, "unreported")
	e.counter(d.unchecked, b.errors.uncheckedCredited, "parser")
	e.counter(d.unchecked, b.errors.uncheckedCounted, "capture")
	for i, n := range b.errors.overflow {
		e.counter(d.overflow, n, labelNames[i])
	}
	out <- prometheus.MustNewConstMetric(d.flows, prometheus.GaugeValue, float64(b.flows))
}

func (a *Account) collectEndpoint(e emitter, service string, k endpointKey, c *counters) {
	e.sides(a.descs.bytes, c.bytes, service, k.method, k.path)
	if st := c.streamed; st != [2]stream{} {
		e.sides(a.descs.streamMessages, [2]uint64{st[0].messages, st[1].messages}, service, k.method, k.path)
		e.sides(a.descs.streamMessageBytes, [2]uint64{st[0].bytes, st[1].bytes}, service, k.method, k.path)
	}
	for _, code := range c.codes {
		e.counter(a.descs.requests, code.n, service, k.method, k.path, codeLabel(code.code))
	}
	if h := c.durations; h != nil {
		e.out <- prometheus.MustNewConstHistogram(a.descs.durations, h.count(), float64(h.sumNs)/1e9, h.export(),
			service, k.method, k.path)
	}
}

// collectIncomplete adds up the methods of a path.
func (a *Account) collectIncomplete(e emitter, s *serviceBook) {
	keys := s.sortedKeys()
	for i := 0; i < len(keys); {
		path := keys[i].path
		var sum [2][proto.NumReasons]uint64
		for ; i < len(keys) && keys[i].path == path; i++ {
			for side, reasons := range s.endpoints[keys[i]].incomplete {
				for why, n := range reasons {
					sum[side][why] += n
				}
			}
		}
		for side, reasons := range sum {
			for why, n := range reasons {
				if n > 0 {
					e.counter(a.descs.incomplete, n, s.name, path, proto.Side(side).String(), proto.Reason(why).String())
				}
			}
		}
	}
}

func codeLabel(code uint16) string {
	switch code {
	case otherCode:
		return Other
	case noCode:
		return "(none)"
	}
	return strconv.Itoa(int(code))
}

// emitter sends metrics of constant value.
type emitter struct{ out chan<- prometheus.Metric }

func (e emitter) counter(d *prometheus.Desc, n uint64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

// sides sends both directions; direction is the last label.
func (e emitter) sides(d *prometheus.Desc, n [2]uint64, labels ...string) {
	for side, v := range n {
		e.counter(d, v, append(labels[:len(labels):len(labels)], proto.Side(side).String())...)
	}
}
