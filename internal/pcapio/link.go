package pcapio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
)

// idleTick is how often the clock goes on where nothing comes.
const idleTick = 100 * time.Millisecond

// Link reads captures as they come, over one connection after the other, each a stream
// of its own. What the sender says of packets that it dropped is counted, and so are
// those that it sent and that did not come. Run belongs to one goroutine; Stats may be
// called by any.
type Link struct {
	handler flow.Handler
	decoder *packet.Decoder
	clock   clock
	read    packet.Count
	held    bool      // segments were handed over since the last Tick
	lastNs  int64     // of the last packet
	lastAt  time.Time // when it came

	run    string    // of the sender; "": another program
	sender LinkStats // of this run
	frames uint64    // that came of this run
	// What the sender had sent and dropped when it first came here is not for us.
	based                 bool
	baseSent, baseDropped uint64

	mu        sync.Mutex
	published LinkStats
	before    LinkStats // of runs that are over
}

// LinkStats is what became of the packets that senders had: seen = Read + SenderDropped + Lost,
// as of what they told last.
type LinkStats struct {
	Stats
	SenderDropped uint64 // the link was too slow, or down
	Lost          uint64 // sent, and did not come: the connection broke
}

// NewLink makes a Link whose packets go to h.
func NewLink(h flow.Handler) *Link {
	return &Link{handler: h, decoder: packet.NewDecoder(packet.Options{})}
}

// Run reads a connection to its end, and does not close it. It calls Tick, whenever
// there is nothing to read, with the sender's clock. A stream that is no capture, or
// damaged, is an error.
func (l *Link) Run(conn net.Conn) error {
	in := &ticking{conn: conn, link: l}
	err := l.stream(in)
	l.decoder.Flush()
	l.tick()
	return err
}

func (l *Link) stream(in *ticking) error {
	w := newWindow(in)
	head, err := w.peek(headSize)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) == 0 {
			return nil // it changed its mind
		}
		return cut(err)
	}
	records, err := l.open(head, w)
	if err != nil {
		return err
	}
	rec := packet.Record{}
	for {
		if err := records.next(&rec); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			var d *DamageError
			if errors.As(err, &d) {
				return fmt.Errorf("at byte %d: %w", d.Offset, d.Err)
			}
			return err
		}
		l.take(&rec)
	}
}

// open recognises the stream: what another agent sends, or any live capture.
func (l *Link) open(head []byte, w *window) (recordReader, error) {
	switch {
	case isPCAPNG(head):
		r, err := openPCAPNG(w)
		ng := r.(*pcapngReader)
		ng.onSection, ng.onStatistics = l.newRun, l.told
		return ng, err
	case isPCAP(head):
		l.newRun("")
		return openPCAP(w)
	}
	return nil, ErrUnknownFormat
}

func (l *Link) take(rec *packet.Record) {
	if l.clock.advance(rec.TsNs) {
		l.tick()
	}
	l.lastNs, l.lastAt = rec.TsNs, time.Now()
	l.read = l.read.Plus(packet.Count{Packets: 1, Bytes: uint64(rec.WireLen)})
	l.frames++
	l.held = true
	l.decoder.Decode(rec, l.handler)
}

// newRun notes whose stream it is. Without a name, each is another one.
func (l *Link) newRun(run string) {
	if run != "" && run == l.run {
		return
	}
	if !strings.HasPrefix(run, linkRun) {
		run = ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before.SenderDropped += l.sender.SenderDropped
	l.before.Lost += l.sender.Lost
	l.run, l.sender, l.frames, l.based = run, LinkStats{}, 0, false
}

// told takes the sender's count: what it sent came before this, or never will. Other
// programs mean other things by these numbers.
func (l *Link) told(seen, dropped uint64) {
	if l.run == "" || dropped > seen {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := seen - dropped
	if !l.based {
		l.based, l.baseSent, l.baseDropped = true, sent, dropped
	}
	l.sender.SenderDropped = dropped - l.baseDropped
	if sent -= l.baseSent; sent > l.frames {
		l.sender.Lost = sent - l.frames
	}
}

// rest is called before a read that may wait: what came is handed on.
func (l *Link) rest() {
	if l.held {
		l.tick()
	}
}

// idle is called where nothing came for a while.
func (l *Link) idle() {
	if l.lastNs == 0 {
		return // there is no clock yet
	}
	l.clock.now = max(l.clock.now, l.lastNs+time.Since(l.lastAt).Nanoseconds())
	l.tick()
}

func (l *Link) tick() {
	l.held = false
	if l.lastNs == 0 {
		return
	}
	l.decoder.Expire(l.clock.now)
	l.handler.Tick(l.clock.now)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.published.Read = l.read
	l.published.Stats.Stats = l.decoder.Stats()
}

// Stats returns the counts as of the last Tick.
func (l *Link) Stats() LinkStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.published
	s.SenderDropped = l.before.SenderDropped + l.sender.SenderDropped
	s.Lost = l.before.Lost + l.sender.Lost
	return s
}

// ticking is a connection whose reads let time go on.
type ticking struct {
	conn net.Conn
	link *Link
}

func (t *ticking) Read(b []byte) (int, error) {
	t.link.rest()
	for {
		_ = t.conn.SetReadDeadline(time.Now().Add(idleTick)) // where it fails, so does the read
		n, err := t.conn.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		t.link.idle()
	}
}
