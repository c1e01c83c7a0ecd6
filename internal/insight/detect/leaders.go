package detect

import (
	"net/netip"
	"slices"
)

// leaders are the few addresses with the most bytes (Space-Saving, linear: there are
// eight). A newcomer takes the place of the least one and inherits its sum as doubt, so
// that bytes - doubt is never too much.
type leaders struct {
	n  int
	of [8]leader
}

type leader struct {
	hash         uint64
	addr         netip.Addr
	bytes, doubt int64
}

func (l *leaders) add(hash uint64, addr netip.Addr, bytes int64) {
	for i := range l.n {
		if l.of[i].hash == hash {
			l.of[i].bytes += bytes
			return
		}
	}
	if l.n < len(l.of) {
		l.of[l.n] = leader{hash, addr, bytes, 0}
		l.n++
		return
	}
	least := &l.of[0]
	for i := range l.of {
		if l.of[i].bytes < least.bytes {
			least = &l.of[i]
		}
	}
	*least = leader{hash, addr, least.bytes + bytes, least.bytes}
}

// top returns the first addresses and what they surely have, the most first.
func (l *leaders) top(most int) []leader {
	all := slices.Clone(l.of[:l.n])
	slices.SortFunc(all, func(a, b leader) int {
		if d := (b.bytes - b.doubt) - (a.bytes - a.doubt); d != 0 {
			return sign(d)
		}
		return a.addr.Compare(b.addr)
	})
	return all[:min(most, len(all))]
}

func sign(d int64) int {
	switch {
	case d < 0:
		return -1
	case d > 0:
		return 1
	}
	return 0
}

// phrase names up to three clients that have 80 % of the bytes: "10.0.0.1, 10.0.0.2 and
// 10.0.0.3 take 97 % of it"; empty where it takes more.
func (l *leaders) phrase(total int64, name func(leader) string) (text string, names []string) {
	var sum int64
	for _, c := range l.top(3) {
		names = append(names, name(c))
		sum += c.bytes - c.doubt
		if total > 0 && float64(sum) >= 0.97*float64(total) {
			break
		}
	}
	if total == 0 || float64(sum) < 0.8*float64(total) {
		return "", names
	}
	verb := " take "
	if len(names) == 1 {
		verb = " takes "
	}
	return list(names) + verb + percent(float64(sum)/float64(total)) + " of it", names
}
