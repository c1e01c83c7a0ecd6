package detect

import (
	"hash/maphash"
	"strings"
)

// target is what is known of a request's target.
type target struct {
	text string
	hash uint64
	page pageQuery
	// Of a page: hashes of its position, and of what else is in the query.
	position, list uint64
}

// targets remember those that came last: mostly they come again soon, and then are the
// same string. What falls into the same place takes it.
type targets struct {
	seed maphash.Seed
	of   [1 << targetBits]target
}

const targetBits = 8

func newTargets() *targets { return &targets{seed: maphash.MakeSeed()} }

// find returns a target, until the next call.
func (ts *targets) find(text string) *target {
	t := &ts.of[spread(text)>>(64-targetBits)]
	if t.text != text || t.hash == 0 {
		ts.read(text, t)
	}
	return t
}

func (ts *targets) read(text string, t *target) {
	*t = target{text: text, hash: maphash.String(ts.seed, text) | 1}
	_, query, _ := strings.Cut(text, "?")
	if t.page = readPage(query); t.page.name != "" {
		t.position = maphash.String(ts.seed, t.page.value)
		t.list = combine(maphash.String(ts.seed, query[:t.page.start]), maphash.String(ts.seed, query[t.page.end:]))
	}
}

// spread makes a number of a text's length and ends, in its highest bits.
func spread(text string) uint64 {
	n := len(text)
	h := uint64(n)
	if n >= 8 {
		h ^= word(text)*31 ^ word(text[n-8:])
	}
	return h * 0x9e3779b97f4a7c15
}

// word returns the first eight bytes.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
