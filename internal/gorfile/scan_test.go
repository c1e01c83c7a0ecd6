package gorfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/pcapio"
	"gortap/internal/record"
)

// lost is a Damage without its file.
type lost struct {
	Offset, Size int64
	Reason       string
}

// scanned is what a scanner finds: whole records as text, and damages.
type scanned struct {
	Records []string
	Lost    []lost
}

func scan(t testing.TB, in io.Reader, limit int) (out scanned) {
	t.Helper()
	stream, err := pcapio.NewStream(in, "x.gor")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	s := newScanner(stream, limit)
	s.lose = func(offset, size int64, reason string, _ error) {
		out.Lost = append(out.Lost, lost{offset, size, reason})
	}
	for {
		r, err := s.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out.Records = append(out.Records, fmt.Sprintf("%c %s %d %d @%d+%d %s", r.kind, r.id, r.tsNs, r.lastNs, r.offset, r.size, r.data))
	}
}

// rec is a record as in a file.
func rec(kind record.Kind, id int, data string) string {
	return fmt.Sprintf("%c %s %d 7\n%s%s", kind, record.ID(1, uint64(id)), 1700000000000000000+id, data, Separator)
}

// datas are the messages of what was found.
func (s scanned) datas() (out []string) {
	for _, r := range s.Records {
		out = append(out, strings.SplitN(r, " ", 6)[5])
	}
	return out
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func post(body string) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s", len(body), body)
}

