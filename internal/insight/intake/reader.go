package intake

import (
	"hash/maphash"
	"strconv"
	"time"

	"gortap/internal/insight"
	"gortap/internal/process/redact"
	"gortap/internal/proto"
)

// reader makes observations of entries. One goroutine uses it.
type reader struct {
	redact  *redact.Redactor
	o       insight.Observation
	heads   heads
	names   *names // hosts and values of fields
	targets *names
}

func newReader(r *redact.Redactor) *reader {
	names := newNames()
	return &reader{redact: r, heads: newHeads(names), names: names, targets: newNames()}
}

// read returns an observation that is good until the next call.
func (r *reader) read(b *batch, e *entry) *insight.Observation {
	host := r.o.Host // mostly of the exchange before, too
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
	if r.o.Host = host; string(b.text(e.host)) != host {
		r.o.Host = r.names.get(b.text(e.host))
	}
	target := b.text(e.target)
	if t, known := r.targets.find(target); known {
		r.o.Target = t
	} else {
		r.o.Target = r.targets.set(target, r.redact.Target(target))
	}
	if e.flags&hasHead != 0 {
		r.o.HasHead = true
		for side, head := range e.heads {
			r.heads.read(proto.Side(side), b.text(head), &r.o.Head)
		}
	}
	if e.sample.to > e.sample.from {
		r.o.Sample = b.text(e.sample)
	}
	return &r.o
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

func newNames() *names { return &names{young: map[string]string{}, seed: maphash.MakeSeed()} }

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
