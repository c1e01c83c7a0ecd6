// Package web is the agent's HTTP server: metrics, health and readiness for programs that
// watch it, and the page and its JSON API (package api) for who asks where the bandwidth
// went. It knows nothing of what metrics mean, and asks an insight.Source for the rest.
//
// The first three are open to everybody who reaches the address. Page and API tell paths
// and addresses of clients: see Access.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"gortap/internal/insight"
	"gortap/internal/web/api"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says what to serve.
type Config struct {
	Addr    string // host:port to listen on; port 0 for any
	Metrics prometheus.Gatherer
	// Ready returns nil once the agent does its work, and until then what it
	// waits for: one line, shown to who asks. It is called from any goroutine.
	Ready func() error
	// Profile adds /debug/pprof/, which tells much about the process and can
	// slow it down.
	Profile bool
	Log     *slog.Logger

	// Source is what page and API show; nil: there is neither.
	Source insight.Source
	// Health tells how the agent does. It is called from any goroutine.
	Health func() api.Health
	Access Access
}

// The limits of a request. None of the answers takes long, but a profile.
const (
	headTimeout   = 5 * time.Second
	readTimeout   = 10 * time.Second
	answerTimeout = 65 * time.Second // a profile takes 30 seconds by default
	idleTimeout   = 2 * time.Minute
	maxHead       = 16 << 10
	// maxScrapes is how many scrapes run at once; more get 503.
	maxScrapes = 4
)

// Server is a bound server. Serve must be called, or Close.
type Server struct {
	listener net.Listener
	http     *http.Server
	guard    *guard
}

// Listen binds the address. The error is one line and names the remedy.
func Listen(cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	certificates, err := cfg.Access.certificates()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, bindError(cfg.Addr, err)
	}
	g, err := newGuard(cfg.Access, l.Addr())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	handler, err := routes(cfg, g)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s := &Server{listener: l, guard: g, http: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}}
	if certificates != nil {
		s.http.TLSConfig = &tls.Config{GetCertificate: certificates.get, MinVersion: tls.VersionTLS12}
	}
	return s, nil
}

func bindError(addr string, err error) error {
	remedy := "want host:port, for example 127.0.0.1:9464, or '' for none"
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		err, remedy = syscall.EADDRINUSE, "another agent? choose another --listen, or '' for none"
	case errors.Is(err, syscall.EACCES):
		err, remedy = syscall.EACCES, "ports below 1024 need CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		err, remedy = syscall.EADDRNOTAVAIL, "no interface has it; 0.0.0.0 means all of them"
	case errors.As(err, &dns):
		err, remedy = errors.New(dns.Err), "does the name resolve here?"
	}
	return fmt.Errorf("listen on %q: %w (%s)", addr, err, remedy)
}

// Addr returns the address that is bound.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL is where the server is found, without a slash at the end.
func (s *Server) URL() string {
	scheme := "http://"
	if s.guard.secure { // Serve itself sets a TLSConfig
		scheme = "https://"
	}
	return scheme + s.Addr().String()
}

// PageOff says why page and API are not served though there is a Source; "" where
// they are.
func (s *Server) PageOff() string { return s.guard.off }

// Refused returns how many requests for page and API were refused, by reason.
func (s *Server) Refused() map[string]uint64 { return s.guard.counts() }

// Serve answers until ctx ends, then waits for the answers under way, at most
// for the grace given. The error is nil after an orderly end; otherwise the
// connections that remained are cut.
func (s *Server) Serve(ctx context.Context, grace time.Duration) error {
	failed := make(chan error, 1)
	go func() {
		if s.guard.secure { // Serve itself sets a TLSConfig
			failed <- s.http.ServeTLS(s.listener, "", "")
			return
		}
		failed <- s.http.Serve(s.listener)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := s.http.Shutdown(deadline)
	if err != nil {
		s.http.Close()
		err = fmt.Errorf("stop serving %s: %w", s.Addr(), err)
	}
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// Close ends a server that was never served.
func (s *Server) Close() error { return s.listener.Close() }
