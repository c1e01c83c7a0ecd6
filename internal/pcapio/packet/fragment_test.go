package packet

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// split cuts an IP payload into fragments of size bytes each.
func split(v6 bool, id uint16, proto byte, payload []byte, size int) []Record {
	var out []Record
	for at := 0; at < len(payload); at += size {
		end := min(at+size, len(payload))
		out = append(out, piece(v6, id, proto, payload, at, end))
	}
	return out
}

// piece is the fragment with payload[at:end].
func piece(v6 bool, id uint16, proto byte, payload []byte, at, end int) Record {
	more := uint16(0)
	if end < len(payload) {
		more = 1
	}
	if v6 {
		return Record{Link: Raw, Data: ip6(44, cat([]byte{proto, 0}, u16(uint16(at)|more), u32(uint32(id)), payload[at:end]))}
	}
	return Record{Link: Raw, Data: ip4(proto, id, uint16(at/8)|more<<13, payload[at:end])}
}

var longPayload = strings.Repeat("0123456789abcdef", 40)

func TestFragmentsInAnyOrderGiveOneSegment(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	segment := tcpSegment(40000, 80, 1000, longPayload)
	for _, v6 := range []bool{false, true} {
		for size := 8; size < len(segment); size += 8 * (1 + rng.IntN(8)) {
			records := split(v6, 77, 6, segment, size)
			rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			want := wantSegment(v6, 0)
			want.Data, want.Len, want.NetBytes = []byte(longPayload), len(longPayload), 0
			for _, r := range records {
				want.NetBytes += len(r.Data)
			}
			got, stats := decodeAll(t, Options{}, records...)
			if diff := cmp.Diff([]flow.Segment{want}, got); diff != "" {
				t.Fatalf("IPv6 %v, %d bytes each (-want +got):\n%s", v6, size, diff)
			}
			if int(stats.Delivered.Packets) != len(records) {
				t.Fatalf("%d of %d fragments count as delivered", stats.Delivered.Packets, len(records))
			}
		}
	}
}

func TestFragmentsThatRepeatOrOverlap(t *testing.T) {
	segment := tcpSegment(40000, 80, 1000, longPayload)
	end := len(segment)
	p := func(at, end int) Record { return piece(false, 5, 6, segment, at, end) }
	short := segment[:320] // its last fragment ends the datagram early
	tests := []struct {
		name      string
		records   []Record
		delivered int // fragments
		dropped   Reason
	}{
		{"repeated", []Record{p(0, 320), p(0, 320), p(320, end)}, 3, 0},
		{"repeated in part", []Record{p(0, 320), p(64, 128), p(320, end)}, 3, 0},
		{"overlapping the end", []Record{p(0, 320), p(312, end)}, 0, FragmentOverlap},
		{"overlapping the start", []Record{p(320, end), p(0, 328)}, 0, FragmentOverlap},
		{"covering another", []Record{p(64, 128), p(0, 320)}, 0, FragmentOverlap},
		{"two ends", []Record{p(320, end), piece(false, 5, 6, short, 160, 320)}, 0, FragmentOverlap},
		{"bytes behind the end", []Record{piece(false, 5, 6, short, 160, 320), p(320, 480)}, 0, FragmentOverlap},
		{"an end before bytes", []Record{p(320, 480), piece(false, 5, 6, short, 160, 320)}, 0, FragmentOverlap},
		{"one missing", []Record{p(0, 160), p(320, end)}, 0, FragmentTimeout},
		{"the end missing", []Record{p(0, 160), p(160, 320)}, 0, FragmentTimeout},
		{"not a multiple of 8", []Record{p(0, 321)}, 0, Malformed},
		{"empty", []Record{{Link: Raw, Data: ip4(6, 5, 0x2000, nil)}}, 0, Malformed},
		{"beyond 64 KiB", []Record{{Link: Raw, Data: ip4(6, 5, 0x1fff, make([]byte, 64))}}, 0, Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, stats := decodeAll(t, Options{}, tt.records...)
			if int(stats.Delivered.Packets) != tt.delivered || len(got) != min(tt.delivered, 1) {
				t.Errorf("%d segments, delivered %+v, want %d fragments", len(got), stats.Delivered, tt.delivered)
			}
			if left := len(tt.records) - tt.delivered; left > 0 && int(stats.Dropped[tt.dropped].Packets) != left {
				t.Errorf("dropped: %s, want %d of %s", outcome(stats), left, tt.dropped)
			}
		})
	}
}

