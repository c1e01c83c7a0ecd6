// Package web serves the agent's HTTP endpoints: metrics, health and
// readiness. It knows nothing of what the metrics mean.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
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
}

// Listen binds the address. The error is one line and names the remedy.
func Listen(cfg Config) (*Server, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, bindError(cfg.Addr, err)
	}
	return &Server{listener: l, http: &http.Server{
		Handler:           handler(cfg),
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}}, nil
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

// Serve answers until ctx ends, then waits for the answers under way, at most
// for the grace given. The error is nil after an orderly end; otherwise the
// connections that remained are cut.
func (s *Server) Serve(ctx context.Context, grace time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
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

func handler(cfg Config) http.Handler {
	mux := http.NewServeMux()
	index := []string{"/metrics", "/healthz", "/readyz"}
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Metrics, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            slog.NewLogLogger(cfg.Log.Handler(), slog.LevelError),
		MaxRequestsInFlight: maxScrapes,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := cfg.Ready(); err != nil {
			writeText(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		writeText(w, http.StatusOK, "ready")
	})
	if cfg.Profile {
		index = append(index, "/debug/pprof/")
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // a list too long for a URL
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "gortap\n\n"+strings.Join(index, "\n"))
	})
	return mux
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // who asked may be gone
}
