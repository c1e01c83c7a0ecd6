package httpout

import (
	"bytes"
	"errors"

	"gortap/internal/proto/syntax"
)

// state is where in a response a reader is.
type state uint8

const (
	inStatus state = iota
	inFields
	inBody      // remain bytes to go
	inChunkSize // the line before a chunk
	inChunk     // remain bytes to go
	inChunkEnd  // the empty rest of a line after it
	inTrailers
	untilClose
)

// event is what a reader came to.
type event uint8

const (
	more    event = iota // it took everything and wants more
	interim              // the end of a 1xx response: another one follows
	final                // the end of the response
)

// maxHead bounds a response's head, and its trailers, in bytes.
const maxHead = 256 << 10

// errProtocol says that what came is no response.
var errProtocol = errors.New("not an HTTP response")

// response reads one response after the other, incrementally: it may be given the
// bytes in any pieces, and keeps only lines that are split between two of them.
type response struct {
	// What the request asked for; set by begin.
	isHead, connect, upgrades, redirects bool

	status    int
	keepAlive bool
	upgraded  bool   // what follows is no HTTP/1
	location  []byte // where the request asked for it

	state  state
	remain int64
	head   int // bytes of head, chunk line or trailers so far
	// headSize is the length of the final response's head; 0: not whole yet.
	headSize int
	line     []byte // of a split line
	frame    framing
	started  bool // something of the response has come
}

// begin expects the response to q.
func (p *response) begin(q *request, redirects bool) {
	*p = response{isHead: q.isHead, connect: q.connect, upgrades: q.upgrades, redirects: redirects, line: p.line[:0], location: p.location[:0]}
	p.reset()
}

func (p *response) reset() {
	p.state, p.head, p.keepAlive, p.upgraded = inStatus, 0, true, false
	p.frame = framing{length: -1}
}

// feed reads from b up to the end of a response and returns how much it took.
func (p *response) feed(b []byte) (n int, e event, err error) {
	if len(b) > 0 {
		p.started = true
	}
	for n < len(b) {
		took := 0
		took, e, err = p.step(b[n:])
		n += took
		if e != more || err != nil {
			return n, e, err
		}
	}
	return n, more, nil
}

// eof takes the end of the connection, and reports whether it ends the response
// where that may end.
func (p *response) eof() bool { return p.state == untilClose }

func (p *response) step(b []byte) (n int, e event, err error) {
	switch p.state {
	case inBody, inChunk:
		n = int(min(int64(len(b)), p.remain))
		p.remain -= int64(n)
		if p.remain > 0 {
			return n, more, nil
		}
		if p.state == inBody {
			return n, final, nil
		}
		p.state = inChunkEnd
		return n, more, nil
	case untilClose:
		return len(b), more, nil
	}
	line, n, whole := p.readLine(b)
	if p.head += n; p.head > maxHead {
		return n, more, errProtocol
	}
	if !whole {
		return n, more, nil
	}
	e, err = p.takeLine(line)
	p.line = p.line[:0]
	return n, e, err
}

// readLine takes b up to and with the next line end. A line within b is returned in
// place.
func (p *response) readLine(b []byte) (line []byte, n int, whole bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		p.line = append(p.line, b[:min(len(b), maxHead)]...)
		return nil, len(b), false
	}
	line = b[:i]
	if len(p.line) > 0 {
		p.line = append(p.line, line...)
		line = p.line
	}
	if k := len(line); k > 0 && line[k-1] == '\r' {
		line = line[:k-1]
	}
	return line, i + 1, true
}

func (p *response) takeLine(line []byte) (event, error) {
	switch p.state {
	case inStatus:
		return more, p.statusLine(line)
	case inFields:
		if len(line) == 0 {
			return p.endHead()
		}
		p.field(line)
		return more, nil
	case inChunkSize:
		n, ok := syntax.ChunkSize(line)
		if !ok {
			return more, errProtocol
		}
		p.head = 0
		if p.state, p.remain = inChunk, n; n == 0 {
			p.state = inTrailers
		}
		return more, nil
	case inChunkEnd:
		if len(line) > 0 {
			return more, errProtocol
		}
		p.state = inChunkSize
		return more, nil
	default: // inTrailers
		if len(line) == 0 {
			return final, nil
		}
		return more, nil
	}
}

func (p *response) statusLine(line []byte) error {
	if len(line) == 0 {
		return nil // RFC 9112, 2.2 asks servers to bear with it; some servers need it too
	}
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return errProtocol
	}
	n, ok := syntax.Decimal(line[9:12])
	if !ok || n < 100 {
		return errProtocol
	}
	p.status, p.state, p.keepAlive = int(n), inFields, line[7] != '0'
	return nil
}

func (p *response) field(line []byte) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 {
		return
	}
	switch i {
	case len("location"):
		if p.redirects && syntax.EqualFold(line[:i], "location") {
			p.location = append(p.location[:0], syntax.Trim(line[i+1:])...)
		}
	case len("connection"):
		if syntax.EqualFold(line[:i], "connection") {
			value := line[i+1:]
			if syntax.HasToken(value, "close") {
				p.keepAlive = false
			} else if syntax.HasToken(value, "keep-alive") {
				p.keepAlive = true
			}
		}
	case len("content-length"):
		if syntax.EqualFold(line[:i], "content-length") {
			n, ok := syntax.Length(syntax.Trim(line[i+1:]))
			p.frame.bad = p.frame.bad || !ok || p.frame.length >= 0 && p.frame.length != n
			p.frame.length = n
		}
	case len("transfer-encoding"):
		if syntax.EqualFold(line[:i], "transfer-encoding") {
			p.frame.coded, p.frame.chunked = true, syntax.LastToken(line[i+1:], "chunked")
		}
	}
}

// endHead decides what follows a head (RFC 9112, 6.3).
func (p *response) endHead() (event, error) {
	f := &p.frame
	if p.status >= 200 || p.status == 101 {
		p.headSize = p.head
	}
	switch {
	case p.status == 101:
		if !p.upgrades {
			return more, errProtocol
		}
		p.upgraded = true
		return final, nil
	case p.status < 200:
		p.reset()
		return interim, nil
	case p.connect && p.status < 300:
		p.upgraded = true
		return final, nil
	case p.isHead, p.status == 204, p.status == 304:
		return final, nil
	case f.coded && f.chunked:
		p.state, p.head = inChunkSize, 0
		return more, nil
	case f.coded:
		p.untilClose()
		return more, nil
	case f.bad:
		return more, errProtocol
	case f.length == 0:
		return final, nil
	case f.length > 0:
		p.state, p.remain = inBody, f.length
		return more, nil
	}
	p.untilClose()
	return more, nil
}

// large reports whether much of a body is to come.
func (p *response) large() bool {
	return (p.state == inBody || p.state == inChunk) && p.remain > 4*readSize
}

func (p *response) untilClose() { p.state, p.keepAlive = untilClose, false }
