package output

import (
	"maps"
	"slices"
)

// Datagrams is what became of the UDP requests for one target. Datagrams = Sent + all of
// Skipped, and Sent = Answered + Unanswered.
type Datagrams struct {
	Name     string `json:"name"`
	Captured uint64 `json:"captured"` // requests
	// Lost are packets that the capture had no room for, of all outputs together.
	Lost       uint64            `json:"lost"`
	Datagrams  uint64            `json:"datagrams"` // with their copies, at least one each
	Sent       uint64            `json:"sent"`
	Skipped    map[string]uint64 `json:"skipped"` // by reason
	Answered   uint64            `json:"answered"`
	Unanswered uint64            `json:"unanswered"`
	Unasked    uint64            `json:"unasked"` // answers beyond those

	// Bytes of payload, the original's as often as it was to be sent.
	SentBytes        uint64 `json:"sent_bytes"`
	Received         uint64 `json:"received_bytes"`
	OriginalSent     uint64 `json:"original_sent_bytes"`
	OriginalAnswers  uint64 `json:"original_answers"`
	OriginalReceived uint64 `json:"original_received_bytes"`
}

// text renders a target's datagrams for people.
func (d *Datagrams) text(row func(name, format string, args ...any)) {
	row("datagrams", "%s: %d captured, %d sent of %d, %d answered (%d of the captured were)", d.Name, d.Captured, d.Sent, d.Datagrams, d.Answered, d.OriginalAnswers)
	for _, why := range slices.Sorted(maps.Keys(d.Skipped)) {
		row("", "%d skipped: %s", d.Skipped[why], why)
	}
	if d.Unasked > 0 {
		row("", "%d answers more than requests", d.Unasked)
	}
	if d.Lost > 0 {
		row("", "%d packets were lost by the capture", d.Lost)
	}
}
