package session

import "time"

// quiet is how long a target must be silent for its answer to count as ended where it
// is shorter than the server's. It is longer than what lies between two pieces of an
// answer on a busy machine, and much shorter than a stall.
const quiet = 100 * time.Millisecond

// answered is how far a target has answered.
type answered struct {
	bytes int64
	at    time.Time // when the last of them came
	over  bool      // nothing more will come
	reset bool      // the target aborted the connection
}

// waiting is what a write waits for.
type waiting struct {
	order Order
	need  int64 // the server's bytes that the client had, in all
	goal  int64 // by turns: the target's bytes that are as many since the last write
	base  int64 // the target's bytes at the last write
	end   bool  // the server had ended its side as well
	// leaves says that the client ends its side: servers let go of an answer that
	// goes on then, so that silence alone is not taken for its end.
	leaves bool
	// since is when the client acted last, and until when the server had answered,
	// counted from there.
	since, until time.Time
	stall        time.Duration
}

// verdict says what became of a wait.
type verdict uint8

const (
	wait  verdict = iota // look again at the time returned, or when more has come
	full                 // the whole answer is there
	short                // an answer is there, and no more of it comes
	stuck                // too much time has passed
)

// look judges what the target has answered until now.
func (w *waiting) look(now time.Time, a answered) (verdict, time.Time) {
	last := later(w.since, a.at)
	stuckAt := later(last, w.until).Add(w.stall)
	switch {
	case a.over:
		return full, a.at
	case w.end:
	case w.order == ByBytes && a.bytes >= w.need, w.order == ByTurns && a.bytes >= w.goal:
		return full, a.at
	case w.leaves:
	case w.order == ByTurns && (a.bytes > w.base || a.bytes >= w.need):
		if now.Sub(last) >= quiet {
			return short, last
		}
		return wait, earlier(last.Add(quiet), stuckAt)
	}
	if !now.Before(stuckAt) {
		return stuck, now
	}
	return wait, stuckAt
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
