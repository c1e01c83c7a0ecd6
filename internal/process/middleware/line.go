package middleware

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"gortap/internal/gorfile"
	"gortap/internal/record"
)

// separatorBytes is what ends a record of a file, and is no part of a line.
const separatorBytes = len("\n🐵🙈🙉\n")

// appendLine writes a record as a middleware reads it: what it is in a file, in
// hexadecimal, and a line end. The record in its first form is left in scratch.
func appendLine(dst, scratch []byte, r *record.Record) (line, text []byte) {
	text = gorfile.Append(scratch[:0], r)
	dst = hex.AppendEncode(dst, text[:len(text)-separatorBytes])
	return append(dst, '\n'), text
}

// parseLine reads what a middleware wrote, without its line end. The record has
// what stands in the line, its Conn and Seq come from the ID. It reports false where the
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
	r.Conn, r.Seq = identify(r.ID)
	if len(words) > 2 {
		r.TimeNs, _ = strconv.ParseInt(string(words[2]), 10, 64)
		r.EndNs = r.TimeNs
	}
	if len(words) > 3 {
		took, _ := strconv.ParseInt(string(words[3]), 10, 64)
		if r.Kind == record.Replayed {
			r.LatencyNs = took
		} else {
			r.EndNs += max(0, took)
		}
	}
	return r, true
}

// isMessage says whether the protocol knows such records.
func isMessage(k record.Kind) bool {
	return k == record.Request || k == record.Response || k == record.Replayed
}

// identify reads an ID like ours: 16 digits for the connection and 8 for the
// number in it. Others tell nothing.
func identify(id string) (conn, seq uint64) {
	if len(id) != 24 {
		return 0, 0
	}
	conn, err := strconv.ParseUint(id[:16], 16, 64)
	if err != nil {
		return 0, 0
	}
	seq, _ = strconv.ParseUint(id[16:], 16, 64)
	return conn, seq
}
