package reassembly

import "time"

// Config holds the limits of an Assembler. A zero field takes its default.
// Times are by the capture's clock, so a file gives what the live capture of
// the same traffic gave.
type Config struct {
	// GapTimeout is how long bytes wait for bytes that should come before
	// them (default 1 s). Packets that overtook each other on the way to the
	// capture are microseconds apart; a segment lost on the network before
	// the capture comes again after the sender's RTO, at least 200 ms on
	// Linux, and 1 s covers its first doubling too. Bytes that the capture
	// itself lost never come: for them every longer wait is only delay.
	// It is also how long a connection without SYN waits for earlier bytes.
	GapTimeout time.Duration
	// IdleTimeout closes a connection on which nothing but ACKs was seen for
	// so long (default 5 min).
	IdleTimeout time.Duration
	// LingerTimeout is how long a connection that was finished or reset is
	// remembered, so that late segments of it open no new one (default 60 s,
	// as TIME-WAIT on Linux). At most MaxConns are remembered.
	LingerTimeout time.Duration

	// MaxBuffered bounds the memory of one direction's held bytes (default
	// 1 MiB, at most 1 GiB), MaxTotal that of all (default 32 MiB). At a limit
	// what is missing is given up as lost and the held bytes are delivered.
	// A segment that starts more than MaxBuffered beyond everything known is
	// not believed until another one continues it.
	MaxBuffered, MaxTotal int
	// MaxConns bounds the open connections (default 100000). At the limit the
	// least recently active is closed.
	MaxConns int

	// FirstID and IDStride number the connections, FirstID + n*IDStride, so
	// that several assemblers share one numbering (default 1 and 1).
	FirstID, IDStride uint64
}

func (c Config) withDefaults() Config {
	def(&c.GapTimeout, time.Second)
	def(&c.IdleTimeout, 5*time.Minute)
	def(&c.LingerTimeout, time.Minute)
	def(&c.MaxBuffered, 1<<20)
	c.MaxBuffered = min(c.MaxBuffered, maxBack)
	def(&c.MaxTotal, 32<<20)
	def(&c.MaxConns, 100_000)
	def(&c.FirstID, 1)
	def(&c.IDStride, 1)
	return c
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
