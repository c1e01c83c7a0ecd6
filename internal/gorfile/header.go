package gorfile

import (
	"bytes"
	"encoding/hex"
	"hash/maphash"
	"strconv"

	"gortap/internal/record"
)

// Separator stands after each record.
const Separator = "\n🐵🙈🙉\n"

// maxID and maxHeader bound what is taken for an ID and for a header line, with its line feed.
const (
	maxID     = 128
	maxHeader = 2 + maxID + 2*21 + 1
)

// header is a header line. The ID is a part of what was parsed.
type header struct {
	kind         record.Kind
	id           []byte
	tsNs, lastNs int64 // lastNs is the fourth field, 0 where there is none
}

// parseHeader parses the header line that b begins with and returns its length,
// 0 where there is none.
func parseHeader(b []byte) (h header, length int) {
	b = b[:min(len(b), maxHeader)]
	end := bytes.IndexByte(b, '\n')
	if end < 0 || len(b) < 2 || b[0] < '1' || b[0] > '9' || b[1] != ' ' {
		return h, 0
	}
	line := b[2:end]
	n := bytes.IndexByte(line, ' ')
	if n < 1 || n > maxID {
		return h, 0
	}
	for _, c := range line[:n] {
		if c < '!' || c > '~' {
			return h, 0
		}
	}
	h.kind, h.id = record.Kind(b[0]), line[:n]
	var rest []byte
	var ok bool
	if h.tsNs, rest, ok = number(line[n+1:]); !ok {
		return h, 0
	}
	if len(rest) > 0 {
		if h.lastNs, rest, ok = number(rest[1:]); !ok || len(rest) > 0 {
			return h, 0
		}
	}
	return h, end + 1
}

// number parses a decimal up to the end or a space, which rest begins with.
func number(b []byte) (v int64, rest []byte, ok bool) {
	end := bytes.IndexByte(b, ' ')
	if end < 0 {
		end = len(b)
	}
	digits := b[:end]
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, nil, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, nil, false
		}
		v = v*10 + int64(c-'0')
	}
	if v < 0 { // 19 digits may be too many
		return 0, nil, false
	}
	if len(digits) < end {
		v = -v
	}
	return v, b[end:], true
}

// identify reads an ID like ours. GoReplay's are made alike: from the client's
// port, the server's port and the client's address, and then the acknowledgement
// number of the request, which grows within a connection. Any other ID is a
// connection of its own.
func identify(id []byte, seed maphash.Seed) (conn, seq uint64) {
	var b [12]byte
	if len(id) == 24 {
		if _, err := hex.Decode(b[:], id); err == nil {
			for _, c := range b[:8] {
				conn = conn<<8 | uint64(c)
			}
			for _, c := range b[8:] {
				seq = seq<<8 | uint64(c)
			}
			return conn, seq
		}
	}
	return maphash.Bytes(seed, id), 0
}

// Append writes a record as it is in a file. It writes nothing for record.End.
func Append(dst []byte, r *record.Record) []byte {
	if r.Kind == record.End {
		return dst
	}
	took := r.EndNs - r.TimeNs
	switch {
	case r.Kind == record.Replayed:
		took = r.LatencyNs
	case r.EndNs == 0:
		took = 0
	}
	dst = append(dst, byte(r.Kind), ' ')
	dst = append(dst, r.ID...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, r.TimeNs, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, took, 10)
	dst = append(dst, '\n')
	dst = append(dst, r.Data...)
	return append(dst, Separator...)
}
