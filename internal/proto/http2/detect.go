package http2

import (
	"strings"

	"gortap/internal/proto"
)

// Detect tells whether b, the first bytes of one side, are HTTP/2: a preface,
// or frames from the middle of a connection, which begin at b[0]. sure is
// whether the sender is known; else the verdict names the likelier one.
func Detect(b []byte) (v proto.Verdict, sure bool) {
	if n := min(len(b), len(preface)); strings.HasPrefix(preface, string(b[:n])) {
		if n < len(preface) {
			return proto.More, false
		}
		return proto.FromClient, true
	}
	switch how, from, _ := judge(b, fromAny, nil); {
	case how == rejected:
		return proto.No, false
	case how == undecided:
		return proto.More, false
	case from != fromAny:
		return verdictOf(from), true
	case b[3] == typeSettings && b[4]&flagAck == 0:
		// A client has the preface before its first settings.
		return proto.FromServer, false
	default:
		return proto.FromClient, false
	}
}

func verdictOf(from origin) proto.Verdict {
	if from == fromClient {
		return proto.FromClient
	}
	return proto.FromServer
}
