package way

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// dropping is a rule, or a policy, of a chain.
type dropping struct{ chain, rule string }

// accepting are the commands that let the target's answers pass in the chains of rules.
func accepting(rules []dropping, match string) []string {
	var all []string
	for _, r := range rules {
		if c := fmt.Sprintf("nft insert rule %s %s accept", r.chain, match); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

func textOf(rules []dropping) string {
	text := ""
	for i, r := range rules {
		if i > 0 {
			text += "; "
		}
		text += "nft " + r.chain + ": " + r.rule
	}
	return text
}

// maxRules bounds the list of rules that a user is shown.
const maxRules = 5

// droppingRules lists the rules of this machine's nftables that drop or reject, in chains
// that see what leaves, or what comes in. It is a hint: which one it was is not known.
func droppingRules(leaving bool) []dropping {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, "nft", "list", "ruleset").Output()
	if err != nil {
		return nil // no nft, or no right to: then there is no hint
	}
	return rulesThatDrop(string(text), leaving)
}

func rulesThatDrop(ruleset string, leaving bool) []dropping {
	hooks := []string{"prerouting", "input", "ingress"}
	if leaving {
		hooks = []string{"output", "postrouting", "egress"}
	}
	var found []dropping
	var table, chain, pending string
	concerned := false
	for line := range strings.Lines(ruleset) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "table":
			table = strings.Join(fields[1:min(3, len(fields))], " ")
		case fields[0] == "chain" && len(fields) > 1:
			// A chain without a hook is one that others jump to: it may be meant.
			chain, concerned = fields[1], true
		case fields[0] == "type":
			concerned = false
			for _, h := range hooks {
				concerned = concerned || strings.Contains(line, "hook "+h)
			}
			pending = ""
			if strings.Contains(line, "policy drop") {
				pending = "policy drop"
			}
		case concerned && (strings.Contains(" "+line+" ", " drop ") || strings.Contains(" "+line+" ", " reject ")):
			pending = line
		}
		if pending != "" && concerned {
			found = append(found, dropping{table + " " + chain, pending})
		}
		pending = ""
	}
	return found[:min(len(found), maxRules)]
}

// invalidPackets is how many packets conntrack found to be of no connection, in this
// network namespace; 0 where that is not counted.
func invalidPackets() uint64 {
	text, err := os.ReadFile("/proc/net/stat/nf_conntrack")
	if err != nil {
		return 0
	}
	column, sum := -1, uint64(0)
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if column < 0 {
			for i, f := range fields {
				if f == "invalid" {
					column = i
				}
			}
			if column < 0 {
				return 0
			}
			continue
		}
		var n uint64
		if column < len(fields) {
			_, _ = fmt.Sscanf(fields[column], "%x", &n)
		}
		sum += n
	}
	return sum
}
