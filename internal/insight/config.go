package insight

import "time"

// Config bounds a Book. Zero values take the defaults.
type Config struct {
	// Steps are how the past is kept: the finest first, each a multiple of the
	// one before.
	Steps [numTiers]Steps
	// How many of each are kept by name. What does not fit is in (rest) rows, so
	// that sums stay exact.
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
	for _, d := range []struct {
		v   *int
		def int
	}{
		{&c.Services, 200}, {&c.Endpoints, 500}, {&c.Clients, 500}, {&c.Combinations, 2000},
		{&c.Exchanges, 2048}, {&c.MemoryBytes, 32 << 20},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return c
}
