package http2

import (
	"strconv"

	"gortap/internal/proto"
	"gortap/internal/proto/http2/hpack"
)

// head is what a header block says, as far as exchanges need it.
type head struct {
	text   []byte // backs the spans
	method span
	path   span
	// authority is that of the pseudo-header field or else of Host.
	authority span
	status    int
	// code is the grpc-status.
	code     int
	hasCode  bool
	grpc     tri
	request  bool // a request's pseudo-header field is there
	response bool // :status is there
	unknown  bool // fields are there that cannot be told
	// lines are the fields for an observer, as HTTP/1.1 would write them.
	lines   []byte
	cookies []byte
	observe bool
}

// span is a part of head.text.
type span struct {
	from, to int
	set      bool
}

// tri is an answer that may have to wait.
type tri uint8

const (
	unsure tri = iota
	no
	yes
)

func (hd *head) reset(observe bool) {
	*hd = head{text: hd.text[:0], lines: hd.lines[:0], cookies: hd.cookies[:0], observe: observe}
}

// read decodes a block; false if it does not decode.
func (hd *head) read(d *hpack.Decoder, block []byte) bool {
	d.Reset(block)
	for f, ok := d.Next(); ok; f, ok = d.Next() {
		if !f.Known {
			hd.unknown = true
			continue
		}
		if len(f.Name) > 0 && f.Name[0] == ':' {
			hd.pseudo(f.Name, f.Value)
			continue
		}
		hd.regular(f.Name, f.Value)
		if hd.observe {
			hd.line(f)
		}
	}
	if hd.grpc == unsure && !hd.unknown {
		hd.grpc = no
	}
	return d.Err() == nil
}

func (hd *head) pseudo(name, value []byte) {
	switch string(name) {
	case ":method":
		hd.request, hd.method = true, hd.save(value)
	case ":path":
		hd.request, hd.path = true, hd.save(value)
	case ":authority":
		hd.request, hd.authority = true, hd.save(value)
	case ":scheme", ":protocol":
		hd.request = true
	case ":status":
		hd.response = true
		hd.status, _ = number(value, 999)
	}
}

func (hd *head) regular(name, value []byte) {
	switch string(name) {
	case "host":
		if !hd.authority.set {
			hd.authority = hd.save(value)
		}
	case "content-type":
		hd.grpc = no
		if isGRPC(value) {
			hd.grpc = yes
		}
	case "grpc-status":
		hd.code, hd.hasCode = number(value, 1<<31-1)
	}
}

func (hd *head) save(b []byte) span {
	from := len(hd.text)
	hd.text = append(hd.text, b...)
	return span{from, len(hd.text), true}
}

func (hd *head) get(s span) []byte { return hd.text[s.from:s.to] }

// appendOrUnknown appends the text of s, or proto.Unknown where there is none:
// it was in a field that cannot be told, or the request is malformed.
func (hd *head) appendOrUnknown(b []byte, s span) []byte {
	if s.from == s.to {
		return append(b, proto.Unknown...)
	}
	return append(b, hd.get(s)...)
}

// target is what stands for the request line's target: the path, or with
// CONNECT the authority (RFC 9113, 8.5).
func (hd *head) target() span {
	if !hd.path.set && string(hd.get(hd.method)) == "CONNECT" {
		return hd.authority
	}
	return hd.path
}

// number reads a decimal number up to limit; 0 and false for what is none.
func number(b []byte, limit int) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > (limit-int(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(b) > 0
}

// line adds a field to the lines. Cookie crumbs become one field again (RFC
// 9113, 8.2.3), and Host is written from the authority.
func (hd *head) line(f hpack.Field) {
	switch string(f.Name) {
	case "host":
		return
	case "cookie":
		if len(hd.cookies) > 0 {
			hd.cookies = append(hd.cookies, "; "...)
		}
		hd.cookies = append(hd.cookies, f.Value...)
		return
	}
	hd.lines = field(hd.lines, f.Name, f.Value)
}

// write returns the head in the form of HTTP/1.1, borrowed until reset. method
// and target are those of the exchange.
func (hd *head) write(method, target []byte) []byte {
	b := hd.text
	from := len(b)
	switch {
	case hd.status > 0:
		b = append(b, "HTTP/2.0 "...)
		b = strconv.AppendInt(b, int64(hd.status), 10)
		b = append(b, " \r\n"...)
	case hd.request:
		b = append(append(append(b, method...), ' '), target...)
		b = append(b, " HTTP/2.0\r\n"...)
		b = field(b, []byte("host"), hd.get(hd.authority))
	}
	b = append(b, hd.lines...)
	if len(hd.cookies) > 0 {
		b = field(b, []byte("cookie"), hd.cookies)
	}
	b = append(b, "\r\n"...)
	hd.text = b
	return b[from:]
}

func field(b, name, value []byte) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}
