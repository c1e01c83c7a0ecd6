package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// What the clients of TestSessionsOfRealPrograms do.
const (
	curls          = 1000 // connections of one request each
	keepers        = 50   // connections of
	kept           = 200  // requests
	dbClients      = 6    // of each database
	dbStatements   = 40
	tlsClients     = 3
	wrongPasswords = 2 // clients whose password the target cannot check: one a database
)

// TestSessionsOfRealPrograms copies what real clients say to real servers, from the
// clients' own addresses, through firewalls that drop what is no part of a known
// connection. What the target has in its logs and tables then is what the origin has.
func TestSessionsOfRealPrograms(t *testing.T) {
	testutil.RequireProgram(t, "h2load", "nghttp2-client")
	n := newTrio(t, 4)
	db := prepareDatabases(t)
	web := webServer(t)
	stopOrigin, stopTarget := testutil.Nginx(t, n.online, web), testutil.Nginx(t, n.target, web)
	for name, ns := range map[string]*lab.Namespace{"origin": n.online, "target": n.target} {
		db.serve(t, ns, name)
	}
	rules := n.dropInvalid(t)
	sessionLog, tape := filepath.Join(t.TempDir(), "sessions"), filepath.Join(t.TempDir(), "all.pcap")
	flags := []string{"--input-raw", ":80,443,3306,5432", "--session-client-ip", "original", "--session-log", sessionLog, "--output-file", tape,
		"--ring-size", "64MiB", "--degrade=false", "--session-stall", "20s", "--session-compare", "length"}
	for _, port := range []string{"80", "443", "3306", "5432"} {
		n.holdRoutes(t, targetIP+":"+port)
		flags = append(flags, "--output-session", port+"->"+targetIP+":"+port)
	}
	a := n.startAgent(t, flags...)
	n.makeTraffic(t)
	const sessions = curls + keepers + 1 + tlsClients + 2*dbClients + wrongPasswords
	a.await("all sessions to be over", func() bool { return a.sum("gor_sessions_total") >= sessions && a.sum("gor_sessions_running") == 0 })
	if status := a.stop(); status != 3 { // passwords and the like differ
		t.Errorf("exit status %d", status)
	}
	t.Run("the target's tables are the origin's", func(t *testing.T) {
		if diff := cmp.Diff(n.state(t, n.online), n.state(t, n.target)); diff != "" {
			t.Errorf("(-origin +target):\n%s", diff)
		}
	})
	origin, target := stopOrigin(), stopTarget()
	t.Run("nginx logs the same of each client", func(t *testing.T) { sameLogs(t, origin, target) })
	t.Run("every session is in the summary and in the log", func(t *testing.T) { sessionsAreTold(t, a, sessionLog, sessions) })
	t.Run("TLS is named", func(t *testing.T) {
		if said := a.stderr.String(); strings.Count(said, "it is TLS") != 1 || !strings.Contains(said, "TLS terminator") {
			t.Errorf("the agent said:\n%s", said)
		}
	})
	t.Run("firewalls dropped nothing of it", func(t *testing.T) { rules(t) })
	t.Run("nginx gets the clients from the PROXY protocol", func(t *testing.T) { n.proxied(t, tape, web, origin) })
}

// webServer is an nginx with TLS, and with the PROXY protocol on a port of its own.
func webServer(t *testing.T) lab.NginxOptions {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: cert}, "key": {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return lab.NginxOptions{Files: map[string]int{"small": 500, "big": 20 << 20}, Server: `
		listen 443 ssl backlog=4096;
		listen 8081 proxy_protocol backlog=4096;
		set_real_ip_from 0.0.0.0/0;
		real_ip_header proxy_protocol;
		ssl_certificate ` + dir + `/cert;
		ssl_certificate_key ` + dir + `/key;`}
}

// dropInvalid has online and target drop packets that belong to no connection they
// know. What it returns checks that they looked at some and dropped none.
func (n *trio) dropInvalid(t *testing.T) (check func(t *testing.T)) {
	t.Helper()
	script := "table inet strict {\n counter bad { }\n counter good { }\n"
	for _, hook := range []string{"input", "output"} {
		script += " chain " + hook + " {\n type filter hook " + hook + " priority 0;\n meta l4proto tcp ct state invalid counter name bad drop\n" +
			" meta l4proto tcp ct state new,established counter name good\n }\n"
	}
	script += "}\n"
	for _, ns := range []*lab.Namespace{n.online, n.target} {
		file := filepath.Join(t.TempDir(), "strict.nft")
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ns.Run(t.Context(), "nft", "-f", file); err != nil {
			t.Fatal(err)
		}
	}
	return func(t *testing.T) {
		for name, ns := range map[string]*lab.Namespace{"online": n.online, "target": n.target} {
			good, err := ns.Run(t.Context(), "nft", "list", "counter", "inet", "strict", "good")
			if err != nil || strings.Contains(good, "packets 0 ") {
				t.Errorf("%s followed no connection: %v\n%s", name, err, good)
			}
		}
	}
}

