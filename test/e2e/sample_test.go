package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gortap/internal/insight"
	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// A sample counts every byte, parses whole connections only, and says that the
// number of exchanges is an estimate.
func TestASampleIsCountedToTheByte(t *testing.T) {
	for name, tc := range map[string]struct {
		flags    []string
		low, top float64 // share of the exchanges that is parsed
	}{
		"a quarter": {[]string{"--sample", "25%"}, 0.15, 0.35},
		"none":      {[]string{"--depth", "none"}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := testutil.Pair(t, 1)
			stopNginx := testutil.Nginx(t, p.Server, lab.NginxOptions{Files: nginxFiles})
			a := start(t, p.Server, append(tc.flags, "--interface", lab.Device, "--bpf-filter", "tcp port 80")...)
			goShort(t, p.Client)
			log := stopNginx()
			requests, in, out := lab.AccessTotals(log)
			a.await("the payload to be counted", func() bool {
				return a.sum("gor_tcp_payload_bytes_total") >= float64(in+out) && len(a.imbalances()) == 0
			})
			if ratio := a.sum("gor_sample_ratio"); ratio > tc.top {
				t.Errorf("gor_sample_ratio is %v", ratio)
			}
			var v insight.View
			if status, body := a.get("/api/v1/view"); status != http.StatusOK || json.Unmarshal(body, &v) != nil {
				t.Errorf("view: status %d: %.200q", status, body)
			}
			if v.Unsampled != 1-a.sum("gor_sample_ratio") || len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "of new connections") {
				t.Errorf("the view says that %v of the connections are not in it, and notes %q", v.Unsampled, v.Notes)
			}
			if status := a.stop(); status != 0 {
				t.Errorf("exit status %d", status)
			}
			s := a.readSummary()
			s.conserved(t)
			if s.TCPPayloadBytes != uint64(in+out) || s.MessageBytes+s.Unattributed["unsampled"] != uint64(in+out) {
				t.Errorf("%d bytes, %d in messages and %d unsampled; nginx logged %d",
					s.TCPPayloadBytes, s.MessageBytes, s.Unattributed["unsampled"], in+out)
			}
			parsed := float64(s.Exchanges) / float64(requests)
			if !s.Sampled || parsed < tc.low || parsed > tc.top || len(s.Incomplete) > 0 {
				t.Errorf("sampled %v, %.2f of the exchanges parsed, incomplete %v", s.Sampled, parsed, s.Incomplete)
			}
			estimate := float64(s.Estimate) / float64(requests)
			if tc.top > 0 && (estimate < 0.5 || estimate > 2) {
				t.Errorf("estimated %d exchanges, nginx logged %d", s.Estimate, requests)
			}
		})
	}
}
