package filter

import (
	"regexp"
	"sort"
	"strings"
)

// libpcap says that there is a syntax error, not where. But its parser stops at
// the first token that cannot continue what came before, and its scanner reads
// no further than the parser asks. So a number that the scanner refuses, set
// behind a part of the expression, tells whether the parser accepted all of that
// part: then, and only then, it complains of the number.
const refusedNumber = "99999999999"

// locate returns which bytes of the expression libpcap's message is about; a
// length of 0 means that something is missing at the end.
func locate(expr string, link LinkType, msg string) (offset, length int) {
	tokens := scan(expr)
	switch {
	case len(tokens) == 0:
		return len(expr), 0
	case strings.HasSuffix(msg, "syntax error"):
		bad := firstRefused(expr, link, tokens)
		if bad == len(tokens) {
			return tokens[bad-1].end, 0
		}
		return tokens[bad].span()
	case strings.HasSuffix(msg, "rejects all packets"):
		return token{tokens[0].start, tokens[len(tokens)-1].end}.span()
	}
	named := quotedIn(expr, tokens, msg)
	if len(named) == 1 {
		// And the resolver is not asked again for a name that it does not know.
		return named[0].span()
	}
	culprit := firstMeant(expr, link, tokens, msg)
	for _, t := range named {
		if t.start <= tokens[culprit].start {
			return t.span()
		}
	}
	return tokens[culprit].span()
}

// firstRefused returns the index of the first token that the parser did not accept,
// or how many there are if the expression ends too early, or if it cannot be known.
func firstRefused(expr string, link LinkType, tokens []token) int {
	if _, msg := compile(refusedNumber, link, false); !strings.Contains(msg, refusedNumber) {
		return len(tokens) // a libpcap whose scanner takes it
	}
	return sort.Search(len(tokens), func(i int) bool {
		_, msg := compile(expr[:tokens[i].end]+" "+refusedNumber, link, false)
		return strings.HasSuffix(msg, "syntax error")
	})
}

// firstMeant returns the index of the token that completes the shortest part of
// the expression about which libpcap has the same complaint.
func firstMeant(expr string, link LinkType, tokens []token, msg string) int {
	return sort.Search(len(tokens)-1, func(i int) bool {
		_, m := compile(expr[:tokens[i].end], link, false)
		return m == msg
	})
}

// quotedIn returns the places of what the message quotes, the last one first.
func quotedIn(expr string, tokens []token, msg string) (found []token) {
	for _, quote := range []string{"'", `"`} {
		_, rest, _ := strings.Cut(msg, quote)
		quoted, _, ok := strings.Cut(rest, quote)
		if !ok {
			continue
		}
		for i := len(tokens) - 1; i >= 0; i-- {
			t := tokens[i]
			if strings.HasPrefix(strings.TrimPrefix(expr[t.start:], `\`), quoted) {
				t.end = max(t.end, t.start+len(quoted))
				found = append(found, t)
			}
		}
	}
	return found
}

// token is a range of bytes of an expression.
type token struct{ start, end int }

func (t token) span() (offset, length int) { return t.start, t.end - t.start }

// wordPattern has the words of libpcap's scanner: addresses with two colons or
// more (`ip[2:4]` has one); names, numbers and dotted addresses; ARCnet
// addresses; escaped names; operators; and whatever else, a character each.
const wordPattern = `^(?:` +
	`(?:[0-9A-Fa-f]{0,4}:){2,}[0-9A-Fa-f]{0,4}(?:\.[0-9]+)*|` +
	`[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?|` +
	`\$[0-9A-Fa-f]{1,2}|` +
	`\\[^ !()\n\t]+|` +
	`&&|\|\||>=|<=|!=|==|<<|>>|` +
	`(?s:.))`

// scan splits an expression as libpcap's scanner does.
func scan(expr string) (tokens []token) {
	word := regexp.MustCompile(wordPattern)
	for i := 0; i < len(expr); {
		if strings.IndexByte(" \t\r\n", expr[i]) >= 0 {
			i++
			continue
		}
		n := len(word.FindString(expr[i:]))
		tokens = append(tokens, token{i, i + n})
		i += n
	}
	return tokens
}
