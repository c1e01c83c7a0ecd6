package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
)

// Access says who may see page and API. On a loopback address without a token:
// every user of this machine. Elsewhere a token and TLS are needed.
type Access struct {
	Token string // empty: none is asked for
	// CertFile and KeyFile are PEM files, read again when they change; empty: no TLS.
	CertFile, KeyFile string
	// Insecure allows the token to be sent without TLS: behind a proxy that does it.
	Insecure bool
}

// MinToken is the length of the shortest token, in bytes: it cannot be guessed by trying.
const MinToken = 16

// Why requests for page and API are refused: label values.
const (
	refusedHost  = "host"       // asked by a name that is not of this machine
	refusedToken = "token"      // a wrong one, or a session that is over; none does not count
	refusedSite  = "cross-site" // a form of another site
	refusedBusy  = "busy"       // too many at once
)

// guard stands before page and API.
type guard struct {
	off      string // why they are not served at all
	token    string
	loopback bool
	secure   bool   // TLS here
	cookie   string // its name
	refused  map[string]*atomic.Uint64
}

func newGuard(a Access, addr net.Addr) (*guard, error) {
	g := &guard{token: a.Token, secure: a.CertFile != "", refused: map[string]*atomic.Uint64{}}
	for _, why := range []string{refusedHost, refusedToken, refusedSite, refusedBusy} {
		g.refused[why] = new(atomic.Uint64)
	}
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return nil, errors.New("listen: want a TCP address")
	}
	g.loopback = tcp.IP.IsLoopback()
	g.cookie = cookieName(tcp.Port)
	switch {
	case g.token != "" && len(g.token) < MinToken:
		return nil, errors.New("read web token: it has less than 16 characters (make one: head -c 24 /dev/urandom | base64)")
	case g.loopback:
	case g.token == "":
		g.off = "page and API are off: on " + addr.String() + ", which is not loopback, they need --web-token-file, and --web-cert with --web-key"
	case !g.secure && !a.Insecure:
		return nil, errors.New("listen on " + addr.String() + ": the web token would be sent in clear (give --web-cert and --web-key; or --web-insecure, behind a proxy that does TLS)")
	}
	return g, nil
}

func (g *guard) count(why string) { g.refused[why].Add(1) }

func (g *guard) counts() map[string]uint64 {
	all := map[string]uint64{}
	for why, n := range g.refused {
		all[why] = n.Load()
	}
	return all
}

// ownHost tells whether a request without a token was meant for this machine. A page of
// another site whose name was made to point here ("DNS rebinding") is read by the browser
// of a user of this machine, but asks by the other site's name.
func (g *guard) ownHost(r *http.Request) bool {
	if g.token != "" {
		return true // the other site has neither the token nor the cookie
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// allowed tells whether a request shows the token, or the cookie that was given for it.
func (g *guard) allowed(r *http.Request) bool {
	if g.token == "" {
		return true
	}
	if given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); bearer {
		return g.isToken(given) || g.fails()
	}
	if c, err := r.Cookie(g.cookie); err == nil {
		return g.isSession(c.Value) || g.fails()
	}
	return false
}

func (g *guard) fails() bool {
	g.count(refusedToken)
	return false
}

// isToken takes as long for every text of a length: hashes are compared.
func (g *guard) isToken(given string) bool {
	want, got := sha256.Sum256([]byte(g.token)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// policy lets the page load what the agent serves, and nothing else; nothing may frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// protect sets the headers that everything of page and API has.
func protect(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}

// hosted refuses who asks by a foreign name.
func (g *guard) hosted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		protect(w)
		if !g.ownHost(r) {
			g.count(refusedHost)
			writeText(w, http.StatusForbidden, "this name is not of this machine: ask for localhost, 127.0.0.1 or [::1] (or give the agent a --web-token-file)")
			return
		}
		next(w, r)
	}
}
