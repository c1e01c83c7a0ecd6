package websocket

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

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

func TestMessagesThatCannotBeInflatedCountAsTransferred(t *testing.T) {
	var d deflater
	bomb, text := d.message(strings.Repeat("\x00", 100_000), false), d.message("fine", false)
	half := d.message(strings.Repeat("abcdefg", 200), false)
	noise := make([]byte, 1500)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	large := d.message(string(noise)+string(noise), false)
	for name, c := range map[string]struct {
		payload string
		hole    [2]int
		want    int64
	}{
		"too much comes out":  {bomb, [2]int{}, int64(len(bomb))},
		"too much goes in":    {large, [2]int{}, int64(len(large))},
		"no DEFLATE":          {strings.Repeat("\xff", 100), [2]int{}, 100},
		"a hole":              {text, [2]int{2, 3}, int64(len(text))},
		"its second half out": {half + "\x00\x00\xff\xff" + half, [2]int{len(half), 2*len(half) + 4}, 2*int64(len(half)) + 4},
	} {
		t.Run(name, func(t *testing.T) {
			e := frameOf(server, fin|rsv1|opText, c.payload)
			at := len(e) - len(c.payload)
			sc := prototest.Script{{Side: server, Data: e[:at+c.hole[0]]}}
			if n := c.hole[1] - c.hole[0]; n > 0 {
				sc = append(sc, prototest.Event{Side: server, Gap: int64(n)})
			}
			sc.From(server, e[at+c.hole[1]:]...)
			sc.From(server, frameOf(server, fin|rsv1|opText, text)...) // which is inflated still
			m := play(t, sc, Options{Inflate: true, MaxMessage: 1000}, prototest.Whole, proto.Complete).Exchanges[0].Response
			if m.MessageBytes != c.want+4 || m.Messages != 2 || m.Incomplete != proto.Complete {
				t.Errorf("got %+v, want %d bytes", m, c.want+4)
			}
		})
	}
}
