package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"gortap/internal/account"
	"gortap/internal/flow"
	"gortap/internal/output"
	"gortap/internal/pipeline"
	"gortap/internal/push"
	"gortap/internal/reassembly"
	"gortap/internal/web"
)

// closeTimeout bounds what the outputs may take for their last lines.
const (
	closeTimeout = 5 * time.Second
	readyPoll    = 5 * time.Millisecond
)

// agent is one run: an input, the shards it feeds, and what takes their results.
type agent struct {
	env       env
	cfg       *Config
	log       *slog.Logger
	input     input
	account   *account.Account
	outputs   []output.Output
	records   *records   // nil: nothing takes any
	sessions  *sessions  // nil: no connections are replayed
	datagrams *datagrams // nil: no UDP is sent again
	insights  *insights  // nil: exchanges are only counted
	shards    []*pipeline.Shard
	web       *web.Server
	pusher    *push.Pusher // nil: metrics are only scraped
	// governor keeps a live capture within its limits; nil: there is none.
	governor *governor
	served   bool // web ends with the run
	started  time.Time
}

// input is a source of segments: live capture or files.
type input interface {
	// shards is how many handlers run wants.
	shards() int
	// control goes back to the source from the handler of a shard; nil where
	// there is no way back.
	control(shard int) flow.Control
	// ownTotals says that nobody but the reassembler counts flows.
	ownTotals() bool
	// run feeds the handlers until the source ends or ctx is done.
	run(ctx context.Context, handlers []flow.Handler) error
	ready() bool
	// describe says what is captured, for the line at the start.
	describe() string
	// idle says why nothing can be captured at the moment; nil where it can.
	idle() error
	// volumes says where the packets went. It works beside run and after it.
	volumes() (volumes, error)
	close() error
}

// volumes is where an input's packets went. Matched = delivered + dropped.
type volumes struct {
	matched, delivered output.Volume
	dropped            []output.Drop
	// outcomes are the packets seen, each in one.
	outcomes []outcome
	live     bool // the following mean something
	ringFill float64
	copied   uint64  // bytes that passed the rings
	sample   float64 // share of new connections that are copied from
	flows    int
}

type outcome struct {
	name string
	output.Volume
}

// runAgent is `agent` without a subcommand.
func runAgent(ctx context.Context, e env, cfg *Config) (err error) {
	if limit := heapLimit(cfg); limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	cfg.fitRecords()
	a := newAgent(e, cfg)
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.open(); err != nil {
		return err
	}
	return a.run(ctx)
}

func newAgent(e env, cfg *Config) *agent {
	return &agent{env: e, cfg: cfg, log: newLogger(e.stderr, cfg), started: time.Now()}
}

// open makes everything that can fail before traffic flows, cheapest first.
func (a *agent) open() error {
	var err error
	if a.input, err = openInput(a.cfg, a.log); err != nil {
		return err
	}
	if a.account, err = newAccount(a.cfg, a.input.shards(), a.wantsTable()); err != nil {
		return err
	}
	if a.outputs, err = openOutputs(a.cfg, a.log); err != nil {
		return err
	}
	if err := a.openRecords(); err != nil {
		return err
	}
	if a.sessions, err = openSessions(a.cfg, a.input, a.log); err != nil {
		return err
	}
	if a.datagrams, err = openDatagrams(a.cfg, a.input, a.log); err != nil {
		return err
	}
	if a.insights, err = openInsights(a.cfg, a.mayCopy, a.log); err != nil {
		return err
	}
	if l, ok := a.input.(*live); ok && a.cfg.Degrade {
		a.governor = newGovernor(a.cfg, l, a.log)
		a.governor.tell(a.outputs, a.records != nil || a.sessions != nil)
	}
	for i := range a.input.shards() {
		a.shards = append(a.shards, a.newShard(i))
	}
	if f, ok := a.input.(*files); ok {
		f.again = a.again
	}
	if err := a.checkSummary(); err != nil {
		return err
	}
	return a.listen()
}

func (a *agent) newShard(i int) *pipeline.Shard {
	var feeds []pipeline.Feed
	for _, o := range a.outputs {
		feeds = append(feeds, o.Feed())
	}
	if _, recorded := a.input.(*recordings); a.records != nil && !recorded {
		feeds = append(feeds, a.records.recorder(a.input.shards()))
	}
	if a.sessions != nil {
		feeds = append(feeds, a.sessions.feed())
	}
	if a.datagrams != nil && a.datagrams.live == nil {
		feeds = append(feeds, a.datagrams.feed)
	}
	if a.insights != nil {
		feeds = append(feeds, a.insights.intake.Feed(resentOf(a.account.Shard(i))))
	}
	return pipeline.NewShard(pipeline.Options{
		Account:    a.account.Shard(i),
		Feeds:      feeds,
		Reassembly: reassemblyConfig(a.cfg, i, a.input.shards()),
		Open:       opener(a.cfg, a.governor),
		Control:    a.input.control(i),
		OwnTotals:  a.input.ownTotals(),
	})
}

// again lets packet files be read once more, as other connections.
func (a *agent) again(nowNs, shiftNs int64) {
	for _, s := range a.shards {
		s.Restart(nowNs)
	}
	if a.records != nil {
		a.records.again(shiftNs)
	}
	if a.sessions != nil {
		a.sessions.hub.Again(shiftNs)
	}
}

