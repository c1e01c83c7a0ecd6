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
}

// knownHead is a head that came before, and what is in it.
type knownHead struct {
	fields []byte
	head   insight.Head
}

const (
	knownHeads   = 256
	maxKnownHead = 1 << 10
)

func newHeads(n *names) heads {
	return heads{names: n, seed: maphash.MakeSeed(), known: [2][]knownHead{make([]knownHead, knownHeads), make([]knownHead, knownHeads)}}
}

// read adds to h what a head of that side tells.
func (hs *heads) read(side proto.Side, head []byte, h *insight.Head) {
	start := 0
	for start < len(head) && (head[start] == '\r' || head[start] == '\n') { // RFC 9112, 2.2
		start++
	}
	end := bytes.IndexByte(head[start:], '\n')
	if end < 0 {
		return
	}
	fields := head[start+end+1:]
	if len(fields) > maxKnownHead {
		hs.scan(side, fields, h)
		return
	}
	k := &hs.known[side][maphash.Bytes(hs.seed, fields)%knownHeads]
	if !bytes.Equal(k.fields, fields) {
		k.fields, k.head = append(k.fields[:0], fields...), insight.Head{}
		hs.scan(side, fields, &k.head)
	}
	if side == proto.Client {
		h.AcceptEncoding, h.IfNoneMatch, h.IfModifiedSince = k.head.AcceptEncoding, k.head.IfNoneMatch, k.head.IfModifiedSince
		h.Range, h.UserAgent, h.Authorized = k.head.Range, k.head.UserAgent, k.head.Authorized
		return
	}
	h.ContentEncoding, h.ContentType, h.CacheControl = k.head.ContentEncoding, k.head.ContentType, k.head.CacheControl
	h.ETag, h.LastModified, h.Vary, h.RetryAfter = k.head.ETag, k.head.LastModified, k.head.Vary, k.head.RetryAfter
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
