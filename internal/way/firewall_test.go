package way

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const ruleset = `table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		ct state invalid counter packets 0 bytes 0 drop
		jump services
	}
	chain services {
		tcp dport 22 accept
		tcp dport 23 reject
	}
	chain output {
		type filter hook output priority filter; policy accept;
		ip daddr 10.0.0.0/8 drop
		comment "dropped"
	}
}
table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		masquerade
	}
}
`

func TestRulesThatDropAreFoundByTheWayTheyLook(t *testing.T) {
	in := []dropping{
		{"inet filter input", "policy drop"},
		{"inet filter input", "ct state invalid counter packets 0 bytes 0 drop"},
		{"inet filter services", "tcp dport 23 reject"},
	}
	out := []dropping{{"inet filter services", "tcp dport 23 reject"}, {"inet filter output", "ip daddr 10.0.0.0/8 drop"}}
	for _, c := range []struct {
		leaving bool
		want    []dropping
	}{{false, in}, {true, out}} {
		if diff := cmp.Diff(c.want, rulesThatDrop(ruleset, c.leaving), cmp.AllowUnexported(dropping{})); diff != "" {
			t.Errorf("leaving %v (-want +got):\n%s", c.leaving, diff)
		}
	}
	want := []string{"nft insert rule inet filter input X accept", "nft insert rule inet filter services X accept"}
	if diff := cmp.Diff(want, accepting(in, "X")); diff != "" {
		t.Errorf("remedies (-want +got):\n%s", diff)
	}
}
