package insight

// The kinds of findings. docs/findings.md has a section on each.
const (
	RateJump          Kind = "rate-jump"
	SizeJump          Kind = "size-jump"
	Oversized         Kind = "oversized-response"
	UnboundedList     Kind = "unbounded-list"
	BrokenPaging      Kind = "broken-paging"
	TinyPages         Kind = "tiny-pages"
	Concentration     Kind = "client-concentration"
	Uncompressed      Kind = "uncompressed"
	DoubleCompression Kind = "double-compression"
	Repeated          Kind = "repeated-request"
	ETagIgnored       Kind = "etag-ignored"
	ServiceShare      Kind = "service-share"
	ChattyPair        Kind = "chatty-pair"
	RedundantPayload  Kind = "redundant-payload"
	ConnectionChurn   Kind = "connection-churn"
	Retransmission    Kind = "retransmission"
	ErrorStorm        Kind = "error-storm"
	RetryStorm        Kind = "retry-storm"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		RateJump, SizeJump, Oversized, UnboundedList, BrokenPaging, TinyPages, Concentration, Uncompressed, DoubleCompression,
		Repeated, ETagIgnored, ServiceShare, ChattyPair, RedundantPayload, ConnectionChurn, Retransmission, ErrorStorm, RetryStorm,
	}
}
