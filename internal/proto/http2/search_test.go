package http2

import (
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	get := "\x00\x00\x03\x01\x05\x00\x00\x00\x01" + "\x82\x86\x84"
	cases := []struct {
		name, bytes string
		from        origin
		want        judgement
	}{
		{"request", get, fromAny, accepted},
		{"request, from the server", get, fromServer, rejected},
		{"request on an even stream", strings.Replace(get, "\x00\x01\x82", "\x00\x02\x82", 1), fromAny, rejected},
		{"response", "\x00\x00\x01\x01\x04\x00\x00\x00\x02" + "\x88", fromAny, accepted},
		{"trailers alone", "\x00\x00\x01\x01\x05\x00\x00\x00\x01" + "\xbe", fromAny, undecided},
		{"reserved bit", strings.Replace(get, "\x05\x00", "\x05\x80", 1), fromAny, rejected},
		{"huge stream id", strings.Replace(get, "\x05\x00", "\x05\x10", 1), fromAny, rejected},
		{"unknown flag", strings.Replace(get, "\x05", "\x45", 1), fromAny, rejected},
		{"unknown type", strings.Replace(get, "\x03\x01", "\x03\x0b", 1), fromAny, rejected},
		{"data, and a request", "\x00\x00\x01\x00\x00\x00\x00\x00\x03d" + get, fromAny, accepted},
		{"data on an even stream", "\x00\x00\x01\x00\x00\x00\x00\x00\x02d", fromClient, rejected},
		{"empty data without an end", "\x00\x00\x00\x00\x00\x00\x00\x00\x03", fromAny, rejected},
		{"data on an open stream, twice", strings.Repeat("\x00\x00\x01\x00\x00\x00\x00\x00\x07d", 2), fromAny, accepted},
		{"data on another stream, twice", strings.Repeat("\x00\x00\x01\x00\x00\x00\x00\x00\x09d", 2), fromAny, undecided},
		{"data on another stream, three times", strings.Repeat("\x00\x00\x01\x00\x00\x00\x00\x00\x09d", 3), fromAny, accepted},
		{"promise, from the client", "\x00\x00\x05\x05\x04\x00\x00\x00\x01\x00\x00\x00\x02\x82", fromClient, rejected},
		{"window update of nothing", "\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x00", fromAny, rejected},
		{"window update", "\x00\x00\x04\x08\x00\x00\x00\x00\x01\x00\x00\x00\x01", fromAny, accepted},
		{"reset with an absurd code", "\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x10\x00\x00", fromAny, rejected},
		{"reset", "\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08", fromAny, accepted},
		{"go away", "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", fromAny, accepted},
		{"go away with an absurd code", "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x00", fromAny, rejected},
		{"settings", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", fromAny, accepted},
		{"settings with an absurd id", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x64", fromAny, rejected},
		{"acknowledgement", "\x00\x00\x00\x04\x01\x00\x00\x00\x00", fromAny, accepted},
		{"ping", "\x00\x00\x08\x06\x00\x00\x00\x00\x00", fromAny, accepted},
		{"priority", "\x00\x00\x05\x02\x00\x00\x00\x00\x03", fromAny, accepted},
		{"a large frame", "\x00\x41\x00", fromAny, rejected},
		{"part of a header", "\x00\x00\x01\x00", fromAny, undecided},
		{"part of a block", get[:10], fromAny, undecided},
	}
	open := map[uint32]*stream{7: {}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got, _, _ := judge([]byte(c.bytes), c.from, open); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestThePoolHoldsNoLargeBuffers(t *testing.T) {
	f := NewFactory(Options{})
	f.give(&stream{text: make([]byte, 0, maxText+1)})
	if st := f.take(); cap(st.text) != 0 {
		t.Errorf("a buffer of %d bytes was kept", cap(st.text))
	}
	for range maxKept + 10 {
		f.give(&stream{})
	}
	if f.kept != maxKept {
		t.Errorf("%d streams are kept", f.kept)
	}
	if got := shrunk(make([]byte, 1<<20)); got != nil {
		t.Errorf("a buffer of %d bytes was kept", cap(got))
	}
}
