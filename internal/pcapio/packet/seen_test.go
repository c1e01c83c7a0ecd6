package packet

import (
	"testing"
	"time"
)

// on is plain4 with changes, seen on an interface at a time.
func on(iface uint64, at time.Duration, change func(p []byte)) Record {
	p := plain4()
	if change != nil {
		change(p)
	}
	return Record{Data: p, Link: Raw, Interface: iface, Copies: true, TsNs: int64(at)}
}

func TestAPacketSeenOnSeveralInterfacesCountsOnce(t *testing.T) {
	ttl := func(p []byte) { p[8]--; p[10]++ } // as a router leaves it
	checksum := func(p []byte) { p[36]++ }    // as a card fills it in
	ipID := func(p []byte) { p[5]++ }
	seq := func(p []byte) { p[27]++ }
	ms := time.Millisecond
	tests := []struct {
		name       string
		records    []Record
		duplicates uint64
	}{
		{"forwarded twice", []Record{on(1, 0, nil), on(2, ms, ttl), on(3, ms, nil)}, 2},
		{"retransmitted on one interface", []Record{on(1, 0, nil), on(1, ms, nil), on(1, 2*ms, nil)}, 0},
		{"retransmitted, seen on two", []Record{on(1, 0, nil), on(2, 0, nil), on(1, ms, nil), on(2, ms, nil)}, 2},
		{"before and after checksum offload", []Record{on(1, 0, nil), on(2, ms, checksum)}, 1},
		{"another IP id", []Record{on(1, 0, nil), on(2, ms, ipID)}, 0},
		{"another sequence number", []Record{on(1, 0, nil), on(2, ms, seq)}, 0},
		{"much later", []Record{on(1, 0, nil), on(2, 2*time.Second, nil)}, 0},
		{"out of order", []Record{on(1, ms, nil), on(2, 0, nil)}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, stats := decodeAll(t, Options{}, tt.records...)
			if stats.Dropped[Duplicate].Packets != tt.duplicates || len(got) != len(tt.records)-int(tt.duplicates) {
				t.Errorf("%d segments, %d duplicates, want %d duplicates", len(got), stats.Dropped[Duplicate].Packets, tt.duplicates)
			}
		})
	}
}

func TestWithoutOtherInterfacesNothingIsADuplicate(t *testing.T) {
	a, b := on(1, 0, nil), on(2, 0, nil)
	a.Copies, b.Copies = false, false
	if got, _ := decodeAll(t, Options{}, a, b); len(got) != 2 {
		t.Errorf("got %d segments, want 2", len(got))
	}
}

func TestTheCookedHeaderTellsTheInterface(t *testing.T) {
	header := hx(t, "0800 0000 00000003 0001 00 06 0200000000010000")
	first := Record{Data: cat(header, plain4()), Link: SLL2, Copies: true}
	second := Record{Data: cat(replace(append([]byte(nil), header...), 7, 4), plain4()), Link: SLL2, Copies: true}
	got, stats := decodeAll(t, Options{}, first, second)
	if len(got) != 1 || stats.Dropped[Duplicate].Packets != 1 {
		t.Errorf("%d segments, %s", len(got), outcome(stats))
	}
}

func TestTheTableForgetsTheOldestFirst(t *testing.T) {
	d, c := NewDecoder(Options{}), &checker{t: t}
	decode := func(i int, iface uint64) {
		r := on(iface, time.Duration(i), func(p []byte) { copy(p[24:], u32(uint32(i))) })
		r.WireLen = len(r.Data)
		d.Decode(&r, c)
	}
	const packets, recent = 2 * seenSets * seenWays, 1000
	for i := range packets {
		decode(i, 1)
	}
	for i := packets - recent; i < packets; i++ {
		decode(i, 2)
	}
	if got := d.Stats().Dropped[Duplicate].Packets; got != recent {
		t.Errorf("%d of the last %d packets were recognised", got, recent)
	}
}
