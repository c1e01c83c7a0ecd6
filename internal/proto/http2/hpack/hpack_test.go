package hpack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	xhpack "golang.org/x/net/http2/hpack"
)

// decode returns the block's fields as "name: value", "?" for unknown ones,
// and "!" at the end if it does not decode.
func decode(d *Decoder, block []byte) []string {
	var got []string
	d.Reset(block)
	for {
		f, ok := d.Next()
		switch {
		case !ok && d.Err() != nil:
			return append(got, "!")
		case !ok:
			return got
		case f.Known:
			got = append(got, string(f.Name)+": "+string(f.Value))
		default:
			got = append(got, "?")
		}
	}
}

func encode(e *xhpack.Encoder, buf *bytes.Buffer, fields ...string) []byte {
	buf.Reset()
	for _, f := range fields {
		i := strings.Index(f[1:], ":") + 1
		_ = e.WriteField(xhpack.HeaderField{Name: f[:i], Value: f[i+2:], Sensitive: strings.HasPrefix(f, "authorization")})
	}
	return bytes.Clone(buf.Bytes())
}

func TestStaticTableIsThatOfTheRFC(t *testing.T) {
	for i := 1; i <= len(static); i++ {
		block := []byte{0x80 | byte(i)}
		want, err := xhpack.NewDecoder(0, nil).DecodeFull(block)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{want[0].Name + ": " + want[0].Value}, decode(NewDecoder(0), block)); diff != "" {
			t.Errorf("index %d (-want +got):\n%s", i, diff)
		}
	}
}

// randomFields draws from few names and values, so that blocks refer to each other.
func randomFields(r *rand.Rand) []string {
	out := []string{":method: GET", fmt.Sprintf(":path: /%d", r.IntN(5)), ":authority: example.org"}
	for range r.IntN(8) {
		out = append(out, fmt.Sprintf("x-%d: %s", r.IntN(4), strings.Repeat("v", r.IntN(60))))
	}
	if r.IntN(5) == 0 {
		out = append(out, "x-large: "+strings.Repeat("L", r.IntN(6000)), "authorization: secret")
	}
	return out
}

func TestBlocksDecodeAsTheyWereEncodedWhateverTheTableSize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var buf bytes.Buffer
	e := xhpack.NewEncoder(&buf)
	e.SetMaxDynamicTableSizeLimit(1 << 16)
	d := NewDecoder(1 << 16)
	for i := range 3000 {
		if r.IntN(20) == 0 {
			e.SetMaxDynamicTableSize(uint32(r.IntN(3) * r.IntN(9000)))
		}
		want := randomFields(r)
		if diff := cmp.Diff(want, decode(d, encode(e, &buf, want...))); diff != "" {
			t.Fatalf("block %d (-want +got):\n%s", i, diff)
		}
	}
}

// An observer that starts late, misses blocks or has a small table may say
// "unknown", but never something else than what was sent.
func TestPartialKnowledgeIsUnknownNeverWrong(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		var buf bytes.Buffer
		e := xhpack.NewEncoder(&buf)
		e.SetMaxDynamicTableSizeLimit(1 << 16)
		d := NewDecoder([]int{64, 300, 4096, 1 << 16}[seed%4])
		d.Forget()
		known := 0
		for i := range 200 {
			if r.IntN(30) == 0 {
				e.SetMaxDynamicTableSize(uint32(r.IntN(3) * r.IntN(9000)))
			}
			want := randomFields(r)
			block := encode(e, &buf, want...)
			if r.IntN(15) == 0 {
				d.Forget()
				continue
			}
			got := decode(d, block)
			if len(got) != len(want) {
				t.Fatalf("seed %d block %d: got %q, want %q", seed, i, got, want)
			}
			for j := range got {
				if got[j] != "?" && got[j] != want[j] {
					t.Fatalf("seed %d block %d: got %q, want %q", seed, i, got[j], want[j])
				}
				if got[j] != "?" {
					known++
				}
			}
		}
		if known == 0 {
			t.Errorf("seed %d: nothing was known", seed)
		}
	}
}

func TestStaticAndLiteralFieldsAreKnownFromTheMiddle(t *testing.T) {
	d := NewDecoder(4096)
	d.Forget()
	block := []byte{0xbe, 0x82, 0x7f, 0x00, 0x01, 'v'} // dynamic 62; :method GET; dynamic 63 with the value v, indexed
	block = append(block, 0x44, 0x02, '/', 'x')        // :path /x, indexed
	if diff := cmp.Diff([]string{"?", ":method: GET", "?", ":path: /x"}, decode(d, block)); diff != "" {
		t.Errorf("first block (-want +got):\n%s", diff)
	}
	// Newest first: :path, then the entry of unknown name, then what came before.
	if diff := cmp.Diff([]string{":path: /x", "?", "?"}, decode(d, []byte{0xbe, 0xbf, 0xc0})); diff != "" {
		t.Errorf("second block (-want +got):\n%s", diff)
	}
}

