package gorfile

import (
	"hash/maphash"
	"strings"

	"gortap/internal/proto"
	"gortap/internal/record"
)

const (
	// recordSlab and idSlab are how many records, and bytes of IDs, are allocated at
	// a time. One record that is kept keeps its neighbours' memory, without data.
	recordSlab = 64
	idSlab     = 4 << 10
	// waitingMax is how many requests are remembered for their responses, twice.
	waitingMax = 32 << 10
)

// decoder makes records of what scanners find. It allocates once a record, for the
// data.
type decoder struct {
	seed    maphash.Seed
	records []record.Record
	ids     strings.Builder
	// When requests without a response yet began, by ID: the newer and the older
	// ones.
	waiting, before map[string]int64
}

func newDecoder() *decoder {
	return &decoder{seed: maphash.MakeSeed(), waiting: make(map[string]int64)}
}

func (d *decoder) decode(in *raw) *record.Record {
	if len(d.records) == 0 {
		d.records = make([]record.Record, recordSlab)
	}
	r := &d.records[0]
	d.records = d.records[1:]
	conn, seq := identify(in.id, d.seed)
	*r = record.Record{
		Kind: in.kind, ID: d.id(in.id), Conn: conn, Seq: seq, TimeNs: in.tsNs, EndNs: in.tsNs,
		Protocol: proto.HTTP11, Data: append(make([]byte, 0, len(in.data)), in.data...),
	}
	if r.Kind == record.Replayed {
		r.LatencyNs = in.lastNs
	} else {
		r.EndNs += in.lastNs
	}
	return r
}

// pair gives a response its latency. Records must come by time.
func (d *decoder) pair(r *record.Record) {
	switch r.Kind {
	case record.Request:
		d.remember(r.ID, r.TimeNs)
	case record.Response:
		if began, ok := d.recall(r.ID); ok {
			r.LatencyNs = r.EndNs - began
		}
	}
}

func (d *decoder) id(b []byte) string {
	if d.ids.Cap()-d.ids.Len() < len(b) {
		d.ids = strings.Builder{}
		d.ids.Grow(idSlab)
	}
	at := d.ids.Len()
	d.ids.Write(b)
	return d.ids.String()[at:]
}

func (d *decoder) remember(id string, tsNs int64) {
	if len(d.waiting) >= waitingMax {
		d.before, d.waiting = d.waiting, make(map[string]int64)
	}
	d.waiting[id] = tsNs
}

func (d *decoder) recall(id string) (int64, bool) {
	for _, m := range []map[string]int64{d.waiting, d.before} {
		if ts, ok := m[id]; ok {
			delete(m, id)
			return ts, true
		}
	}
	return 0, false
}
