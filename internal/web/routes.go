package web

import (
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routes is the one table of what is served.
func routes(cfg Config, g *guard) (http.Handler, error) {
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
	list := indexOf(index, cfg, g)
	if cfg.Source == nil || g.off != "" {
		mux.HandleFunc("GET /{$}", list)
		if g.off != "" {
			mux.HandleFunc("GET /api/", func(w http.ResponseWriter, _ *http.Request) {
				writeText(w, http.StatusForbidden, g.off)
			})
		}
		return mux, nil
	}
	addAPI(mux, cfg, g)
	return mux, addPage(mux, g, list)
}

// indexOf lists what there is as text, for curl.
func indexOf(paths []string, cfg Config, g *guard) http.HandlerFunc {
	text := "gortap\n\n" + strings.Join(paths, "\n")
	switch {
	case cfg.Source == nil:
	case g.off != "":
		text += "\n\n" + g.off
	default:
		text += "\n/api/v1/\n/ with Accept: text/html, the page"
	}
	return func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, text) }
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // who asked may be gone
}
