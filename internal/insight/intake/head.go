package intake

import (
	"bytes"
	"hash/maphash"

	"gortap/internal/insight"
	"gortap/internal/proto"
	"gortap/internal/proto/syntax"
)

// heads takes heads apart: only what insight.Head wants, in one pass, and those that
// come again not at all. message.View does the same for who may change a message; it
// costs three times as much.
type heads struct {
	names *names
	seed  maphash.Seed
	known [2][]knownHead // by proto.Side and hash
	none  knownHead
	// In the head that was told last are those of, and what they were.
	told [2]toldHead
	// What the spans of this batch stand for.
	spans [2]spans[toldHead]
}

// knownHead is a head that came before, and what is in it.
type knownHead struct {
	fields []byte
	head   insight.Head
	times  uint64 // that the place was taken
}

// toldHead is a known head, as long as its place is not taken.
type toldHead struct {
	*knownHead
	times uint64
}

func (t toldHead) holds() bool { return t.knownHead != nil && t.knownHead.times == t.times }

const (
	knownHeads   = 256
	maxKnownHead = 1 << 10
)

func newHeads(n *names) heads {
	return heads{names: n, seed: maphash.MakeSeed(), known: [2][]knownHead{make([]knownHead, knownHeads), make([]knownHead, knownHeads)}}
}

// fieldsOf returns what follows a head's start line.
func fieldsOf(head []byte) []byte {
	start := 0
	for start < len(head) && (head[start] == '\r' || head[start] == '\n') { // RFC 9112, 2.2
		start++
	}
	end := bytes.IndexByte(head[start:], '\n')
	if end < 0 {
		return nil
	}
	return head[start+end+1:]
}

// read puts into h what field lines of that side tell. It remembers what it put there
// last: h must be the same each time, or clear.
func (hs *heads) read(side proto.Side, fields []byte, h *insight.Head) {
	if len(fields) > maxKnownHead {
		hs.tell(side, toldHead{&hs.none, 0}, h)
		hs.told[side] = toldHead{}
		hs.scan(side, fields, h)
		return
	}
	hs.tell(side, hs.find(side, fields), h)
}

// readSpan is read for field lines that a batch has at s.
func (hs *heads) readSpan(side proto.Side, b *batch, s span, h *insight.Head) {
	if t := hs.spans[side].get(s); t != nil && t.holds() {
		hs.tell(side, *t, h)
		return
	}
	hs.read(side, b.text(s), h)
	hs.spans[side].put(s, hs.told[side])
}

// find returns what is known of field lines.
func (hs *heads) find(side proto.Side, fields []byte) toldHead {
	k := &hs.known[side][maphash.Bytes(hs.seed, fields)%knownHeads]
	if !bytes.Equal(k.fields, fields) {
		k.fields, k.head, k.times = append(k.fields[:0], fields...), insight.Head{}, k.times+1
		hs.scan(side, fields, &k.head)
	}
	return toldHead{k, k.times}
}

// tell puts into h what a known head has.
func (hs *heads) tell(side proto.Side, t toldHead, h *insight.Head) {
	if hs.told[side] == t {
		return
	}
	hs.told[side] = t
	k := &t.head
	if side == proto.Client {
		h.AcceptEncoding, h.IfNoneMatch, h.IfModifiedSince = k.AcceptEncoding, k.IfNoneMatch, k.IfModifiedSince
		h.Range, h.UserAgent, h.Authorized = k.Range, k.UserAgent, k.Authorized
		return
	}
	h.ContentEncoding, h.ContentType, h.CacheControl = k.ContentEncoding, k.ContentType, k.CacheControl
	h.ETag, h.LastModified, h.Vary, h.RetryAfter = k.ETag, k.LastModified, k.Vary, k.RetryAfter
}

// clear empties h.
func (hs *heads) clear(h *insight.Head) { *h, hs.told = insight.Head{}, [2]toldHead{} }

// nextBatch forgets what spans stood for.
func (hs *heads) nextBatch() {
	for side := range hs.spans {
		hs.spans[side].forget()
	}
}

// scan goes through field lines.
func (hs *heads) scan(side proto.Side, fields []byte, h *insight.Head) {
	var last *string // for lines that are folded (RFC 9112, 5.2)
	for len(fields) > 0 {
		line := fields
		if end := bytes.IndexByte(fields, '\n'); end >= 0 {
			line, fields = fields[:end], fields[end+1:]
		} else {
			fields = nil
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if len(line) == 0 {
			return
		}
		if line[0] == ' ' || line[0] == '\t' {
			if last != nil {
				hs.add(last, syntax.Trim(line), " ")
			}
			continue
		}
		last = nil
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			continue
		}
		if last = field(side, syntax.Trim(line[:colon]), h); last != nil {
			hs.add(last, syntax.Trim(line[colon+1:]), ", ")
		}
	}
}

// add puts a value. Several fields of a name are one list (RFC 9110, 5.2).
func (hs *heads) add(to *string, value []byte, between string) {
	switch {
	case len(value) == 0:
	case *to == "":
		*to = hs.names.get(value)
	default:
		*to = hs.names.get([]byte(*to + between + string(value)))
	}
}

// field returns where a value goes, nil where nobody wants it.
func field(side proto.Side, name []byte, h *insight.Head) *string {
	if side == proto.Client {
		return requestField(name, h)
	}
	return responseField(name, h)
}

func requestField(name []byte, h *insight.Head) *string {
	switch len(name) {
	case len("Range"):
		return pick(name, "Range", &h.Range)
	case len("Cookie"):
		h.Authorized = h.Authorized || syntax.EqualFold(name, "Cookie")
	case len("User-Agent"):
		return pick(name, "User-Agent", &h.UserAgent)
	case len("Authorization"): // as long as If-None-Match
		h.Authorized = h.Authorized || syntax.EqualFold(name, "Authorization")
		return pick(name, "If-None-Match", &h.IfNoneMatch)
	case len("Accept-Encoding"):
		return pick(name, "Accept-Encoding", &h.AcceptEncoding)
	case len("If-Modified-Since"):
		return pick(name, "If-Modified-Since", &h.IfModifiedSince)
	}
	return nil
}

func responseField(name []byte, h *insight.Head) *string {
	switch len(name) {
	case len("ETag"):
		if to := pick(name, "ETag", &h.ETag); to != nil {
			return to
		}
		return pick(name, "Vary", &h.Vary)
	case len("Retry-After"):
		return pick(name, "Retry-After", &h.RetryAfter)
	case len("Content-Type"):
		return pick(name, "Content-Type", &h.ContentType)
	case len("Cache-Control"): // as long as Last-Modified
		if to := pick(name, "Cache-Control", &h.CacheControl); to != nil {
			return to
		}
		return pick(name, "Last-Modified", &h.LastModified)
	case len("Content-Encoding"):
		return pick(name, "Content-Encoding", &h.ContentEncoding)
	}
	return nil
}

func pick(name []byte, wanted string, to *string) *string {
	if !syntax.EqualFold(name, wanted) {
		return nil
	}
	return to
}
