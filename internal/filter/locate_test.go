package filter

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each pair of lines is an expression with a mistake, and where the mark belongs.
const mistakes = `
tcp prot 80
    ^^^^
tcp port
        ^
tcp port 80 and
               ^
tcp port 80 and and udp
                ^^^
host
    ^
host 1.2.3.4 port 80
             ^^^^
(tcp port 80
            ^
tcp port 80)
           ^
((((
    ^
())
 ^
()
 ^
tcp[13
      ^
tcp[13]
       ^
tcp[13] & 2
           ^
tcp[13] & 2 !
            ^
tcp[13] = = 2
          ^
tcp[0:3] = 1
       ^
ip[0:8]=1
      ^
tcp[foo] = 1
    ^^^
icmp[icmptype] = icmp-foo
                 ^^^^^^^^
portrange 1-
           ^
port http or foo-bar baz
             ^^^^^^^
port 99999
     ^^^^^
port 80 or 99999 or 3
           ^^^^^
vlan 99999 and tcp
     ^^^^^
vlan foo
     ^^^
net 10.0.0.1/8 and tcp
    ^^^^^^^^^^
net 10.0.0.0/33
             ^^
host 1.2.3.400
     ^^^^^^^^^
src and dst
           ^
src dst host 1.2.3.4
    ^^^
tcp or or udp
       ^^
not
   ^
! ! tcp port 80 not
                ^^^
ip proto foo
         ^^^
ip proto tcp
         ^^^
ether proto \lat and ip proto \lat
                              ^^^^
ether host 1.2.3.4
           ^^^^^^^
ether host 00:11:22:33:44
           ^^^^^^^^^^^^^^
ip and ip host ::1
       ^^
ip6 and ip6 host 1.2.3.4 and ip host 1.2.3.4
        ^^^
ip and ip6
^^^^^^^^^^
ip[0] / 0 = 1
        ^
ip[0] << 32 = 1
         ^^
less foo
     ^^^
greater 10 20
           ^^
len << 3
        ^
1 =
   ^
= 1
^
tcp 80
    ^^
@
^
tcp port 80 @
            ^
tcp port 80 & udp
            ^
tcp port 80 && && udp
               ^^
"tcp port 80"
^
TCP port 80
^^^
port :80
     ^
host 10.0.0.1:80
             ^
eth0:80
^^^^
ip multicast multicast
             ^^^^^^^^^
ether broadcast and ip broadcast
                    ^^^^^^^^^^^^
wlan type mgt
          ^^^
mpls 1 2
       ^
pppoes pppoed 1
       ^^^^^^
tcp[tcpflags] & (tcp-syn|tcp-foo) != 0
                         ^^^^^^^
tcp[tcpflags & tcp-syn != 0
                       ^^
tcp[(1+2] = 3
        ^
ip[2:2] + (ip[0] * 3 = 1
                     ^
ip[2:2] + ip[0] * ) = 1
                  ^
99999999999
^^^^^^^^^^^
tcp port 99999999999
         ^^^^^^^^^^^
port 99999999999 prot
     ^^^^^^^^^^^
tcp port 08
         ^^
ip protochain
             ^
inbound outbound
        ^^^^^^^^
ifindex eth0
        ^^^^
on eth0
   ^^^^
tcp dst port 80 src
                ^^^
not port 22 and not (port 80
                            ^
tcp port 80 or tcp port 443 or tcp prot 8080 or tcp port 9090
                                   ^^^^
tcp[20:4] = 0x47455420 or tcp[20:4 = 0x504f5354
                                   ^
ether[0] & 1 = 0 and ip[16] >= 224 &&
                                     ^
ether proto ip and
            ^^
llc foo
    ^^^
udp port 80-90
         ^^^^^
host 2001:db8::g
               ^
net 2001:db8::/129
               ^^^
net 2001:db8::1/32
    ^^^^^^^^^^^^^^
host fe80::1%eth0
            ^
tcp port 80 # comment
            ^
tcp port 80 -- foo
            ^
tcp/80
   ^
ip host ::1 or ip6 host 1.2.3.4
^^
radio[0]=1
       ^
`

