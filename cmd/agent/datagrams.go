package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"gortap/internal/capture"
	"gortap/internal/output"
	"gortap/internal/pipeline"
	"gortap/internal/replay/datagram"
)

// udpScheme begins an --output-session of datagrams.
const udpScheme = "udp://"

// datagrams is the part of a run that sends UDP requests again. It is nil where none is
// asked for.
type datagrams struct {
	outputs []*datagram.Output
	feed    *datagram.Feed
	live    *capture.Datagrams // nil: of files
	log     *slog.Logger
	quit    context.CancelFunc
	running sync.WaitGroup
	lost    uint64
	closed  bool
}

var _ pipeline.DatagramFeed = (*datagram.Feed)(nil)

// datagramTargets are the outputs of UDP that are asked for.
func (c *Config) datagramTargets() ([]datagram.Config, error) {
	shared, err := c.sessionDefaults()
	if err != nil {
		return nil, err
	}
	var all []datagram.Config
	for _, text := range c.OutputSession {
		text, udp := strings.CutPrefix(text, udpScheme)
		if !udp {
			continue
		}
		t := datagram.Config{Config: shared, Wait: c.SessionTimeout}
		if err := t.ParseTarget(text); err != nil {
			return nil, usagef("--output-session: %w", err)
		}
		if t.From == 0 {
			port := t.Target[strings.LastIndex(t.Target, ":")+1:]
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil || n == 0 {
				return nil, usagef("--output-session %s%s: want a number for the port", udpScheme, text)
			}
			t.From = uint16(n)
		}
		if !t.Live {
			timing, err := c.sessionTiming()
			if err != nil {
				return nil, err
			}
			t.Timing = &timing
		}
		all = append(all, t)
	}
	return all, nil
}

// openDatagrams makes what sends UDP requests again, if anything is to.
func openDatagrams(cfg *Config, in input, log *slog.Logger) (*datagrams, error) {
	targets, err := cfg.datagramTargets()
	if err != nil || len(targets) == 0 || cfg.InputFileDryRun {
		return nil, err
	}
	if _, ok := in.(*recordings); ok {
		return nil, usagef("--output-session udp://... with .gor files: they hold no datagrams (use files of packets)")
	}
	d := &datagrams{log: log}
	ports := make([]string, len(targets))
	for i, t := range targets {
		ports[i] = strconv.Itoa(int(t.From))
		if i := slices.IndexFunc(targets[:i], func(u datagram.Config) bool { return u.From == t.From && u.Target == t.Target }); i >= 0 {
			return nil, usagef("--output-session: udp from port %d to %s twice (use |x2)", t.From, t.Target)
		}
		o, err := datagram.New(t)
		if err != nil {
			return nil, fmt.Errorf("--output-session: %w", err)
		}
		d.outputs = append(d.outputs, o)
	}
	d.feed = datagram.NewFeed(d.outputs)
	if len(cfg.InputFile) == 0 {
		interfaces, expr, err := liveSelection(cfg)
		if err != nil {
			return nil, err
		}
		of := "udp and (port " + strings.Join(ports, " or port ") + ")"
		if expr != "" {
			of = "(" + expr + ") and " + of
		}
		if d.live, err = capture.OpenDatagrams(of, interfaces); err != nil {
			return nil, fmt.Errorf("--output-session udp://...: %w (--input-raw ':%s/udp' selects it)", err, ports[0])
		}
	}
	return d, nil
}

// start captures, live, and lets the end of ctx end what waits.
func (d *datagrams) start(ctx context.Context) {
	ctx, d.quit = context.WithCancel(ctx)
	if d.live != nil {
		d.running.Go(func() {
			if err := d.live.Run(ctx, d.feed.Datagram, func() { d.feed.Tick(0) }); err != nil {
				d.log.Warn("no more datagrams are captured", "error", err)
			}
		})
	}
	stop := context.AfterFunc(ctx, func() {
		for _, o := range d.outputs {
			o.Interrupt()
		}
	})
	quit := d.quit
	d.quit = func() {
		stop()
		quit()
	}
}

// drain waits for the answers that may still come, but not for long after a signal.
func (d *datagrams) drain(ctx context.Context) error {
	if d.quit != nil {
		d.quit()
	}
	d.running.Wait()
	if d.live != nil {
		late, cancel := lingering(ctx)
		defer cancel()
		ctx = late
	}
	return d.close(ctx)
}

func (d *datagrams) close(ctx context.Context) error {
	if d.closed {
		return nil
	}
	d.closed = true
	var err error
	if d.live != nil {
		d.feed.Close()
		d.lost = d.live.Lost()
		err = d.live.Close()
	}
	var wg sync.WaitGroup
	for _, o := range d.outputs {
		wg.Go(func() { _ = o.Close(ctx) })
	}
	wg.Wait()
	if err != nil {
		return fmt.Errorf("close packet socket: %w", err)
	}
	return nil
}

// outcomes are the outputs for the summary.
func (d *datagrams) outcomes() []output.Datagrams {
	var all []output.Datagrams
	for _, o := range d.outputs {
		s := o.Stats()
		all = append(all, output.Datagrams{
			Name: o.Name(), Captured: s.Captured, Lost: d.lost, Datagrams: s.Datagrams, Sent: s.Sent, Skipped: s.Skipped,
			Answered: s.Answered, Unanswered: s.Unanswered, Unasked: s.Unasked, SentBytes: s.SentBytes, Received: s.Received,
			OriginalSent: s.OriginalSent, OriginalAnswers: s.OriginalAnswers, OriginalReceived: s.OriginalReceived,
		})
	}
	return all
}

// datagramMetrics tells, at each scrape, what became of the datagrams.
type datagramMetrics struct {
	agent          *agent
	total, answers *prometheus.Desc
}

var _ prometheus.Collector = (*datagramMetrics)(nil)

func newDatagramMetrics(a *agent) *datagramMetrics {
	return &datagramMetrics{
		agent:   a,
		total:   prometheus.NewDesc("gor_datagrams_total", "UDP requests that were to be sent again, by outcome: sent or skipped, and why.", []string{"output", "outcome", "reason"}, nil),
		answers: prometheus.NewDesc("gor_datagram_answers_total", "Answers of the target to UDP requests, and of side original those that were captured.", []string{"output", "side"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *datagramMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.total
	out <- m.answers
}

// Collect implements prometheus.Collector.
func (m *datagramMetrics) Collect(out chan<- prometheus.Metric) {
	if m.agent.datagrams == nil {
		return
	}
	for _, o := range m.agent.datagrams.outputs {
		s := o.Stats()
		put := func(d *prometheus.Desc, n uint64, labels ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{o.Name()}, labels...)...)
		}
		put(m.total, s.Sent, "sent", "")
		for why, n := range s.Skipped {
			put(m.total, n, "skipped", why)
		}
		put(m.answers, s.Answered, "replay")
		put(m.answers, s.OriginalAnswers, "original")
	}
}
