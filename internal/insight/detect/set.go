package detect

import (
	"net/http"

	"gortap/internal/insight"
	"gortap/internal/proto"
)

var _ insight.Detector = (*Set)(nil)

// Set is all detectors. It serves one goroutine at a time.
type Set struct {
	cfg       Config
	targets   *targets
	table     *table
	services  *services
	history   *history
	detectors []detector
	carried   map[string]insight.Finding
	runBytes  int64 // wire bytes of the run
	bytes     int64 // of this window
	windowNs  int64 // when it began
	nowNs     int64
	x         exchange // of the call that goes on
}

// detector is one kind of waste. Its state is of the present window, unless it says
// otherwise.
type detector interface {
	observe(x *exchange)
	// find adds what it has found until now.
	find(r *report)
	// forget lets go of an endpoint whose slot another one takes.
	forget(slot int)
	// reset begins another window.
	reset()
}

// exchange is an Observation with what several detectors need of it. It is borrowed.
type exchange struct {
	*insight.Observation
	ep     *endpoint
	svc    *service
	caller *service // whose server's address the client has; nil where there is none
	bytes  int64    // wire bytes of both directions
	nowNs  int64    // when it ended
	client uint64   // hash of the client's address
	target *target
	safe   bool // GET or HEAD
	ok     bool // complete with status 200 to 299
	failed bool // an answer that says to try again, or none
}

// New makes a Set that knows nothing yet.
func New(cfg Config) *Set {
	cfg.fill()
	s := &Set{cfg: cfg, targets: newTargets(), carried: make(map[string]insight.Finding)}
	t := &s.cfg.Thresholds
	s.services = newServices(s.cfg.MaxServices)
	s.history = newHistory(s.cfg.Warmup)
	s.detectors = []detector{
		newSizeJump(t, s.cfg.Warmup, s.history),
		&rateJump{t: t, history: s.history, warmup: seconds(s.cfg.Warmup)},
		&oversized{t: t}, &unbounded{t: t}, newPaging(t),
		&compress{t: t}, &doubleCoded{}, newRepeats(t), &etags{t: t}, &redundant{t: t},
		newPairs(t), &chatty{t: t}, &concentration{t: t}, &churn{t: t}, &retransmission{t: t},
		&errorStorm{t: t}, newRetries(t),
	}
	s.table = newTable(s.cfg.MaxEndpoints, s.forget)
	return s
}

func (s *Set) forget(slot int) {
	for _, d := range s.detectors {
		d.forget(slot)
	}
	s.history.forget(slot)
}

// Observe takes an exchange that ended. It keeps nothing of o but strings.
func (s *Set) Observe(o *insight.Observation) {
	end := max(o.StartNs, o.EndNs)
	s.Tick(end)
	x := &s.x
	*x = exchange{Observation: o, bytes: o.RequestBytes + o.ResponseBytes, nowNs: end}
	s.runBytes += x.bytes
	s.bytes += x.bytes
	x.client = hashAddr(o.Client.Addr())
	x.target = s.targets.find(o.Target)
	x.safe = o.Method == http.MethodGet || o.Method == http.MethodHead
	x.ok = o.Complete && o.Status >= 200 && o.Status < 300
	x.failed = isFailure(o)
	x.ep = s.table.of(o)
	x.ep.add(x)
	x.svc, x.caller = s.services.observe(x)
	s.history.observe(x)
	for _, d := range s.detectors {
		d.observe(x)
	}
	x.Observation = nil
}

// isFailure is what clients try again after. What the capture missed is none.
func isFailure(o *insight.Observation) bool {
	if o.Status >= 500 || o.Status == http.StatusTooManyRequests || o.Incomplete == proto.Aborted || o.Incomplete == proto.NoResponse {
		return !o.Upgraded
	}
	switch o.Code {
	case 4, 8, 13, 14, 15: // deadline, exhausted, internal, unavailable, data loss
		return o.HasCode
	}
	return false
}

// Tick tells the time, in Unix nanoseconds. A time before the latest one is ignored.
func (s *Set) Tick(nowNs int64) {
	if nowNs <= s.nowNs {
		return
	}
	if s.windowNs == 0 {
		s.windowNs = nowNs
	}
	second := s.nowNs / secondNs
	s.nowNs = nowNs
	if nowNs/secondNs == second {
		return
	}
	s.history.advance(nowNs / secondNs)
	if s.cfg.Window > 0 && nowNs-s.windowNs >= int64(s.cfg.Window) {
		s.turn()
	}
}

// Resent counts payload bytes that a service's connections sent again.
func (s *Set) Resent(service string, bytes uint64) {
	svc := s.services.of(service)
	svc.again += int64(bytes)
	svc.seenAgain.see(s.nowNs)
}

// Missed takes exchanges that it is not told of one by one: rates are told from those
// that it is, by their share. Findings are of those alone.
func (s *Set) Missed(m *insight.Missed) {
	s.Tick(m.EndNs)
	s.history.missed(m.EndNs, m.Requests)
}

// Events returns departures from the forecast, the latest first; at most maxEvents.
func (s *Set) Events() []insight.Event { return s.history.events.list() }
