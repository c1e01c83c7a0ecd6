package session

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"gortap/internal/process"
	rec "gortap/internal/session"
)

// Output plays the sessions that are for one target. Put is for the hub; the other
// methods may be called from any goroutine.
type Output struct {
	cfg     Config
	target  netip.AddrPort
	release func(*rec.Event)
	stats   stats
	rate    *process.Rate
	warned  [numReasons]sync.Once
	buffers sync.Pool // of readers that sum
	began   time.Time // when the first session was due

	mu      sync.Mutex
	plays   map[uint64][]*play // by session, while events of it come
	all     map[*play]struct{} // that run
	running sync.WaitGroup
}

// New makes an Output. It looks the target up, but does not connect.
func New(cfg Config) (*Output, error) {
	a, err := net.ResolveTCPAddr("tcp", cfg.Target)
	if err != nil {
		return nil, fmt.Errorf("look up target: %w", err)
	}
	ap := a.AddrPort()
	o := &Output{
		cfg: cfg, target: netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()),
		plays: map[uint64][]*play{}, all: map[*play]struct{}{},
	}
	o.buffers.New = func() any { return new([digestAtOnce]byte) }
	if cfg.Limit.PerSecond > 0 {
		o.rate = process.NewRate(cfg.Limit.PerSecond)
	}
	if cfg.Clients.foreign() {
		if err := checkTransparent(o.target.Addr()); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Name tells the output in logs and the summary.
func (o *Output) Name() string {
	name := "session://" + o.cfg.Target
	if o.cfg.From != 0 {
		name = fmt.Sprintf("session://%d->%s", o.cfg.From, o.cfg.Target)
	}
	return name
}

// Target is where the sessions go.
func (o *Output) Target() netip.AddrPort { return o.target }

// Stats returns what became of the sessions so far.
func (o *Output) Stats() Stats {
	s := o.stats.read()
	o.mu.Lock()
	defer o.mu.Unlock()
	s.Running = len(o.all)
	return s
}

// put takes an event of a session that begins at due, and returns those it is for.
func (o *Output) put(e *rec.Event, due time.Time) []*play {
	s := e.Session
	switch e.Kind {
	case rec.Skipped:
		if o.wants(s) {
			o.stats.change(func(st *Stats) { st.Captured++ })
			o.book(&Line{}, s, 0, reasonOf(e.End))
		}
		return nil
	case rec.Open:
		if o.wants(s) {
			o.stats.change(func(st *Stats) {
				st.Captured++
				if s.PickedUp {
					st.PickedUp++
				}
			})
			o.open(s, due)
		}
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	plays := o.plays[s.ID]
	if e.Kind == rec.Over {
		delete(o.plays, s.ID)
	}
	return plays
}

func (o *Output) wants(s *rec.Session) bool {
	return o.cfg.From == 0 || o.cfg.From == s.Server.Port()
}

// open begins the copies of a session, or books why there are none.
func (o *Output) open(s *rec.Session, due time.Time) {
	copies := o.cfg.Limit.Copies(s.Hash)
	if copies == 0 {
		o.open1(s, 0, due, sampled)
	}
	admitted := o.admitted(s, due, copies)
	for n := range copies {
		why := none
		switch {
		case n >= admitted:
			why = ramped
		case o.cfg.Live && o.target == s.Server:
			why = sameServer
		case !o.allow():
			why = overRate
		}
		o.open1(s, n, due, why)
	}
}

// admitted is how many copies of a session the ramp lets through by now. What it lets
// through at some time, it does later.
func (o *Output) admitted(s *rec.Session, due time.Time, copies int) int {
	if o.cfg.Ramp <= 0 {
		return copies
	}
	if due.IsZero() {
		due = time.Now()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.began.IsZero() {
		o.began = due
	}
	limit := o.cfg.Limit
	limit.Connections *= min(due.Sub(o.began).Seconds()/o.cfg.Ramp.Seconds(), 1)
	return limit.Copies(s.Hash)
}

// allow reports whether one more may begin within the limit of a second.
func (o *Output) allow() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rate == nil || o.rate.Allow(time.Now().UnixNano())
}

// open1 begins one copy. One that is not to be played still learns what there was.
func (o *Output) open1(s *rec.Session, n int, due time.Time, why reason) {
	p := &play{out: o, session: s, copy: n, due: due, wakeup: make(chan struct{}, 1), order: o.cfg.Order}
	o.mu.Lock()
	defer o.mu.Unlock()
	if why == none && len(o.all) >= o.cfg.Max {
		why = tooMany
	}
	o.plays[s.ID] = append(o.plays[s.ID], p)
	if why != none {
		p.ended, p.why = true, why
		return
	}
	o.all[p] = struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	o.running.Go(func() {
		defer cancel()
		p.run(ctx)
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.all, p)
	})
}

// book counts a session that is over, and logs it.
func (o *Output) book(l *Line, s *rec.Session, n int, why reason) {
	l.Time, l.ID, l.Copy = time.Unix(0, s.OpenedNs).UTC(), s.ID, n
	l.PickedUp = s.PickedUp
	l.Client, l.Server, l.Target = s.Client.String(), s.Server.String(), o.cfg.Target
	switch {
	case why == none:
		l.Outcome = "replayed"
	case why.skips():
		l.Outcome = "skipped"
	default:
		l.Outcome = "partial"
	}
	l.Reason = reasonNames[why]
	if o.cfg.Compare != CompareNone && l.Compared == nil {
		l.Compared = uncomparedFor(why)
	}
	o.stats.end(l, why)
	if o.cfg.Log != nil {
		o.cfg.Log(l)
	}
}

// explain says, once for each reason, why sessions do not get to the target.
func (o *Output) explain(why reason, err error) {
	if o.cfg.Warn == nil || why == stopped {
		return
	}
	o.warned[why].Do(func() {
		switch why {
		case openFiles:
			err = fmt.Errorf("%w (each session is one: raise the limit with `ulimit -n`, or lower --session-max)", err)
		case connectTime:
			err = fmt.Errorf("%w: no answer (`%s` says why)", err, o.Doctor())
		case connectFail, address:
			err = fmt.Errorf("%w (`%s` says why)", err, o.Doctor())
		}
		o.cfg.Warn(err.Error())
	})
}

// Doctor is the command that finds out what keeps sessions from the target.
func (o *Output) Doctor() string {
	command := "agent doctor --target " + o.cfg.Target
	if o.cfg.Clients.foreign() {
		command += " --session-client-ip " + o.cfg.Clients.String()
	}
	return command
}

// Close waits until all sessions are played, or ctx is done; then it ends those that
// are left. Every session must be over before.
func (o *Output) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.running.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	o.mu.Lock()
	for p := range o.all {
		p.cancel()
	}
	o.mu.Unlock()
	<-done
	return nil
}
