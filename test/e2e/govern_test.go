package e2e

import (
	"strings"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// Under a limit that the traffic exceeds the agent copies less and says so; when it
// is quiet it copies more again; and it counts every byte at each level.
func TestAnOverloadedAgentCopiesLessAndCountsAll(t *testing.T) {
	for name, tc := range map[string]struct {
		flags    []string
		overload func(*testing.T, *lab.Namespace)
		reason   string
		whole    bool // it comes back to all of it while the test waits
	}{
		"cpu":               {[]string{"--max-cpu", "1%"}, wrkClient, "reason=cpu", false},
		"ring":              {[]string{"--ring-size", "4KiB"}, curlOnce, "reason=ring", true},
		"ring, copying all": {[]string{"--ring-size", "16KiB", "--depth", "all"}, pythonClient, "reason=ring", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := testutil.Pair(t, 1)
			stopNginx := testutil.Nginx(t, p.Server, lab.NginxOptions{Files: nginxFiles})
			a := start(t, p.Server, append(tc.flags, "--interface", lab.Device, "--bpf-filter", "tcp port 80")...)
			// The log is read, not the metrics: a scrape costs CPU time too.
			told := func(what string) bool { return strings.Contains(a.stderr.String(), what) }
			a.await("a step back", func() bool {
				tc.overload(t, p.Client)
				return told("copying less")
			})
			if level := a.sum("gor_degradation_level"); level == 0 {
				t.Error("gor_degradation_level is 0")
			}
			_, in, out := lab.AccessTotals(stopNginx())
			a.await("a step forward", func() bool { return told("copying more") })
			a.await("the way back", func() bool { return !tc.whole || told("level=full") })
			a.await("the payload to be counted", func() bool {
				return a.sum("gor_tcp_payload_bytes_total") >= float64(in+out) && len(a.imbalances()) == 0
			})
			if status := a.stop(); status != 0 {
				t.Errorf("exit status %d", status)
			}
			s := a.readSummary()
			s.conserved(t)
			if sum := s.MessageBytes + total(s.Unattributed); s.TCPPayloadBytes != uint64(in+out) || sum != s.TCPPayloadBytes {
				t.Errorf("%d payload bytes counted, %d of them in messages and outside, nginx logged %d", s.TCPPayloadBytes, sum, in+out)
			}
			if len(s.Degraded) == 0 {
				t.Error("the summary does not tell of the levels")
			}
			if text := a.stderr.String(); !strings.Contains(text, tc.reason) {
				t.Errorf("the log lacks the reason:\n%s", text)
			}
		})
	}
}

// curlOnce is a burst of a few requests.
func curlOnce(t *testing.T, n *lab.Namespace) {
	if _, err := n.Run(t.Context(), "curl", "-s", "-Z", "--parallel-max", "20", serverURL("/page.html?[1-100]"), "-o", "/dev/null"); err != nil {
		t.Errorf("curl: %v", err)
	}
}
