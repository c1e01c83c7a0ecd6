package intake

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/proto"
)

// randomEntry adds an exchange to b: much of it is what others have too.
func randomEntry(r *rand.Rand, b *batch) {
	one := func(all ...string) []byte { return []byte(all[r.IntN(len(all))]) }
	n := func() int64 { return r.Int64N(3) }
	target := one("", "/", "/items/42?page=1", "/items/43?page=1", "/"+strings.Repeat("long", 600), fmt.Sprintf("/rare/%d", r.IntN(500)))
	e := entry{
		startNs: n(), endNs: n(), conn: uint64(n()), client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n())}), 1),
		service: string(one("a", "b")), method: string(one("GET", "PUT")), path: string(one("/", "/items/{id}")), row: uint32(n()),
		protocol: proto.HTTP11, status: int32(n()), code: int32(n()), flags: flags(r.IntN(64)), incomplete: proto.Reason(n()),
		requestBytes: n(), requestSize: n(), responseBytes: n(), responseSize: n(), part: n(), durationNs: n() - 1, ttfbNs: n() - 1,
		hashes: [2]uint64{uint64(n()), uint64(n())},
	}
	e.host = b.share(hostPlace, one("", "shop", "other.example"))
	e.target = b.share(targetPlace+aboutOf(target), target)
	if e.flags&hasHead != 0 {
		request := one("", "\r\n", "User-Agent: wrk\r\n\r\n", "Cookie: x\r\nRange: bytes=0-1\r\n\r\n", "User-Agent: "+strings.Repeat("long", 300)+"\r\n\r\n")
		response := append(one("ETag: \"1\"\r\n", "Vary: a\r\nETag: \"2\"\r\n", "X: y\r\n"), fmt.Appendf(nil, "Content-Type: t/%d\r\n\r\n", r.IntN(1+r.IntN(2)*700))...)
		e.heads[proto.Client] = b.share(requestPlace+uint32(len(request)), request)
		e.heads[proto.Server] = b.share(responsePlace+aboutOf(target), response)
	}
	if r.IntN(4) == 0 {
		e.sample = b.keep([]byte("sample"))
	}
	b.entries = append(b.entries, e)
}

// Whatever a reader has read before, it makes the same of an entry.
func TestReadersKeepNothingOfTheExchangeBefore(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	used, b := newReader(nil), newBatch()
	for range 40 {
		b.reset()
		for !b.full() {
			randomEntry(r, b)
		}
		used.begin()
		for i := range b.entries {
			fresh := newReader(nil)
			fresh.targets.seed, fresh.names.seed = used.targets.seed, used.names.seed // of names that are cut
			want, got := fresh.read(b, &b.entries[i]), used.read(b, &b.entries[i])
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Fatalf("entry %d %+v (-new reader +used):\n%s", i, b.entries[i], diff)
			}
		}
	}
}

// What exchanges share is what each of them gave, to the last entry of each batch.
func TestSharedBytesStayWhatTheyWere(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	b := newBatch()
	for range 200 {
		type shared struct {
			data []byte
			at   span
		}
		var all []shared
		for range 100 {
			data := []byte(strings.Repeat(string(rune('a'+r.IntN(8))), r.IntN(40)))
			all = append(all, shared{data, b.share(uint32(r.IntN(40)), data)})
		}
		for _, s := range all {
			if got := b.text(s.at); string(got) != string(s.data) {
				t.Fatalf("%q became %q", s.data, got)
			}
		}
		b.reset()
	}
}
