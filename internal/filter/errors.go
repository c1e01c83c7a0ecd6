package filter

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrTooLarge is wrapped by errors of Compile for expressions that libpcap would
// take minutes for, and of Inject for filters that do not fit a BPF program.
var ErrTooLarge = errors.New("filter is too large")

const useWiderTerms = "use fewer or wider terms: net in place of many hosts, portrange in place of many ports"

// SyntaxError says why an expression is not a pcap-filter expression, and where.
type SyntaxError struct {
	Expr string
	Msg  string // libpcap's words
	// Offset and Len are the bytes of Expr that are at fault. An Offset of
	// len(Expr) or a Len of 0 means that something is missing there.
	Offset, Len int
}

// Error returns one line. Caret shows the place.
func (e *SyntaxError) Error() string {
	switch {
	case e.Len == 0:
		return fmt.Sprintf("compile filter %q: %s at the end (something is missing)", e.Expr, e.Msg)
	case e.Len == len(e.Expr):
		return fmt.Sprintf("compile filter %q: %s", e.Expr, e.Msg)
	}
	return fmt.Sprintf("compile filter %q: %s at %q", e.Expr, e.Msg, e.Expr[e.Offset:e.Offset+e.Len])
}

// caretWidth is how much of a long expression Caret shows, in characters.
const caretWidth = 76

// Caret returns two lines without a final newline: the expression, cut to the
// part around the error if it is long, and below it a mark under what is at fault.
func (e *SyntaxError) Caret() string {
	before := printable(e.Expr[:e.Offset])
	at := printable(e.Expr[e.Offset : e.Offset+e.Len])
	after := printable(e.Expr[e.Offset+e.Len:])

	if len(at) > caretWidth {
		at = append(at[:caretWidth-3:caretWidth-3], '.', '.', '.')
	}
	side := max((caretWidth-len(at))/2, 8)
	if len(before) > side {
		before = append([]rune("..."), before[len(before)-side+3:]...)
	}
	if len(after) > side {
		after = append(after[:side-3:side-3], '.', '.', '.')
	}
	mark := strings.Repeat("^", max(len(at), 1))
	return string(before) + string(at) + string(after) + "\n" + strings.Repeat(" ", len(before)) + mark
}

// printable returns a character a column.
func printable(s string) []rune {
	out := make([]rune, 0, utf8.RuneCountInString(s))
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			r = ' '
		case !unicode.IsPrint(r):
			r = unicode.ReplacementChar
		}
		out = append(out, r)
	}
	return out
}

// LinkError says that an expression, right in itself, cannot be decided on
// packets of a link type: raw IP devices have no Ethernet addresses or VLAN tags.
type LinkError struct {
	Expr string
	Link LinkType
	Msg  string // libpcap's words
}

// Error returns one line.
func (e *LinkError) Error() string {
	return fmt.Sprintf("compile filter %q for %s: %s (the expression needs an Ethernet header)", e.Expr, e.Link, e.Msg)
}
