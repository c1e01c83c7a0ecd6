package detect

import (
	"bytes"

	"gortap/internal/insight"
)

// redundant finds JSON answers that hold the same again in each message: fields that
// never change, and names and punctuation that a binary form would not send. It
// looks at samples of answers that are not compressed and differ from each other.
type redundant struct {
	t     *Thresholds
	purse purse
	slots[redundantState]
}

type redundantState struct {
	n, bodies     int64
	when          schedule
	messages      [8]uint64 // hashes of those that were looked at
	looked        int
	bytes, binary int64 // of the samples
	fields        map[uint64]*fieldState
	callers       int64 // came from a service that is known
	caller        string
	seen          span64
	examples      examples
}

// fieldState is a field over several messages.
type fieldState struct {
	name     string
	value    uint64
	messages int
	last     int // the latest message that had it
	bytes    int64
	first    int64 // bytes of the first occurrence: these are needed
	changes  bool
}

const (
	maxFields = 128
	maxSample = 16 << 10 // of a message; more tells no more
)

func (d *redundant) observe(x *exchange) {
	if !x.HasHead || !x.ok || x.Head.ContentEncoding != "" || x.ResponseSize < d.t.RedundantMin {
		return
	}
	st := d.peek(x.ep.slot)
	if st == nil {
		if !beginsJSON(x.Sample) {
			return
		}
		st = d.at(x.ep.slot)
	}
	st.n++
	st.bodies += x.ResponseSize
	if x.caller != nil {
		st.callers++
		st.caller = x.caller.name
	}
	st.seen.see(x.nowNs)
	if len(x.Sample) == 0 || st.looked >= len(st.messages) && !st.when.due(true) || !d.purse.take(x.nowNs) {
		return
	}
	d.look(x, st)
}

func beginsJSON(sample []byte) bool {
	start := bytes.TrimLeft(sample[:min(16, len(sample))], " \r\n\t")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[')
}

// look takes a sample that differs from those before.
func (d *redundant) look(x *exchange, st *redundantState) {
	sample := x.Sample[:min(maxSample, len(x.Sample))]
	hash := fnv(sample)
	for _, h := range st.messages {
		if h == hash {
			return // the same message again is what a cache is for
		}
	}
	st.messages[st.looked%len(st.messages)] = hash
	st.looked++
	st.examples.add(x)
	if st.fields == nil {
		st.fields = make(map[uint64]*fieldState)
	}
	st.bytes += int64(scanJSON(sample, st.take))
}

func (st *redundantState) take(f field) {
	st.binary += binaryBytes(f.value)
	s := st.fields[f.path]
	if s == nil {
		if len(st.fields) >= maxFields {
			return
		}
		s = &fieldState{name: string(bytes.Trim(f.name, `"`)), value: fnv(f.value), first: f.bytes}
		st.fields[f.path] = s
	}
	s.changes = s.changes || s.value != fnv(f.value)
	s.bytes += f.bytes
	if s.last != st.looked {
		s.messages++
		s.last = st.looked
	}
}

// constant returns the bytes of fields that had one value in all messages, and the
// names of the largest.
func (st *redundantState) constant() (bytes int64, names []string) {
	var largest [3]*fieldState
	for _, f := range st.fields {
		if f.changes || f.messages < st.looked || f.messages < 2 {
			continue
		}
		bytes += f.bytes - f.first
		for i := range largest {
			if largest[i] == nil || larger(f, largest[i]) {
				copy(largest[i+1:], largest[i:])
				largest[i] = f
				break
			}
		}
	}
	for _, f := range largest {
		if f != nil && f.name != "" {
			names = append(names, f.name)
		}
	}
	return bytes, names
}

func larger(a, b *fieldState) bool { return a.bytes > b.bytes || a.bytes == b.bytes && a.name < b.name }

func (d *redundant) find(r *report) {
	for slot, st := range d.of {
		if st == nil || st.looked < d.t.RedundantBodies || st.bytes == 0 || st.bodies < st.n*d.t.RedundantMin {
			continue
		}
		same, names := st.constant()
		share := float64(same) / float64(st.bytes)
		binary := max(0, 1-float64(st.binary)/float64(st.bytes))
		saves := int64(share * float64(st.bodies))
		if share < d.t.RedundantShare || !r.matters(saves) {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.RedundantPayload, st.seen)
		from, who := "", r.who(e)
		if 2*st.callers > st.n {
			from, who = st.caller+" gets ", ""
			f.Clients = []string{st.caller}
		}
		f.Title = percent(share) + " of each answer of " + e.name() + " is the same in every message (" + list(names) + ")" + who
		if from != "" {
			f.Title = from + "answers of " + e.name() + " of which " + percent(share) + " is the same in every message (" + list(names) + ")"
		}
		f.evidence("Samples that differ", "%s, %s", count(int64(st.looked)), size(st.bytes))
		f.evidence("Fields that never change", "%s of them", size(same))
		f.evidence("A binary form with a schema", "about %s smaller (estimated from names, quotes and digits)", percent(binary))
		f.Remedy = "Send what never changes once: leave " + list(names) + " out of " + e.path + " (fields=, or an endpoint of its own with ETag and Cache-Control: max-age=3600), and let the caller " +
			"keep it. gzip takes most of it away without a change of the format; between services, Protocol Buffers or MessagePack send no names."
		f.Examples, f.Saves = st.examples.of, saves
		r.add(f)
	}
}
