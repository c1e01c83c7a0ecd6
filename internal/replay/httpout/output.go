package httpout

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/process"
	"gortap/internal/record"
)

// overhead is what a record costs in memory beside its data.
const overhead = 256

// Output sends requests to one target. See record.Output for who may call what.
type Output struct {
	cfg     Config
	target  target
	tls     *tls.Config // nil without TLS
	tcp     func(ctx context.Context, network, address string) (net.Conn, error)
	local   map[string]bool // this machine's addresses
	rate    *process.Rate   // nil without a limit
	stats   *stats
	begin   time.Time
	health  health
	trouble trouble

	records, bytes atomic.Int64  // that wait or are under way
	waiting        atomic.Bool   // Put waits for room
	room           chan struct{} // holds a token where there may be some

	mu     sync.Mutex
	byKey  map[key]*session
	live   map[*session]struct{} // with those that byKey has no more
	free   []*session            // of a pool: those that have nothing to do, once each
	next   int                   // of a pool: whose turn it is where none is free
	pool   []*session
	closed bool

	wg      sync.WaitGroup // sessions
	timed   func() (context.Context, context.CancelFunc)
	abort   context.CancelFunc
	keeper  sync.WaitGroup
	quit    chan struct{}
	stopped sync.Once
}

var _ record.Output = (*Output)(nil)

// key names a session: a recorded connection, and which of its copies.
type key struct {
	conn uint64
	copy int
}

// New makes an output, which connects when there is something to send. The caller
// closes it.
func New(cfg Config) (*Output, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	t, err := parseTarget(cfg.URL)
	if err != nil {
		return nil, err
	}
	local, err := localAddresses()
	if err != nil {
		return nil, err
	}
	o := &Output{
		cfg: cfg, target: t, local: local, stats: newStats(), begin: time.Now(),
		room: make(chan struct{}, 1), byKey: make(map[key]*session), live: make(map[*session]struct{}), quit: make(chan struct{}),
	}
	o.trouble.log, o.trouble.name = cfg.Log, o.Name()
	var dialer net.Dialer
	if !cfg.Unmarked {
		dialer.Control = mark
	}
	o.tcp = dialer.DialContext
	if t.tls {
		o.tls = o.tlsFor(t.name)
		if cfg.ServerName != "" {
			o.tls.ServerName = cfg.ServerName
		}
	}
	if cfg.Limit.PerSecond > 0 {
		o.rate = process.NewRate(cfg.Limit.PerSecond)
	}
	ctx, abort := context.WithCancel(context.Background())
	o.abort = abort
	o.timed = func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, cfg.Timeout) }
	o.keeper.Go(o.keep)
	return o, nil
}

func (o *Output) tlsFor(name string) *tls.Config {
	return &tls.Config{ServerName: name, InsecureSkipVerify: o.cfg.SkipVerify, RootCAs: o.cfg.RootCAs}
}

// Name tells the output by its target.
func (o *Output) Name() string {
	if o.target.tls {
		return "https://" + o.target.host
	}
	return "http://" + o.target.host
}

// Needs asks for requests.
func (o *Output) Needs() record.Needs { return record.Needs{Requests: true} }

// Stats counts copies of records as records.
func (o *Output) Stats() record.Stats { return o.stats.record() }

// Report may be called at any time.
func (o *Output) Report() Report { return o.stats.report() }

// Put takes a request, what follows an upgrade, or the end of a connection. Records
// left out by a limit are counted as dropped, and taken.
func (o *Output) Put(r *record.Record, wait time.Duration) bool {
	switch r.Kind {
	case record.Request, record.Stream, record.End:
	default:
		return true
	}
	copies := o.cfg.Limit.Copies(r.Conn)
	if r.Kind != record.End {
		o.stats.take(max(copies, 1))
		if copies == 0 {
			o.leaveOut(r, sampled)
		}
	}
	all := true
	var until time.Time
	for i := range copies {
		if r.Kind == record.End {
			o.end(key{r.Conn, i})
			continue
		}
		if r.Kind == record.Request && o.rate != nil && !o.rate.Allow(o.now()) {
			if i > 0 {
				o.stats.drop(overRate)
			} else {
				o.leaveOut(r, overRate)
			}
			continue
		}
		why, ok := o.try(r, i)
		for !ok && wait > 0 {
			if until.IsZero() {
				until = time.Now().Add(wait)
			}
			if !o.awaitRoom(time.Until(until)) {
				break
			}
			why, ok = o.try(r, i)
		}
		if !ok {
			o.stats.drop(why)
			o.trouble.of(why)
			all = false
		}
	}
	return all
}

