package e2e

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// memory returns the most that a process had resident of its own, and what the kernel
// keeps for its maps now, in bytes. Pages of the program's file are not its own; those
// of the rings are among the maps'.
func memory(t *testing.T, pid int) (own, maps uint64) {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d", pid)
	peak, shared := field(t, proc+"/status", "VmHWM:"), field(t, proc+"/status", "RssFile:")+field(t, proc+"/status", "RssShmem:")
	fds, err := filepath.Glob(proc + "/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for _, name := range fds {
		if id := field(t, name, "map_id:"); id > 0 && !seen[id] {
			seen[id] = true
			maps += field(t, name, "memlock:")
		}
	}
	return (peak - min(peak, shared)) << 10, maps
}

// field reads a number from a file of /proc; 0 where there is none.
func field(t *testing.T, path, name string) (n uint64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		return 0 // a descriptor that was closed meanwhile
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
			if _, err := fmt.Sscan(rest, &n); err != nil {
				t.Fatalf("read %s of %s: %v", name, path, err)
			}
		}
	}
	return n
}

// More load, more connections and more to record than --max-memory has room for do not
// take more.
func TestMemoryStaysBelowItsLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		flags []string
		load  func(*testing.T, *lab.Namespace)
	}{
		"requests, and a connection for each": {nil, func(t *testing.T, n *lab.Namespace) {
			wrkFor(t, n, "-d1s", serverURL("/small.txt"))
			wrkFor(t, n, "-d3s", "-H", "Connection: close", serverURL("/small.txt"))
		}},
		"200,000 connections": {nil, func(t *testing.T, n *lab.Namespace) {
			newCrowd(t, n).connect(t, 0, 200_000, 100_000)
		}},
		"a recording": {[]string{"--output-file", "rec.gor", "--input-raw-track-response"}, func(t *testing.T, n *lab.Namespace) {
			wrkFor(t, n, "-d2s", serverURL("/big.bin"))
		}},
		"packets": {[]string{"--output-file", "rec.pcapng"}, func(t *testing.T, n *lab.Namespace) {
			wrkFor(t, n, "-d2s", serverURL("/big.bin"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for i, f := range tc.flags {
				if f == "--output-file" {
					tc.flags[i+1] = filepath.Join(t.TempDir(), tc.flags[i+1])
				}
			}
			staysBelow(t, 64<<20, tc.flags, tc.load)
		})
	}
}

func wrkFor(t *testing.T, n *lab.Namespace, args ...string) {
	if _, err := n.Run(t.Context(), "wrk", append([]string{"-t1", "-c200"}, args...)...); err != nil {
		t.Errorf("wrk: %v", err)
	}
}

func staysBelow(t *testing.T, limit uint64, flags []string, load func(*testing.T, *lab.Namespace)) {
	p := testutil.Pair(t, 1)
	stopNginx := testutil.Nginx(t, p.Server, lab.NginxOptions{Files: nginxFiles})
	a := start(t, p.Server, append(flags, "--max-memory", strconv.FormatUint(limit, 10), "--interface", lab.Device, "--bpf-filter", "tcp port 80")...)
	load(t, p.Client)
	own, maps := memory(t, a.cmd.Process.Pid)
	t.Logf("%.1f MiB resident, %.1f MiB of maps and rings, %v flows", float64(own)/(1<<20), float64(maps)/(1<<20), a.sum("gor_flows"))
	if maps < 8<<20 || own == 0 {
		t.Errorf("%d bytes of maps, %d resident: not all was found", maps, own)
	}
	if own+maps > limit {
		t.Errorf("the agent takes %d bytes of its own and %d of the kernel, the limit is %d", own, maps, limit)
	}
	stopNginx()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	s := a.readSummary()
	s.conserved(t)
}
