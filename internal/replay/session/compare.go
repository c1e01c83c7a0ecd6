package session

import (
	"fmt"

	rec "gortap/internal/session"
)

// Compare says how a target's answers are held against the server's.
type Compare uint8

// The ways. Hashes need all bytes of the server.
const (
	CompareNone Compare = iota
	CompareLengths
	CompareHashes
)

// ParseCompare reads "none", "length" or "hash".
func ParseCompare(s string) (Compare, error) {
	for i, name := range []string{"none", "length", "hash"} {
		if s == name {
			return Compare(i), nil
		}
	}
	return 0, fmt.Errorf("comparison %q: want none, length or hash", s)
}

// The verdicts.
const (
	equal      = "equal"
	inLength   = "length"  // there were more bytes, or fewer
	inContent  = "content" // as many, but others
	uncompared = "uncompared"
)

// Why a session is not compared. The set is fixed: these are metric labels.
const (
	whySkipped     = "skipped"
	whyPartial     = "partial"
	whyAborted     = "aborted"      // what a client had when it aborted depends on the moment
	whyNotCaptured = "not-captured" // bytes of the server are missing
)

// Compared is how the answers to one session compare.
type Compared struct {
	Verdict string `json:"verdict"` // equal, length, content or uncompared
	Reason  string `json:"reason,omitempty"`
	// Turn is the first one that differs: 0 is what the server said unasked, 1
	// what it answered first. Its bytes follow: of the target and of the server.
	Turn         *int   `json:"turn,omitempty"`
	TurnReceived int64  `json:"turn_received,omitempty"`
	TurnOriginal int64  `json:"turn_original,omitempty"`
	Hash         string `json:"hash,omitempty"` // XXH64 of all that the target answered
	OriginalHash string `json:"original_hash,omitempty"`
}

// comparing holds the answers against each other, turn by turn.
type comparing struct {
	how      Compare
	turn     int
	received int64 // before this turn
	original int64
	first    *Compared // the first turn that differs
}

// answer is what was said until a moment.
type answer struct {
	bytes int64
	sum   uint64
}

func (c *comparing) same(got, want answer) bool {
	return got.bytes == want.bytes && (c.how != CompareHashes || got.sum == want.sum)
}

// acts takes what there was when the client acted. Where the server had said nothing
// since it last did, the turn goes on.
func (c *comparing) acts(got, want answer) {
	if c.turn > 0 && want.bytes == c.original {
		return
	}
	c.look(got, want)
	c.turn++
	c.received, c.original = got.bytes, want.bytes
}

func (c *comparing) look(got, want answer) {
	if c.first == nil && !c.same(got, want) {
		turn := c.turn
		c.first = &Compared{Turn: &turn, TurnReceived: got.bytes - c.received, TurnOriginal: want.bytes - c.original}
	}
}

// ends takes all there was. Answers that are equal as a whole are equal, wherever they
// were when the client acted.
func (c *comparing) ends(got, want answer) *Compared {
	result := &Compared{Verdict: equal}
	if !c.same(got, want) {
		c.look(got, want)
		result = c.first
		result.Verdict = inContent
		if got.bytes != want.bytes {
			result.Verdict = inLength
		}
	}
	if c.how == CompareHashes {
		result.Hash, result.OriginalHash = fmt.Sprintf("%016x", got.sum), fmt.Sprintf("%016x", want.sum)
	}
	return result
}

// compareAct notes what the target had answered when the client acted.
func (p *play) compareAct(e *rec.Event) {
	if p.comparing.how != CompareNone {
		p.comparing.acts(p.reader.answer(), answer{e.Served, e.ServedSum})
	}
}

// compareEnd judges the whole session, which ended as e says and was replayed unless
// there is a reason.
func (p *play) compareEnd(e *rec.Event, why reason) {
	how := p.comparing.how
	switch {
	case how == CompareNone || why != none:
	case p.gone:
		p.line.Compared = &Compared{Verdict: uncompared, Reason: whyAborted}
	case how == CompareHashes && e.ServedGap:
		p.line.Compared = &Compared{Verdict: uncompared, Reason: whyNotCaptured}
	default:
		p.line.Compared = p.comparing.ends(p.reader.answer(), answer{e.Served, e.ServedSum})
	}
}

// uncomparedFor is the verdict on a session that never came to its end.
func uncomparedFor(why reason) *Compared {
	if why.skips() {
		return &Compared{Verdict: uncompared, Reason: whySkipped}
	}
	return &Compared{Verdict: uncompared, Reason: whyPartial}
}

// ComparedStats is how many sessions compared how. Their sum is that of all sessions.
type ComparedStats struct {
	Equal, Length, Content uint64
	Uncompared             map[string]uint64 // by reason
}

// Compared is how many sessions have a verdict.
func (s *ComparedStats) Compared() uint64 { return s.Equal + s.Length + s.Content }

// Share is which share of the compared sessions differ.
func (s *ComparedStats) Share() float64 {
	return float64(s.Length+s.Content) / float64(max(s.Compared(), 1))
}

func (s *ComparedStats) add(c *Compared) {
	switch c.Verdict {
	case equal:
		s.Equal++
	case inLength:
		s.Length++
	case inContent:
		s.Content++
	default:
		if s.Uncompared == nil {
			s.Uncompared = map[string]uint64{}
		}
		s.Uncompared[c.Reason]++
	}
}
