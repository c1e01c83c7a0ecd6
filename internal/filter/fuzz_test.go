package filter

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// vocabulary has what expressions are made of, and nothing that a resolver would
// be asked for.
const vocabulary = `tcp udp ip ip6 icmp arp ether vlan mpls pppoes geneve host net port portrange src dst and or not
 ( ) [ ] ! && || = != < > <= >= << >> & | ^ + - * / % : 0 1 2 4 6 12 13 14 80 255 65535 99999 4294967295 10.0.0.1 10.0.0.0/8
 2001:db8::1 02:00:00:00:00:0a tcpflags tcp-syn len less greater broadcast multicast proto protochain 0x8100 tcp[ ip[ ether[
 ]=1 :2] icmptype inbound ifindex mask on llc 1.2.3.400 :: @ $0 \tcp`

// sentence spells an expression, a word a byte.
func sentence(data []byte) string {
	words := strings.Fields(vocabulary)
	var b strings.Builder
	for _, c := range data[:min(len(data), 60)] {
		b.WriteString(words[int(c)%len(words)])
		b.WriteByte(' ')
	}
	return b.String()
}

// Whatever is asked, Compile answers: with a filter, or with an error whose mark
// is inside the expression and before whose mark nothing is wrong.
func FuzzCompile(f *testing.F) {
	f.Add([]byte{0, 11, 27}, true)
	f.Add([]byte{0, 0, 11, 28}, false)
	f.Add([]byte{69, 55, 16, 30, 51, 19, 52}, true)
	f.Fuzz(func(t *testing.T, data []byte, onEthernet bool) {
		expr, link := sentence(data), Raw
		if onEthernet {
			link = Ethernet
		}
		compiled, err := Compile(expr, link)
		var wrong *SyntaxError
		var other *LinkError
		switch {
		case err == nil:
			compiled.Match(data, len(data))
		case errors.As(err, &wrong):
			checkMark(t, wrong, link)
		case !errors.As(err, &other):
			t.Errorf("compile %q: error of type %T", expr, err)
		}
	})
}

func checkMark(t *testing.T, e *SyntaxError, link LinkType) {
	t.Helper()
	if e.Offset < 0 || e.Len < 0 || e.Offset+e.Len > len(e.Expr) {
		t.Fatalf("mark at byte %d, %d long, of %q", e.Offset, e.Len, e.Expr)
	}
	line, mark, ok := strings.Cut(e.Caret(), "\n")
	if !ok || utf8.RuneCountInString(line) < strings.IndexByte(mark, '^') || e.Error() == "" {
		t.Errorf("Caret() =\n%s", e.Caret())
	}
	if e.Len == 0 || e.Len == len(strings.TrimSpace(e.Expr)) {
		return
	}
	// The parser asks for more after what is before the mark.
	_, msg := compile(e.Expr[:e.Offset]+" "+refusedNumber, link, false)
	if strings.HasSuffix(msg, "syntax error") {
		t.Errorf("%s, but there is a syntax error before the mark\n%s", e.Msg, e.Caret())
	}
}

// An expression of the table, negated or combined with others, on any packet: the
// kernel and libpcap agree. It needs root.
func FuzzKernelAgreesWithLibpcap(f *testing.F) {
	spec := probeSpec(f)
	table, n := expressions(0)
	all := frames()
	f.Add([]byte{3}, all[0].data)
	f.Add([]byte{90, 1, 200}, all[9].data)
	f.Add([]byte{20, 2, 100, 4, 30}, all[200].data)
	f.Fuzz(func(t *testing.T, choice, data []byte) {
		if len(data) < 15 || len(data) > 2000 || len(choice) == 0 {
			t.Skip("the kernel takes no such packet")
		}
		expr := "ip"
		for i := 0; i+1 < min(len(choice), 9); i += 2 {
			term := table[(int(choice[i])<<2+int(choice[i+1])>>6)%n]
			if term == "" {
				continue
			}
			expr = "(" + expr + ")" + []string{" and (", " or (", " and not (", " or not ("}[choice[i+1]%4] + term + ")"
		}
		filter, err := Compile(expr, Ethernet)
		if err != nil {
			t.Skip(err)
		}
		for _, p := range probes(Ethernet) {
			p.agree(t, spec, filter, slices.Values([]packet{{"fuzzed", data}}))
		}
	})
}
