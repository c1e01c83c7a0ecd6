package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
)

// recording is a capture of short HTTP sessions that begin at a constant rate: one
// request, one answer, and the server ends the connection, as it is asked to.
type recording struct {
	sessions int
	gap      time.Duration // between two of them
	hold     time.Duration // how long a client waits before it asks
}

// start is when recordings begin, in Unix nanoseconds.
const start = int64(1_700_000_000_000_000_000)

const (
	request = "GET /small HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench\r\nConnection: close\r\n\r\n"
	respond = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nConnection: close\r\n\r\nhello, world\n"
)

// write writes the recording to a capture file.
func (r recording) write(path string) (err error) {
	var all []flow.Segment
	for i := range r.sessions {
		all = append(all, r.session(i)...)
	}
	slices.SortStableFunc(all, func(a, b flow.Segment) int { return cmp.Compare(a.TsNs, b.TsNs) })
	w, err := pcapio.Create(path)
	if err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for i := range all {
		if err := w.Segment(&all[i]); err != nil {
			return fmt.Errorf("write recording: %w", err)
		}
	}
	return nil
}

// session is session number i.
func (r recording) session(i int) []flow.Segment {
	// Not more than 50,000 of one client, as ports go.
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(1 + i/50000), 1}), uint16(10000+i%50000))
	key, dir := flow.NewKey(client, netip.MustParseAddrPort(serverIP+":80"), 0)
	at := start + int64(i)*int64(r.gap)
	seq := [2]uint32{1000, 5000}
	var all []flow.Segment
	say := func(after time.Duration, server bool, flags flow.Flags, text string) {
		at += int64(after)
		d, me, other := dir, 0, 1
		if server {
			d, me, other = dir.Other(), 1, 0
		}
		all = append(all, flow.Segment{Key: key, Dir: d, TsNs: at, Seq: seq[me], Ack: seq[other], Flags: flags, Len: len(text), Data: []byte(text)})
		seq[me] += uint32(len(text))
		if flags.Has(flow.SYN | flow.FIN) {
			seq[me]++
		}
	}
	say(0, false, flow.SYN, "")
	say(50*time.Microsecond, true, flow.SYN|flow.ACK, "")
	say(50*time.Microsecond, false, flow.ACK, "")
	say(r.hold+50*time.Microsecond, false, flow.ACK|flow.PSH, request)
	say(200*time.Microsecond, true, flow.ACK|flow.PSH, respond)
	say(20*time.Microsecond, true, flow.ACK|flow.FIN, "")
	say(50*time.Microsecond, false, flow.ACK|flow.FIN, "")
	say(50*time.Microsecond, true, flow.ACK, "")
	return all
}
