// Package detect looks for waste of bandwidth in a stream of Observations, and for
// departures from what was usual. Set is for one goroutine, keeps no Observation and
// does no I/O; all that it knows fits in bounded memory.
//
// Each detector has a file. What it holds a response against stands in one table,
// Thresholds; docs/findings.md tells of each what it sees, what it does not, and how
// Saves is computed.
//
// # Time
//
// The clock is that of the traffic: the latest EndNs, or Tick. What happens within one
// second counts as simultaneous; a second is closed one second after it ended, so that
// exchanges of several shards may come in any order.
//
// # Memory
//
// Endpoints are held in slots, at most MaxEndpoints. When all are taken, the smallest
// by bytes of a few gives up its slot; what detectors knew of it is gone. A detector
// keeps its state by slot and only for endpoints that give it reason to, or in a Cache
// of fixed size. With the defaults that is less than 64 MiB if every endpoint gives every
// detector a reason.
package detect
