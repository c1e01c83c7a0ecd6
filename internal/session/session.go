// Package session is what the replay of whole TCP connections is made of: what the
// client of a connection did, in order, and how far its server had answered each
// time. Use it below any protocol: a Feed makes a stream of events of what one shard
// reassembles. Of a server's bytes it keeps their number, not their content.
package session

import (
	"net/netip"
	"sync/atomic"
)

// Session is one captured connection.
type Session struct {
	ID             uint64 // of the connection in this run
	Hash           uint64 // of the four-tuple: equal in every run
	Client, Server netip.AddrPort
	OpenedNs       int64 // of the first packet, Unix nanoseconds
	// Window is what the client could take at once, where its first packet tells that it
	// could never take much more; else 0.
	Window int
	// PickedUp says that it ran already, and begins here with one of its requests.
	PickedUp bool
}

// Kind says what an Event tells.
type Kind uint8

// The kinds. A session begins with Open and ends with Over, or is nothing but
// Skipped.
const (
	Open     Kind = iota
	Write         // the client sent Data, in one write as far as can be seen
	Shutdown      // the client ended its side, and may go on reading
	Abort         // the client reset the connection
	Window        // the client, which reads slowly, took bytes; see Taking
	Over          // nothing more is known of the session; End says why
	Skipped       // the session is none that can be replayed; End says why
)

// End says why a session is over.
type End uint8

// The ends. Those up to ServerReset are how connections end; after the others the
// client may have gone on.
const (
	Finished       End = iota // both sides ended it, or the client aborted it
	ServerReset               // the server aborted it
	Lost                      // some of the client's bytes were lost before they were captured
	Truncated                 // some of the client's bytes are not in the file
	NotCopied                 // some of the client's bytes were left out by the capture
	Evicted                   // the limit of connections was reached
	Expired                   // idle for too long
	Unfinished                // the capture ended first
	MidStream                 // it began before the capture
	MidStreamHTTP2            // so it did, and what its headers refer to is not known
	NumEnds
)

// String returns the metric label.
func (e End) String() string {
	return [NumEnds]string{
		"finished", "server-reset", "lost", "truncated", "not-copied", "evicted", "expired", "unfinished", "mid-stream", "mid-stream-http2",
	}[e]
}

// Whole reports whether the client's side is known to its end.
func (e End) Whole() bool { return e <= ServerReset }

// Event is one thing that happened to a session. Nobody changes it once it is put.
type Event struct {
	Session *Session
	Kind    Kind
	End     End
	TsNs    int64 // Unix nanoseconds
	// Need is how many of the server's bytes the client had when it did this, and
	// NeedNs when the server had sent them, 0 where there were none. NeedEnd says
	// that the server had ended its side too.
	Need    int64
	NeedNs  int64
	NeedEnd bool
	// Served is how many bytes the server had sent, and ServedSum their XXH64, where
	// the Feed makes sums. ServedGap says that some were not captured.
	Served    int64
	ServedSum uint64
	ServedGap bool
	// Received is, with Over, how many bytes the server sent in all.
	Received int64
	// RTTNs is the client's round trip as the capture saw it, 0 where it did not.
	RTTNs  int64
	Taking Taking // with Window
	Data   []byte

	shares atomic.Int32
}

// Size is what an event takes in memory, about.
func (e *Event) Size() int { return len(e.Data) + 160 }

// Share notes n more holders of the event.
func (e *Event) Share(n int) { e.shares.Add(int32(n)) }

// Release gives one share back and reports whether it was the last one.
func (e *Event) Release() bool { return e.shares.Add(-1) == 0 }
