package http1

import (
	"bytes"

	"gortap/internal/proto"
)

// field names the fields that matter here.
type field uint8

const (
	otherField field = iota
	hostField
	upgradeField
	lengthField
	codingField
)

// head is what a start line and the fields after it say about framing.
type head struct {
	version version
	status  int
	firstNs int64
	size    int64  // bytes so far
	field   field  // of the line before, which a folded line continues
	within  bool   // field lines were read
	host    []byte // the Host field's value, borrowed
	upgrade []byte
	bodyEnd
}

// bodyEnd is what field lines say about where the message ends.
type bodyEnd struct {
	length      int64 // Content-Length, where knownLength
	hasLength   bool  // there was such a field
	knownLength bool  // and it had a number
	badLength   bool  // or it had something else, or two numbers that differ
	coded       bool  // there was a transfer coding
	chunked     bool  // the last one was chunked
}

// readStart reads what stands between messages: empty lines (RFC 9112, 2.2)
// and a start line.
func (h *half) readStart(b []byte) int {
	n := 0
	if h.pending == 0 && h.p.obs != nil {
		h.direct = b
	}
	if len(h.line) == 0 {
		for n < len(b) && (b[n] == '\r' || b[n] == '\n') {
			n++
		}
		if n > 0 {
			h.keep(b[:n])
		}
		if n == len(b) {
			return n
		}
		h.beginHead()
	}
	line, k, whole := h.readLine(b[n:])
	h.head.size += int64(k)
	h.keep(b[n : n+k])
	n += k
	switch {
	case !whole && h.couldOpen():
		return n
	case whole && h.open(line):
		h.line = h.line[:0]
		return n
	}
	h.refuse(whole)
	return n
}

func (h *half) beginHead() {
	h.head = head{firstNs: h.ts, upgrade: h.head.upgrade[:0]}
}

// couldOpen reports whether the line so far may become a start line.
func (h *half) couldOpen() bool {
	if h.side == proto.Client {
		return couldBeRequest(h.line)
	}
	return couldBeStatus(h.line)
}

// open begins a message with line, if it is a start line.
func (h *half) open(line []byte) bool {
	if h.side == proto.Server {
		status, v, ok := parseStatusLine(line)
		if ok {
			h.head.status, h.head.version, h.state = status, v, inFields
		}
		return ok
	}
	parse := parseRequestLine
	if h.cut {
		parse = parseCutRequestLine
	}
	r, ok := parse(line)
	if !ok {
		return false
	}
	h.start(r)
	if r.version == v09 {
		// A simple request is this one line (RFC 1945, 5).
		h.commit(proto.Head)
		h.end()
	}
	return true
}

// start begins a request.
func (h *half) start(r requestLine) {
	h.x = h.p.f.exchange()
	h.x.setRequest(h.p.conn, r)
	h.head.version, h.state = r.version, inFields
}

// refuse gives up on a line that is no start line. whole says that its end was
// read.
func (h *half) refuse(whole bool) {
	if h.answersSimple() {
		h.line = h.line[:0]
		h.openSimple()
		return
	}
	why := proto.Malformed
	if h.side == proto.Server && h.p.first == nil {
		why = proto.AfterMessage
	}
	h.dropPending(why)
	h.adrift(why, whole)
}

// answersSimple reports whether the side is to answer an HTTP/0.9 request,
// with content and nothing else.
func (h *half) answersSimple() bool {
	return h.side == proto.Server && h.p.first != nil && h.p.first.Protocol == proto.HTTP09
}

// openSimple begins such an answer with what was read so far.
func (h *half) openSimple() {
	h.head.version, h.head.status = v09, 0
	n := h.pending
	h.commit(proto.Body)
	h.x.Response.Body += n
	h.state = untilClose
}

// readFields reads lines up to the empty one.
func (h *half) readFields(b []byte) int {
	used, last := 0, false
	switch {
	case !h.head.within:
		h.head.within = true
		used, last = h.knownFields(b)
	case len(h.line) == 0:
		used, last = h.skimFields(b)
	}
	h.head.size += int64(used)
	for !last && used < len(b) {
		line, n, whole := h.readLine(b[used:])
		used += n
		h.head.size += int64(n)
		if !whole {
			break
		}
		if last = len(line) == 0; !last {
			h.readField(line)
		}
		h.line = h.line[:0]
	}
	h.keep(b[:used])
	if last {
		h.endHead(b[used:])
	}
	return used
}

