package session

import (
	"maps"
	"sync"
	"time"

	rec "gortap/internal/session"
)

// reason says why a session was not replayed, or not to its end. The set is fixed:
// reasons are metric labels.
type reason uint8

const (
	none           reason = iota
	midStream             // skipped: it began before the capture
	midStreamHTTP2        // so it did, and HTTP/2 cannot be picked up
	sampled               // not in the share that is played
	ramped                // the ramp admits fewer at this time
	overRate              // more new sessions than the limit of a second
	tooMany               // too many at once
	sameServer            // the target is the captured server itself
	connectFail           // the target refused
	connectTime           // the target did not answer
	openFiles             // no descriptor is left for another socket
	address               // no socket with the address of the client
	lost                  // partial: bytes of the client are missing
	truncated
	notCopied
	evicted
	expired
	unfinished // the capture ended before the session
	encrypted  // TLS: the target cannot have understood it
	targetGone // the target ended the connection first
	writeTime  // the target took no bytes
	queueFull  // more of it waited than there is room for
	stopped    // the run ended
	numReasons
)

var reasonNames = [numReasons]string{
	"", "mid-stream", "mid-stream-http2", "sample", "ramp", "rate", "max-sessions", "same-server", "connect", "connect-timeout", "open-files", "address",
	"lost", "truncated", "not-copied", "evicted", "expired", "unfinished", "tls", "target-closed", "write-timeout", "queue-full", "stopped",
}

// skips reports whether nothing of the session was sent.
func (r reason) skips() bool { return r > none && r < lost }

// reasonOf is why a session is partial, or skipped, whose recording ended so.
func reasonOf(end rec.End) reason {
	switch end {
	case rec.Lost:
		return lost
	case rec.Truncated:
		return truncated
	case rec.NotCopied:
		return notCopied
	case rec.Evicted:
		return evicted
	case rec.Expired:
		return expired
	case rec.Unfinished:
		return unfinished
	case rec.MidStream:
		return midStream
	case rec.MidStreamHTTP2:
		return midStreamHTTP2
	}
	return none
}

// Stats is what became of an output's sessions. After Close, Sessions = Replayed +
// all of Partial + all of Skipped.
type Stats struct {
	Captured uint64 // that are for this output
	PickedUp uint64 // of which these ran already
	Sessions uint64 // with their copies, at least one each
	Replayed uint64
	Partial  map[string]uint64
	Skipped  map[string]uint64
	Running  int

	Sent, Received                 uint64 // bytes, of what was replayed or partial
	OriginalSent, OriginalReceived uint64 // of the captured sessions, as often as they were to be played

	Stalled   uint64 // sessions whose target did not answer as the server had
	OtherPort uint64 // sessions whose client's port was not free
	MaxLag    time.Duration

	Compared ComparedStats
}

type stats struct {
	mu sync.Mutex
	Stats
	partial, skipped [numReasons]uint64
}

func (s *stats) change(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.Stats)
}

// end books how a session ended.
func (s *stats) end(l *Line, why reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Sessions++
	switch {
	case why == none:
		s.Replayed++
	case why.skips():
		s.skipped[why]++
	default:
		s.partial[why]++
	}
	s.Sent += uint64(l.Sent)
	s.Received += uint64(l.Received)
	s.OriginalSent += uint64(l.OriginalSent)
	s.OriginalReceived += uint64(l.OriginalReceived)
	if l.Stalls > 0 {
		s.Stalled++
	}
	if l.OtherPort {
		s.OtherPort++
	}
	s.MaxLag = max(s.MaxLag, l.lag)
	if l.Compared != nil {
		s.Compared.add(l.Compared)
	}
}

func (s *stats) read() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.Stats
	out.Compared.Uncompared = map[string]uint64{}
	maps.Copy(out.Compared.Uncompared, s.Compared.Uncompared)
	out.Partial, out.Skipped = named(&s.partial), named(&s.skipped)
	return out
}

// Unreached is how many sessions did not get a connection to the target.
func (s *Stats) Unreached() uint64 {
	n := uint64(0)
	for _, why := range []reason{connectFail, connectTime, address} {
		n += s.Skipped[reasonNames[why]]
	}
	return n
}

func named(counts *[numReasons]uint64) map[string]uint64 {
	m := map[string]uint64{}
	for why, n := range counts {
		if n > 0 {
			m[reasonNames[why]] = n
		}
	}
	return m
}

// Line is what is told of one session in a log.
type Line struct {
	Time   time.Time `json:"time"` // when it was captured
	ID     uint64    `json:"id"`
	Client string    `json:"client"`
	Server string    `json:"server"`
	Target string    `json:"target"`
	Local  string    `json:"local,omitempty"` // where the replay came from
	Copy   int       `json:"copy"`            // from 0
	// Outcome is replayed, partial or skipped, and Reason why it is not the first.
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`

	Writes           int     `json:"writes"`
	Sent             int64   `json:"sent"`
	OriginalSent     int64   `json:"original_sent"`
	Received         int64   `json:"received"`
	OriginalReceived int64   `json:"original_received"`
	Stalls           int     `json:"stalls"`
	RTT              float64 `json:"client_rtt_seconds"` // as captured; 0: unknown
	PickedUp         bool    `json:"picked_up"`          // it ran already, and begins with one of its requests
	OtherPort        bool    `json:"other_port"`
	Paced            bool    `json:"slow_reader"` // the client read slowly
	Connect          float64 `json:"connect_seconds"`
	Duration         float64 `json:"duration_seconds"`
	OriginalDuration float64 `json:"original_duration_seconds"`
	// Compared is how the answers compare, where that is asked for.
	Compared *Compared `json:"compared,omitempty"`

	lag time.Duration
}
