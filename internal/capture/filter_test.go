package capture

import (
	"strings"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// The filter decides in the kernel, on every hook; what it leaves out is counted
// as that and costs nothing more.
func TestFilterLeavesOtherTrafficOut(t *testing.T) {
	for name, opts := range map[string]Options{
		"tcx":        {},
		"clsact":     {Attach: AttachClsact},
		"XDP native": {Hook: HookXDP},
	} {
		t.Run(name, func(t *testing.T) {
			p := testutil.Pair(t, 1)
			opts.Filter = "tcp port 81"
			opts.Interfaces = []string{lab.Device}
			l := start(t, p.Server, opts)
			out := talks(t, p.Server, p.Client, "192.0.2.1:80", 1, 1000, 1000)
			in := talks(t, p.Server, p.Client, "192.0.2.1:81", 1, 1000, 1000)
			s := l.stop()
			l.checkBalance(s)
			l.checkTalk(in[0], true, opts.Hook != HookXDP)
			for _, h := range l.handlers {
				if h.conns[out[0].key] != nil {
					t.Error("told of a connection that the filter leaves out")
				}
			}
			if s.Ignored["no-match"].Packets == 0 {
				t.Error("no packet counted as left out")
			}
		})
	}
}

// A filter that speaks of Ethernet says nothing of packets without it.
func TestRawIPDeviceNeedsAFilterThatFits(t *testing.T) {
	host := testutil.Namespace(t)
	openTun(t, host, "tun0", "198.51.100.1/24")
	err := runErr(t, host, Options{Filter: "ether host 02:00:00:00:00:01", Interfaces: []string{"tun0"}})
	if err == nil || !strings.Contains(err.Error(), "tun0") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line about tun0", err)
	}
	if err := runErr(t, host, Options{Filter: "tcp port 81", Interfaces: []string{"tun0"}}); err != nil {
		t.Errorf("with a filter for any packet: %v", err)
	}
}
