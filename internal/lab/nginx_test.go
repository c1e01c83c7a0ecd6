package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestNginxCountsWhatTheClientCounts(t *testing.T) {
	testutil.CheckLeaks(t)
	p := testutil.Pair(t, 1)
	stop := testutil.Nginx(t, p.Server, lab.NginxOptions{
		Files:  map[string]int{"a/small.bin": 100, "large.bin": 1 << 20},
		Server: `location = /gone { return 410; }`,
	})
	to := net.TCPAddrFromAddrPort(netip.AddrPortFrom(lab.ServerIP(), 80))

	var want []lab.Access
	for _, r := range []struct {
		method, target, body string
		status               int
	}{
		{"GET", "/a/small.bin", "", 200},
		{"GET", "/large.bin?x=1", "", 200},
		{"POST", "/api/orders/7", strings.Repeat("x", 70_000), 200},
		{"HEAD", "/large.bin", "", 200},
		{"GET", "/gone", "", 410},
		{"GET", "/nothing", "", 404},
	} {
		request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
			r.method, r.target, len(r.body), r.body)
		response := exchange(t, p.Client, lab.ClientIP(0), to, request)
		if line := fmt.Sprintf("HTTP/1.1 %d ", r.status); !strings.HasPrefix(response, line) {
			t.Fatalf("%s %s: %.60q", r.method, r.target, response)
		}
		want = append(want, lab.Access{
			Client: lab.ClientIP(0).String(), RequestBytes: int64(len(request)), ResponseBytes: int64(len(response)),
			Status: r.status, Method: r.method, Target: r.target,
		})
	}
	got := stop()
	for i := range got {
		if got[i].Port == 0 {
			t.Errorf("no port in %+v", got[i])
		}
		got[i].Port = 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("access log (-want +got):\n%s", diff)
	}
	requests, in, out := lab.AccessTotals(got)
	if requests != len(want) || in < 70_000 || out < 1<<20 {
		t.Errorf("totals are %d requests, %d bytes in, %d bytes out", requests, in, out)
	}
}

func TestNginxSaysWhyItDoesNotStart(t *testing.T) {
	testutil.CheckLeaks(t)
	n := testutil.Namespace(t)
	_, err := lab.StartNginx(t.Context(), n, lab.NginxOptions{Server: "no_such_directive;"})
	if err == nil || !strings.Contains(err.Error(), `unknown directive "no_such_directive"`) {
		t.Errorf("got %v, want nginx's own words", err)
	}
}

const victimVariable = "GORTAP_LAB_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		fmt.Fprintln(os.Stderr, runVictim())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runVictim is the process that TestNothingSurvivesSIGKILL kills.
func runVictim() error {
	n, err := lab.NewNamespace()
	if err != nil {
		return err
	}
	s, err := lab.StartNginx(context.Background(), n, lab.NginxOptions{})
	if err != nil {
		return err
	}
	// The first answer means that there is a worker process.
	client := http.Client{Transport: &http.Transport{DialContext: n.DialContext}}
	if _, err := client.Get("http://127.0.0.1/api/"); err != nil {
		return err
	}
	fmt.Printf("pid %d\n", s.Pid())
	select {}
}

func TestNothingSurvivesSIGKILL(t *testing.T) {
	testutil.RequireRoot(t)
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), victimVariable+"=1")
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		victim.Process.Kill() // where the test has not come so far
		victim.Wait()
	})
	var master int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "pid %d", &master); err == nil {
			break
		}
	}
	if master == 0 {
		t.Fatalf("the victim did not start: %v", victim.Wait())
	}
	family := append(childrenOf(t, master), master)
	if len(family) < 2 {
		t.Fatalf("nginx has no worker: %v", family)
	}
	var handles []int
	for _, pid := range family {
		handle, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(handle)
		handles = append(handles, handle)
	}

	victim.Process.Signal(syscall.SIGKILL)
	victim.Wait()
	for i, handle := range handles {
		if !exits(t, handle) {
			t.Errorf("process %d (of nginx's %v) survives", family[i], family)
		}
	}
}

func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// exits waits until the process behind a pidfd has ended.
func exits(t *testing.T, pidfd int) bool {
	t.Helper()
	limit := time.Now().Add(10 * time.Second)
	for {
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(time.Until(limit).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	}
}
