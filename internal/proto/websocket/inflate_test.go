package websocket

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

// deflater compresses as permessage-deflate has it (RFC 7692, 7.2.1).
type deflater struct {
	buf bytes.Buffer
	w   *flate.Writer
}

func (d *deflater) message(text string, takeover bool) string {
	if d.w == nil || !takeover {
		d.w, _ = flate.NewWriter(&d.buf, 9)
	}
	d.buf.Reset()
	_, _ = d.w.Write([]byte(text))
	_ = d.w.Flush()
	return strings.TrimSuffix(d.buf.String(), "\x00\x00\xff\xff")
}

func TestInflatedSizesWithAndWithoutContextTakeover(t *testing.T) {
	for _, takeover := range []bool{true, false} {
		var w session
		var ds [2]deflater
		var want, wire [2]int64
		for i := range 200 {
			s := proto.Side(i % 2)
			text := strings.Repeat(fmt.Sprintf("message %d ", i%7), 1+i*i)
			z := ds[s].message(text, takeover)
			w.send(s, rsv1|opText, z[:len(z)/2])
			w.send(s, fin|opContinuation, z[len(z)/2:])
			w.send(s, fin|opText, "plain")
			want[s] += int64(len(text)) + 5
			wire[s] += int64(len(z)) + 5
		}
		for _, o := range []Options{{}, {Inflate: true}} {
			x := play(t, w.script, o, prototest.Whole, proto.Complete).Exchanges[0]
			sum := wire
			if o.Inflate {
				sum = want
			}
			if x.Request.MessageBytes != sum[0] || x.Response.MessageBytes != sum[1] || x.Request.Body != wire[0] || x.Request.Messages != 200 {
				t.Errorf("takeover %v, inflate %v: %s, want %v", takeover, o.Inflate, report(&prototest.Ledger{Exchanges: []proto.Exchange{x}}), sum)
			}
		}
	}
}

func TestInflatingIsBounded(t *testing.T) {
	var w session
	var d deflater
	bomb := d.message(strings.Repeat("\x00", 10<<20), false)
	w.send(server, fin|rsv1|opText, bomb)
	text := d.message("fine", false)
	w.send(server, fin|rsv1|opText, text)
	w.send(server, fin|rsv1|opText, strings.Repeat("\xff", 100)) // does not inflate
	for name, c := range map[string]struct {
		limit int
		want  int64
	}{
		"what comes out": {20_000, int64(len(bomb)) + 4 + 100},
		"what goes in":   {1000, int64(len(bomb)) + 4 + 100},
	} {
		m := play(t, w.script, Options{Inflate: true, MaxMessage: c.limit}, prototest.Whole, proto.Complete).Exchanges[0].Response
		if m.MessageBytes != c.want || m.Messages != 3 || m.Incomplete != proto.Complete {
			t.Errorf("%s: %+v, want %d bytes", name, m, c.want)
		}
	}
}

func TestAHoleInACompressedMessageCostsWhatRefersToIt(t *testing.T) {
	var d deflater
	text := strings.Repeat("some text to refer to ", 20)
	for _, c := range []struct {
		name     string
		gap      [2]int // in the first frame
		bytes    func(first, second string) int64
		takeover bool
	}{
		{"with context takeover", [2]int{5, 10}, func(a, b string) int64 { return int64(len(a) + len(b)) }, true},
		{"without", [2]int{5, 10}, func(a, _ string) int64 { return int64(len(a) + len(text)) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, second := d.message(text, false), d.message(text, c.takeover)
			var w session
			w.send(server, fin|rsv1|opText, first)
			e := w.script[0].Data
			w.script = prototest.Script{
				{Side: server, Data: e[:c.gap[0]]}, {Side: server, Gap: int64(c.gap[1] - c.gap[0]), Why: flow.Lost}, {Side: server, Data: e[c.gap[1]:]},
			}
			w.send(server, fin|rsv1|opText, second)
			m := play(t, w.script, Options{Inflate: true}, prototest.Whole, proto.Complete).Exchanges[0].Response
			if want := c.bytes(first, second); m.MessageBytes != want || m.Messages != 2 {
				t.Errorf("got %+v, want %d bytes", m, want)
			}
		})
	}
}
