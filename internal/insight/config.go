package insight

import "time"

// Config bounds a Book. Zero values take the defaults.
type Config struct {
	// Steps are how the past is kept: the finest first, each a multiple of the
	// one before.
	Steps [numTiers]Steps
	// How many of each are kept by name. What does not fit is in (rest) rows, so
	// that sums stay exact. The defaults depend on MemoryBytes.
	Services, Endpoints, Clients, Combinations int
	// Exchanges is how many of the latest are kept whole.
	Exchanges int
	// MemoryBytes bounds the sums over time, which are most of it.
	MemoryBytes int
}

// Steps says that sums of Every are kept For so long.
type Steps struct{ Every, For time.Duration }

const numTiers = 3

// Rest is the name of what a Book has no room for by name.
const Rest = "(rest)"

func (c Config) withDefaults() Config {
	for i, d := range [numTiers]Steps{{time.Second, 10 * time.Minute}, {10 * time.Second, 2 * time.Hour}, {time.Minute, 24 * time.Hour}} {
		if c.Steps[i].Every <= 0 || c.Steps[i].For < c.Steps[i].Every {
			c.Steps[i] = d
		}
	}
	if c.MemoryBytes <= 0 {
		c.MemoryBytes = 32 << 20
	}
	// What a name takes beside its sums is bounded by how many there are: no more than
	// fits into as much memory again.
	for _, d := range []struct {
		v          *int
		most, each int // each: bytes, about
	}{
		{&c.Services, 200, 64 << 10}, {&c.Endpoints, 500, 64 << 10}, {&c.Clients, 500, 16 << 10},
		{&c.Combinations, 2000, 8 << 10}, {&c.Exchanges, 2048, 8 << 10},
	} {
		if *d.v <= 0 {
			*d.v = max(min(d.most, c.MemoryBytes/d.each), 10)
		}
	}
	return c
}
