package insight

import (
	"net/netip"
	"time"

	"gortap/internal/proto"
)

// Observation is what is known of one finished exchange. Whoever gets one borrows it,
// its slices included, until the call returns; strings may be kept.
type Observation struct {
	StartNs, EndNs int64  // Unix nanoseconds of the first and the last byte
	Conn           uint64 // of the connection, unique within a run
	First          bool   // the connection's first exchange
	Protocol       proto.Protocol
	Client, Server netip.AddrPort
	// Service, Method and Path are the labels of the metrics: Path is a template.
	Service, Method, Path string
	// Row stands for the three, see proto.Exchange; 0: none does.
	Row uint32
	// Target is as sent, secrets in its query replaced.
	Host, Target string
	Status, Code int // 0: none seen
	HasCode      bool
	// Bytes on the wire, and sizes of the bodies as transferred.
	RequestBytes, ResponseBytes int64
	RequestSize, ResponseSize   int64
	// Duration is from the first byte of the request to the last of the response, TTFB
	// from the last byte of the request to the first of the response; -1 where unknown.
	Duration, TTFB time.Duration
	Complete       bool
	Incomplete     proto.Reason // why not
	// Upgraded says that this is what an Upgrade led to: its request was counted as
	// an exchange before it.
	Upgraded bool
	// HasHead says that the headers were seen: not where the source is a list of
	// exchanges without them.
	HasHead bool
	Head    Head
	// RequestHash and ResponseHash are keyed hashes of the whole bodies; they mean
	// something where the flag says so.
	RequestHash, ResponseHash       uint64
	HasRequestHash, HasResponseHash bool
	// ResponsePart: where not all of the response's body was seen, ResponseHash is of
	// the bytes that were, so many, as a rule its beginning; 0: none.
	ResponsePart int64
	// Sample is the beginning of the response's body as transferred, at most
	// SampleSize bytes; nil where none was kept.
	Sample []byte
}

// Failed says whether it counts as an error: a status of 400 and more, a grpc-status
// that is not 0, or no whole response because the connection ended. What is incomplete
// because of the capture is none.
func (o *Observation) Failed() bool {
	return o.Status >= 400 || o.HasCode && o.Code != 0 && o.Protocol == proto.GRPC ||
		o.Incomplete == proto.Aborted || o.Incomplete == proto.NoResponse
}

// SampleSize is how much of a body is looked at.
const SampleSize = 64 << 10

// Head is what of the header fields tells something about waste. Values are as sent,
// empty where there was none.
type Head struct {
	AcceptEncoding, IfNoneMatch, IfModifiedSince, Range, UserAgent       string // request
	ContentEncoding, ContentType, CacheControl, ETag, LastModified, Vary string // response
	RetryAfter                                                           string
	Authorized                                                           bool // Authorization or Cookie was sent
}
