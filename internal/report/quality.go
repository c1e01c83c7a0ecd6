package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"gortap/internal/output"
	"gortap/internal/proto"
	"gortap/internal/wording"
)

// Remark is something to know about the data: how far the figures can be trusted.
type Remark struct {
	Level string `json:"level"` // "ok", "note", "warning"
	Text  string `json:"text"`
}

// The levels of a Remark.
const (
	LevelOK      = "ok"
	LevelNote    = "note"
	LevelWarning = "warning"
)

// Losses up to here do not change who is first.
const smallLoss = 0.001

// quality tells what the capture lacked. It leaves out what did not happen, but never
// that something was lost.
func quality(s *output.Summary, records bool) []Remark {
	if s == nil {
		return []Remark{{LevelNote, "The figures come from a list of exchanges or from another agent: what the capture behind it lost is not known here."}}
	}
	var out []Remark
	add := func(level, format string, args ...any) {
		out = append(out, Remark{level, fmt.Sprintf(format, args...)})
	}
	packets(s, records, add)
	payload(s, add)
	if n := total(s.Incomplete); n > 0 && !s.RequestsOnly {
		add(LevelNote, "%s of %s messages are incomplete: %s.", wording.Grouped(n), wording.Grouped(s.Messages), reasons(s.Incomplete, func(n uint64) string { return wording.Grouped(n) }))
	}
	if s.Sampled {
		share := wording.Percent(s.SampleRatio)
		if len(s.Degraded) > 0 {
			share = "a part" // which changed with the levels
		}
		add(LevelWarning, "Only %s of the connections were looked into: exchanges, clients and findings are of those, about %s exchanges in all. Bytes of services are of all.",
			share, wording.Count(float64(s.ExchangesEstimate)))
	}
	if s.RequestsOnly {
		add(LevelWarning, "The recording has requests only: there is nothing to tell about responses (record with --input-raw-track-response).")
	}
	for _, d := range s.Degraded {
		add(LevelNote, "For %.1f s the agent copied less to stay within its limits (level %s).", d.Seconds, d.Level)
	}
	if s.ReconcileErrorBytes > 0 {
		add(LevelWarning, "%s more in messages than the capture counted: please report this.", wording.Bytes(float64(s.ReconcileErrorBytes)))
	}
	return out
}

type adder func(level, format string, args ...any)

// packets tells what became of them on the way to the parsers.
func packets(s *output.Summary, records bool, add adder) {
	unit := "packets"
	if records {
		unit = "records"
	}
	if s.Matched.Packets == 0 {
		return
	}
	var lost uint64
	for _, d := range s.Dropped {
		if d.Packets == 0 {
			continue
		}
		lost += d.Packets
		add(LevelWarning, "%s %s (%s) were dropped: %s, %s.", wording.Grouped(d.Packets), unit, wording.Bytes(float64(d.Bytes)), d.Stage, d.Reason)
	}
	if lost == 0 {
		add(LevelOK, "All %s %s that matched were read (%s); none was dropped.", wording.Grouped(s.Matched.Packets), unit, wording.Bytes(float64(s.Matched.Bytes)))
	}
}

// payload tells how much of the TCP payload the figures explain.
func payload(s *output.Summary, add adder) {
	if s.TCPPayloadBytes == 0 {
		return
	}
	all := float64(s.TCPPayloadBytes)
	add(LevelOK, "%s of TCP payload, each byte counted once: %s of it is HTTP messages.", wording.Bytes(all), wording.Percent(float64(s.MessageBytes)/all))
	if lost := float64(s.Unattributed[proto.Lost.String()]) / all; lost > smallLoss {
		add(LevelWarning, "%s of the payload is missing from the capture: the figures are too low by that much.", wording.Percent(lost))
	}
	if len(s.Unattributed) > 0 {
		add(LevelNote, "Not in any message: %s.", reasons(s.Unattributed, func(n uint64) string { return wording.Bytes(float64(n)) }))
	}
	if again := float64(s.RetransmittedBytes); again > 0 {
		add(LevelNote, "%s were sent again (retransmissions), %s on top of the payload.", wording.Bytes(again), wording.Percent(again/all))
	}
}

func total(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// reasons lists counts by reason, the largest first, with what the reason means.
func reasons(counts map[string]uint64, write func(uint64) string) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, name := range names {
		if counts[name] > 0 {
			parts = append(parts, write(counts[name])+" "+meaning(name))
		}
	}
	return wording.List(parts, len(parts))
}

// meaning says what a reason of the metrics is.
func meaning(reason string) string {
	switch reason {
	case proto.Lost.String():
		return "lost by the capture"
	case proto.Truncated.String():
		return "cut by the file's snap length"
	case proto.SkippedBytes.String():
		return "not copied, on purpose"
	case proto.Aborted.String():
		return "cut off by the connection's end"
	case proto.NoResponse.String():
		return "without a response"
	case proto.NoRequest.String():
		return "without a request"
	case proto.MidStream.String():
		return "of connections that were already going on"
	case proto.NotHTTP.String():
		return "not HTTP (TLS among it)"
	case proto.Unfinished.String():
		return "still going on at the end"
	case proto.Unsampled.String():
		return "of connections that were only counted"
	}
	return reason
}