func answer(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestASeparatorInAMessage(t *testing.T) {
	other := rec(record.Request, 9, get)
	chunked := "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct {
		name string
		file string
		want []string
	}{
		{"in a body, nothing after it", rec('1', 1, post("a"+Separator+"b")) + other, []string{post("a" + Separator + "b"), get}},
		{"in a body, then a header", rec('1', 1, post("a"+other+"b")) + other, []string{post("a" + other + "b"), get}},
		{"in a body that ends with it", rec('1', 1, post(other+other)) + other, []string{post(other + other), get}},
		{"first in a body", rec('1', 1, post(Separator+"b")) + other, []string{post(Separator + "b"), get}},
		{"first in a body, then a header", rec('1', 1, post(Separator+other)) + other, []string{post(Separator + other), get}},
		{"first in a response's body", rec('2', 1, answer(Separator+"b")) + other, []string{answer(Separator + "b"), get}},
		{"in the last body", rec('1', 1, post("a"+other+"b")), []string{post("a" + other + "b")}},
		{"first in the message", rec('4', 1, Separator[1:]+"x"+Separator+"y") + other, []string{Separator[1:] + "x" + Separator + "y", get}},
		{"in a chunked body", rec('1', 1, chunked+"13\r\n"+Separator+"ab\r\n0\r\n\r\n") + other,
			[]string{chunked + "13\r\n" + Separator + "ab\r\n0\r\n\r\n", get}},
		{"after a body that was not recorded", rec('1', 1, "PUT / HTTP/1.1\r\nContent-Length: 4000\r\n\r\n") + other,
			[]string{"PUT / HTTP/1.1\r\nContent-Length: 4000\r\n\r\n", get}},
		{"after half of a body", rec('1', 1, "PUT / HTTP/1.1\r\nContent-Length: 4000\r\n\r\nxyz") + other,
			[]string{"PUT / HTTP/1.1\r\nContent-Length: 4000\r\n\r\nxyz", get}},
		{"after the response to HEAD", rec('2', 1, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(Separator+other)-len(Separator))) + other + other,
			[]string{fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(Separator+other)-len(Separator)), get, get}},
		{"after nothing", rec('4', 1, "") + other, []string{"", get}},
		{"many, up to the end", rec('4', 1, "x") + strings.Repeat(Separator, 3), []string{"x" + strings.Repeat(Separator, 3)}},
		{"many, and then damage", rec('4', 1, "x") + strings.Repeat(Separator, 3) + "?", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := scan(t, strings.NewReader(c.file), 1<<20)
			if c.want == nil { // GoReplay's way, and the rest is damage
				c.want = []string{"x"}
				if len(got.Lost) != 1 {
					t.Errorf("lost %v", got.Lost)
				}
			} else if got.Lost != nil {
				t.Errorf("lost %v", got.Lost)
			}
			if diff := cmp.Diff(c.want, got.datas()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDamageIsSkippedAndTold(t *testing.T) {
	a, b, c := rec('1', 1, get), rec('1', 2, post("body")), rec('2', 1, "HTTP/1.1 204 No\r\n\r\n")
	n := int64(len(a))
	big := rec('1', 3, post(strings.Repeat("x", 5000)))
	for _, x := range []struct {
		name string
		file string
		want []string
		lost []lost
	}{
		{"at the start", "garbage\n" + Separator + a, []string{get}, []lost{{0, int64(len("garbage\n" + Separator)), Damaged}}},
		{"a zeroed header", a + strings.Repeat("\x00", 50) + b[50:] + c, []string{get, "HTTP/1.1 204 No\r\n\r\n"}, []lost{{n, int64(len(b)), Damaged}}},
		{"two zeroed headers", a + strings.Repeat("\x00", 50) + b[50:] + strings.Repeat("\x00", 50) + b[50:] + c,
			[]string{get, "HTTP/1.1 204 No\r\n\r\n"}, []lost{{n, 2 * int64(len(b)), Damaged}}},
		{"cut in the message", a + b[:len(b)-20], []string{get}, []lost{{n, int64(len(b) - 20), Cut}}},
		{"cut in the separator", a + b[:len(b)-3], []string{get}, []lost{{n, int64(len(b) - 3), Cut}}},
		{"cut in the header", a + b[:20], []string{get}, []lost{{n, 20, Cut}}},
		{"one too large", a + big + b, []string{get, post("body")}, []lost{{n, int64(len(big)), TooLarge}}},
		{"one too large, cut", a + big[:4000], []string{get}, []lost{{n, 4000, TooLarge}}},
		{"nothing but damage", "garbage" + Separator, nil, []lost{{0, int64(len("garbage" + Separator)), Damaged}}},
		{"nothing", "", nil, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := scan(t, strings.NewReader(x.file), 1000)
			if diff := cmp.Diff(x.want, got.datas()); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(x.lost, got.Lost); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHeadersOfOneKindOnly(t *testing.T) {
	id := record.ID(0xc2161f907f000001, 0x3622f487)
	if id != "c2161f907f0000013622f487" {
		t.Errorf("made %s", id)
	}
	for line, want := range map[string]int{
		"1 " + id + " 1795304892437112250 0\n":     49,
		"1 " + id + " 1795304892437112250\n":       47,
		"3 x 5 -7\n":                               9,
		"9 f45590522cd1838b4a0d5c5aab80b779 1 2\n": 39,
		"1 " + id + " 9999999999999999999 0\n":     0, // more than an int64
		"1 " + id + "\n":                           0,
		"1  1 2\n":                                 0,
		"1 x 1 2 3\n":                              0,
		"1 x 1 \n":                                 0,
		"0 x 1 2\n":                                0,
		"1 x\xff 1 2\n":                            0,
		"1 x 1 2":                                  0,
		"1 " + strings.Repeat("x", 129) + " 1 2\n": 0,
		"":  0,
		"1": 0,
		"1 " + strings.Repeat("x", 128) + " -1 2\n": 136,
	} {
		if _, n := parseHeader([]byte(line)); n != want {
			t.Errorf("%q: %d bytes, want %d", line, n, want)
		}
	}
}

// FuzzScan: whatever the bytes, reading ends, accounts for each byte, and does not
// depend on how the input is split.
func FuzzScan(f *testing.F) {
	a := rec('1', 1, get)
	f.Add([]byte(a + rec('1', 2, post("a"+a+"b")) + rec('2', 1, "HTTP/1.1 200 OK\r\n\r\n")))
	f.Add([]byte(a + "junk" + Separator + a + Separator + a[:40]))
	f.Add([]byte(Separator + Separator + a))
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, limit := range []int{40, 1 << 20} {
			whole := scan(t, bytes.NewReader(file), limit)
			if diff := cmp.Diff(whole, scan(t, iotest.OneByteReader(bytes.NewReader(file)), limit)); diff != "" {
				t.Fatalf("byte by byte, limit %d (-whole +split):\n%s", limit, diff)
			}
			if diff := cmp.Diff(whole, scan(t, &splitter{bytes.NewReader(file), rand.New(rand.NewPCG(1, uint64(len(file))))}, limit)); diff != "" {
				t.Fatalf("split, limit %d (-whole +split):\n%s", limit, diff)
			}
			var sum int64
			for _, l := range whole.Lost {
				sum += l.Size
			}
			for _, r := range whole.Records {
				var at, size int64
				if _, err := fmt.Sscanf(strings.SplitN(r, " ", 6)[4], "@%d+%d", &at, &size); err != nil {
					t.Fatal(err)
				}
				sum += size
			}
			if sum != int64(len(file)) {
				t.Fatalf("accounted for %d bytes of %d: %+v", sum, len(file), whole)
			}
		}
	})
}

// splitter returns pieces of any size.
type splitter struct {
	r   io.Reader
	rnd *rand.Rand
}

func (s *splitter) Read(p []byte) (int, error) {
	return s.r.Read(p[:1+s.rnd.IntN(min(len(p), 100))])
}

// FuzzWriteRead: what is written comes back, as long as the message's own length
// says where it ends.
func FuzzWriteRead(f *testing.F) {
	f.Add([]byte("body"), []byte("stream"), int64(1700000000000000000), int64(55))
	f.Add([]byte(rec('1', 1, get)), []byte(Separator[1:]), int64(-1), int64(0))
	f.Fuzz(func(t *testing.T, body, stream []byte, ts, took int64) {
		if bytes.Contains(stream, []byte(Separator)) || bytes.HasSuffix(stream, []byte(Separator[:len(Separator)-1])) || ts < -1<<62 || ts > 1<<62 || took < -1<<61 || took > 1<<61 {
			t.Skip("not what the format can tell apart")
		}
		data := []byte(post(string(body)))
		in := []record.Record{
			{Kind: record.Request, ID: record.ID(5, 0), Conn: 5, TimeNs: ts, EndNs: ts + took, Data: data},
			{Kind: record.Response, ID: record.ID(5, 0), Conn: 5, TimeNs: ts + 1, EndNs: ts + took, LatencyNs: took, Data: data},
			{Kind: record.Replayed, ID: record.ID(5, 0), Conn: 5, TimeNs: ts, EndNs: ts, LatencyNs: took, Data: data},
			{Kind: record.Stream, ID: record.ID(5, 1), Conn: 5, Seq: 1, TimeNs: ts, EndNs: ts + took, Data: stream},
		}
		if in[0].EndNs == 0 || in[1].EndNs == 0 || in[3].EndNs == 0 {
			t.Skip("EndNs 0 is none")
		}
		var file []byte
		for i := range in {
			in[i].Protocol = "http/1.1"
			file = Append(file, &in[i])
		}
		stream2, err := pcapio.NewStream(bytes.NewReader(file), "x.gor")
		if err != nil {
			t.Fatal(err)
		}
		defer stream2.Close()
		s, d := newScanner(stream2, 64<<20), newDecoder()
		s.lose = func(offset, size int64, reason string, _ error) { t.Fatalf("lost %d at %d: %s", size, offset, reason) }
		for i := range in {
			raw, err := s.next()
			if err != nil {
				t.Fatal(err)
			}
			got := d.decode(&raw)
			d.pair(got)
			if len(got.Data) == 0 && len(in[i].Data) == 0 {
				got.Data, in[i].Data = nil, nil
			}
			if diff := cmp.Diff(in[i], *got, cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) }),
				cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Fatalf("record %d (-want +got):\n%s", i, diff)
			}
		}
	})
}
