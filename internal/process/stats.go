package process

import (
	"sync/atomic"

	"gortap/internal/record"
)

// reason says why a record does not go on. It is a metric label.
type reason uint8

const (
	byMethod        reason = iota // the method is not allowed
	byURL                         // the URL is not
	byHeader                      // a header field is not
	byBasicAuth                   // the user is not
	byHeaderLimiter               // a header field's value is not in the share
	byParamLimiter                // a parameter's value is not
	unreadable                    // there are rules for requests, and this is none of HTTP
	ofFiltered                    // a response or stream whose request did not go on
	noRequest                     // a response whose request was not seen, where requests are filtered
	numReasons

	passed = numReasons
)

var reasonNames = [numReasons]string{
	"method", "url", "header", "basic-auth", "header-limiter", "param-limiter", "unreadable", "request-filtered", "no-request",
}

type counters struct {
	taken, passed atomic.Uint64
	dropped       [numReasons]atomic.Uint64
	bodiesKept    atomic.Uint64
}

// Stats is what became of the records. After Close,
// Taken + Added = Passed + all of Dropped.
type Stats struct {
	Taken, Passed uint64
	Dropped       []record.Count // with every reason, in a fixed order
	// BodiesKept counts those that --http-rewrite-body could not look into:
	// an unknown or damaged coding, or above 64 MiB. They went on as they were.
	BodiesKept uint64
	// Added counts what the middleware sent without having been given it, or
	// after its time was over.
	Added uint64
	// Restarts counts how often the middleware ended and was started again.
	Restarts uint64
	// Garbled counts lines of the middleware that are none of its protocol.
	Garbled uint64
}
