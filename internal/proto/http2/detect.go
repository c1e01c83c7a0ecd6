package http2

import (
	"strings"

	"gortap/internal/proto"
)

// Detect tells whether b, the first bytes of one side of a connection, are
// HTTP/2: the client's preface, or the settings that a server may send first.
// sure is whether the sender is known.
func Detect(b []byte) (v proto.Verdict, sure bool) {
	if n := min(len(b), len(preface)); strings.HasPrefix(preface, string(b[:n])) {
		if n < len(preface) {
			return proto.More, false
		}
		return proto.FromClient, true
	}
	if len(b) > 3 && (b[3] != typeSettings || (len(b) > 4 && b[4] != 0)) {
		return proto.No, false
	}
	switch how, _, _ := judge(b, fromServer, nil); how {
	case accepted:
		return proto.FromServer, false
	case undecided:
		return proto.More, false
	}
	return proto.No, false
}

// DetectMid tells whether frames begin at b[0], in the middle of a connection.
// Where they do not tell who sent them, sure is false and the verdict is a guess.
func DetectMid(b []byte) (v proto.Verdict, sure bool) {
	if v, sure = Detect(b); v == proto.FromClient || v == proto.More {
		return v, sure
	}
	switch how, from, _ := judge(b, fromAny, nil); {
	case how == undecided:
		return proto.More, false
	case how == rejected:
		return proto.No, false
	case from != fromAny:
		return verdictOf(from), true
	}
	if v == proto.FromServer { // settings
		return v, false
	}
	return proto.FromClient, false
}

func verdictOf(from origin) proto.Verdict {
	if from == fromClient {
		return proto.FromClient
	}
	return proto.FromServer
}
