package lab_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

func namespaceOf(t *testing.T, process string) string {
	t.Helper()
	name, err := os.Readlink("/proc/" + process + "/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDoRunsInsideAndComesBack(t *testing.T) {
	n := testutil.Namespace(t)
	outside := namespaceOf(t, "thread-self")
	failed := errors.New("failed")
	var inside string
	err := n.Do(func() error {
		inside = namespaceOf(t, "thread-self")
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("Do returned %v, want the function's error", err)
	}
	if inside == outside {
		t.Error("the function ran outside")
	}
	if got := namespaceOf(t, "thread-self"); got != outside {
		t.Errorf("the caller is in %s afterwards, want %s", got, outside)
	}
}

func TestNoThreadStaysInside(t *testing.T) {
	n := testutil.Namespace(t)
	outside := namespaceOf(t, "self")
	const goroutines = 50
	namespaces := make(chan string, goroutines)
	for i := range goroutines {
		go func() {
			defer func() { namespaces <- namespaceOf(t, "thread-self") }()
			n.Do(func() error {
				if i%2 == 0 {
					runtime.Goexit() // as t.Fatal does
				}
				return nil
			})
		}()
	}
	for range goroutines {
		if got := <-namespaces; got != outside {
			t.Fatalf("a goroutine is in %s after Do, want %s", got, outside)
		}
	}
}

func TestCloseKillsWhatRunsInside(t *testing.T) {
	testutil.CheckLeaks(t)
	n := testutil.Namespace(t)
	cmd := exec.Command("sleep", "60")
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if got, outside := namespaceOf(t, itoa(cmd.Process.Pid)), namespaceOf(t, "self"); got == outside {
		t.Error("the program runs outside")
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the program ended with %v, want killed", err)
	}
	if err := n.Start(exec.Command("true")); !errors.Is(err, lab.ErrClosed) {
		t.Errorf("Start after Close returned %v, want ErrClosed", err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestRunReturnsOutputAndSaysWhyItFailed(t *testing.T) {
	n := testutil.Namespace(t)
	out, err := n.Run(t.Context(), "sh", "-c", "echo fine")
	if err != nil || out != "fine\n" {
		t.Errorf("Run returned %q, %v", out, err)
	}
	_, err = n.Run(t.Context(), "sh", "-c", "echo broken; exit 3")
	if err == nil || !strings.Contains(err.Error(), "exit status 3: broken") {
		t.Errorf("Run returned %v, want status and output", err)
	}
}

func TestPairCarriesTrafficOfBothFamilies(t *testing.T) {
	testutil.CheckLeaks(t)
	p := testutil.Pair(t, 2)
	for name, tc := range map[string]struct{ server, client netip.Addr }{
		"IPv4":                {lab.ServerIP(), lab.ClientIP(0)},
		"IPv4 second address": {lab.ServerIP(), lab.ClientIP(1)},
		"IPv6":                {lab.ServerIP6(), lab.ClientIP6(0)},
		"IPv6 second address": {lab.ServerIP6(), lab.ClientIP6(1)},
	} {
		t.Run(name, func(t *testing.T) {
			origin := testutil.NewOrigin(t, p.Server, netip.AddrPortFrom(tc.server, 0).String(),
				testutil.ReadN(5), testutil.Write("world"))
			got := exchange(t, p.Client, tc.client, origin.Addr().(*net.TCPAddr), "hello")
			if got != "world" {
				t.Errorf("got %q, want %q", got, "world")
			}
			served := origin.Drain()
			if len(served) != 1 || string(served[0].Received) != "hello" || served[0].Err != nil {
				t.Fatalf("served %+v", served)
			}
			if from := served[0].Client.(*net.TCPAddr).AddrPort().Addr(); from != tc.client {
				t.Errorf("the client is %s, want %s", from, tc.client)
			}
		})
	}
}

// exchange sends a request from an address of the client and reads the answer to
// its end.
func exchange(t *testing.T, n *lab.Namespace, from netip.Addr, to *net.TCPAddr, request string) string {
	t.Helper()
	var answer bytes.Buffer
	err := n.Do(func() error {
		c, err := net.DialTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), to)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		_, err = answer.ReadFrom(c)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer.String()
}

func TestPairRefusesImpossibleClientCounts(t *testing.T) {
	for _, clients := range []int{-1, 0, lab.MaxClients + 1} {
		if p, err := lab.NewPair(clients); err == nil {
			p.Close()
			t.Errorf("NewPair(%d) succeeded", clients)
		}
	}
}
