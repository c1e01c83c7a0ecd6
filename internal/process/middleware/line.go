package middleware

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"gortap/internal/record"
)

// appendLine writes a record as a middleware reads it: header line and message,
// in hexadecimal, and a line end. scratch is used for the header.
func appendLine(dst, scratch []byte, r *record.Record) (line, header []byte) {
	header = append(scratch[:0], byte(r.Kind), ' ')
	header = append(header, r.ID...)
	header = append(header, ' ')
	header = strconv.AppendInt(header, r.TimeNs, 10)
	header = append(header, ' ')
	header = strconv.AppendInt(header, r.LatencyNs, 10)
	header = append(header, '\n')
	dst = hex.AppendEncode(dst, header)
	dst = hex.AppendEncode(dst, r.Data)
	return append(dst, '\n'), header
}

// parseLine reads what a middleware wrote, without its line end. The record has
// what stands in the line, its Conn comes from the ID. It reports false where the
// line is none of the protocol.
func parseLine(line []byte) (*record.Record, bool) {
	text := make([]byte, hex.DecodedLen(len(line)))
	if _, err := hex.Decode(text, line); err != nil {
		return nil, false
	}
	header, data, found := bytes.Cut(text, []byte{'\n'})
	words := bytes.Fields(header)
	if !found || len(data) == 0 || len(words) < 2 || len(words[0]) != 1 {
		return nil, false
	}
	r := &record.Record{Kind: record.Kind(words[0][0]), ID: string(words[1]), Data: data}
	if !isMessage(r.Kind) {
		return nil, false
	}
	r.Conn = connOf(r.ID)
	if len(words) > 2 {
		r.TimeNs, _ = strconv.ParseInt(string(words[2]), 10, 64)
		r.EndNs = r.TimeNs
	}
	if len(words) > 3 {
		r.LatencyNs, _ = strconv.ParseInt(string(words[3]), 10, 64)
	}
	return r, true
}

// isMessage says whether the protocol knows such records.
func isMessage(k record.Kind) bool {
	return k == record.Request || k == record.Response || k == record.Replayed
}

// connOf returns the connection that an ID's first 16 digits name.
func connOf(id string) uint64 {
	conn, err := strconv.ParseUint(id[:min(len(id), 16)], 16, 64)
	if err != nil {
		return 0
	}
	return conn
}
