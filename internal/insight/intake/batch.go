package intake

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"gortap/internal/insight"
	"gortap/internal/proto"
)

const (
	batchEntries = 256
	batchBytes   = 128 << 10 // above it a batch is full
	maxKept      = 512 << 10 // beyond it its memory is not used again
	maxHead      = 16 << 10
	maxTarget    = 4 << 10
	maxHost      = 255
)

// batch is a number of exchanges on their way to the goroutine that looks at them.
type batch struct {
	entries []entry
	bytes   []byte // what the spans of entries point into
	shared  [sharedPlaces]span
	resent  []resent
	missed  insight.Missed // exchanges that are not among the entries
	nowNs   int64          // the capture's clock
}

// resent are payload bytes that a service's connections sent again.
type resent struct {
	service string
	bytes   uint64
}

// entry is an exchange.
type entry struct {
	startNs, endNs            int64
	conn                      uint64
	client, server            netip.AddrPort
	service, method, path     string
	protocol                  proto.Protocol
	row                       uint32
	status, code              int32
	flags                     flags
	incomplete                proto.Reason
	requestBytes, requestSize int64
	responseBytes             int64
	responseSize, part        int64
	durationNs, ttfbNs        int64
	hashes                    [2]uint64 // by proto.Side
	host, target, sample      span
	heads                     [2]span
}

type flags uint8

const (
	first flags = 1 << iota
	upgraded
	hasCode
	hasHead
	hasRequestHash
	hasResponseHash
)

// span is a part of a batch's bytes.
type span struct{ from, to uint32 }

func newBatch() *batch {
	return &batch{entries: make([]entry, 0, batchEntries), bytes: make([]byte, 0, batchBytes)}
}

// reset empties b, but for what was sent again and what was missed: who cannot pass it
// on yet keeps it.
func (b *batch) reset() {
	if cap(b.bytes) > maxKept {
		b.bytes = make([]byte, 0, batchBytes)
	}
	clear(b.entries) // they hold strings
	b.entries, b.bytes, b.nowNs = b.entries[:0], b.bytes[:0], 0
	b.shared = [sharedPlaces]span{}
}

// miss makes what b has of exchanges one sum: they are dropped.
func (b *batch) miss() {
	for i := range b.entries {
		e := &b.entries[i]
		b.missed.Add(&insight.Observation{
			EndNs: e.endNs, First: e.flags&first != 0, Upgraded: e.flags&upgraded != 0,
			Protocol: e.protocol, Status: int(e.status), Code: int(e.code), HasCode: e.flags&hasCode != 0, Incomplete: e.incomplete,
			RequestBytes: e.requestBytes, ResponseBytes: e.responseBytes,
		})
	}
}

func (b *batch) full() bool { return len(b.entries) == batchEntries || len(b.bytes) >= batchBytes }

func (b *batch) keep(data []byte) span {
	from := len(b.bytes)
	b.bytes = append(b.bytes, data...)
	return span{uint32(from), uint32(len(b.bytes))}
}

// share keeps data that exchanges have in common, once where it came before: what is kept
// in a place is compared. The reader then knows it by its span.
func (b *batch) share(place uint32, data []byte) span {
	at := &b.shared[place*0x9e3779b1>>(32-sharedBits)]
	if !bytes.Equal(b.text(*at), data) {
		*at = b.keep(data)
	}
	return *at
}

const (
	sharedBits   = 7
	sharedPlaces = 1 << sharedBits

	// What is added to them tells things of a kind apart.
	hostPlace     = 0
	targetPlace   = 1 << 28
	requestPlace  = 2 << 28
	responsePlace = 3 << 28
)

// aboutOf is a number of a target that others rarely have.
func aboutOf(target []byte) uint32 {
	n := len(target)
	if n < 8 {
		return uint32(n)
	}
	h := binary.LittleEndian.Uint64(target)*31 ^ binary.LittleEndian.Uint64(target[n-8:]) ^ uint64(n)
	return uint32(h * 0x9e3779b97f4a7c15 >> 36)
}

func (b *batch) text(s span) []byte { return b.bytes[s.from:s.to] }
