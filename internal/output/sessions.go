package output

import (
	"maps"
	"slices"
)

// Sessions is what became of the connections that one target was to be played.
// Sessions = Replayed + all of Partial + all of Skipped.
type Sessions struct {
	Name     string            `json:"name"`
	Captured uint64            `json:"captured"`
	PickedUp uint64            `json:"picked_up"` // of which these ran already
	Sessions uint64            `json:"sessions"`  // with their copies, at least one each
	Replayed uint64            `json:"replayed"`
	Partial  map[string]uint64 `json:"partial"` // by reason
	Skipped  map[string]uint64 `json:"skipped"` // by reason
	// Bytes of payload: of the replay, and of the captured connections as often
	// as they were to be played.
	Sent             uint64 `json:"sent_bytes"`
	Received         uint64 `json:"received_bytes"`
	OriginalSent     uint64 `json:"original_sent_bytes"`
	OriginalReceived uint64 `json:"original_received_bytes"`

	// Unreached are those skipped that got no connection to the target, and Doctor the
	// command that says why.
	Unreached uint64 `json:"unreached"`
	Doctor    string `json:"-"`

	Stalled    uint64  `json:"stalled"`
	OtherPort  uint64  `json:"other_port"`
	LagSeconds float64 `json:"lag_seconds"`

	Compared *SessionsCompared `json:"compared,omitempty"` // nil: not asked for
}

// SessionsCompared is how the answers compare with those captured. All add up to
// Sessions.
type SessionsCompared struct {
	Equal      uint64            `json:"equal"`
	Length     uint64            `json:"length"`  // there were more bytes, or fewer
	Content    uint64            `json:"content"` // as many, but others
	Uncompared map[string]uint64 `json:"uncompared"`
}

// text renders a target's sessions for people.
func (s *Sessions) text(row func(name, format string, args ...any)) {
	row("sessions", "%s: %d captured, %d replayed of %d", s.Name, s.Captured, s.Replayed, s.Sessions)
	if s.PickedUp > 0 {
		row("", "%d captured ran already, and were picked up at a request", s.PickedUp)
	}
	for _, why := range slices.Sorted(maps.Keys(s.Partial)) {
		row("", "%d partial: %s", s.Partial[why], why)
	}
	for _, why := range slices.Sorted(maps.Keys(s.Skipped)) {
		row("", "%d skipped: %s", s.Skipped[why], why)
	}
	if s.Unreached > 0 && s.Replayed == 0 && s.Sent == 0 {
		row("", "none got to the target (`%s` says why)", s.Doctor)
	}
	row("", "sent %s of %s, received %s (the original %s)", bytesText(float64(s.Sent)), bytesText(float64(s.OriginalSent)),
		bytesText(float64(s.Received)), bytesText(float64(s.OriginalReceived)))
	if c := s.Compared; c != nil {
		row("", "compared: %d equal, %d differ in length, %d in content", c.Equal, c.Length, c.Content)
		for _, why := range slices.Sorted(maps.Keys(c.Uncompared)) {
			row("", "%d not compared: %s", c.Uncompared[why], why)
		}
	}
	if s.Stalled > 0 {
		row("", "%d stalled: the target did not answer as the server had (see --session-order)", s.Stalled)
	}
	if s.OtherPort > 0 {
		row("", "%d from another port than their client's, which was taken", s.OtherPort)
	}
}