func TestMarkStandsUnderTheMistake(t *testing.T) {
	lines := strings.Split(strings.Trim(mistakes, "\n"), "\n")
	for i := 0; i < len(lines); i += 2 {
		expr, mark := lines[i], lines[i+1]
		e := mustRefuse(t, expr)
		if diff := cmp.Diff(expr+"\n"+mark, e.Caret()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.Msg, diff)
		}
	}
}

func mustRefuse(t *testing.T, expr string) *SyntaxError {
	t.Helper()
	_, err := Compile(expr, Ethernet)
	var e *SyntaxError
	if !errors.As(err, &e) {
		t.Fatalf("compile %q: error %v, want a *SyntaxError", expr, err)
	}
	return e
}

// A word that fits nowhere, put before any token of a right expression, is found.
func TestIntruderIsFoundAnywhere(t *testing.T) {
	const intruder = "]["
	all, table := expressions(20)
	for i, expr := range all {
		if i < table && i%5 != 0 || strings.HasPrefix(expr, "not (") {
			continue
		}
		if _, err := Compile(expr, Ethernet); err != nil {
			continue
		}
		for _, tok := range scan(expr) {
			broken := expr[:tok.start] + " " + intruder + " " + expr[tok.start:]
			_, err := Compile(broken, Ethernet)
			var e *SyntaxError
			if !errors.As(err, &e) {
				t.Fatalf("compile %q: error %v, want a *SyntaxError", broken, err)
			}
			// The bracket may close one of the expression; then the next is wrong.
			at := tok.start + 1
			if e.Offset != at && e.Offset != at+1 || e.Len != 1 {
				t.Errorf("%s, at byte %d, want %d\n%s", e.Msg, e.Offset, at, e.Caret())
			}
		}
	}
}

func TestLongExpressionIsCutAroundTheMark(t *testing.T) {
	good := strings.Repeat("tcp port 80 or ", 20)
	e := mustRefuse(t, good+"udp prot 53 or "+good+"tcp")
	want := "...cp port 80 or tcp port 80 or udp prot 53 or tcp port 80 or tcp port 80...\n" +
		"                                    ^^^^"
	if diff := cmp.Diff(want, e.Caret()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMarkCountsCharacters(t *testing.T) {
	e := mustRefuse(t, "port\t80 and\nö prot")
	if diff := cmp.Diff("port 80 and ö prot\n            ^", e.Caret()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrorIsOneLineWithTheCulprit(t *testing.T) {
	tests := []struct{ expr, want string }{
		{"tcp prot 80", `compile filter "tcp prot 80": syntax error at "prot"`},
		{"tcp port 80 or\n", `compile filter "tcp port 80 or\n": syntax error at the end (something is missing)`},
		{"ip and ip6", `compile filter "ip and ip6": expression rejects all packets`},
		{"tcp\x00port", `compile filter "tcp\x00port": NUL byte in expression at "\x00"`},
		{"decnet host foo", `compile filter "decnet host foo": decnet name support not included, 'foo' cannot be translated at "foo"`},
	}
	for _, tt := range tests {
		if got := mustRefuse(t, tt.expr).Error(); got != tt.want {
			t.Errorf("error %s, want %s", got, tt.want)
		}
	}
}

func TestExpressionForAnotherLinkSaysSo(t *testing.T) {
	for _, expr := range []string{"vlan", "vlan 5 and tcp", "ether host 02:00:00:00:00:01", "arp", "mpls", "pppoes", "ether broadcast", "llc"} {
		_, err := Compile(expr, Raw)
		var e *LinkError
		if !errors.As(err, &e) {
			t.Errorf("compile %q for raw IP: error %v, want a *LinkError", expr, err)
			continue
		}
		if !strings.Contains(e.Error(), "raw IP") || !strings.Contains(e.Error(), "Ethernet header") {
			t.Errorf("error %q does not say what is wrong", e)
		}
	}
	// Wrong on every link: not the link's fault.
	var e *SyntaxError
	if _, err := Compile("vlan prot", Raw); !errors.As(err, &e) {
		t.Errorf("error %v, want a *SyntaxError", err)
	}
}