// skimFields reads the lines that are whole in b, as nearly all are, and tells how many
// bytes that was and whether the last one was empty.
func (h *half) skimFields(b []byte) (n int, last bool) {
	for {
		i := bytes.IndexByte(b[n:], '\n')
		if i < 0 || i > h.p.f.limits.Head {
			return n, false
		}
		line := b[n : n+i]
		n += i + 1
		switch {
		case i == 0 || i == 1 && line[0] == '\r':
			return n, true
		case matters(line):
			h.readField(trimCR(line))
		default:
			h.head.field = otherField
		}
	}
}

// matters tells by a few letters whether a line may be of a field that matters here, or
// more of the field before. Most are not.
func matters(line []byte) bool {
	if len(line) < len("Host:") {
		return true // too short to be told
	}
	switch line[0] {
	case ' ', '\t':
		return true
	case 'h', 'H', 't', 'T':
		return true
	case 'u', 'U': // not User-Agent
		return line[1]|0x20 == 'p'
	case 'c', 'C': // not Content-Type, Connection, Cookie, ...
		return len(line) > len("Content-L") && line[len("Content-")]|0x20 == 'l'
	}
	return false
}

// readField takes one field line. A line that is none is passed over: what it
// was meant to be cannot change the framing.
func (h *half) readField(line []byte) {
	if isSpace(line[0]) { // obs-fold (RFC 9112, 5.2): more of the field before
		h.readValue(trim(line))
		return
	}
	h.head.field = otherField
	if !matters(line) {
		return
	}
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return
	}
	h.head.field = fieldOf(trim(line[:i]))
	if h.head.field != otherField {
		h.readValue(trim(line[i+1:]))
	}
	if h.head.field == lengthField {
		h.head.hasLength = true
	}
}

func (h *half) readValue(v []byte) {
	switch h.head.field {
	case hostField:
		if h.side == proto.Client && len(v) > 0 && len(h.x.Host) == 0 {
			h.x.setHost(v)
			h.head.host = v
		}
	case upgradeField:
		if len(h.head.upgrade) == 0 {
			h.head.upgrade = appendLower(h.head.upgrade, firstItem(v))
		}
	case lengthField:
		h.head.readLength(v)
	case codingField:
		h.head.readCoding(v)
	}
}

// fieldOf tells which field a name is. Names are compared without case.
func fieldOf(name []byte) field {
	switch len(name) {
	case 4:
		if equalFold(name, "host") {
			return hostField
		}
	case 7:
		if equalFold(name, "upgrade") {
			return upgradeField
		}
	case 14:
		if equalFold(name, "content-length") {
			return lengthField
		}
	case 17:
		if equalFold(name, "transfer-encoding") {
			return codingField
		}
	}
	return otherField
}

// readLength takes a Content-Length. A list of equal numbers is one number
// (RFC 9112, 6.3); anything else is no length at all.
func (hd *head) readLength(v []byte) {
	for len(v) > 0 {
		var item []byte
		item, v = cutItem(v)
		n, ok := parseLength(item)
		if !ok || hd.knownLength && n != hd.length {
			hd.badLength = true
			return
		}
		hd.length, hd.knownLength = n, true
	}
}

// parseLength reads decimal digits. A body above 2^60 bytes is no body.
func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if !isDigit(c) || n > 1<<60/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// readCoding takes a list of transfer codings, of which only the last matters
// for the framing, and only if it is chunked (RFC 9112, 6.3). "identity" was
// one that meant none.
func (hd *head) readCoding(v []byte) {
	for len(v) > 0 {
		var item []byte
		item, v = cutItem(v)
		if i := bytes.IndexByte(item, ';'); i >= 0 {
			item = trim(item[:i])
		}
		if len(item) == 0 || equalFold(item, "identity") {
			continue
		}
		hd.coded = true
		hd.chunked = equalFold(item, "chunked")
	}
}

// cutItem splits the first item off a comma-separated list.
func cutItem(v []byte) (item, rest []byte) {
	item, rest, _ = bytes.Cut(v, []byte(","))
	return trim(item), rest
}

// firstItem returns the first item of an Upgrade list, without its version
// where it has one (RFC 9110, 7.8).
func firstItem(v []byte) []byte {
	item, _ := cutItem(v)
	name, _, _ := bytes.Cut(item, []byte("/"))
	return name
}

// trim cuts spaces and tabs off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if toLower(c) != lower[i] {
			return false
		}
	}
	return true
}

func appendLower(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, toLower(c))
	}
	return dst
}

func toLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
