package hpack

// entryOverhead is what RFC 7541, 4.1 adds to the bytes of an entry.
const entryOverhead = 32

// defaultSize is SETTINGS_HEADER_TABLE_SIZE until changed (RFC 9113, 6.5.2).
const defaultSize = 4096

// table is the dynamic table. Its index space counts from the newest entry
// down, so the entries seen since the last gap keep their right place whatever
// lies behind them; only what is beyond them is unknown.
type table struct {
	entries []entry // oldest first, live from head on
	head    int
	// data holds the entries' bytes. When it is full the live ones move to
	// spare and the two change places, so that a field that points into data
	// outlives the addition of one entry (RFC 7541, 4.4).
	data, spare []byte
	size        uint64 // of the live entries, as in RFC 7541, 4.1
	max         uint64 // as the encoder last said; meaningful where exact
	limit       uint64
	// exact is whether entries holds all there is: the encoder's table and
	// this one are the same, and an index beyond it is an error.
	exact bool
}

type entry struct {
	off, name, value int
	known            bool
}

func (e entry) size() uint64 { return uint64(e.name+e.value) + entryOverhead }

func newTable(limit int) table {
	return table{max: defaultSize, limit: uint64(limit), exact: true}
}

// at returns the field with index i > 0 of the joined index space (2.3.3). It
// fails only where no table of this size could have that index.
func (t *table) at(i uint64) (Field, bool) {
	if i <= uint64(len(static)) {
		return static[i-1], true
	}
	i -= uint64(len(static))
	if i > uint64(len(t.entries)-t.head) {
		return Field{}, !t.exact
	}
	e := t.entries[uint64(len(t.entries))-i]
	if !e.known {
		return Field{}, true
	}
	name := e.off + e.name
	return Field{Name: t.data[e.off:name:name], Value: t.data[name : name+e.value], Known: true}, true
}

// add makes f the newest entry.
func (t *table) add(f Field) {
	e := entry{name: len(f.Name), value: len(f.Value), known: f.Known}
	if e.size() > t.bound() {
		// Too large for the encoder's table empties it (4.4). Too large for
		// ours alone leaves one entry of unknown content behind what follows.
		t.exact = t.exact && e.size() > t.max
		t.drop(len(t.entries) - t.head)
		return
	}
	if !f.Known {
		e.name, e.value = 0, 0
	}
	t.size += e.size()
	t.shrink()
	t.reserve(e.name + e.value)
	e.off = len(t.data)
	if f.Known {
		t.data = append(append(t.data, f.Name...), f.Value...)
	}
	t.entries = append(t.entries, e)
}

// resize follows a size update (6.3).
func (t *table) resize(size uint64) {
	t.max = size
	if size == 0 {
		// An empty table is a known table.
		t.drop(len(t.entries) - t.head)
		t.exact = true
	}
	t.shrink()
}

func (t *table) forget() {
	t.drop(len(t.entries) - t.head)
	t.exact = false
}

// bound is the size that the entries may have together. An inexact table does
// not know what the encoder evicted; it keeps what fits, which costs nothing:
// an encoder never refers to what it evicted.
func (t *table) bound() uint64 {
	if t.exact {
		return min(t.max, t.limit)
	}
	return t.limit
}

// shrink evicts the oldest entries until size is within the bound.
func (t *table) shrink() {
	for t.size > t.bound() {
		if t.size <= t.max {
			t.exact = false
		}
		t.drop(1)
	}
}

// drop evicts the n oldest entries.
func (t *table) drop(n int) {
	for _, e := range t.entries[t.head : t.head+n] {
		t.size -= e.size()
	}
	t.head += n
	if t.head == len(t.entries) {
		t.entries, t.head = t.entries[:0], 0
	}
}

// reserve makes room for one more entry with n bytes.
func (t *table) reserve(n int) {
	if t.head > 0 && len(t.entries) == cap(t.entries) {
		t.entries = t.entries[:copy(t.entries, t.entries[t.head:])]
		t.head = 0
	}
	if len(t.data)+n <= cap(t.data) {
		return
	}
	start := len(t.data)
	if t.head < len(t.entries) {
		start = t.entries[t.head].off
	}
	live := t.data[start:]
	if need := 2 * (len(live) + n); cap(t.spare) < need {
		t.spare = make([]byte, 0, need)
	}
	t.data, t.spare = append(t.spare[:0], live...), t.data
	for i := t.head; i < len(t.entries); i++ {
		t.entries[i].off -= start
	}
}
