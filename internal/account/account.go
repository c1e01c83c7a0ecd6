// Package account books what the parsers find and what the capture counted:
// the gor_* metrics, the live view of the terminal, and the proof that both
// agree. One Shard belongs to each shard of the capture; the counters in it
// are plain, and a scrape adds the shards up.
//
// Every payload byte that the capture counted ends up in gor_bytes_total once:
// as part of a message, or as bytes of no message with the reason as path. A
// ledger per flow holds the two sides against each other (see ledger.go).
//
// A caveat: services and paths come from what clients send. They are cleaned
// and bounded (see Config), first come, first served; what comes later is
// booked as "(other)", with exact totals.
package account

import (
	"fmt"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
)

// Other is the service, path, method or code of what exceeds a limit.
const Other = "(other)"

// Config says how to name things and how many of them to keep. The zero value
// of a limit means its default.
type Config struct {
	// Rules name services; the first one that matches wins.
	Rules []Rule
	// Resolver names servers that no rule does. It may be nil.
	Resolver Resolver
	// Patterns are path templates that come before the automatic ones; the
	// first one that matches is the path. "{name}" stands for one segment,
	// "*" for any characters within one, and "**" (last) for any rest:
	// "/users/{id}/posts/{slug}", "/static/**", "/thumbs/*.jpg". Their paths
	// do not count against MaxPaths.
	Patterns []string

	MaxServices  int // names that do not come from Rules, in all; default 1000
	MaxPaths     int // paths a service; default 200
	MaxEndpoints int // service, method and path, in all; default 10000
	MaxMethods   int // methods beyond those of RFC 9110 and PATCH; default 16
	MaxFlows     int // flows under reconciliation, a shard; default 131072
	// LiveEndpoints is how many endpoints of a shard the live view can tell
	// apart at a time (about 8 KiB each, taken as needed); 0 turns it off.
	LiveEndpoints int
}

// Resolver names the service behind a server's address, for example from a
// cluster's API. Service is called from all shards at once, for the first
// request of a connection and where the host changes; it must not block. A
// name that is no label (printable ASCII without quotes) is passed over.
type Resolver interface {
	Service(server netip.AddrPort) (name string, ok bool)
}

// Account owns the shards. Its methods may be called from any goroutine.
type Account struct {
	shards []*Shard
	descs  descs
}

var _ prometheus.Collector = (*Account)(nil)

// New prepares an account with a number of shards. An error is one of the
// configuration and names the offending rule or pattern.
func New(cfg Config, shards int) (*Account, error) {
	for _, limit := range []struct {
		value    *int
		fallback int
	}{
		{&cfg.MaxServices, 1000}, {&cfg.MaxPaths, 200}, {&cfg.MaxEndpoints, 10000},
		{&cfg.MaxMethods, 16}, {&cfg.MaxFlows, 131072},
	} {
		if *limit.value <= 0 {
			*limit.value = limit.fallback
		}
	}
	rules, err := compileRules(cfg.Rules)
	if err != nil {
		return nil, err
	}
	patterns, err := compilePatterns(cfg.Patterns)
	if err != nil {
		return nil, err
	}
	if shards < 1 {
		return nil, fmt.Errorf("make account: %d shards (at least one is needed)", shards)
	}
	a := &Account{descs: newDescs()}
	names := newDirectory(cfg)
	for range shards {
		a.shards = append(a.shards, newShard(cfg, names, rules, patterns))
	}
	return a, nil
}

// Shards returns how many shards there are.
func (a *Account) Shards() int { return len(a.shards) }

// Shard returns shard i. It is the Sink of the capture's shard i.
func (a *Account) Shard(i int) *Shard { return a.shards[i] }
