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
	known   spans[string] // targets of this batch
}

func newReader(r *redact.Redactor) *reader {
	names := newNames()
	return &reader{redact: r, heads: newHeads(names), names: names, targets: newNames()}
}

// begin is for the entries of another batch.
func (r *reader) begin() {
	r.heads.nextBatch()
	r.known.forget()
}

// read returns an observation that is good until the next call. What it has in common
// with the one before stays as it is.
func (r *reader) read(b *batch, e *entry) *insight.Observation {
	o := &r.o
	o.StartNs, o.EndNs, o.Conn, o.First, o.Upgraded = e.startNs, e.endNs, e.conn, e.flags&first != 0, e.flags&upgraded != 0
	o.Protocol, o.Client, o.Server = e.protocol, e.client, e.server
	o.Service, o.Method, o.Path, o.Row = e.service, e.method, e.path, e.row
	o.Status, o.Code, o.HasCode = int(e.status), int(e.code), e.flags&hasCode != 0
	o.RequestBytes, o.ResponseBytes, o.RequestSize, o.ResponseSize = e.requestBytes, e.responseBytes, e.requestSize, e.responseSize
	o.Duration, o.TTFB = time.Duration(e.durationNs), time.Duration(e.ttfbNs)
	o.Complete, o.Incomplete = e.incomplete == proto.Complete, e.incomplete
	o.RequestHash, o.ResponseHash, o.ResponsePart = e.hashes[proto.Client], e.hashes[proto.Server], e.part
	o.HasRequestHash, o.HasResponseHash = e.flags&hasRequestHash != 0, e.flags&hasResponseHash != 0
	if host := b.text(e.host); string(host) != o.Host {
		o.Host = r.names.get(host)
	}
	o.Target = r.target(b, e.target)
	if o.HasHead = e.flags&hasHead != 0; o.HasHead {
		for side, at := range e.heads {
			r.heads.readSpan(proto.Side(side), b, at, &o.Head)
		}
	} else {
		r.heads.clear(&o.Head)
	}
	o.Sample = nil
	if e.sample.to > e.sample.from {
		o.Sample = b.text(e.sample)
	}
	return o
}

// target returns a target as it is shown.
func (r *reader) target(b *batch, at span) string {
	if t := r.known.get(at); t != nil {
		return *t
	}
	target := b.text(at)
	t, known := r.targets.find(target)
	if !known {
		t = r.targets.set(target, r.redact.Target(target))
	}
	r.known.put(at, t)
	return t
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
