package datagram

import "sync"

// The reasons why a datagram was not sent. The set is fixed: reasons are metric labels.
const (
	skipSample    = "sample"
	skipRate      = "rate"
	skipSockets   = "max-sessions" // more clients at once than there may be
	skipSame      = "same-server"
	skipAddress   = "address" // no socket with the client's address
	skipFiles     = "open-files"
	skipTruncated = "truncated" // the file does not have all of it
	skipQueue     = "queue-full"
	skipRefused   = "send" // the kernel refused to send it
	skipStopped   = "stopped"
)

// Stats is what became of an output's datagrams. Datagrams = Sent + all of Skipped, and,
// after Close, Sent = Answered + Unanswered.
type Stats struct {
	Captured  uint64 // requests for this output
	Datagrams uint64 // with their copies, at least one each
	Sent      uint64
	Skipped   map[string]uint64 // by reason

	Answered, Unanswered uint64 // of those sent
	Unasked              uint64 // answers beyond those
	SentBytes, Received  uint64 // of payload, answers beyond among them
	OriginalSent         uint64 // bytes of the captured requests, as often as they were to be sent
	OriginalAnswers      uint64 // captured
	OriginalReceived     uint64 // bytes of these
	Sockets              int    // now
}

type stats struct {
	mu sync.Mutex
	Stats
}

func (s *stats) change(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.Stats)
}

func (s *stats) skip(why string) {
	s.change(func(st *Stats) {
		if st.Skipped == nil {
			st.Skipped = map[string]uint64{}
		}
		st.Datagrams++
		st.Skipped[why]++
	})
}
