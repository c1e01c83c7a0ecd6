package web

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gortap/internal/lab"
	"gortap/internal/testutil"
	"gortap/internal/testutil/browser"
	"gortap/internal/web/api"
)

const agentAddress = "127.0.0.1:9464"

// forward makes a namespace's address one of the test's, for the browser. It is closed
// after the test.
func forward(t *testing.T, n *lab.Namespace, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { join(ctx, n, in, address) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		wait.Wait()
	})
	return l.Addr().String()
}

func join(ctx context.Context, n *lab.Namespace, in net.Conn, address string) {
	defer in.Close()
	out, err := n.DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer out.Close()
	defer context.AfterFunc(ctx, func() {
		in.Close()
		out.Close()
	})()
	var wait sync.WaitGroup
	wait.Go(func() {
		pump(out, in)
		out.Close()
	})
	pump(in, out)
	in.Close()
	wait.Wait()
}

// pump copies until either end ends it; not by splice, whose pipes the runtime keeps.
func pump(to io.Writer, from io.Reader) {
	_, _ = io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from})
}

// startAgent returns when the agent captures. It is ended after the test.
func startAgent(t *testing.T, n *lab.Namespace, flags ...string) {
	t.Helper()
	var said testutil.Buffer
	cmd := exec.Command(binary, flags...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("the agent ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the agent said:\n%s", said.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if status, _ := ask(t, n, "/readyz"); status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the agent is not ready: %s", said.String())
		}
	}
}

// ask returns 0 where nobody answers yet.
func ask(t *testing.T, n *lab.Namespace, path string) (status int, body []byte) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := client.Get("http://" + agentAddress + path)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err != nil {
		return 0, nil
	}
	return res.StatusCode, body
}

// What curl fetches of nginx stands on the page, with the bytes that it had.
func TestThePageShowsWhatTheAgentSees(t *testing.T) {
	testutil.RequireProgram(t, "curl", "curl")
	testutil.CheckLeaks(t)
	n := testutil.Namespace(t)
	testutil.Nginx(t, n, lab.NginxOptions{Files: map[string]int{"/export.json": 300_000, "/small.txt": 500}})
	startAgent(t, n, "--bpf-filter", "tcp port 80", "--service", "name=shop,port=80")
	p := launch(t)
	host := forward(t, n, agentAddress)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(p.Show(1440, 900, "light"))
	must(p.Go("http://" + host + "/"))
	must(p.Await(`document.querySelector('.empty') && document.querySelector('#main').textContent.includes('No HTTP traffic was seen')`))

	for range 5 {
		if out, err := n.Run(t.Context(), "curl", "-sf", "-o", "/dev/null", "http://127.0.0.1/export.json", "-o", "/dev/null", "http://127.0.0.1/small.txt?token=secret1"); err != nil {
			t.Fatal(err, out)
		}
	}
	must(p.Await(`document.querySelector('section[aria-label=Endpoints] tbody')?.textContent.includes('/small.txt')`))
	must(p.Click(`section[aria-label=Services] a.row`))
	must(p.Await(shown + `.textContent === 'Endpoints' && document.querySelector('tbody tr .path').textContent === '/export.json'`))
	must(p.Click(`tbody tr:first-child a.row`))
	must(p.Await(shown + `.textContent === 'Clients' && document.querySelector('tbody tr a.row').textContent === '127.0.0.1'`))
	must(p.Click(`tbody tr:first-child a.row`))
	must(p.Await(shown + `.textContent === 'Exchanges' && document.querySelectorAll('.log tbody tr').length === 5`))
	must(p.Go("http://" + host + "/?view=exchanges&search=small"))
	must(p.Await(`document.querySelectorAll('.log tbody tr').length === 5`))
	if shows, err := browser.Eval[string](p, `document.querySelector('.log tbody').textContent`); err != nil || !strings.Contains(shows, "token=REDACTED-") || strings.Contains(shows, "secret1") {
		t.Errorf("a secret: %v, %s", err, shows)
	}
	must(p.Go("http://" + host + "/?view=health"))
	must(p.Await(shown + ` && document.querySelector('.balance').textContent.includes('Delivered')`))
	for _, line := range p.Said() {
		t.Errorf("on the console: %s", line)
	}
	for _, address := range p.Strangers(host) {
		t.Errorf("the page asked %s", address)
	}

	// The same from the API.
	var v struct {
		Endpoints []struct {
			Path          string
			Requests      int
			ResponseBytes int `json:"response_bytes"`
		}
	}
	status, body := ask(t, n, api.ViewPath+"?service=shop&lists=endpoints")
	if err := json.Unmarshal(body, &v); err != nil || status != http.StatusOK || len(v.Endpoints) != 2 {
		t.Fatalf("status %d, %v: %s", status, err, body)
	}
	if e := v.Endpoints[0]; e.Path != "/export.json" || e.Requests != 5 || e.ResponseBytes < 5*300_000 || e.ResponseBytes > 5*301_000 {
		t.Errorf("endpoint %+v", e)
	}
}
