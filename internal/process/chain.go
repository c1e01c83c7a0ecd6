package process

import (
	"context"
	"log/slog"
	"time"

	"gortap/internal/process/middleware"
	"gortap/internal/record"
)

// Config is what the flags of the same names say, each as often as it was given;
// docs/modifiers.md explains them. None may be split at commas: they are part of
// regular expressions.
type Config struct {
	HTTPAllowMethod     []string
	HTTPDisallowMethod  []string
	HTTPAllowURL        []string
	HTTPDisallowURL     []string
	HTTPAllowHeader     []string
	HTTPDisallowHeader  []string
	HTTPBasicAuthFilter []string
	HTTPHeaderLimiter   []string
	HTTPParamLimiter    []string
	HTTPSetHeader       []string
	HTTPSetParam        []string
	HTTPRewriteURL      []string
	HTTPRewriteHeader   []string
	HTTPRewriteBody     []string
	// HTTPOriginalHost is for the output that sends requests: it leaves the
	// Host as it was.
	HTTPOriginalHost bool

	// Middleware is a command, as one would type it: words, and quotes around
	// what has spaces. Empty is none.
	Middleware string
	// MiddlewareTimeout is how long an answer may take; 0 is 5 s.
	MiddlewareTimeout time.Duration

	Log *slog.Logger // for what the middleware says and does; nil is none
}

// Chain takes records through the middleware, the filters and the modifiers, in
// this order, and hands what is left of them to a function.
type Chain struct {
	rules    *rules    // nil: there are none
	verdicts *verdicts // nil: nothing is filtered
	program  *middleware.Middleware
	out      func(*record.Record)
	count    counters
}

// New makes a Chain. Errors are about what the config says, and name the flag.
func New(cfg Config) (*Chain, error) {
	r, err := cfg.rules()
	if err != nil {
		return nil, err
	}
	c := &Chain{}
	if r.filters() || r.modifies() {
		c.rules = r
	}
	if r.filters() {
		c.verdicts = newVerdicts()
	}
	if cfg.Middleware == "" {
		return c, nil
	}
	c.program, err = middleware.New(middleware.Config{
		Command: cfg.Middleware, Timeout: cfg.MiddlewareTimeout, Log: cfg.Log,
	})
	return c, err
}

// Start begins, before the first Put. The chain calls out with each record that
// goes on, one at a time: from within Put, or, where there is middleware, from
// one goroutine of its own. While out blocks nothing else moves, and Put finds
// no room in the end.
func (c *Chain) Start(out func(*record.Record)) {
	c.out = out
	if c.program != nil {
		c.program.Start(c.apply)
	}
}

// Put takes a record, and owns it from here on. It may change the record, but not
// the bytes that its Data is made of. Where the middleware is slow it waits, no
// longer than wait or until ctx is done; it reports false where there is no room
// even then, and has counted the record as dropped. One goroutine may call it.
func (c *Chain) Put(ctx context.Context, r *record.Record, wait time.Duration) bool {
	c.count.taken.Add(1)
	if c.program != nil {
		return c.program.Put(ctx, r, wait)
	}
	c.apply(r)
	return true
}

// Close ends the middleware, after what was put has come back or ctx is done.
// After it nothing is handed out. It is idempotent.
func (c *Chain) Close(ctx context.Context) error {
	var err error
	if c.program != nil {
		err = c.program.Close(ctx)
	}
	if c.verdicts != nil {
		c.drop(noRequest, len(c.verdicts.held))
		c.verdicts.held = nil
	}
	return err
}

// Stats may be called at any time from any goroutine.
func (c *Chain) Stats() Stats {
	s := Stats{Taken: c.count.taken.Load(), Passed: c.count.passed.Load(), BodiesKept: c.count.bodiesKept.Load()}
	for i := range c.count.dropped {
		s.Dropped = append(s.Dropped, record.Count{Reason: reasonNames[i], N: c.count.dropped[i].Load()})
	}
	if c.program != nil {
		m := c.program.Stats()
		s.Dropped = append(s.Dropped, m.Dropped...)
		s.Added, s.Restarts, s.Garbled = m.Added, m.Restarts, m.Garbled
	}
	return s
}

// apply is the filters and modifiers.
func (c *Chain) apply(r *record.Record) {
	switch {
	case c.rules == nil, r.Kind == record.End:
		c.pass(r)
	case r.Kind == record.Request:
		c.request(r)
	case c.verdicts == nil:
		c.pass(r)
	default:
		c.follow(r)
	}
}

func (c *Chain) request(r *record.Record) {
	data, why := c.rules.apply(r.Data, &c.count)
	if c.verdicts != nil {
		c.verdicts.judge(c.verdicts.request(r.ID), why == passed)
		if why != unreadable && c.rules.upgrades() {
			c.verdicts.judge(c.verdicts.stream(r.Conn), why == passed)
		}
	}
	if why == passed {
		r.Data = data
		c.pass(r)
	} else {
		c.drop(why, 1)
	}
	if c.verdicts == nil || len(c.verdicts.held) == 0 {
		return
	}
	for _, response := range c.verdicts.release(r.ID) {
		c.follow(response)
	}
}

// follow does with a response or a stream what was done with its request.
func (c *Chain) follow(r *record.Record) {
	key := c.verdicts.request(r.ID)
	if r.Kind == record.Stream {
		key = c.verdicts.stream(r.Conn)
	}
	switch passed, known := c.verdicts.verdict(key); {
	case !known && r.Kind == record.Stream:
		c.drop(noRequest, 1)
	case !known:
		c.drop(noRequest, len(c.verdicts.hold(r)))
	case passed:
		c.pass(r)
	default:
		c.drop(ofFiltered, 1)
	}
}

func (c *Chain) pass(r *record.Record) {
	c.count.passed.Add(1)
	c.out(r)
}

func (c *Chain) drop(why reason, n int) { c.count.dropped[why].Add(uint64(n)) }
