package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"gortap/internal/output"
	"gortap/internal/pipeline"
	"gortap/internal/replay/session"
	rec "gortap/internal/session"

	"github.com/prometheus/client_golang/prometheus"
)

// sessions is the part of a run that replays whole connections. It is nil where none
// are.
type sessions struct {
	hub     *session.Hub
	outputs []sessionOutput
	log     *sessionLog
	live    bool
	closed  bool
	compare bool
	// threshold is which share of the compared connections may differ.
	threshold float64
	sums      bool // of what servers send
}

// sessionOutput is an output with a name that no other has.
type sessionOutput struct {
	*session.Output
	name string
}

var _ pipeline.ConnFeed = (*rec.Feed)(nil)

// openSessions makes what replays connections, if anything is to.
func openSessions(cfg *Config, in input, log *slog.Logger) (*sessions, error) {
	if !cfg.sessions() || cfg.InputFileDryRun {
		return nil, nil
	}
	if _, ok := in.(*recordings); ok {
		return nil, usagef("--output-session with .gor files: they hold messages, no connections (record packets with --output-file x.pcapng)")
	}
	targets, err := cfg.sessionTargets()
	if err != nil {
		return nil, err
	}
	s := &sessions{live: len(cfg.InputFile) == 0, compare: cfg.SessionCompare != "none", threshold: cfg.SessionThreshold, sums: cfg.SessionCompare == "hash"}
	if s.log, err = openSessionLog(cfg.SessionLog); err != nil {
		return nil, err
	}
	var opened []*session.Output
	for _, t := range targets {
		t.Log = s.log.add
		t.Warn = func(text string) { log.Warn("a session was not replayed", "error", text) }
		o, err := session.New(t)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("--output-session: %w", err), s.log.close())
		}
		s.outputs = append(s.outputs, sessionOutput{o, s.uniqueName(o.Name())})
		opened = append(opened, o)
	}
	o := session.HubOptions{Outputs: opened, Memory: int(cfg.SessionMemory), Stall: cfg.OutputStall}
	if !s.live {
		timing, err := cfg.sessionTiming()
		if err != nil {
			return nil, err
		}
		o.Timing = &timing
		if o.Window, err = cfg.window(); err != nil {
			return nil, err
		}
	}
	s.hub = session.NewHub(o)
	return s, nil
}

func (s *sessions) uniqueName(name string) string {
	same := 0
	for _, o := range s.outputs {
		if o.Name() == name {
			same++
		}
	}
	if same == 0 {
		return name
	}
	return fmt.Sprintf("%s#%d", name, same+1)
}

// feed makes the feed of a shard.
func (s *sessions) feed() *rec.Feed {
	f := rec.NewFeed(s.hub.Put)
	if s.sums {
		f.SumAnswers()
	}
	return f
}

// start lets the end of ctx cut the waits of a file's schedule short.
func (s *sessions) start(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, s.hub.Interrupt)
}

// drain plays what was put: after a signal, no longer than closeTimeout, and of files
// nothing more.
func (s *sessions) drain(ctx context.Context) error {
	if s.live {
		late, cancel := lingering(ctx)
		defer cancel()
		ctx = late
	}
	if err := errors.Join(s.close(ctx), s.unreached()); err != nil || !s.compare {
		return err
	}
	return s.judge()
}

// unreached is an error where a file was replayed and no session got to a target.
func (s *sessions) unreached() error {
	if s.live {
		return nil
	}
	var errs []error
	for _, o := range s.outputs {
		if st := o.Stats(); st.Unreached() > 0 && st.Replayed == 0 && st.Sent == 0 {
			errs = append(errs, fmt.Errorf("replay to %s: no session got to the target (`%s` says why)", o.name, o.Doctor()))
		}
	}
	return errors.Join(errs...)
}

// judge fails where a target differs by more than it may.
func (s *sessions) judge() error {
	for _, o := range s.outputs {
		c := o.Stats().Compared
		switch {
		case c.Compared() == 0:
			return differsError{o.name + ": no connection was compared (the summary says why)"}
		case c.Share() > s.threshold:
			return differsError{fmt.Sprintf("%s: %d of %d connections differ, more than --session-compare-threshold %g allows", o.name, c.Length+c.Content, c.Compared(), s.threshold)}
		}
	}
	return nil
}

func (s *sessions) close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.hub.Interrupt()
	return errors.Join(s.hub.Close(ctx), s.log.close())
}