func TestAnEmptiedTableIsKnownAgain(t *testing.T) {
	d := NewDecoder(4096)
	d.Forget()
	decode(d, []byte{0x20, 0x3f, 0xe1, 0x1f}) // size 0, then 4096
	if diff := cmp.Diff([]string{"!"}, decode(d, []byte{0xbe})); diff != "" {
		t.Errorf("reference into an empty table (-want +got):\n%s", diff)
	}
}

// A table known from its beginning evicts as its encoder does, so that a
// reference to what was evicted shows that something is wrong.
func TestAKnownTableHoldsWhatItsEncoderHolds(t *testing.T) {
	d := NewDecoder(4096)
	decode(d, []byte{0x3f, 0x31, 0x44, 0x02, '/', 'x', 0x44, 0x02, '/', 'y'}) // size 80: room for two of 39
	if diff := cmp.Diff([]string{":path: /y", ":path: /x"}, decode(d, []byte{0xbe, 0xbf})); diff != "" {
		t.Errorf("both (-want +got):\n%s", diff)
	}
	decode(d, []byte{0x44, 0x02, '/', 'z'})
	if diff := cmp.Diff([]string{":path: /z", ":path: /y", "!"}, decode(d, []byte{0xbe, 0xbf, 0xc0})); diff != "" {
		t.Errorf("after an eviction (-want +got):\n%s", diff)
	}
}

func TestSizesOf32BitsAreTaken(t *testing.T) {
	for block, want := range map[string]bool{
		"\x3f\xe0\xff\xff\xff\x0f": true,  // 2^32-1
		"\x3f\xe1\xff\xff\xff\x0f": false, // 2^32
	} {
		if got := len(decode(NewDecoder(100), []byte(block))) == 0; got != want {
			t.Errorf("% x: taken %v", block, got)
		}
	}
}

func TestBrokenBlocksFailAndForget(t *testing.T) {
	for name, block := range map[string][]byte{
		"index 0":               {0x80},
		"index beyond the end":  {0xbf},
		"integer without end":   {0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		"integer cut":           {0xff},
		"string cut":            {0x44, 0x05, '/'},
		"value missing":         {0x44},
		"bad Huffman padding":   {0x44, 0x81, 0x00},
		"size update, late":     {0x82, 0x20},
		"name index out of dyn": {0x7f, 0x10, 0x01, 'v'},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder(4096)
			decode(d, []byte{0x44, 0x02, '/', 'x'})
			got := decode(d, block)
			if len(got) == 0 || got[len(got)-1] != "!" {
				t.Errorf("decoded to %q", got)
			}
			if got := decode(d, []byte{0xbe}); got[0] != "?" {
				t.Errorf("the table survived: %q", got)
			}
		})
	}
}

