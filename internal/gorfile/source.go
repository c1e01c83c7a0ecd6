package gorfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"gortap/internal/pcapio"
	"gortap/internal/record"
)

// aheadBytes bounds the data of the records of one file that wait to be put in
// order.
const aheadBytes = 8 << 20

// Damage is a part of a file that gave no record.
type Damage struct {
	Path         string
	Offset, Size int64
	// Compressed tells that they count decompressed bytes.
	Compressed bool
	Reason     string // Cut, Damaged, TooLarge, UnknownType or Unreadable
	Err        error  // of an Unreadable file
}

// Error is one line.
func (d *Damage) Error() string {
	of := ""
	if d.Compressed {
		of = " of its decompressed content"
	}
	text := fmt.Sprintf("read %s: %d bytes at %d%s are no record (%s)", d.Path, d.Size, d.Offset, of, d.Reason)
	if d.Err != nil {
		text += ": " + d.Err.Error()
	}
	return text
}

// Unwrap returns the file's error.
func (d *Damage) Unwrap() error { return d.Err }

// source is one file of a Reader. It is open only while its time is due.
type source struct {
	r       *Reader
	path    string
	index   int
	regular bool
	size    int64
	read    atomic.Int64

	stream  *pcapio.Stream // nil while closed
	scanner *scanner
	ended   bool // of the file; there may be records ahead
	silent  bool // a pipe had no more when it was last looked at
	past    int  // records in a row that are past the end of the window
	firstNs int64
	ahead
}

// open opens the file and checks what it is.
func (s *source) open() error {
	if s.stream != nil || s.ended {
		return nil
	}
	stream := s.r.opts.Stdin
	if s.path != "-" || stream == nil {
		var err error
		stream, err = pcapio.OpenStream(s.path, &s.read)
		var d *pcapio.DamageError
		if errors.As(err, &d) { // its compression makes no sense from the start
			s.ended = true
			s.lose(0, 0, Unreadable, d.Err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	if stream.Format != pcapio.GOR {
		stream.Close()
		return fmt.Errorf("read %s: %w: it is %s", s.path, ErrNotGor, stream.Format)
	}
	if !s.regular {
		s.r.keepPipe(stream)
	}
	s.stream = stream
	s.scanner = newScanner(stream, s.r.opts.MaxRecord)
	s.scanner.lose = s.lose
	return nil
}

// probe checks the file and learns its first time. A regular file is read again
// when its turn comes; of a pipe, records are read here only where the window needs to
// know when it starts.
func (s *source) probe() error {
	if st, err := os.Stat(s.path); err == nil && st.Mode().IsRegular() {
		s.regular, s.size = true, st.Size()
	}
	s.r.quiet = s.regular
	defer func() { s.r.quiet = false }()
	if err := s.open(); err != nil {
		return err
	}
	if s.regular || s.r.opts.relative() {
		s.fill()
	}
	if s.len() > 0 {
		s.firstNs = s.front().TimeNs
	}
	if s.regular {
		s.close()
		s.reset()
	}
	return nil
}

// reset forgets what was read.
func (s *source) reset() {
	s.ended, s.past, s.ahead = false, 0, ahead{}
	s.read.Store(0)
}

// fill reads until there are as many records ahead as are put in order.
func (s *source) fill() {
	for !s.ended && s.len() < s.r.opts.Depth && (s.bytes < aheadBytes || s.len() == 0) && !s.mute() {
		raw, err := s.scanner.next()
		if err != nil {
			s.ended = true
			break
		}
		if rec := s.r.take(s, &raw); rec != nil {
			s.push(rec)
		}
		s.ended = s.past >= s.r.opts.Depth
	}
	if s.ended {
		s.close()
	}
}

// mute reports whether the other end of a pipe has been silent for long enough that
// the records ahead need not wait for more to be put in order with.
func (s *source) mute() bool {
	if s.regular || s.len() == 0 {
		return false
	}
	if b, _ := s.stream.Peek(0); bytes.Contains(b, []byte(Separator)) {
		return false
	}
	wait := patience
	if s.silent {
		wait = 0
	}
	s.silent = s.stream.Idle(wait)
	return s.silent
}

func (s *source) lose(offset, size int64, reason string, err error) {
	if s.r.quiet || (reason == Unreadable && s.r.interrupted.Load()) {
		return
	}
	s.r.lost(&Damage{
		Path: s.path, Offset: offset, Size: size, Reason: reason, Err: err, Compressed: s.stream != nil && s.stream.Compressed,
	})
}

func (s *source) close() {
	if s.stream != nil {
		s.stream.Close()
	}
	s.stream, s.scanner = nil, nil
}

// ahead holds the next records of a file by time. A recorder writes a message when
// it is complete, a long one after shorter ones that began later; GoReplay writes
// those of a connection that ended in any order.
type ahead struct {
	records []*record.Record // from head on
	head    int
	bytes   int
}

func (a *ahead) len() int              { return len(a.records) - a.head }
func (a *ahead) front() *record.Record { return a.records[a.head] }

// push puts r before those of a later time; but what a client sent on one
// connection stays in its order, whatever the clock did.
func (a *ahead) push(r *record.Record) {
	a.bytes += len(r.Data)
	a.records = append(a.records, r)
	for i := len(a.records) - 1; i > a.head; i-- {
		before := a.records[i-1]
		if before.TimeNs <= r.TimeNs || (before.Conn == r.Conn && sent(before) && sent(r) && int32(r.Seq-before.Seq) >= 0) {
			break
		}
		a.records[i-1], a.records[i] = r, before
	}
}

func sent(r *record.Record) bool { return r.Kind == record.Request || r.Kind == record.Stream }

func (a *ahead) pop() *record.Record {
	r := a.records[a.head]
	a.records[a.head] = nil
	a.head++
	a.bytes -= len(r.Data)
	if a.head == len(a.records) || a.head >= 1024 {
		n := copy(a.records, a.records[a.head:])
		clear(a.records[n:])
		a.records, a.head = a.records[:n], 0
	}
	return r
}
