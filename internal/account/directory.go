package account

import (
	"sync"
	"sync/atomic"

	"gortap/internal/proto"
)

// directory holds the names that all shards use, so that limits hold for their
// sum. A shard asks it only for what it has not met yet, and never twice for
// the same once a service's names are complete. Names are never given up: a
// counter whose labels vanish and come back would look like a restart.
//
// Its lock is the innermost one: nothing else is taken while it is held.
type directory struct {
	mu        sync.Mutex
	limits    Config
	services  map[string]*names
	counted   int // services that the limit applies to
	endpoints int // in all services
	methods   map[string]string
	extra     int // methods beyond the standard ones

	rows atomic.Uint32 // given a number
}

// names is what one service has been granted.
type names struct {
	paths     map[string]string
	counted   int // paths that the limit applies to
	endpoints map[endpointKey]bool
}

// endpointKey names an endpoint within a service. Its strings are interned.
type endpointKey struct{ method, path string }

func newDirectory(cfg Config) *directory {
	d := &directory{limits: cfg, services: map[string]*names{}, methods: map[string]string{}}
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", proto.Unknown} {
		d.methods[m] = m
	}
	return d
}

// service grants a service's name, or Other.
func (d *directory) service(name []byte, configured bool) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.services[string(name)]; ok {
		return string(name)
	}
	granted := Other
	switch {
	case configured:
		granted = string(name)
	case d.counted < d.limits.MaxServices:
		granted = string(name)
		d.counted++
	}
	if d.services[granted] == nil {
		d.services[granted] = &names{paths: map[string]string{}, endpoints: map[endpointKey]bool{}}
	}
	return granted
}

// path grants a path of a service, or Other. known, where not nil, is the
// complete set: whatever is not in it will never be granted.
func (d *directory) path(service string, path []byte, configured bool) (granted string, known map[string]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.services[service]
	if p, ok := n.paths[string(path)]; ok {
		return p, nil
	}
	full := n.counted >= d.limits.MaxPaths || d.endpoints >= d.limits.MaxEndpoints
	if full && !configured {
		known = make(map[string]string, len(n.paths))
		for k, v := range n.paths {
			known[k] = v
		}
		return Other, known
	}
	if !configured {
		n.counted++
	}
	p := string(path)
	n.paths[p] = p
	return p, nil
}

// endpoint grants the use of a path with a method. Where that is one endpoint
// too many, the path to use is Other.
func (d *directory) endpoint(service string, k endpointKey) endpointKey {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.services[service]
	if n.endpoints[k] || k.path == Other {
		return k
	}
	if d.endpoints >= d.limits.MaxEndpoints {
		return endpointKey{k.method, Other}
	}
	d.endpoints++
	n.endpoints[k] = true
	return k
}

// method grants a method's name, or Other.
func (d *directory) method(m []byte) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if name, ok := d.methods[string(m)]; ok {
		return name
	}
	if d.extra >= d.limits.MaxMethods || !isMethod(m) {
		return Other
	}
	d.extra++
	name := string(m)
	d.methods[name] = name
	return name
}

// isMethod tells a token (RFC 9110, 5.6.2) of reasonable length from garbage;
// only letters, "-" and "_" make a label.
func isMethod(m []byte) bool {
	for _, c := range m {
		if !isLetter(c) && c != '-' && c != '_' {
			return false
		}
	}
	return len(m) > 0 && len(m) <= 32
}
