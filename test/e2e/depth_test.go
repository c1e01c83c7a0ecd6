package e2e

import (
	"path/filepath"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// What no output needs is not copied, and counted to the byte all the same: a
// recording of requests wants nothing of the responses beyond their heads.
func TestOnlyWhatOutputsNeedIsCopied(t *testing.T) {
	const target = "127.0.0.1:9" // nobody answers: that is no matter here
	for name, tc := range map[string]struct {
		flags     []string
		uploads   bool
		responses bool // are copied
	}{
		"nothing but numbers":        {nil, false, false},
		"a recording":                {[]string{"--output-file", "rec.gor"}, true, false},
		"a target":                   {[]string{"--output-http", "http://" + target}, true, false},
		"a recording with responses": {[]string{"--output-file", "rec.gor", "--input-raw-track-response"}, true, true},
		"packets":                    {[]string{"--output-file", "rec.pcapng"}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := testutil.Pair(t, 1)
			stopNginx := testutil.Nginx(t, p.Server, lab.NginxOptions{Files: nginxFiles})
			for i, f := range tc.flags {
				if f == "--output-file" {
					tc.flags[i+1] = filepath.Join(t.TempDir(), tc.flags[i+1])
				}
			}
			a := start(t, p.Server, append([]string{"--interface", lab.Device, "--bpf-filter", "tcp port 80", "--ring-size", "64MiB"}, tc.flags...)...)
			const uploads = "for i in 1 2 3; do head -c 1000000 /dev/zero | curl -s -o /dev/null -H Expect: --data-binary @- http://192.0.2.1/api/upload || exit 1; done; "
			const downloads = "for i in 1 2 3 4 5; do curl -s -o /dev/null http://192.0.2.1/big.bin || exit 1; done"
			if _, err := p.Client.Run(t.Context(), "sh", "-c", uploads+downloads); err != nil {
				t.Fatal(err)
			}
			_, in, out := lab.AccessTotals(stopNginx())
			a.await("the payload to be counted", func() bool {
				return a.sum("gor_tcp_payload_bytes_total") >= float64(in+out) && len(a.imbalances()) == 0
			})
			copied := a.sum("gor_ring_bytes_total")
			low, high := 0.0, 0.0
			for _, part := range []struct {
				bytes int64
				is    bool
			}{{in, tc.uploads}, {out, tc.responses}} {
				if part.is {
					low += float64(part.bytes)
					high += float64(part.bytes) * 1.3 // what records have beside it
				}
				high += float64(part.bytes) / 8
			}
			if copied < low || copied > high {
				t.Errorf("%.0f bytes were copied of %d of requests and %d of responses, want %.0f to %.0f", copied, in, out, low, high)
			}
			a.stop()
			s := a.readSummary()
			s.conserved(t)
			if s.TCPPayloadBytes != uint64(in+out) || s.MessageBytes != s.TCPPayloadBytes || len(s.Incomplete) > 0 {
				t.Errorf("%d bytes, %d in messages, incomplete %v; nginx logged %d", s.TCPPayloadBytes, s.MessageBytes, s.Incomplete, in+out)
			}
		})
	}
}
