package record

import "gortap/internal/proto"

// dropReason is a proto.Reason for what is incomplete, or one of these.
type dropReason = proto.Reason

// Why whole messages are no records.
const (
	tooLarge  = proto.NumReasons + iota // larger than the limit for one
	noMemory                            // too much was going on at once
	pushed                              // a request that the server made up (HTTP/2)
	queueFull                           // nobody took it in time
	numReasons
)

func reasonName(why dropReason) string {
	switch why {
	case tooLarge:
		return "too-large"
	case noMemory:
		return "memory"
	case pushed:
		return "pushed"
	case queueFull:
		return "queue-full"
	}
	return why.String()
}

// tally counts messages. Taken = done + dropped + those that go on or are held.
type tally struct {
	taken, done, requests, bytes uint64
	dropped                      [numReasons]uint64
}

func (t *tally) drop(why dropReason) { t.dropped[why]++ }

func (r *Recorder) publish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.published = r.tally
}

// RecorderStats is what became of the messages.
type RecorderStats struct {
	Stats
	Requests uint64 // of those done
}

// Stats returns the counts as of the last Tick. Any goroutine may call it. Taken
// are messages, pieces of upgraded connections, and ends of connections; Done
// are those that became records and found room. After Close, Taken = Done + all
// of Dropped.
func (r *Recorder) Stats() RecorderStats {
	r.mu.Lock()
	t := r.published
	r.mu.Unlock()
	s := RecorderStats{Stats: Stats{Taken: t.taken, Done: t.done, Bytes: t.bytes}, Requests: t.requests}
	for why, n := range t.dropped {
		if n > 0 {
			s.Dropped = append(s.Dropped, Count{reasonName(dropReason(why)), n})
		}
	}
	return s
}
