package output

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gortap/internal/flow"
	"gortap/internal/pcapio"
)

const (
	// LinkReady and LinkBusy are what the other end of a link says first.
	LinkReady = "gortap-link 1 ready\n"
	LinkBusy  = "gortap-link 1 busy\n"

	linkConnect = 5 * time.Second        // of connecting, and of the other end's first word
	linkRetry   = 200 * time.Millisecond // doubled with each failure
	linkRetries = 5 * time.Second
	linkBeat    = time.Second // how often the counts are told
	// linkGone is after how long without an answer the other end's machine is gone.
	linkGone = 10 * time.Second
)

// LinkConfig configures a Link.
type LinkConfig struct {
	Addr string // host:port
	// QueueSize bounds the segments that wait, in bytes; default 16 MiB.
	QueueSize int
	Log       *slog.Logger
}

// Link sends the captured segments to another agent, as a pcapng stream over TCP. It
// connects again whenever the connection breaks; what finds no room meanwhile is dropped,
// and the other end is told how much that was. Its counts are packets.
type Link struct {
	*ending
	*batches
	cfg LinkConfig
	run string

	sent atomic.Uint64 // packets
	down atomic.Pointer[error]
	isUp atomic.Bool
	told bool // that the link is down; for the writer
}

var _ Output = (*Link)(nil)

// NewLink starts to connect. Whether that works shows later: the other end may come up
// after this one. The caller must Close it.
func NewLink(cfg LinkConfig) (*Link, error) {
	if _, _, err := net.SplitHostPort(cfg.Addr); err != nil {
		return nil, fmt.Errorf("link to %q: want HOST:PORT", cfg.Addr)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	l := &Link{cfg: cfg, run: hex.EncodeToString(id[:]), ending: newEnding(), batches: newBatches(cfg.QueueSize)}
	l.lost = func(b *batch) { l.drop(b, l.why()) }
	go l.write()
	return l, nil
}

// Name returns "link:" and the address.
func (l *Link) Name() string { return "link:" + l.cfg.Addr }

// Feed makes the entrance of one shard. It is a SegmentFeed of the pipeline.
func (l *Link) Feed() Feed { return l.feed() }

// Reopen does nothing: a connection is no file.
func (l *Link) Reopen() {}

// Stats returns the counts so far, of packets. What is written may still be lost with
// its connection: the other end counts that.
func (l *Link) Stats() Stats {
	s := Stats{Written: l.sent.Load()}
	s.Taken = s.Written
	for i := range s.Dropped {
		s.Dropped[i] = l.dropped[i].Load()
		s.Taken += s.Dropped[i]
	}
	return s
}

// Err returns why the link is down.
func (l *Link) Err() error {
	if err := l.down.Load(); err != nil && !l.isUp.Load() {
		return *err
	}
	return nil
}

// Close sends what is queued.
func (l *Link) Close(ctx context.Context) error { return l.conclude(ctx, l.Name()) }

// why says for what a batch is dropped that found no room.
func (l *Link) why() DropReason {
	if l.isUp.Load() {
		return Slow
	}
	return ReaderGone
}

func (l *Link) drop(b *batch, why DropReason) {
	n := uint64(0)
	for i := range b.segments {
		n += pcapio.Frames(&b.segments[i])
	}
	l.dropped[why].Add(n)
}

// write is the writer: it connects until the output is closed.
func (l *Link) write() {
	defer close(l.done)
	for wait := linkRetry; ; {
		ended, err := l.connected()
		if ended {
			return
		}
		if l.isUp.Swap(false) {
			wait = linkRetry
		}
		l.down.Store(&err)
		if !l.told {
			l.cfg.Log.Warn("the link is down, and is tried again and again", "output", l.Name(), "error", err)
			l.told = true
		}
		select {
		case <-time.After(wait):
		case <-l.closing:
			l.abandon()
			return
		}
		wait = min(2*wait, linkRetries)
	}
}

// abandon drops what is queued: the run is over, and nobody is there to take it.
func (l *Link) abandon() {
	for {
		select {
		case b := <-l.queue:
			l.drop(b, ReaderGone)
		default:
			return
		}
	}
}

// connected sends over one connection, until it breaks or the output is closed.
func (l *Link) connected() (ended bool, err error) {
	conn, err := l.connect()
	if err != nil {
		return false, err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, conn) // it says nothing more: this ends with the connection
	}()
	defer func() {
		conn.Close()
		<-gone
	}()
	w, err := pcapio.NewLinkWriter(&patient{conn: conn, link: l}, l.run)
	if err == nil {
		err = l.count(w)
	}
	if err != nil {
		return false, err
	}
	l.isUp.Store(true)
	l.told = false
	l.cfg.Log.Info("the link is up", "output", l.Name())
	beat := time.NewTicker(linkBeat)
	defer beat.Stop()
	for {
		select {
		case b := <-l.queue:
			err = l.send(w, b)
		case <-beat.C:
			err = l.count(w)
		case <-gone:
			return false, ErrReaderGone
		case <-l.closing:
			return true, l.finish(w)
		}
		if err != nil {
			return l.gaveUp(), err
		}
	}
}

