package detect

import "time"

// Config is what a Set is made with. The zero value has the defaults.
type Config struct {
	// Thresholds that are zero have their defaults.
	Thresholds Thresholds
	// Window bounds what findings are about: figures are of the present window, and a
	// finding stays until its cause was not seen for so long. 0: the whole run, for files.
	Window time.Duration
	// Warmup is how long an endpoint is watched before a change of it is called one.
	Warmup time.Duration
	// MaxEndpoints and MaxServices are how many are told apart.
	MaxEndpoints, MaxServices int
}

// Thresholds are what it takes for a finding. docs/findings.md has the same table.
type Thresholds struct {
	// MinBytes and MinShare (of all bytes) are what a finding with Saves must save.
	MinBytes int64
	MinShare float64

	JumpFactor  float64 // a rate, or the p99 of sizes over sizes' SizeFactor, of its baseline
	JumpRate    float64 // requests a second, at least
	SizeFactor  float64
	SizeBase    int64 // responses in the baseline, at least
	SizeSamples int64 // responses that are held against it, at least

	OversizedBytes  int64 // a body
	OversizedCount  int64
	PageBytes       int64   // what a page of a list should be about
	ListGrowth      float64 // the last size of the first
	PagesSame       int64   // pages in a row with the same or a growing answer
	TinyPages       int64   // pages in a row
	TinyPageBytes   int64   // on average
	TopClients      int     // so few
	TopShare        float64 // have so much of a service's bytes
	TopAmong        int     // of so many clients, or networks
	CompressSaves   float64 // of a sample's bytes
	CompressMin     int64   // a body
	RepeatCount     int64   // the same request and answer within RepeatWithin
	RepeatWeak      int64   // the same where answers are only known by their size
	RepeatWithin    time.Duration
	RepeatMin       int64 // a response's wire bytes
	ETagCount       int64
	PairShare       float64 // of all bytes
	PairGain        float64 // what A fetches from B, of what A itself carries
	ChattyPerCall   float64 // calls of A to an endpoint of B for each request to A
	ChattyCalls     int64
	ChattyBytes     int64 // a response, on average
	RedundantShare  float64
	RedundantBodies int   // that differ
	RedundantMin    int64 // a body, on average
	ChurnConns      int64 // of one client to one service
	ChurnPerSecond  float64
	ChurnRequests   float64 // requests a connection, at most
	Retransmitted   float64 // of a service's bytes
	ErrorShare      float64 // of a minute's exchanges
	ErrorCount      int64   // a minute
	RetryCount      int64   // repetitions of failed requests
	RetryWithin     time.Duration
}

// Defaults returns the documented thresholds.
func Defaults() Thresholds {
	return Thresholds{
		MinBytes: 256 << 10, MinShare: 0.01,
		JumpFactor: 4, JumpRate: 20,
		SizeFactor: 2, SizeBase: 100, SizeSamples: 50,
		OversizedBytes: 5 << 20, OversizedCount: 3,
		PageBytes: 64 << 10, ListGrowth: 1.3,
		PagesSame: 5, TinyPages: 100, TinyPageBytes: 4 << 10,
		TopClients: 3, TopShare: 0.8, TopAmong: 20,
		CompressSaves: 0.3, CompressMin: 1 << 10,
		RepeatCount: 10, RepeatWeak: 30, RepeatWithin: 5 * time.Minute, RepeatMin: 512,
		ETagCount: 5,
		PairShare: 0.6, PairGain: 2,
		ChattyPerCall: 10, ChattyCalls: 100, ChattyBytes: 4 << 10,
		RedundantShare: 0.3, RedundantBodies: 5, RedundantMin: 512,
		ChurnConns: 100, ChurnPerSecond: 1, ChurnRequests: 1.5,
		Retransmitted: 0.02,
		ErrorShare:    0.3, ErrorCount: 30,
		RetryCount: 20, RetryWithin: 5 * time.Second,
	}
}

// fill replaces zeros by defaults.
func (c *Config) fill() {
	if c.Warmup == 0 {
		c.Warmup = time.Minute
	}
	if c.MaxEndpoints == 0 {
		c.MaxEndpoints = 2000
	}
	if c.MaxServices == 0 {
		c.MaxServices = 256
	}
	c.Thresholds.fill()
}
