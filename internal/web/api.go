package web

import (
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gortap/internal/insight"
	"gortap/internal/web/api"
)

// maxAsks is how many requests of the API are worked on at once, and askWait how long
// others wait for their turn.
const (
	maxAsks = 4
	askWait = 2 * time.Second
)

// server answers the requests of the API.
type server struct {
	source  insight.Source
	health  func() api.Health
	guard   *guard
	started time.Time
	places  chan struct{}
}

func addAPI(mux *http.ServeMux, cfg Config, g *guard) {
	s := &server{source: cfg.Source, health: cfg.Health, guard: g, places: make(chan struct{}, maxAsks)}
	if s.health == nil {
		s.health = func() api.Health { return api.Health{Now: time.Now()} }
	}
	s.started = s.health().Started
	for path, ask := range map[string]func(api.Query) (any, error){
		api.ViewPath:      s.view,
		api.FindingsPath:  s.findings,
		api.EventsPath:    s.events,
		api.ExchangesPath: s.exchanges,
		api.HealthPath:    s.agent,
	} {
		mux.HandleFunc("GET "+path, g.hosted(s.handle(path, ask)))
	}
	mux.HandleFunc("/api/", g.hosted(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			writeText(w, http.StatusMethodNotAllowed, "the API takes GET only")
			return
		}
		if !s.authorized(w, r) {
			return
		}
		writeText(w, http.StatusNotFound, "there are "+strings.Join(
			[]string{api.ViewPath, api.FindingsPath, api.EventsPath, api.ExchangesPath, api.HealthPath}, ", "))
	}))
}

// handle makes an answer of what ask returns.
func (s *server) handle(path string, ask func(api.Query) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.authorized(w, r) {
			return
		}
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			writeText(w, http.StatusBadRequest, "read parameters: "+err.Error())
			return
		}
		q, err := api.Parse(path, values, time.Now())
		if err != nil {
			writeText(w, http.StatusBadRequest, err.Error())
			return
		}
		if !s.enter(r) {
			s.guard.count(refusedBusy)
			w.Header().Set("Retry-After", "1")
			writeText(w, http.StatusServiceUnavailable, "too many requests at once (ask again in a second)")
			return
		}
		defer func() { <-s.places }()
		found, err := ask(q)
		if err != nil {
			writeText(w, http.StatusInternalServerError, err.Error())
			return
		}
		body, err := json.Marshal(found)
		if err != nil {
			writeText(w, http.StatusInternalServerError, "write answer: "+err.Error())
			return
		}
		a := newAnswer("application/json", append(body, '\n'), gzip.BestSpeed)
		a.write(w, r)
	}
}

func (s *server) authorized(w http.ResponseWriter, r *http.Request) bool {
	if s.guard.allowed(r) {
		return true
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="gortap"`)
	writeText(w, http.StatusUnauthorized, "want the agent's token: -H 'Authorization: Bearer TOKEN'")
	return false
}

// enter waits for a place, which whoever gets it gives back.
func (s *server) enter(r *http.Request) bool {
	select {
	case s.places <- struct{}{}:
		return true
	default:
	}
	late := time.NewTimer(askWait)
	defer late.Stop()
	select {
	case s.places <- struct{}{}:
		return true
	case <-late.C:
	case <-r.Context().Done():
	}
	return false
}

func (s *server) agent(api.Query) (any, error) {
	h := s.health()
	h.Token = s.guard.token != ""
	return h, nil
}

func (s *server) view(q api.Query) (any, error) {
	v, err := s.source.View(q.Query)
	if err != nil {
		return nil, err
	}
	q.Trim(&v)
	return v, nil
}

func (s *server) findings(api.Query) (any, error) {
	all, err := s.source.Findings()
	return api.Findings{Findings: listed(all)}, err
}

func (s *server) events(api.Query) (any, error) {
	all, err := s.source.Events()
	return api.Events{Events: listed(all)}, err
}

func (s *server) exchanges(q api.Query) (any, error) {
	all, err := s.source.Exchanges(q.Query, q.After)
	return api.Exchanges{Started: s.started, Exchanges: listed(all)}, err
}

// listed makes an empty list of none.
func listed[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
