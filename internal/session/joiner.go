package session

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/http1"
	"gortap/internal/proto/http2"
	"gortap/internal/reassembly"
)

// maxHeld bounds what a client may send before it is known whether its session can be
// taken up there.
const maxHeld = 64 << 10

// joiner stands before a connection whose beginning was not seen, and looks for the place
// where its session can be taken up: a segment of HTTP/1 that begins with a request,
// after all that the server said, and whose answer begins with a status line. Nothing of
// the session is told until then.
type joiner struct {
	conn   *conn
	joined bool     // all is the conn's affair
	trying bool     // there was such a segment
	any    bool     // somebody sent something
	last   flow.Dir // who was the last one
	h2     bool     // there were frames of HTTP/2
	held   int
}

var _ reassembly.Receiver = (*joiner)(nil)

// begun reports whether the connection's opener is known after all.
func (j *joiner) begun() bool {
	if !j.joined && !j.trying && (j.conn.known || j.conn.rc.OpenerKnown) {
		j.joined = true
	}
	return j.joined
}

// Data implements reassembly.Receiver.
func (j *joiner) Data(d flow.Dir, b []byte, tsNs int64) {
	if j.begun() || j.fits(d, b) || j.join(d, b, tsNs) {
		j.conn.Data(d, b, tsNs)
	}
	j.any, j.last = true, d
}

// fits reports whether bytes belong to the session that is tried. An answer decides it.
func (j *joiner) fits(d flow.Dir, b []byte) bool {
	if !j.trying {
		return false
	}
	if d == j.conn.client {
		if j.held += len(b); j.held > maxHeld {
			j.refute()
		}
		return j.trying
	}
	if v, _ := http1.DetectMid(b); v != proto.FromServer {
		j.refute()
		return false
	}
	j.trying, j.joined = false, true
	j.conn.reveal()
	return true
}

// join reports whether a session can be tried from these bytes on.
func (j *joiner) join(d flow.Dir, b []byte, tsNs int64) bool {
	if !j.h2 {
		v, _ := http2.DetectMid(b)
		j.h2 = v == proto.FromClient || v == proto.FromServer
	}
	s := j.conn.feed.current
	if j.any && j.last == d || s == nil || s.Key != j.conn.key || s.Dir != d || !s.Flags.Has(flow.ACK) ||
		len(b) == 0 || len(s.Data) != len(b) || &s.Data[0] != &b[0] {
		return false
	}
	if v, _ := http1.DetectMid(b); v != proto.FromClient {
		return false
	}
	c := j.conn
	c.client, c.known, c.hides = d, true, true
	c.isn, c.isnKnown = s.Ack, true
	c.session.OpenedNs, c.session.PickedUp = tsNs, true
	j.trying, j.held = true, len(b)
	return true
}

// refute goes back to where nothing is known.
func (j *joiner) refute() {
	j.trying = false
	j.conn.forget()
}

// Gap implements reassembly.Receiver.
func (j *joiner) Gap(d flow.Dir, n int64, why flow.Gap, tsNs int64) {
	if j.begun() {
		j.conn.Gap(d, n, why, tsNs)
	} else if j.trying {
		j.refute()
	}
	j.any, j.last = true, d
}

// End implements reassembly.Receiver.
func (j *joiner) End(d flow.Dir, tsNs int64) {
	if j.begun() || j.trying {
		j.conn.End(d, tsNs)
	}
}

// Close implements reassembly.Receiver.
func (j *joiner) Close(why reassembly.CloseReason, tsNs int64) {
	if j.trying {
		j.refute()
	}
	if !j.begun() && j.any {
		end := MidStream
		if j.h2 {
			end = MidStreamHTTP2
		}
		j.conn.leaveOut(end, tsNs)
	}
	j.conn.Close(why, tsNs)
}

// forget lets a conn begin anew.
func (c *conn) forget() {
	fresh := newConn(c.feed, c.rc)
	*c = *fresh
}

// reveal tells what was hidden.
func (c *conn) reveal() {
	c.hides = false
	c.feed.pending = append(c.feed.pending, c.hidden...)
	c.hidden = nil
}

// leaveOut says that a connection is no session. Its ends are a guess: the lower port is
// rather the server's.
func (c *conn) leaveOut(end End, tsNs int64) {
	c.told, c.over, c.client = true, true, flow.FromB
	c.session.Client, c.session.Server = c.key.Source(flow.FromB), c.key.Source(flow.FromA)
	c.emit(&Event{Kind: Skipped, End: end, TsNs: tsNs})
}
