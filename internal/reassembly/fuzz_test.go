package reassembly

import (
	"encoding/binary"
	"testing"
	"time"

	"gortap/internal/flow"
)

// sentinel is a Receiver for segments whose bytes are a function of their
// sequence number: it can tell a misplaced byte without a model of the stream.
type sentinel struct {
	t      *testing.T
	conn   *Conn
	halves *[2]half
	told   [2]uint64
	next   [2]uint32 // sequence number
	begun  [2]bool
	ended  [2]bool
	closed bool
	sum    *[2]DirCount
}

func byteAt(seq uint32) byte { return byte(seq*2654435761>>24) | 1 }

// move checks that n bytes follow those before, without overlap or hole.
func (r *sentinel) move(d flow.Dir, n int64) (first uint32) {
	h := &r.halves[d]
	if r.closed || r.ended[d] || n <= 0 {
		r.t.Fatalf("%d bytes told; closed %t, ended %t", n, r.closed, r.ended[d])
	}
	first = h.seq(h.next - n)
	if r.begun[d] && first != r.next[d] {
		r.t.Fatalf("bytes told from %d on, not from %d", first, r.next[d])
	}
	r.begun[d], r.next[d] = true, h.seq(h.next)
	r.told[d] += uint64(n)
	return first
}

func (r *sentinel) Data(d flow.Dir, b []byte, tsNs int64) {
	first := r.move(d, int64(len(b)))
	for i, x := range b {
		if x != byteAt(first+uint32(i)) {
			r.t.Fatalf("wrong byte %d of %d", i, len(b))
		}
	}
}

func (r *sentinel) Gap(d flow.Dir, n int64, why flow.Gap, tsNs int64) { r.move(d, n) }

func (r *sentinel) End(d flow.Dir, tsNs int64) {
	if r.closed || r.ended[d] {
		r.t.Fatalf("ended twice, or after close")
	}
	r.ended[d] = true
}

func (r *sentinel) Close(why CloseReason, tsNs int64) {
	if r.closed {
		r.t.Fatalf("closed twice")
	}
	r.closed = true
	for d, c := range r.conn.Dirs {
		if r.told[d] != c.Delivered+c.Skipped+c.Truncated+c.Lost {
			r.t.Fatalf("%d bytes told, counted: %+v", r.told[d], c)
		}
		r.sum[d] = addDirs(r.sum[d], c)
	}
}

// nextStep makes one call out of eight bytes: flags and kind, four-tuple and
// direction, offset, ACK, length, bytes kept.
func nextStep(a *Assembler, in []byte, nowNs *int64) (given uint64) {
	kind, who, off, ack := in[0], in[1], int16(binary.LittleEndian.Uint16(in[2:])), int16(binary.LittleEndian.Uint16(in[4:]))
	*nowNs += int64(in[7]) * int64(100*time.Millisecond)
	key := testKey(int(who >> 6))
	switch {
	case kind&0xe0 == 0xe0:
		a.Advance(*nowNs)
		return 0
	case kind&0xe0 == 0xc0:
		a.CloseConn(key, Evicted)
		return 0
	}
	scale := int32(1)
	if who&2 != 0 { // far away, near the edges of what is plausible
		scale = 1 << 16
	}
	s := &flow.Segment{
		Key: key, Dir: flow.Dir(who & 1), Flags: flow.Flags(kind) & 0x1f, Cut: flow.Gap(who >> 2 & 1),
		Seq: uint32(int32(off) * scale), Ack: uint32(int32(ack) * scale), Len: int(in[6]) % 100,
		NetBytes: int(kind >> 5 & 1), TsNs: *nowNs,
	}
	first := s.Seq
	if s.Flags.Has(flow.SYN) {
		first++
	}
	keep := s.Len
	if who&8 != 0 {
		keep /= 2
	}
	if who&16 != 0 {
		s.Len *= 1 << 20
	}
	s.Data = make([]byte, keep)
	for i := range s.Data {
		s.Data[i] = byteAt(first + uint32(i))
	}
	a.Segment(s)
	return uint64(s.Len)
}

func FuzzSegments(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00\x12\x01\x00\x00\x01\x00\x00\x00\x30\x00\x01\x00\x01\x00\x20\x00"))
	f.Add([]byte("\x30\x00\x05\x00\x01\x00\x08\x00\x30\x01\x01\x00\x0d\x00\x08\x00\x30\x00\x01\x00\x09\x00\x04\x00\xe0\x00\x00\x00\x00\x00\x00\x0b\x31\x00\x0d\x00\x00\x00\x00\x00\x31\x01\x09\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x30\x02\x01\x00\x00\x00\x63\x00\x30\x02\x05\x00\x00\x00\x63\x00\x30\x12\x09\x00\x00\x00\x63\x00\xe0\x00\x00\x00\x00\x00\x00\x0b"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var sum [2]DirCount
		cfg := Config{MaxBuffered: 2048, MaxTotal: 3000, MaxConns: 3}
		var a *Assembler
		a = New(cfg, func(c *Conn) Receiver {
			return &sentinel{t: t, conn: c, halves: &a.conns.find(&c.Key).halves, sum: &sum}
		})
		var given uint64
		nowNs := int64(1)
		for ; len(in) >= 8; in = in[8:] {
			given += nextStep(a, in, &nowNs)
			checkStats(t, a)
		}
		a.Close()
		checkStats(t, a)
		s := a.Stats()
		got := sumOf(sum[0]) + sumOf(sum[1]) + s.Dropped[Orphan].Bytes + s.Dropped[AfterClose].Bytes
		if got != given || s.Conns != 0 || s.Memory != 0 || s.Buffered != 0 {
			t.Fatalf("%d bytes given, %d accounted for; %+v", given, got, s)
		}
	})
}

func sumOf(c DirCount) uint64 {
	return c.Delivered + c.Skipped + c.Truncated + c.Retransmitted + c.Dropped
}
