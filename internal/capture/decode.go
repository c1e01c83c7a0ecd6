package capture

import (
	"unsafe"

	"gortap/bpf"
	"gortap/internal/flow"
)

const eventSize = int(unsafe.Sizeof(bpf.CaptureEvent{}))

// flowKey and bpf.CaptureFlowKey have the same layout; layout_test.go says so.
func flowKey(k *bpf.CaptureFlowKey) *flow.Key { return (*flow.Key)(unsafe.Pointer(k)) }
func kernelKey(k *flow.Key) *bpf.CaptureFlowKey {
	return (*bpf.CaptureFlowKey)(unsafe.Pointer(k))
}

// deliver turns one record into calls of the handler. The record's bytes are
// passed on as they lie in the ring.
func (s *shard) deliver(record []byte) {
	e := (*bpf.CaptureEvent)(unsafe.Pointer(&record[0]))
	if e.Type == uint8(bpf.CaptureEventTypeEVENT_FLOW_END) {
		s.deliverEnd((*bpf.CaptureFlowEnd)(unsafe.Pointer(&record[0])))
		return
	}
	seg := &s.segment
	*seg = flow.Segment{
		Key:       *flowKey(&e.Key),
		Dir:       flow.Dir(e.Dir),
		Flags:     flow.Flags(e.Flags) & (flow.FIN | flow.SYN | flow.RST | flow.PSH | flow.ACK),
		Cut:       flow.Skipped,
		Seq:       e.Seq,
		Ack:       e.Ack,
		Window:    e.Window,
		WindowMax: e.WindowMax,
		Scale:     e.Scale,
		Len:       int(e.Len),
		Data:      record[eventSize : eventSize+int(e.Cap)],
		NetBytes:  int(e.NetBytes),
		TsNs:      s.clock.unix(e.TsNs),
	}
	if e.TailLen == 0 {
		s.handler.Segment(seg)
		return
	}
	// The end of a write whose middle was skipped comes as a segment of its
	// own; what ends the stream belongs to the last one.
	tail := *seg
	tail.Seq += uint32(seg.Len - int(e.TailLen))
	if seg.Flags.Has(flow.SYN) {
		tail.Seq++
	}
	tail.Len = int(e.TailLen)
	tail.Data = record[eventSize+int(e.Cap) : eventSize+int(e.Cap)+int(e.TailLen)]
	tail.NetBytes = 0
	tail.Flags &^= flow.SYN
	seg.Len -= tail.Len
	seg.Flags &^= flow.FIN | flow.PSH
	s.handler.Segment(seg)
	s.tail = tail
	s.handler.Segment(&s.tail)
}

func (s *shard) deliverEnd(e *bpf.CaptureFlowEnd) {
	s.totals = flow.Totals{
		Key:         *flowKey(&e.Key),
		Opener:      flow.Dir(e.Opener),
		OpenerKnown: e.OpenerKnown != 0,
		FirstNs:     s.clock.unix(e.FirstNs),
		LastNs:      s.clock.unix(e.LastNs),
		Stopped:     s.stopping.Load(),
		Unsampled:   e.Unsampled != 0,
	}
	for i := range e.Dirs {
		d := &e.Dirs[i]
		s.totals.Dirs[i] = flow.DirTotals{Packets: d.Packets, Bytes: d.Bytes, Payload: d.Payload, Retransmitted: d.Retrans}
	}
	if k := &e.Skip; k.Len > 0 {
		s.segment = flow.Segment{
			Key: s.totals.Key, Dir: flow.Dir(k.Dir), Flags: flow.ACK, Cut: flow.Skipped,
			Seq: k.End - k.Len, Ack: k.Ack, Len: int(k.Len), TsNs: s.clock.unix(k.TsNs),
		}
		s.handler.Segment(&s.segment)
	}
	s.handler.End(&s.totals)
}
