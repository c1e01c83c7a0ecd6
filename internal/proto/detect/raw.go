package detect

import (
	"gortap/internal/flow"
	"gortap/internal/proto"
)

// raw counts the bytes of a connection, all for one reason.
type raw struct {
	conn *proto.Conn
	sink proto.Sink
	why  proto.Reason
}

var _ proto.Parser = (*raw)(nil)

// Data implements proto.Parser.
func (r *raw) Data(s proto.Side, b []byte, _ int64) {
	r.sink.Unattributed(r.conn, s, int64(len(b)), r.why)
}

// Gap implements proto.Parser.
func (r *raw) Gap(s proto.Side, n int64, why flow.Gap, _ int64) {
	if why != flow.Lost {
		r.sink.Unattributed(r.conn, s, n, r.why)
	}
}

// End implements proto.Parser.
func (r *raw) End(proto.Side, int64) {}

// Close implements proto.Parser.
func (r *raw) Close(proto.Reason, int64) {}