func TestShapeTellsHeadersFromOtherBytes(t *testing.T) {
	cases := []struct {
		name  string
		block []byte
		whole bool
		want  Shape
	}{
		{"request", []byte{0x82, 0x86, 0x84}, true, Request},
		{"response", []byte{0x88, 0xbe}, true, Response},
		{"request after an unknown field", []byte{0xbe, 0x82}, true, Request},
		{"literal status", append([]byte{0x00, 7}, ":status\x03200"...), true, Response},
		{"trailers", append([]byte{0x40, 11}, "grpc-status\x010"...), true, Fields},
		{"both kinds", []byte{0x82, 0x88}, true, Invalid},
		{"pseudo after regular", []byte{0x90, 0x82}, true, Invalid},
		{"absurd index", []byte{0xff, 0xff, 0xff, 0x7f}, true, Invalid},
		{"size update", []byte{0x3f, 0xe1, 0x1f, 0x82}, true, Request},
		{"size update after a field", []byte{0x82, 0x20}, true, Invalid},
		{"size update, cut", []byte{0x3f, 0xe1}, true, Invalid},
		{"size update, cut in a beginning", []byte{0x3f, 0xe1}, false, Fields},
		{"index 0", []byte{0x80}, true, Invalid},
		{"empty name", []byte{0x40, 0, 1, 'x'}, true, Invalid},
		{"unknown pseudo-header", append([]byte{0x40, 4}, ":foo\x01x"...), true, Invalid},
		{"Huffman-coded name", []byte{0x40, 0x81, 0xf3, 0x01, 'x'}, true, Fields},
		{"absurd size", []byte{0x3f, 0xff, 0xff, 0xff, 0x7f}, true, Invalid},
		{"upper-case name", append([]byte{0x40, 3}, "Foo\x01x"...), true, Invalid},
		{"control characters", append([]byte{0x44, 2}, "/\x00"...), true, Invalid},
		{"cut, all of it expected", []byte{0x82, 0x44, 0x7f}, true, Invalid},
		{"cut, a beginning", []byte{0x82, 0x44, 0x7f}, false, Request},
		{"cut in its first value", []byte{0x44, 0x50, '/'}, false, Request},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := ShapeOf(c.block, c.whole); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	var buf bytes.Buffer
	e := xhpack.NewEncoder(&buf)
	d := NewDecoder(4096)
	var blocks [][]byte
	for i := range 200 { // enough to evict and to move the data several times
		blocks = append(blocks, encode(e, &buf, ":method: GET", fmt.Sprintf(":path: /some/path/%d", i), "user-agent: test"))
	}
	n := 0
	// The blocks repeat, which the table would not survive in exact mode.
	d.Forget()
	run := func() {
		d.Reset(blocks[n%len(blocks)])
		for _, ok := d.Next(); ok; _, ok = d.Next() {
		}
		n++
	}
	for range 400 {
		run()
	}
	if got := testing.AllocsPerRun(1000, run); got != 0 {
		t.Errorf("%v allocations a block", got)
	}
}

// FuzzShapeOf: the beginning of what may be a block may be one.
func FuzzShapeOf(f *testing.F) {
	f.Add([]byte{0x82, 0x44, 0x02, '/', 'x'}, 3)
	f.Add([]byte{0x3f, 0xe1, 0x1f, 0x88}, 2)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		if n < 0 || n > len(b) {
			return
		}
		whole, part := ShapeOf(b, true), ShapeOf(b[:n], false)
		if whole != Invalid && part != whole && part != Fields {
			t.Errorf("% x is %d, and its first %d bytes are %d", b, whole, n, part)
		}
	})
}

// FuzzDecoder holds the decoder against the one of x/net, which knows only
// complete connections, and a late decoder against the early one.
func FuzzDecoder(f *testing.F) {
	var buf bytes.Buffer
	e := xhpack.NewEncoder(&buf)
	f.Add(encode(e, &buf, ":method: GET", ":path: /a", "x: y"), encode(e, &buf, ":method: GET", ":path: /a", "x: y"))
	f.Add([]byte{0x41, 0}, []byte{0x3f, 0x30, 0x3f, 0x30})
	f.Add([]byte{0x3f, 0xe1, 0x1f, 0x40, 1, 'a', 1, 'b'}, []byte{0xbe, 0x7e, 0x01, 'c', 0x20})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		x := xhpack.NewDecoder(4096, nil)
		x.SetAllowedMaxDynamicTableSize(1<<32 - 1)
		d, late := NewDecoder(1<<20), NewDecoder(1<<20)
		late.Forget()
		for i, block := range [][]byte{first, second} {
			want, err := x.DecodeFull(block)
			got := decode(d, block)
			if broken := len(got) > 0 && got[len(got)-1] == "!"; broken || err != nil {
				// x/net takes longer integers, and a late size update of an empty
				// table, but not two updates (RFC 7541, 4.2) of another one.
				if !broken && !strings.Contains(err.Error(), "size update") {
					t.Fatalf("block %d: x/net says %v, got %q", i, err, got)
				}
				return
			}
			for j, w := range want {
				if got[j] != w.Name+": "+w.Value {
					t.Fatalf("block %d: got %q, want %q", i, got[j], w)
				}
			}
			if i == 0 {
				continue
			}
			for j, g := range decode(late, block) {
				if g != "?" && g != got[j] {
					t.Fatalf("late decoder says %q, want %q", g, got[j])
				}
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var buf bytes.Buffer
	e := xhpack.NewEncoder(&buf)
	d := NewDecoder(4096)
	head := []string{":method: GET", ":path: /api/v1/things", ":scheme: https", ":authority: example.org", "user-agent: curl/8", "accept: */*"}
	decode(d, encode(e, &buf, head...))
	block := encode(e, &buf, head...)
	b.ReportAllocs()
	for b.Loop() {
		d.Reset(block)
		for _, ok := d.Next(); ok; _, ok = d.Next() {
		}
	}
}
