package httpout

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// trouble tells the user why records are not replayed, in words and with the remedy:
// each reason once in a run, for a target that is down loses thousands.
type trouble struct {
	log  *slog.Logger // nil: nobody listens
	name string       // the output's
	told [numReasons]atomic.Bool
}

// troubles are the reasons that the user can do something about. The others were
// asked for, or a connection failure's own error tells more.
var troubles = [numReasons]string{
	unsupported: "requests of a kind that the target does not take are dropped",
	sameServer:  "POST and other unsafe requests are not sent to the server they were captured from (--output-http-allow-unsafe sends them)",
	connLimit:   "no more connections can be opened (see --output-http-max-conns, ulimit -n)",
	timeout:     "the target does not answer in time (see --output-http-timeout)",
	reset:       "the target ends connections before it has answered",
	protocol:    "what the target answers is not HTTP (http:// or https://?)",
	notUpgraded: "the target did not switch protocols as the recorded server did",
}

// of tells about a reason by which a record was dropped.
func (t *trouble) of(why reason) {
	if troubles[why] != "" && t.first(why) {
		t.log.Warn("target fails", "output", t.name, "reason", reasonNames[why], "error", troubles[why])
	}
}

// connect tells why there is no connection.
func (t *trouble) connect(err error) {
	if errors.Is(err, context.Canceled) || !t.first(connectFail) {
		return
	}
	remedy := ""
	var plain tls.RecordHeaderError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		remedy = " (--output-http-skip-verify accepts any certificate)"
	case errors.As(err, &plain):
		remedy = " (it does not speak TLS: http:// instead of https://?)"
	}
	t.log.Warn("target fails", "output", t.name, "reason", reasonNames[connectFail], "error", fmt.Sprintf("%v%s", err, remedy))
}

func (t *trouble) first(why reason) bool {
	return t.log != nil && !t.told[why].Load() && !t.told[why].Swap(true)
}
