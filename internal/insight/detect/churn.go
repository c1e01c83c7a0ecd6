package detect

import (
	"fmt"

	"gortap/internal/insight"
)

// churn finds clients that open a connection for each request.
type churn struct{ t *Thresholds }

func (*churn) observe(*exchange) {}
func (*churn) forget(int)        {}
func (*churn) reset()            {}

// connBytes is what opening and closing a TCP connection costs on the network: SYN,
// SYN-ACK, ACK, two FIN and their ACKs, IPv4 headers with timestamps.
const connBytes = 380

func (d *churn) find(r *report) {
	for _, svc := range r.services.order {
		var conns, requests, bytes int64
		var names []string
		var seen span64
		for _, m := range svc.clients.order {
			if m.conns < d.t.ChurnConns || float64(m.conns) < d.t.ChurnPerSecond*m.seen.seconds() || float64(m.requests) > d.t.ChurnRequests*float64(m.conns) {
				continue
			}
			conns += m.conns
			requests += m.requests
			bytes += m.bytes - m.doubt
			if len(names) < 3 {
				names = append(names, m.addr.Unmap().String())
			}
			seen.see(m.seen.first)
			seen.see(m.seen.last)
		}
		// What concerns a small part of the service's requests is somebody's habit.
		if conns == 0 || float64(requests) < 0.1*float64(svc.requests) {
			continue
		}
		f := draft{bytes: bytes}
		f.ID = string(insight.ConnectionChurn) + ":" + svc.name
		f.Kind, f.Severity, f.Service, f.Clients = insight.ConnectionChurn, insight.Warning, svc.name, names
		f.First, f.Last = seen.times()
		f.Title = fmt.Sprintf("A new connection for each request: %s open %s connections for %s requests to %s (%s a second)",
			list(names), count(conns), count(requests), svc.name, round(float64(conns)/seen.seconds()))
		f.evidence("Requests a connection", "%s", round(float64(requests)/float64(conns)))
		f.evidence("Opening and closing one", "about %d bytes in 7 packets and a round trip, with TLS some kilobytes and two", connBytes)
		f.Remedy = "Keep connections open: in clients one HTTP client for all requests, whose bodies are read to the end (Go: one http.Client with " +
			"MaxIdleConnsPerHost; Python: requests.Session; curl: one call), HTTP/1.1 without \"Connection: close\"; in proxies nginx \"keepalive 32; " +
			"proxy_http_version 1.1; proxy_set_header Connection \"\";\"; on the server a keepalive_timeout longer than the pause between requests."
		f.Saves = (conns - max(1, conns/100)) * connBytes
		r.add(f)
	}
}
