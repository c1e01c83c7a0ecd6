package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gortap/internal/web/api"

	"github.com/prometheus/client_golang/prometheus"
)

// writeCertificate makes a certificate for the loopback address, and returns its files.
func writeCertificate(t *testing.T, dir string, serial int64) Access {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "gortap"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a := Access{Token: testToken, CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	for name, block := range map[string]*pem.Block{a.CertFile: {Type: "CERTIFICATE", Bytes: der}, a.KeyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// A renewed certificate is taken without a restart, once its files are looked at again,
// and files that do not belong together are not.
func TestARenewedCertificateIsTaken(t *testing.T) {
	dir := t.TempDir()
	a := writeCertificate(t, dir, 1)
	c, err := a.certificates()
	if err != nil {
		t.Fatal(err)
	}
	// look is a handshake after the time between looks, with files of a later time.
	look := func(later time.Duration) int64 {
		t.Helper()
		for _, name := range []string{a.CertFile, a.KeyFile} {
			if at := time.Now().Add(later); later > 0 && os.Chtimes(name, at, at) != nil {
				t.Fatal("the time of a file cannot be set")
			}
		}
		c.looked = time.Now().Add(-2 * recheck)
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(got.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	if got := look(0); got != 1 {
		t.Errorf("the same files: certificate %d", got)
	}
	if err := os.WriteFile(a.CertFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := look(time.Minute); got != 1 {
		t.Errorf("halfway through being written: certificate %d, want the old one", got)
	}
	writeCertificate(t, dir, 2)
	if got := look(2 * time.Minute); got != 2 {
		t.Errorf("renewed: certificate %d, want 2", got)
	}
}

func TestOverTLSTheCookieIsForTLSOnly(t *testing.T) {
	s, base := servePage(t, writeCertificate(t, t.TempDir(), 1))
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a certificate of the test's own
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.PostForm(base+"/login", map[string][]string{"token": {testToken}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if c := res.Cookies(); len(c) != 1 || !c[0].Secure || c[0].Name != s.guard.cookie {
		t.Errorf("cookies %v, want a secure one", c)
	}
	res, err = client.Get(base + api.HealthPath)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the cookie: %d", res.StatusCode)
	}
}

// Without a source there is neither page nor API, and no word of them.
func TestWithoutInsightThereIsNoPage(t *testing.T) {
	handler, err := routes(Config{Log: discard(), Metrics: prometheus.NewRegistry(), Ready: func() error { return nil }}, &guard{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/healthz": 200, "/": 200, api.ViewPath: 404, api.HealthPath: 404, "/assets/app.js": 404, "/login": 404} {
		w := newRecorder()
		req, _ := http.NewRequest(http.MethodGet, path, nil)
		req.Header.Set("Accept", "text/html")
		handler.ServeHTTP(w, req)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if kind := w.Header().Get("Content-Type"); path == "/" && kind != "text/plain; charset=utf-8" {
			t.Errorf("%s is %s", path, kind)
		}
	}
}
