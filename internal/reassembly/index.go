package reassembly

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"gortap/internal/flow"
)

// index finds the open connections by key: a table with linear probing, at most half full.
// Each record asks it, mostly for a connection that is not in the cache: a look touches
// one line of the table and the connection, where Go's map has the keys in between.
type index struct {
	secret [6]uint64
	slots  []indexSlot // a power of two
	n      int
}

type indexSlot struct {
	hash uint32
	conn *conn // nil: free
}

const minSlots = 64

func newIndex() index {
	x := index{slots: make([]indexSlot, minSlots)}
	for i := range x.secret {
		x.secret[i] = rand.Uint64()
	}
	return x
}

// hash is secret: nobody can choose addresses so that connections crowd at one place.
func (x *index) hash(k *flow.Key) uint32 {
	le, s := binary.LittleEndian, &x.secret
	ports := uint64(k.APort) | uint64(k.BPort)<<16 | uint64(k.Net)<<32
	h := fold(le.Uint64(k.A[:8])^s[0], le.Uint64(k.A[8:])^s[1]) ^
		fold(le.Uint64(k.B[:8])^s[2], le.Uint64(k.B[8:])^s[3])
	return uint32(fold(h^s[4], ports^s[5]))
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// find returns the connection of a key, nil where there is none.
func (x *index) find(k *flow.Key) *conn {
	hash := x.hash(k)
	for i := x.at(hash); ; i = x.at(i + 1) {
		s := &x.slots[i]
		if s.conn == nil || s.hash == hash && s.conn.Key == *k {
			return s.conn
		}
	}
}

func (x *index) at(i uint32) uint32 { return i & uint32(len(x.slots)-1) }

// add enters a connection whose key is not there.
func (x *index) add(c *conn) {
	if x.n++; 2*x.n > len(x.slots) {
		old := x.slots
		x.slots = make([]indexSlot, 2*len(old))
		for _, s := range old {
			if s.conn != nil {
				x.put(s)
			}
		}
	}
	x.put(indexSlot{x.hash(&c.Key), c})
}

func (x *index) put(s indexSlot) {
	i := x.at(s.hash)
	for x.slots[i].conn != nil {
		i = x.at(i + 1)
	}
	x.slots[i] = s
}

// remove takes a connection out. What had to go past its place moves up, so that no look
// ends at a gap.
func (x *index) remove(c *conn) {
	i := x.at(x.hash(&c.Key))
	for x.slots[i].conn != c {
		i = x.at(i + 1)
	}
	x.n--
	for j := x.at(i + 1); x.slots[j].conn != nil; j = x.at(j + 1) {
		if home := x.slots[j].hash; x.at(j-home) >= x.at(j-i) {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = indexSlot{}
}