// makeTraffic returns when all clients have what they asked for.
func (n *trio) makeTraffic(t *testing.T) {
	t.Helper()
	var wg sync.WaitGroup
	run := func(name string, args ...string) {
		wg.Go(func() {
			if out, err := n.client.Run(t.Context(), name, args...); err != nil {
				t.Error(name, err, out)
			}
		})
	}
	for i := range 4 {
		run("curl", "-sS", "--interface", lab.ClientIP(i).String(), "-H", "Connection: close", "-o", "/dev/null", fmt.Sprintf("http://192.0.2.1/small?[1-%d]", curls/4))
	}
	run("h2load", "--h1", "-n", fmt.Sprint(keepers*kept), "-c", fmt.Sprint(keepers), "-t", "1", "http://192.0.2.1/small")
	for range tlsClients {
		run("curl", "-sSk", "-o", "/dev/null", "https://192.0.2.1/tls-small")
	}
	wg.Go(func() { n.abortDownload(t) })
	const table = "create table orders (name varchar(20), amount int)"
	if err := n.mariadb(t, "app", table); err != nil {
		t.Error(err)
	}
	if err := n.psql(t, "app", table); err != nil {
		t.Error(err)
	}
	for i := 1; i < dbClients; i++ {
		var statements []string
		for k := range dbStatements {
			statements = append(statements, fmt.Sprintf("insert into orders values ('%d of %d', %d)", k, i, i*k))
		}
		statements = append(statements, "select 42")
		wg.Go(func() {
			if err := n.mariadb(t, "app", statements...); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := n.psql(t, "app", statements...); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := n.mariadb(t, "secret", "select 1"); err != nil {
		t.Error(err)
	}
	if err := n.psql(t, "secret", "select 1"); err != nil {
		t.Error(err)
	}
}

// abortDownload resets a connection in the middle of an answer.
func (n *trio) abortDownload(t *testing.T) {
	c, err := n.client.DialContext(t.Context(), "tcp", "192.0.2.1:80")
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	fmt.Fprint(c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := io.CopyN(io.Discard, c, 200_000); err != nil {
		t.Error(err)
	}
	_ = c.(*net.TCPConn).SetLinger(0)
}

// requested is what one client asked for and got.
type requested struct {
	Requests int
	In, Out  int64
}

// byClient sums a log by address and port. How much of the aborted download a server had
// given to its kernel by then is chance.
func byClient(log []lab.Access) map[string]requested {
	all := map[string]requested{}
	for _, r := range log {
		client := fmt.Sprintf("%s:%d", r.Client, r.Port)
		c := all[client]
		c.Requests++
		c.In += r.RequestBytes
		if r.Target != "/big" {
			c.Out += r.ResponseBytes
		}
		all[client] = c
	}
	return all
}

func sameLogs(t *testing.T, origin, target []lab.Access) {
	var plain []lab.Access
	for _, r := range origin {
		if r.Target != "/tls-small" {
			plain = append(plain, r)
		}
	}
	if want := curls + keepers*kept + 1; len(plain) != want {
		t.Errorf("the origin has %d requests, want %d", len(plain), want)
	}
	if diff := cmp.Diff(byClient(plain), byClient(target)); diff != "" {
		t.Errorf("%d and %d requests (-origin +target):\n%.3000s", len(plain), len(target), diff)
	}
}

// logged is a line of the session log.
type logged struct {
	Client, Server, Local, Outcome, Reason string
	Sent                                   int64
	OriginalSent                           int64 `json:"original_sent"`
	Received                               int64
	OriginalReceived                       int64 `json:"original_received"`
	OtherPort                              bool  `json:"other_port"`
	Compared                               struct{ Verdict, Reason string }
}

func readSessionLog(t *testing.T, path string) []logged {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []logged
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var l logged
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// sessionsAreTold holds the log against the summary and against what was done.
func sessionsAreTold(t *testing.T, a *agent, path string, want int) {
	log := readSessionLog(t, path)
	if len(log) != want {
		t.Errorf("%d sessions in the log, want %d", len(log), want)
	}
	outcomes := map[string]int{}
	var sent, received uint64
	for _, l := range log {
		_, port, _ := net.SplitHostPort(l.Server)
		outcomes[strings.TrimSuffix(port+" "+l.Outcome+" "+l.Reason, " ")]++
		sent += uint64(l.Sent)
		received += uint64(l.Received)
		whole := l.Outcome == "replayed" && l.Compared.Reason != "aborted"
		if whole && (l.Sent != l.OriginalSent || l.Received != l.OriginalReceived || l.Compared.Verdict != "equal") || l.Local != l.Client || l.OtherPort {
			t.Errorf("%+v", l)
		}
	}
	// The servers know nothing of the salts that these clients were given.
	expected := map[string]int{"80 replayed": curls + keepers + 1, "443 partial tls": tlsClients,
		"3306 replayed": dbClients, "3306 partial target-closed": 1, "5432 replayed": dbClients, "5432 partial target-closed": 1}
	if diff := cmp.Diff(expected, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	var s sessionsOf
	for _, o := range a.sessions() {
		s.Sessions += o.Sessions
		s.Sent += o.Sent
		s.Received += o.Received
	}
	if s.Sessions != uint64(len(log)) || s.Sent != sent || s.Received != received {
		t.Errorf("the summary has %d sessions, %d and %d bytes, the log %d, %d and %d", s.Sessions, s.Sent, s.Received, len(log), sent, received)
	}
}

// proxied replays a tenth of what was recorded with each version of the PROXY protocol.
func (n *trio) proxied(t *testing.T, tape string, web lab.NginxOptions, origin []lab.Access) {
	clients := byClient(origin)
	for _, version := range []string{"v1", "v2"} {
		stop := testutil.Nginx(t, n.target, web)
		a := n.replayFile(t, tape, "--output-session", "80->"+targetIP+":8081|10%", "--session-proxy-protocol", version, "--session-speed", "10")
		s := a.sessions()[0]
		got := byClient(stop())
		if s.Replayed == 0 || s.Captured != curls+keepers+1 || s.Replayed+s.Skipped["sample"] != s.Captured || uint64(len(got)) != s.Replayed {
			t.Errorf("%s: %+v, %d clients in the target's log", version, s, len(got))
		}
		for client, r := range got {
			if diff := cmp.Diff(clients[client], r); diff != "" {
				t.Errorf("%s: %s (-origin +target):\n%s", version, client, diff)
			}
		}
	}
}