// send writes a batch. What is given to the connection counts as sent: where it breaks,
// only the other end knows what came.
func (l *Link) send(w *pcapio.Writer, b *batch) error {
	var err error
	b.each(func(s *flow.Segment) {
		n := pcapio.Frames(s)
		if err == nil {
			err = w.Segment(s)
		}
		if err != nil {
			l.dropped[ReaderGone].Add(n)
			return
		}
		l.sent.Add(n)
	})
	l.giveBack(b)
	if err == nil && len(l.queue) == 0 {
		err = w.Flush()
	}
	return err
}

// count tells the other end how many packets there were.
func (l *Link) count(w *pcapio.Writer) error {
	s := l.Stats()
	dropped := s.Taken - s.Written
	if err := w.Statistics(s.Taken, dropped, time.Now().UnixNano()); err != nil {
		return err
	}
	return w.Flush()
}

// finish sends the rest.
func (l *Link) finish(w *pcapio.Writer) error {
	for {
		select {
		case b := <-l.queue:
			if l.gaveUp() {
				l.drop(b, Deadline)
				continue
			}
			if err := l.send(w, b); err != nil {
				l.abandon()
				return err
			}
		default:
			return errors.Join(l.count(w), w.Close())
		}
	}
}

// connect connects, and waits for the other end's word that it listens.
func (l *Link) connect() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), linkConnect)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	beside.Go(func() { // the end of the run does not wait for a connection
		select {
		case <-l.closing:
			cancel()
		case <-ctx.Done():
		}
	})
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: linkGone / 2, Interval: linkGone / 5, Count: 3},
		Control:         func(_, _ string, raw syscall.RawConn) error { return markLink(raw) },
	}
	conn, err := d.DialContext(ctx, "tcp", l.cfg.Addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	word, err := bufio.NewReaderSize(io.LimitReader(conn, 64), 64).ReadString('\n')
	if !stop() && err == nil {
		err = context.DeadlineExceeded
	}
	switch {
	case err != nil:
		err = fmt.Errorf("%s is no agent with --input-link: %w", l.cfg.Addr, err)
	case word == LinkBusy:
		err = fmt.Errorf("%s has another agent's link already (each --input-link takes one)", l.cfg.Addr)
	case word != LinkReady:
		err = fmt.Errorf("%s is no agent with --input-link: it says %q", l.cfg.Addr, strings.TrimSpace(word))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// markLink keeps the capture from seeing its own link, and lets a machine that is gone
// be noticed.
func markLink(raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, flow.ReplayMark)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_TCP, unix.TCP_USER_TIMEOUT, int(linkGone.Milliseconds()))
	})
}

// patient writes to a connection for as long as it takes, or until Close has no more
// time.
type patient struct {
	conn net.Conn
	link *Link
}

func (p *patient) Write(b []byte) (written int, err error) {
	for written < len(b) {
		if err := p.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return written, err
		}
		n, err := p.conn.Write(b[written:])
		written += n
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
		if written < len(b) && p.link.gaveUp() {
			return written, ErrAbandoned
		}
	}
	return written, nil
}
