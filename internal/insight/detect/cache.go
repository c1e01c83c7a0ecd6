package detect

// cacheWays is how many places a key can have.
const cacheWays = 4

// cache remembers the latest keys in a table of fixed size: a new one takes the place
// of the one of four that was used least recently. Keys lie beside each other, so that a
// look touches two cache lines.
type cache[V any] struct {
	size int // places; a power of two
	keys [][cacheWays]uint64
	of   [][cacheWays]cacheEntry[V]
}

type cacheEntry[V any] struct {
	usedNs int64
	value  V
}

// get returns the value of a key, a zero one where it is new.
func (c *cache[V]) get(key uint64, nowNs int64) *V {
	if c.keys == nil {
		c.keys = make([][cacheWays]uint64, c.size/cacheWays)
		c.of = make([][cacheWays]cacheEntry[V], c.size/cacheWays)
	}
	if key == 0 {
		key = 1 // 0 is a free place
	}
	set := int(mix(key)) & (c.size/cacheWays - 1)
	keys, of := &c.keys[set], &c.of[set]
	for i, k := range keys {
		if k == key {
			of[i].usedNs = nowNs
			return &of[i].value
		}
	}
	oldest := 0
	for i := range of {
		if of[i].usedNs < of[oldest].usedNs {
			oldest = i
		}
	}
	keys[oldest] = key
	of[oldest] = cacheEntry[V]{usedNs: nowNs}
	return &of[oldest].value
}

func (c *cache[V]) reset() {
	clear(c.keys)
	clear(c.of)
}