// reassemblyConfig is that of one of some shards.
func reassemblyConfig(cfg *Config, i, shards int) reassembly.Config {
	return reassembly.Config{
		GapTimeout:  cfg.GapTimeout,
		IdleTimeout: cfg.FlowIdleTimeout,
		MaxBuffered: int(cfg.MaxBufferedConn),
		MaxTotal:    max(buffered(cfg)/shards, int(cfg.MaxBufferedConn)),
		MaxConns:    max(connections(cfg)/shards, 1),
		FirstID:     uint64(i) + 1,
		IDStride:    uint64(shards),
	}
}

// run feeds the shards until the input ends, a signal comes or the time is over.
func (a *agent) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if a.cfg.ExitAfter > 0 {
		ctx, cancel = context.WithTimeout(ctx, a.cfg.ExitAfter)
		defer cancel()
	}
	var beside sync.WaitGroup
	if a.web != nil {
		beside.Go(func() { a.serve(ctx) })
	}
	beside.Go(func() {
		a.announce(ctx) // before the table takes the screen
		a.showTable(ctx)
	})
	if a.pusher != nil {
		beside.Go(func() { a.pusher.Run(ctx) })
	}
	beside.Go(func() { a.watchLosses(ctx) })
	beside.Go(func() { a.endWithReader(ctx, cancel) })
	beside.Go(func() { a.showProgress(ctx) })
	if a.governor != nil {
		beside.Go(func() { a.governor.run(ctx, a.input.volumes) })
	}
	beside.Go(func() { a.reopenOutputs(ctx) })
	if a.insights != nil {
		beside.Go(func() { a.insights.saveStates(ctx, a.log) })
	}
	handlers := make([]flow.Handler, len(a.shards))
	for i, s := range a.shards {
		handlers[i] = s
	}
	if a.records != nil {
		a.records.start(ctx)
	}
	if a.sessions != nil {
		defer a.sessions.start(ctx)()
	}
	if a.datagrams != nil {
		a.datagrams.start(ctx)
	}
	err := a.input.run(ctx, handlers)
	for _, s := range a.shards {
		s.Close()
	}
	if a.insights != nil {
		a.insights.intake.Close()
		err = errors.Join(err, a.insights.saveState())
	}
	if a.records != nil {
		err = errors.Join(err, a.records.drain(ctx, a.env))
	}
	if a.sessions != nil {
		err = errors.Join(err, a.sessions.drain(ctx))
	}
	if a.datagrams != nil {
		err = errors.Join(err, a.datagrams.drain(ctx))
	}
	cancel()
	beside.Wait()
	return errors.Join(err, a.conclude())
}

// openRecords makes what records and replays.
func (a *agent) openRecords() error {
	var err error
	if a.records, err = openRecords(a.cfg, a.input, a.log, a.started); err != nil {
		return err
	}
	if r, ok := a.input.(*recordings); ok {
		r.records = a.records
	}
	return nil
}

// serve answers until the run is over; a scrape that is cut then is no failure.
func (a *agent) serve(ctx context.Context) {
	a.served = true
	if err := a.web.Serve(ctx, serveGrace); err != nil {
		a.log.Warn("serve metrics", "error", err)
	}
}

// announce says once what is captured where.
func (a *agent) announce(ctx context.Context) {
	for !a.input.ready() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(readyPoll):
		}
	}
	where, args := "", []any{"version", version, "source", a.input.describe()}
	if a.web != nil {
		where = fmt.Sprintf("; metrics on %s/metrics", a.web.URL())
		args = append(args, "metrics", a.web.URL()+"/metrics")
		switch {
		case a.insights == nil:
		case a.web.PageOff() != "":
			a.log.Warn(a.web.PageOff())
		default:
			where += fmt.Sprintf(", page on %s/", a.web.URL())
			args = append(args, "page", a.web.URL()+"/")
		}
	}
	a.say(fmt.Sprintf("gortap %s: %s%s\n", version, a.input.describe(), where), "started", args...)
}

// reopenOutputs answers SIGHUP, which log rotation sends.
func (a *agent) reopenOutputs(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.env.reopen:
			for _, o := range a.outputs {
				o.Reopen()
			}
			if a.records != nil {
				for _, g := range a.records.gors {
					g.Reopen()
				}
			}
		}
	}
}

// conclude closes the outputs and writes the summary. Everything is final then.
func (a *agent) conclude() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var err error
	for _, o := range a.outputs {
		if e := o.Close(ctx); e != nil {
			err = errors.Join(err, e)
		}
	}
	if a.pusher != nil {
		a.pusher.Push(ctx)
	}
	return errors.Join(err, a.writeSummary())
}

// close frees what open made, in reverse order. It is for every way out.
func (a *agent) close() error {
	var err error
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if a.web != nil && !a.served {
		err = errors.Join(err, a.web.Close())
	}
	for _, o := range a.outputs {
		_ = o.Close(ctx) // told before, where it ran
	}
	if a.records != nil {
		err = errors.Join(err, a.records.close(ctx))
	}
	if a.sessions != nil {
		err = errors.Join(err, a.sessions.close(ctx))
	}
	if a.datagrams != nil {
		err = errors.Join(err, a.datagrams.close(ctx))
	}
	if a.insights != nil {
		a.insights.intake.Close()
	}
	if a.input != nil {
		err = errors.Join(err, a.input.close())
	}
	return err
}
