package httpout

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"gortap/internal/record"
)

// reason says why a record was not replayed. The set is fixed: reasons are metric
// labels.
type reason uint8

const (
	queueFull   reason = iota // no room in the queue
	sampled                   // its connection is not in the share that is played
	overRate                  // more requests than the limit of a second
	incomplete                // not one whole request
	unsupported               // of a kind that cannot be sent to this target
	sameServer                // unsafe, and the target is the captured server itself
	connectFail               // no connection to the target
	connLimit                 // all connections are in use
	timeout                   // no whole response in time
	reset                     // the target ended the connection before the response did
	protocol                  // what came was no response
	notUpgraded               // bytes after an upgrade that the target did not make
	deadline                  // the end came first
	numReasons
)

var reasonNames = [numReasons]string{
	"queue-full", "sample", "rate", "incomplete", "unsupported", "same-server", "connect", "conn-limit",
	"timeout", "reset", "protocol", "not-upgraded", "deadline",
}

// ofTarget reports whether it is the target's doing.
func (r reason) ofTarget() bool {
	return r == connectFail || r == timeout || r == reset || r == protocol
}

// histograms count microseconds, up to ten minutes, with three digits.
const maxMicros = 600e6

type stats struct {
	mu       sync.Mutex
	taken    uint64
	done     uint64
	bytes    uint64
	dropped  [numReasons]uint64
	opened   uint64
	retried  uint64
	followed uint64
	statuses [1000]uint64
	latency  *hdrhistogram.Histogram
	lag      *hdrhistogram.Histogram
	maxLag   time.Duration
}

func newStats() *stats {
	return &stats{latency: hdrhistogram.New(1, maxMicros, 3), lag: hdrhistogram.New(1, maxMicros, 3)}
}

// take counts n records as taken.
func (s *stats) take(n int) {
	s.mu.Lock()
	s.taken += uint64(n)
	s.mu.Unlock()
}

func (s *stats) drop(why reason) {
	s.mu.Lock()
	s.dropped[why]++
	s.mu.Unlock()
}

func (s *stats) answer(status int, bytes int, latency time.Duration) {
	s.mu.Lock()
	s.done++
	s.bytes += uint64(bytes)
	s.statuses[status%len(s.statuses)]++
	note(s.latency, latency)
	s.mu.Unlock()
}

// wrote counts a record that has no answer.
func (s *stats) wrote(bytes int) {
	s.mu.Lock()
	s.done++
	s.bytes += uint64(bytes)
	s.mu.Unlock()
}

func (s *stats) late(by time.Duration) {
	s.mu.Lock()
	s.maxLag = max(s.maxLag, by)
	note(s.lag, by)
	s.mu.Unlock()
}

func (s *stats) add(counter *uint64) {
	s.mu.Lock()
	*counter++
	s.mu.Unlock()
}

// note clamps: what is beyond the histogram's range counts at its ends.
func note(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(d.Microseconds(), 0), maxMicros))
}

func (s *stats) record() record.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := record.Stats{Taken: s.taken, Done: s.done, Bytes: s.bytes, MaxLag: s.maxLag}
	for why, n := range s.dropped {
		if n > 0 {
			r.Dropped = append(r.Dropped, record.Count{Reason: reasonNames[why], N: n})
		}
	}
	return r
}

// Report is what an output did, beside its record.Stats.
type Report struct {
	Statuses  map[int]uint64 // responses by status
	Opened    uint64         // connections
	Retried   uint64         // requests sent again because their connection had gone
	Redirects uint64         // followed
	// Latency is from the first byte of a request written to the last byte of
	// its response, Lag from when a record was due to its first byte written.
	// Both are copies, in microseconds.
	Latency, Lag *hdrhistogram.Histogram
}

func (s *stats) report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Report{
		Statuses: make(map[int]uint64), Opened: s.opened, Retried: s.retried, Redirects: s.followed,
		Latency: hdrhistogram.Import(s.latency.Export()), Lag: hdrhistogram.Import(s.lag.Export()),
	}
	for status, n := range s.statuses {
		if n > 0 {
			r.Statuses[status] = n
		}
	}
	return r
}