// leaveOut counts a record that is not to be sent.
func (o *Output) leaveOut(r *record.Record, why reason) {
	o.stats.drop(why)
	if o.cfg.OnLeftOut != nil && r.Kind == record.Request {
		o.cfg.OnLeftOut(r.ID)
	}
}

// awaitRoom waits until a record was finished.
func (o *Output) awaitRoom(d time.Duration) bool {
	if d <= 0 {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-o.room:
		return true
	case <-timer.C:
		return false
	}
}

// try puts a record into its session's queue, or says what is in the way.
func (o *Output) try(r *record.Record, i int) (why reason, ok bool) {
	o.waiting.Store(true) // before looking, so that no room made meanwhile goes unnoticed
	size := int64(len(r.Data) + overhead)
	if n := o.bytes.Load(); n > 0 && (n+size > int64(o.cfg.QueueBytes) || o.records.Load() >= int64(o.cfg.QueueLen)) {
		return queueFull, false
	}
	q := queued{r: r}
	o.bytes.Add(size)
	o.records.Add(1)
	if why, ok = o.hand(q, i); !ok {
		o.bytes.Add(-size)
		o.records.Add(-1)
		return why, false
	}
	o.waiting.Store(false)
	return 0, true
}

func (o *Output) end(k key) {
	o.mu.Lock()
	s := o.byKey[k]
	delete(o.byKey, k)
	o.mu.Unlock()
	if s != nil {
		s.end()
	}
}

// ended forgets a session.
func (o *Output) ended(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.live, s)
	if s.keyed && o.byKey[s.key] == s {
		delete(o.byKey, s.key)
	}
	for i, p := range o.pool {
		if p == s {
			o.pool = append(o.pool[:i], o.pool[i+1:]...)
			break
		}
	}
	signal(o.room)
}

// release gives back a record's room.
func (o *Output) release(r *record.Record) {
	o.bytes.Add(-int64(len(r.Data) + overhead))
	o.records.Add(-1)
	if o.waiting.Load() {
		signal(o.room)
	}
}

func (o *Output) drop(r *record.Record, why reason) {
	o.stats.drop(why)
	o.trouble.of(why)
	o.release(r)
}

// now is the time since the output began, in nanoseconds, never 0.
func (o *Output) now() int64 { return int64(time.Since(o.begin)) + 1 }

// Close lets the sessions finish what they have until ctx is done, then cuts them
// off.
func (o *Output) Close(ctx context.Context) error {
	o.stopped.Do(func() {
		defer o.abort()
		done := make(chan struct{})
		sessions := o.shut()
		for _, s := range sessions {
			s.end()
		}
		go func() {
			defer close(done)
			o.wg.Wait()
		}()
		select {
		case <-done:
		case <-ctx.Done():
			o.abort()
			for _, s := range sessions {
				s.cut()
			}
			<-done
		}
		close(o.quit)
		o.keeper.Wait()
	})
	return nil
}

// shut stops the intake and returns the sessions that are left.
func (o *Output) shut() []*session {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	sessions := make([]*session, 0, len(o.live))
	for s := range o.live {
		sessions = append(sessions, s)
	}
	return sessions
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func localAddresses() (map[string]bool, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list this machine's addresses: %w", err)
	}
	local := make(map[string]bool)
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok {
			local[n.IP.String()] = true
		}
	}
	return local, nil
}