// outcomes are the outputs for the summary.
func (s *sessions) outcomes() []output.Sessions {
	var all []output.Sessions
	for _, o := range s.outputs {
		st := o.Stats()
		var compared *output.SessionsCompared
		if s.compare {
			c := output.SessionsCompared(st.Compared)
			compared = &c
		}
		all = append(all, output.Sessions{
			Name: o.name, Captured: st.Captured, PickedUp: st.PickedUp, Sessions: st.Sessions, Replayed: st.Replayed,
			Partial: st.Partial, Skipped: st.Skipped,
			Sent: st.Sent, Received: st.Received, OriginalSent: st.OriginalSent, OriginalReceived: st.OriginalReceived,
			Unreached: st.Unreached(), Doctor: o.Doctor(),
			Stalled: st.Stalled, OtherPort: st.OtherPort, LagSeconds: st.MaxLag.Seconds(), Compared: compared,
		})
	}
	return all
}

// sessionMetrics tells, at each scrape, what became of the connections.
type sessionMetrics struct {
	agent *agent

	sessions, bytes, running, stalled, compared, memory *prometheus.Desc
}

var _ prometheus.Collector = (*sessionMetrics)(nil)

func newSessionMetrics(a *agent) *sessionMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &sessionMetrics{
		agent:    a,
		sessions: desc("gor_sessions_total", "Connections that were to be replayed and are over, by outcome: replayed, partial or skipped, and why.", "output", "outcome", "reason"),
		bytes:    desc("gor_session_bytes_total", "Payload of connections that are over: of side original as captured, of side replay as sent to and received from the target.", "output", "side", "direction"),
		running:  desc("gor_sessions_running", "Connections to the target now.", "output"),
		stalled:  desc("gor_sessions_stalled_total", "Connections whose target did not answer as the server had.", "output"),
		compared: desc("gor_session_compared_total", "Connections that are over, by how the target's answers compare: equal, length, content, or uncompared and why; where --session-compare is given.", "output", "verdict", "reason"),
		memory:   desc("gor_session_memory_bytes", "Bytes of clients that wait for targets."),
	}
}

// Describe implements prometheus.Collector.
func (m *sessionMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.sessions, m.bytes, m.running, m.stalled, m.compared, m.memory} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *sessionMetrics) Collect(out chan<- prometheus.Metric) {
	s := m.agent.sessions
	if s == nil {
		return
	}
	put := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, o := range s.outputs {
		st, name := o.Stats(), o.name
		count := func(d *prometheus.Desc, n uint64, labels ...string) {
			put(d, prometheus.CounterValue, float64(n), append([]string{name}, labels...)...)
		}
		count(m.sessions, st.Replayed, "replayed", "")
		for why, n := range st.Partial {
			count(m.sessions, n, "partial", why)
		}
		for why, n := range st.Skipped {
			count(m.sessions, n, "skipped", why)
		}
		count(m.bytes, st.OriginalSent, "original", "sent")
		count(m.bytes, st.OriginalReceived, "original", "received")
		count(m.bytes, st.Sent, "replay", "sent")
		count(m.bytes, st.Received, "replay", "received")
		count(m.stalled, st.Stalled)
		if s.compare {
			count(m.compared, st.Compared.Equal, "equal", "")
			count(m.compared, st.Compared.Length, "length", "")
			count(m.compared, st.Compared.Content, "content", "")
			for why, n := range st.Compared.Uncompared {
				count(m.compared, n, "uncompared", why)
			}
		}
		put(m.running, prometheus.GaugeValue, float64(st.Running), name)
	}
	put(m.memory, prometheus.GaugeValue, float64(s.hub.Used()))
}

// sessionLog writes --session-log. The zero value writes nothing.
type sessionLog struct {
	mu   sync.Mutex
	file *os.File
	w    *bufio.Writer
	at   time.Time // of the last flush
	err  error
}

func openSessionLog(path string) (*sessionLog, error) {
	if path == "" {
		return &sessionLog{}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("write session log: %w", err)
	}
	return &sessionLog{file: f, w: bufio.NewWriter(f)}, nil
}

func (l *sessionLog) add(line *session.Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil || l.err != nil {
		return
	}
	var w io.Writer = l.w
	l.err = json.NewEncoder(w).Encode(line)
	if now := time.Now(); now.Sub(l.at) > time.Second {
		l.at = now
		l.err = errors.Join(l.err, l.w.Flush())
	}
}

func (l *sessionLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return nil
	}
	err := errors.Join(l.err, l.w.Flush(), l.file.Close())
	l.w = nil
	if err != nil {
		return fmt.Errorf("write session log: %w", err)
	}
	return nil
}
