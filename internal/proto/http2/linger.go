package http2

import "gortap/internal/proto"

// lingerNs is how long the peer of a side that reset a stream is given for what
// it had sent already: a round trip and what its send buffers hold.
const lingerNs = 5e9

// lingering are the streams that one side has reset, oldest first. They take
// what the other side sent before it knew.
type lingering struct {
	queue []resetMark
	head  int
}

type resetMark struct {
	id   uint32
	tsNs int64
}

func (l *lingering) push(m resetMark) {
	if l.head > 0 && len(l.queue) == cap(l.queue) {
		l.queue = l.queue[:copy(l.queue, l.queue[l.head:])]
		l.head = 0
	}
	l.queue = append(l.queue, m)
}

func (l *lingering) len() int { return len(l.queue) - l.head }

func (l *lingering) pop() resetMark {
	m := l.queue[l.head]
	l.head++
	return m
}

// reset takes RST_STREAM from s (RFC 9113, 5.4.2).
func (p *parser) reset(s proto.Side, f frame, owed, ts int64) {
	st := p.streams[f.stream]
	if st == nil {
		p.unattributed(s, owed, proto.H2Connection)
		return
	}
	p.credit(st, s, owed)
	if !st.sides[s].ended {
		st.sides[s].ended = true
		st.fault(s, proto.Aborted)
	}
	if st.sides[s.Other()].ended {
		p.end(st, proto.Aborted)
		return
	}
	p.resets.push(resetMark{st.id, ts})
	if p.resets.len() > p.factory.opts.MaxStreams {
		p.expire()
	}
}

// sweep ends the streams that lingered for long enough.
func (p *parser) sweep(ts int64) {
	for p.resets.len() > 0 && ts-p.resets.queue[p.resets.head].tsNs > lingerNs {
		p.expire()
	}
}

// expire ends the stream that was reset first, if it is still there.
func (p *parser) expire() {
	if st := p.streams[p.resets.pop().id]; st != nil {
		p.end(st, proto.Aborted)
	}
}

// end ends a stream before its last frame came, and remembers that.
func (p *parser) end(st *stream, why proto.Reason) {
	p.letGo(st.id)
	p.finish(st, why)
}
