package output

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gortap/internal/account"
	"gortap/internal/proto"
)

// Summary is what a run did, written once at its end. In packets and in bytes,
// matched equals delivered plus all of dropped. The names of the JSON fields
// are part of the command line's contract.
type Summary struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`

	Matched   Volume `json:"matched"`   // what the filter let through
	Delivered Volume `json:"delivered"` // of that, what reached the assembler
	Dropped   []Drop `json:"dropped"`   // the rest

	NetworkBytes       uint64 `json:"network_bytes"`     // layer 3
	TCPPayloadBytes    uint64 `json:"tcp_payload_bytes"` // each byte once
	RetransmittedBytes uint64 `json:"retransmitted_bytes"`
	MessageBytes       uint64 `json:"message_bytes"` // of the payload
	// Unattributed is the rest of the payload, by reason.
	Unattributed map[string]uint64 `json:"unattributed_bytes"`

	Exchanges uint64 `json:"exchanges"`
	// Sampled says that connections were only counted, so that Exchanges and
	// Messages are not all there were. ExchangesEstimate is: as many more as
	// there were more bytes. SampleRatio is the share of new connections
	// that is copied from at the end; while Degraded it was another.
	Sampled           bool    `json:"sampled"`
	SampleRatio       float64 `json:"sample_ratio"`
	ExchangesEstimate uint64  `json:"exchanges_estimate"`

	Messages uint64 `json:"messages"`
	// RequestsOnly says that the recording has no responses, which no reader needs
	// to be told for each exchange.
	RequestsOnly bool `json:"-"`
	// Incomplete counts messages by reason.
	Incomplete map[string]uint64 `json:"incomplete"`

	// Degraded is how long the agent copied less to stay within its limits, by
	// level; what it always does is left out.
	Degraded []Degradation `json:"degraded"`

	ReconcileErrorBytes uint64    `json:"reconcile_error_bytes"`
	UnreconciledBytes   uint64    `json:"unreconciled_bytes"`
	Outputs             []Outcome `json:"outputs"`
	Records             *Records  `json:"records,omitempty"` // where something records or replays
	// Insight is what of the exchanges insight saw; nil where it is off.
	Insight *Insight `json:"insight,omitempty"`
	// Sessions are the targets of whole connections, where there are any.
	Sessions []Sessions `json:"sessions,omitempty"`
	// Datagrams are the targets of UDP requests.
	Datagrams []Datagrams `json:"datagrams,omitempty"`
}

// Records is what became of messages that were recorded or replayed.
type Records struct {
	Messages   uint64       `json:"messages"`   // seen by the recorder
	Recorded   uint64       `json:"recorded"`   // of them; the others are dropped in the stage "recorder"
	Requests   uint64       `json:"requests"`   // of those recorded
	Dispatched uint64       `json:"dispatched"` // to the outputs, those of a file included
	Passed     uint64       `json:"passed"`     // the filters and the middleware
	Dropped    []RecordDrop `json:"dropped"`
}

// RecordDrop is how many records one stage dropped for one reason.
type RecordDrop struct {
	Stage   string `json:"stage"`
	Reason  string `json:"reason"`
	Records uint64 `json:"records"`
}

// Volume is an amount of traffic. Bytes are layer 3.
type Volume struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Drop is traffic that one stage dropped for one reason.
type Drop struct {
	Stage  string `json:"stage"`
	Reason string `json:"reason"`
	Volume
}

// Degradation is the time at one level of stepping back.
type Degradation struct {
	Level   string  `json:"level"`
	Seconds float64 `json:"seconds"`
}

// Insight is how many exchanges were looked at for findings and lists.
type Insight struct {
	Taken   uint64            `json:"taken"`
	Missing map[string]uint64 `json:"missing"` // of those, by reason
}

// Outcome is what became of one output's exchanges. Once the output has ended, Taken is
// Sent plus all that was dropped.
type Outcome struct {
	Name    string            `json:"name"`
	Taken   uint64            `json:"taken"`
	Sent    uint64            `json:"sent"`
	Dropped map[string]uint64 `json:"dropped"` // by reason
	// LagSeconds is how late a replay was at most; null for other outputs.
	LagSeconds *float64 `json:"lag_seconds"`
	// LagP99Seconds is how late all but the latest hundredth was at most; null
	// where no request had a time to keep.
	LagP99Seconds *float64 `json:"lag_p99_seconds"`
	// Target is what a target of a replay answered.
	Target *Target `json:"target,omitempty"`
}

// Target is how a target of a replay did.
type Target struct {
	Connections uint64             `json:"connections"`
	Statuses    map[string]uint64  `json:"statuses"`
	Latency     map[string]float64 `json:"latency_seconds"` // by quantile: p50, p90, p99, p99.9, max
}

// AddAccount fills in what the account knows.
func (s *Summary) AddAccount(t account.Totals) {
	s.NetworkBytes = t.NetworkBytes
	s.TCPPayloadBytes = t.PayloadBytes
	s.RetransmittedBytes = t.RetransmittedBytes
	s.MessageBytes = t.MessageBytes
	s.Exchanges = t.Exchanges
	s.ExchangesEstimate = t.Exchanges
	if unsampled := t.Unattributed[proto.Unsampled]; unsampled > 0 {
		s.Sampled = true
		if parsed := t.PayloadBytes - unsampled; parsed > 0 {
			s.ExchangesEstimate = uint64(float64(t.Exchanges)*float64(t.PayloadBytes)/float64(parsed) + 0.5)
		}
	}
	s.Messages = t.Messages
	s.ReconcileErrorBytes = t.ReconcileErrors
	s.UnreconciledBytes = t.Unreconciled
	s.Unattributed = byReason(t.Unattributed[:])
	s.Incomplete = byReason(t.Incomplete[:])
}

func byReason(counts []uint64) map[string]uint64 {
	out := map[string]uint64{}
	for why, n := range counts {
		if n > 0 {
			out[proto.Reason(why).String()] = n
		}
	}
	return out
}

// AddOutput fills in an output that takes exchanges.
func (s *Summary) AddOutput(o Output) {
	stats := o.Stats()
	sum := Outcome{Name: o.Name(), Taken: stats.Taken, Sent: stats.Written, Dropped: map[string]uint64{}}
	for why, n := range stats.Dropped {
		if n > 0 {
			sum.Dropped[DropReason(why).String()] = n
		}
	}
	s.Outputs = append(s.Outputs, sum)
}

// MarshalJSON writes the fields, lists and maps that are empty too.
func (s *Summary) MarshalJSON() ([]byte, error) {
	type fields Summary // without this method
	out := fields(*s)
	// Empty lists and maps, not null: a script need not tell them apart.
	out.Dropped = append([]Drop{}, s.Dropped...)
	out.Degraded = append([]Degradation{}, s.Degraded...)
	out.Outputs = append([]Outcome{}, s.Outputs...)
	if out.Unattributed == nil {
		out.Unattributed = map[string]uint64{}
	}
	if out.Incomplete == nil {
		out.Incomplete = map[string]uint64{}
	}
	return json.Marshal(&out)
}

// WriteJSON writes the summary as one line.
func (s *Summary) WriteJSON(w io.Writer) error {
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

// Text renders the summary for people. What did not happen is left out.
func (s *Summary) Text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s%s\n", name, fmt.Sprintf(format, args...))
	}
	row("matched", "%s", s.Matched)
	row("delivered", "%s", s.Delivered)
	for _, d := range s.Dropped {
		if d.Packets+d.Bytes > 0 {
			row("dropped", "%s: %s, %s", d.Volume, d.Stage, d.Reason)
		}
	}
	row("payload", "%s, %s of it in messages", bytesText(float64(s.TCPPayloadBytes)), bytesText(float64(s.MessageBytes)))
	for _, why := range slices.Sorted(maps.Keys(s.Unattributed)) {
		row("", "%s %s", bytesText(float64(s.Unattributed[why])), why)
	}
	if s.RequestsOnly {
		row("exchanges", "%d, of which the recording has the requests only", s.Exchanges)
	} else {
		row("exchanges", "%d in %d messages", s.Exchanges, s.Messages)
	}
	if s.Sampled && s.Exchanges > 0 {
		row("", "of %s; about %d in all, estimated by bytes", s.sampleText(), s.ExchangesEstimate)
	}
	for _, why := range slices.Sorted(maps.Keys(s.Incomplete)) {
		if s.RequestsOnly && (why == proto.NoResponse.String() || why == proto.Unfinished.String()) {
			continue
		}
		row("incomplete", "%d %s", s.Incomplete[why], why)
	}
	if s.Records != nil {
		row("records", "%d dispatched, %d passed", s.Records.Dispatched, s.Records.Passed)
		for _, d := range s.Records.Dropped {
			if d.Records > 0 && d.Stage != "record-output" {
				row("dropped", "%d records: %s, %s", d.Records, d.Stage, d.Reason)
			}
		}
	}
	if s.Insight != nil && len(s.Insight.Missing) > 0 {
		row("insight", "%d exchanges%s", s.Insight.Taken, missingText(s.Insight.Missing))
	}
	for _, d := range s.Degraded {
		row("degraded", "%.1f s at level %s: less was copied to stay within limits", d.Seconds, d.Level)
	}
	for _, o := range s.Outputs {
		row("output", "%s: %d sent%s%s", o.Name, o.Sent, dropText(o.Dropped), o.timesText())
		if o.Target != nil && len(o.Target.Statuses) > 0 {
			row("", "answers %s; %d connections", o.Target.statusText(), o.Target.Connections)
		}
	}
	for i := range s.Sessions {
		s.Sessions[i].text(row)
	}
	for i := range s.Datagrams {
		s.Datagrams[i].text(row)
	}
	if s.ReconcileErrorBytes > 0 {
		row("error", "%d bytes more in messages than the capture counted (please report this)", s.ReconcileErrorBytes)
	}
	return b.String()
}

// sampleText says what share of the connections was looked into. Where the agent
// stepped back meanwhile, no single number does.
func (s *Summary) sampleText() string {
	if len(s.Degraded) > 0 {
		return "a sample of the connections that changed with the levels below"
	}
	return fmt.Sprintf("a sample of %.3g%% of the connections", s.SampleRatio*100)
}

// String is "12 packets, 3.40 kB".
func (v Volume) String() string {
	return fmt.Sprintf("%d packets, %s", v.Packets, bytesText(float64(v.Bytes)))
}

// statusText is "990 with status 200, 10 with 503".
func (t *Target) statusText() string {
	var b strings.Builder
	for i, status := range slices.Sorted(maps.Keys(t.Statuses)) {
		if i == 0 {
			fmt.Fprintf(&b, "%d with status %s", t.Statuses[status], status)
		} else {
			fmt.Fprintf(&b, ", %d with %s", t.Statuses[status], status)
		}
	}
	return b.String()
}

// timesText is "; late by 80µs p99, 1.2ms at most; answered in 400µs p50, 3ms p99".
func (o *Outcome) timesText() string {
	text := ""
	if o.LagSeconds != nil && o.LagP99Seconds != nil {
		text = fmt.Sprintf("; late by %s p99, %s at most", secondsText(*o.LagP99Seconds), secondsText(*o.LagSeconds))
	}
	if o.Target != nil && o.Target.Latency["max"] > 0 {
		text += fmt.Sprintf("; answered in %s p50, %s p99", secondsText(o.Target.Latency["p50"]), secondsText(o.Target.Latency["p99"]))
	}
	return text
}

func secondsText(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Microsecond).String()
}

// missingText is ", 40 over-rate, 3 queue-full".
func missingText(missing map[string]uint64) string {
	var b strings.Builder
	for _, why := range slices.Sorted(maps.Keys(missing)) {
		fmt.Fprintf(&b, ", %d %s", missing[why], why)
	}
	return b.String()
}

func dropText(dropped map[string]uint64) string {
	var b strings.Builder
	for _, why := range slices.Sorted(maps.Keys(dropped)) {
		fmt.Fprintf(&b, ", %d dropped (%s)", dropped[why], why)
	}
	return b.String()
}
