package intake

import (
	"hash/maphash"
	"strconv"
	"time"

	"gortap/internal/insight"
	"gortap/internal/process/message"
	"gortap/internal/process/redact"
	"gortap/internal/proto"
	"gortap/internal/proto/syntax"
)

// reader makes observations of entries. One goroutine uses it.
type reader struct {
	redact  *redact.Redactor
	view    message.View
	o       insight.Observation
	names   names // hosts and values of fields
	targets names
}

func newReader(r *redact.Redactor) *reader {
	return &reader{redact: r, names: newNames(), targets: newNames()}
}

// read returns an observation that is good until the next call.
func (r *reader) read(b *batch, e *entry) *insight.Observation {
	r.o = insight.Observation{
		StartNs: e.startNs, EndNs: e.endNs, Conn: e.conn, First: e.flags&first != 0, Upgraded: e.flags&upgraded != 0,
		Protocol: e.protocol, Client: e.client, Server: e.server,
		Service: e.service, Method: e.method, Path: e.path,
		Status: int(e.status), Code: int(e.code), HasCode: e.flags&hasCode != 0,
		RequestBytes: e.requestBytes, ResponseBytes: e.responseBytes, RequestSize: e.requestSize, ResponseSize: e.responseSize,
		Duration: time.Duration(e.durationNs), TTFB: time.Duration(e.ttfbNs),
		Complete: e.incomplete == proto.Complete, Incomplete: e.incomplete,
		RequestHash: e.hashes[proto.Client], ResponseHash: e.hashes[proto.Server],
		ResponsePart:   e.part,
		HasRequestHash: e.flags&hasRequestHash != 0, HasResponseHash: e.flags&hasResponseHash != 0,
	}
	r.o.Host = r.names.get(b.text(e.host))
	target := b.text(e.target)
	if t, known := r.targets.find(target); known {
		r.o.Target = t
	} else {
		r.o.Target = r.targets.set(target, r.redact.Target(target))
	}
	if e.flags&hasHead != 0 {
		r.o.HasHead = true
		r.request(b.text(e.heads[proto.Client]))
		r.response(b.text(e.heads[proto.Server]))
	}
	if e.sample.to > e.sample.from {
		r.o.Sample = b.text(e.sample)
	}
	return &r.o
}

func (r *reader) request(head []byte) {
	if len(head) == 0 || !r.view.Parse(head) {
		return
	}
	h := &r.o.Head
	for i := range r.view.Fields() {
		name, value := r.view.Field(i)
		switch len(name) {
		case len("Range"):
			r.set(&h.Range, name, "Range", value)
		case len("Cookie"):
			h.Authorized = h.Authorized || syntax.EqualFold(name, "Cookie")
		case len("User-Agent"):
			r.set(&h.UserAgent, name, "User-Agent", value)
		case len("Authorization"): // as long as If-None-Match
			h.Authorized = h.Authorized || syntax.EqualFold(name, "Authorization")
			r.set(&h.IfNoneMatch, name, "If-None-Match", value)
		case len("Accept-Encoding"):
			r.set(&h.AcceptEncoding, name, "Accept-Encoding", value)
		case len("If-Modified-Since"):
			r.set(&h.IfModifiedSince, name, "If-Modified-Since", value)
		}
	}
}

func (r *reader) response(head []byte) {
	if len(head) == 0 || !r.view.Parse(head) {
		return
	}
	h := &r.o.Head
	for i := range r.view.Fields() {
		name, value := r.view.Field(i)
		switch len(name) {
		case len("ETag"):
			r.set(&h.ETag, name, "ETag", value)
			r.set(&h.Vary, name, "Vary", value)
		case len("Retry-After"):
			r.set(&h.RetryAfter, name, "Retry-After", value)
		case len("Content-Type"):
			r.set(&h.ContentType, name, "Content-Type", value)
		case len("Cache-Control"): // as long as Last-Modified
			r.set(&h.CacheControl, name, "Cache-Control", value)
			r.set(&h.LastModified, name, "Last-Modified", value)
		case len("Content-Encoding"):
			r.set(&h.ContentEncoding, name, "Content-Encoding", value)
		}
	}
}

// set puts a value where the name is the wanted one. Several fields of a name are one
// list (RFC 9110, 5.2).
func (r *reader) set(to *string, name []byte, wanted string, value []byte) {
	if !syntax.EqualFold(name, wanted) {
		return
	}
	if *to == "" {
		*to = r.names.get(value)
		return
	}
	*to = r.names.get([]byte(*to + ", " + string(value)))
}

// names are strings that come again, so that they are made once. Those that have not
// come for long are forgotten.
type names struct {
	young, old map[string]string
	seed       maphash.Seed
}

const (
	maxNames = 4096
	maxName  = 1 << 10 // longer ones are cut, and get their hash at the end
)

func newNames() names { return names{young: map[string]string{}, seed: maphash.MakeSeed()} }

func (n *names) find(key []byte) (string, bool) {
	if s, ok := n.young[string(key)]; ok {
		return s, true
	}
	if s, ok := n.old[string(key)]; ok {
		n.put(string(key), s)
		return s, true
	}
	return "", false
}

func (n *names) get(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	if s, ok := n.find(key); ok {
		return s
	}
	return n.set(key, key)
}

// set notes what key stands for.
func (n *names) set(key, value []byte) string {
	s := ""
	switch {
	case len(value) > maxName:
		hash := strconv.FormatUint(maphash.Bytes(n.seed, value), 16)
		s = string(value[:maxName-len(hash)-2]) + "~" + hash
	case string(key) == string(value):
		s = string(key)
		n.put(s, s)
		return s
	default:
		s = string(value)
	}
	if len(key) <= maxName {
		n.put(string(key), s)
	}
	return s
}

func (n *names) put(key, s string) {
	if len(n.young) >= maxNames {
		n.young, n.old = make(map[string]string, maxNames), n.young
	}
	n.young[key] = s
}
