package output

import (
	"strconv"

	"gortap/internal/process/redact"
	"gortap/internal/proto"
)

// lineEncoder writes exchanges as JSON lines. It is used by one goroutine.
type lineEncoder struct {
	clock  clock
	redact *redact.Redactor // nil: targets as sent
}

// appendLine writes one exchange and a line feed. The order of the fields is
// part of the format. duration and ttfb are null where one of the two times is
// unknown; ttfb is negative where the response began before the request ended.
// code (grpc-status, or the close code of a WebSocket) is there where one was
// seen, the counts of messages are in lines of gRPC and WebSocket.
func (e *lineEncoder) appendLine(dst []byte, x *proto.Exchange) []byte {
	dst = append(dst, `{"time":"`...)
	dst = e.clock.appendTime(dst, firstNs(x))
	dst = appendString(dst, "protocol", string(x.Protocol))
	dst = append(dst, '"')
	dst = appendAddr(dst, "client", x.Conn.ClientAddr())
	dst = appendAddr(dst, "server", x.Conn.ServerAddr())
	dst = append(dst, `,"service":"`...)
	dst = append(dst, x.Service...) // a label: nothing to escape
	dst = append(dst, `","conn":`...)
	dst = strconv.AppendUint(dst, x.Conn.ID, 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, x.Seq, 10)
	dst = append(dst, `,"method":"`...)
	if !x.Upgraded { // else the request has its line already
		dst = appendText(dst, x.Method)
	}
	dst = append(dst, `","host":"`...)
	dst = appendText(dst, x.Host)
	dst = append(dst, `","target":"`...)
	dst = appendText(dst, e.redact.Target(x.Target))
	dst = appendString(dst, "path", x.Path)
	dst = append(dst, `"`...)
	dst = appendInt(dst, "status", int64(x.Status))
	if x.HasCode {
		dst = appendInt(dst, "code", int64(x.Code))
	}
	dst = appendInt(dst, "request_size", x.Request.Body)
	dst = appendInt(dst, "response_size", x.Response.Body)
	dst = appendInt(dst, "request_bytes", x.Request.Wire)
	dst = appendInt(dst, "response_bytes", x.Response.Wire)
	if x.Protocol == proto.GRPC || x.Protocol == proto.WebSocket {
		dst = appendInt(dst, "request_messages", x.Request.Messages)
		dst = appendInt(dst, "response_messages", x.Response.Messages)
		dst = appendInt(dst, "request_message_bytes", x.Request.MessageBytes)
		dst = appendInt(dst, "response_message_bytes", x.Response.MessageBytes)
	}
	dst = appendBetween(dst, "duration", x.Request.FirstNs, x.Response.LastNs)
	dst = appendBetween(dst, "ttfb", x.Request.LastNs, x.Response.FirstNs)
	if why := x.Incomplete(); why != proto.Complete {
		dst = append(dst, `,"complete":false,"incomplete":"`...)
		dst = append(dst, why.String()...)
		return append(dst, "\"}\n"...)
	}
	return append(dst, ",\"complete\":true}\n"...)
}

func firstNs(x *proto.Exchange) int64 {
	switch {
	case x.Request.FirstNs != 0:
		return x.Request.FirstNs
	case x.Response.FirstNs != 0:
		return x.Response.FirstNs
	}
	return x.Conn.Opened
}

// appendString ends a string and begins the next field, whose value has
// nothing to escape; the caller ends that.
func appendString(dst []byte, name, value string) []byte {
	dst = append(dst, `","`...)
	dst = append(dst, name...)
	dst = append(dst, `":"`...)
	return append(dst, value...)
}

func appendInt(dst []byte, name string, v int64) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return strconv.AppendInt(dst, v, 10)
}

func appendBetween(dst []byte, name string, fromNs, toNs int64) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	if fromNs == 0 || toNs == 0 {
		return append(dst, "null"...)
	}
	return appendSeconds(dst, toNs-fromNs)
}
