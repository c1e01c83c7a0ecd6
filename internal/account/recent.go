package account

import (
	"bytes"
	"hash/maphash"
)

const (
	recentTargets = 256 // in pairs: a target has two places
	recentKey     = 104 // bytes of method and path; an entry is two cache lines
)

// recent remembers which row the latest requests went to, by what they said: most
// paths come again soon, and to make a template of one costs a tenth of an exchange. It
// is of fixed size, and what falls into the same place takes it.
type recent struct {
	seed  maphash.Seed
	pairs [recentTargets / 2][2]recentTarget
}

type recentTarget struct {
	service  *service
	endpoint *endpoint
	method   uint8 // bytes of key; the path follows
	length   uint8
	key      [recentKey]byte
}

func newRecent() *recent { return &recent{seed: maphash.MakeSeed()} }

// find returns the row of a request, nil where it is not remembered. path is the target
// without its query.
func (r *recent) find(svc *service, method, path []byte) *endpoint {
	if len(method)+len(path) > recentKey {
		return nil
	}
	pair := r.pair(path)
	for i := range pair {
		if pair[i].holds(svc, method, path) {
			return pair[i].endpoint
		}
	}
	return nil
}

// remember puts a request into the first of its places. What was there goes to the second
// one.
func (r *recent) remember(svc *service, method, path []byte, e *endpoint) {
	if len(method)+len(path) > recentKey {
		return
	}
	pair := r.pair(path)
	pair[1] = pair[0]
	pair[0].set(svc, method, path, e)
}

func (r *recent) pair(path []byte) *[2]recentTarget {
	return &r.pairs[maphash.Bytes(r.seed, path)%(recentTargets/2)]
}

// holds reports whether the entry is of this very request.
func (t *recentTarget) holds(svc *service, method, path []byte) bool {
	return t.service == svc && int(t.method) == len(method) && int(t.length) == len(method)+len(path) &&
		bytes.Equal(t.key[:t.method], method) && bytes.Equal(t.key[t.method:t.length], path)
}

func (t *recentTarget) set(svc *service, method, path []byte, e *endpoint) {
	t.service, t.endpoint = svc, e
	t.method = uint8(copy(t.key[:], method))
	t.length = t.method + uint8(copy(t.key[t.method:], path))
}

// withoutQuery is a target up to what templates leave out anyway.
func withoutQuery(target []byte) []byte {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		return target[:i]
	}
	return target
}