func TestFragmentsOfDifferentDatagramsDoNotMix(t *testing.T) {
	a, b := tcpSegment(40000, 80, 1000, longPayload), tcpSegment(40000, 80, 5000, strings.ToUpper(longPayload))
	one, other := split(false, 1, 6, a, 200), split(false, 2, 6, b, 200)
	tagged := split(false, 1, 6, b, 200)
	for i := range tagged {
		tagged[i].Data, tagged[i].Link = eth(0x8100, vlan(4, 0x0800, tagged[i].Data)), Ethernet
	}
	dns := split(false, 1, 17, udp(53, a), 200)
	var records []Record
	for i := range one {
		records = append(records, dns[i], one[i], other[i], tagged[i])
	}
	got, _ := decodeAll(t, Options{}, records...)
	if len(got) != 3 {
		t.Fatalf("got %d segments, want 3", len(got))
	}
	for i, want := range []string{longPayload, strings.ToUpper(longPayload), strings.ToUpper(longPayload)} {
		if string(got[i].Data) != want {
			t.Errorf("segment %d holds foreign bytes", i)
		}
	}
}

func TestASnapLengthInFragmentsLeavesAPrefix(t *testing.T) {
	records := split(false, 5, 6, tcpSegment(40000, 80, 1000, longPayload), 200)
	for i := range records {
		records[i].WireLen = len(records[i].Data)
		records[i].Data = records[i].Data[:min(96, len(records[i].Data))]
	}
	got, _ := decodeAll(t, Options{}, records...)
	if len(got) != 1 || got[0].Len != len(longPayload) || string(got[0].Data) != longPayload[:56] || got[0].Cut != flow.Truncated {
		t.Errorf("got %+v, want 56 of %d bytes", got, len(longPayload))
	}
}

func TestATunnelMayBeFragmentedOutsideAndInside(t *testing.T) {
	var records []Record
	for i, r := range split(false, 5, 6, tcpSegment(40000, 80, 1000, longPayload), 320) {
		outer := udp(4789, vxlanHeader(3, eth(0x0800, r.Data)))
		records = append(records, split(false, uint16(100+i), 17, outer, 160)...)
	}
	got, stats := decodeAll(t, Options{}, records...)
	if len(got) != 1 || string(got[0].Data) != longPayload {
		t.Fatalf("got %d segments, %s", len(got), outcome(stats))
	}
	if int(stats.Delivered.Packets) != len(records) {
		t.Errorf("%d of %d records count as delivered", stats.Delivered.Packets, len(records))
	}
}

func TestFragmentsWaitForALimitedTime(t *testing.T) {
	records := split(false, 5, 6, tcpSegment(40000, 80, 1000, longPayload), 400)
	d, c := NewDecoder(Options{FragmentTimeout: time.Second}), &collector{}
	d.Decode(&records[0], c)
	d.Expire(int64(time.Second))
	if s := d.Stats(); s.Pending.Packets != 1 {
		t.Errorf("given up too early: %s", outcome(s))
	}
	d.Expire(int64(time.Second) + 1)
	if s := d.Stats(); s.Dropped[FragmentTimeout].Packets != 1 || s.Pending.Packets != 0 {
		t.Errorf("not given up: %s, pending %+v", outcome(s), s.Pending)
	}
	d.Decode(&records[1], c)
	if len(c.segments) != 0 {
		t.Error("a late fragment completed a datagram that was given up")
	}
}

func TestFragmentsStayInsideTheirMemory(t *testing.T) {
	const limit = 64 << 10
	d, c := NewDecoder(Options{FragmentBytes: limit}), &collector{}
	segment := tcpSegment(40000, 80, 1000, longPayload)
	for id := range uint16(2000) {
		r := piece(false, id, 6, segment, 8*int(id%70), len(segment)) // each a datagram without its start
		if id%70 == 0 {
			r = piece(false, id, 6, segment, 0, 64)
		}
		d.Decode(&r, c)
		if d.frags.used > limit {
			t.Fatalf("%d bytes used, the limit is %d", d.frags.used, limit)
		}
	}
	s := d.Stats()
	if s.Dropped[FragmentLimit].Packets == 0 || s.Dropped[FragmentLimit].Packets+s.Pending.Packets != 2000 {
		t.Errorf("%s, pending %+v", outcome(s), s.Pending)
	}
	d.Flush()
	if d.frags.used != 0 || len(d.frags.byKey) != 0 {
		t.Errorf("after the flush %d bytes in %d datagrams", d.frags.used, len(d.frags.byKey))
	}
}
