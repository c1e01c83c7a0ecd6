package gorfile

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// The reasons why a record, or what may have been some, is not delivered. They are
// metric labels.
const (
	Cut         = "cut"          // the file ends inside of it
	Damaged     = "damaged"      // no header where one is due
	TooLarge    = "too-large"    // larger than Options.MaxRecord
	UnknownType = "unknown-type" // a type that is none of ours
	Unreadable  = "unreadable"   // the file, or its compression, fails from here on
)

// input is what a scanner needs of a pcapio.Stream.
type input interface {
	Peek(n int) ([]byte, error)
	Skip(n int)
	Offset() int64
	Idle(d time.Duration) bool
}

// patience is how long a pipe may be silent before a record that looks complete is
// taken for whole, though nothing behind it says so.
const patience = 100 * time.Millisecond

// raw is a record in the input's memory.
type raw struct {
	header
	data   []byte
	offset int64
	size   int // with header and separator
}

// scanner finds the records of one file.
type scanner struct {
	in    input
	limit int // of a record's data
	// credit bounds how many bytes are looked at more than once, so that a file
	// full of wrong lengths takes linear time.
	credit int
	lose   func(offset, size int64, reason string, err error)
}

func newScanner(in input, limit int) *scanner {
	return &scanner{in: in, limit: limit, credit: limit}
}

// next returns the next whole record, until the next call. What is none is told to
// lose. After the last one it returns io.EOF; an error of the file is told, too, and
// then the same.
func (s *scanner) next() (raw, error) {
	for {
		b, err := s.in.Peek(1)
		if len(b) == 0 && errors.Is(err, io.EOF) {
			return raw{}, io.EOF
		}
		_, n := parseHeader(b)
		for n == 0 && len(b) < maxHeader && err == nil { // no more than there is: a pipe may be silent
			b, err = s.in.Peek(len(b) + 1)
			_, n = parseHeader(b)
		}
		if n == 0 && err != nil && len(b) > 0 && b[0] >= '1' && b[0] <= '9' && bytes.IndexByte(b, '\n') < 0 {
			return raw{}, s.drop(Cut, err)
		}
		if n == 0 {
			if cut := s.resync(0, Damaged); cut != nil {
				return raw{}, cut
			}
			continue
		}
		end, err := s.end(b, n, err)
		switch {
		case end >= 0:
			if b, err = s.in.Peek(end + len(Separator)); len(b) < end+len(Separator) {
				return raw{}, err // it was there before
			}
			h, _ := parseHeader(b)
			r := raw{h, b[n:end], s.in.Offset(), end + len(Separator)}
			s.in.Skip(r.size)
			s.credit = min(s.credit+4*r.size, s.limit)
			return r, nil
		case err != nil:
			return raw{}, s.drop(Cut, err)
		}
		if cut := s.resync(n, TooLarge); cut != nil {
			return raw{}, cut
		}
	}
}

// end finds where the record's data ends whose header has n bytes, and returns the
// place in what Peek returns. It is -1 where there is no end: then err says why the
// input ends, or the record is too large.
func (s *scanner) end(b []byte, n int, err error) (int, error) {
	first := -1 // a separator that was taken for a part of the data
	var f framing
	for from := n; ; {
		i := bytes.Index(b[from:], []byte(Separator))
		if i >= 0 && from+i-n <= s.limit {
			at := from + i
			var end int
			if end, b, err = s.decide(b, n, at, &f, err); end >= 0 {
				return end, err
			}
			if first < 0 {
				first = at
			}
			from = at + 1
			continue
		}
		if i >= 0 || err != nil || len(b)-n >= s.limit+len(Separator) {
			if i < 0 && err != nil && first < 0 {
				return -1, err
			}
			return first, nil
		}
		from = max(n, len(b)-len(Separator)+1)
		b, err = s.in.Peek(len(b) + 1)
	}
}

// decide tells where the data ends that began at n and has a separator at: there,
// further on, or -1 where the separator is a part of it. The package's
// documentation has the rules.
func (s *scanner) decide(b []byte, n, at int, f *framing, err error) (int, []byte, error) {
	f.see(b[n:at])
	var follows bool
	// A response to HEAD has a length and no body: what follows it may reach there by chance.
	if f.answersHead(b[n:at]) {
		if b, err, follows = s.behind(b, at, err, true); follows {
			return at, b, err
		}
	}
	if want := n + f.head + f.length; f.length > 0 && at < want && want-n <= s.limit {
		if need := want + len(Separator) + maxHeader; len(b) < need && err == nil && s.credit >= need-at {
			s.credit -= need - at
			b, err = s.in.Peek(want + len(Separator))
		}
		if len(b) >= want && bytes.HasPrefix(b[want:], []byte(Separator)) {
			if b, err, follows = s.behind(b, want, err, true); follows {
				return want, b, err
			}
		}
		return at, b, err
	}
	complete := f.looksComplete(b[n:at])
	if b, err, follows = s.behind(b, at, err, complete); follows || complete {
		return at, b, err
	}
	return -1, b, err
}

// behind looks at what is behind a separator, and reports whether that is a header
// or the end of the file; or, behind a record that looks complete, nothing for now.
func (s *scanner) behind(b []byte, at int, err error, complete bool) ([]byte, error, bool) {
	for {
		if at+len(Separator) > len(b) {
			return b, err, false
		}
		rest := b[at+len(Separator):]
		if _, n := parseHeader(rest); n > 0 || len(rest) >= maxHeader || err != nil {
			return b, err, n > 0 || len(rest) == 0
		}
		if complete && s.in.Idle(patience) {
			return b, nil, true
		}
		b, err = s.in.Peek(len(b) + 1)
	}
}

// follows tells that behind the separator that b begins with there is a header, or
// the end of the file; err is set where b is all there is.
func follows(b []byte, err error) bool {
	rest := b[len(Separator):]
	if len(rest) == 0 {
		return err != nil
	}
	_, n := parseHeader(rest)
	return n > 0
}

// framing is what the head of a message says of its length.
type framing struct {
	head   int // with its empty line; 0 where it has not ended
	length int // Content-Length; -1 where there is none, or no matter
	seen   int // bytes that were searched for the head's end
}

// see looks at a message, or more of it than before.
func (f *framing) see(data []byte) {
	const maxHead = 64 << 10
	within := data[:min(len(data), maxHead)]
	if f.head > 0 || f.seen == len(within) {
		return
	}
	from := max(0, f.seen-3)
	f.seen, f.length = len(within), -1
	i := bytes.Index(within[from:], []byte("\r\n\r\n"))
	if i < 0 {
		return
	}
	f.head = from + i + 4
	f.length = contentLength(data[:f.head])
}

// contentLength returns -1 where there is none.
func contentLength(head []byte) int {
	const name = "content-length:"
	for line := range bytes.Lines(head) {
		if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
			continue
		}
		if v, _, ok := number(bytes.TrimSpace(line[len(name):])); ok && v >= 0 && v < 1<<40 {
			return int(v)
		}
		return -1
	}
	return -1
}

// answersHead tells that data may be the whole response to a HEAD request.
func (f *framing) answersHead(data []byte) bool {
	return len(data) == f.head && bytes.HasPrefix(data, []byte("HTTP/"))
}

// looksComplete is a guess: a message without a body and a chunked one end with an
// empty line.
func (f *framing) looksComplete(data []byte) bool {
	if f.head > 0 && f.length >= 0 && !f.answersHead(data) {
		return len(data) >= f.head+f.length
	}
	return bytes.HasSuffix(data, []byte("\r\n\r\n"))
}

// resync drops bytes up to a separator that a header follows, and at least skip. It
// returns io.EOF where that is the end of the file.
func (s *scanner) resync(skip int, reason string) error {
	start := s.in.Offset()
	for {
		need := skip + len(Separator) + maxHeader
		b, err := s.in.Peek(need)
		i := bytes.Index(b[min(skip, len(b)):], []byte(Separator))
		if i >= 0 {
			at := skip + i
			if need = at + len(Separator) + maxHeader; len(b) < need && err == nil {
				b, err = s.in.Peek(need)
			}
			if follows(b[at:], err) {
				s.in.Skip(at + len(Separator))
				s.lose(start, s.in.Offset()-start, reason, nil)
				return nil
			}
			s.in.Skip(at + 1)
			skip = 0
			continue
		}
		if err != nil {
			s.in.Skip(len(b))
			s.finish(start, reason, err)
			return io.EOF
		}
		s.in.Skip(len(b) - len(Separator) + 1)
		skip = 0
	}
}

// drop drops all that is left.
func (s *scanner) drop(reason string, err error) error {
	start := s.in.Offset()
	b, _ := s.in.Peek(0)
	s.in.Skip(len(b))
	s.finish(start, reason, err)
	return io.EOF
}

// finish tells of what was lost at the end of the file, which is where err came.
func (s *scanner) finish(start int64, reason string, err error) {
	switch {
	case errors.Is(err, io.EOF):
		err = nil
	case errors.Is(err, io.ErrUnexpectedEOF): // of a compressed file
		reason, err = Cut, nil
	default:
		reason = Unreadable
	}
	s.lose(start, s.in.Offset()-start, reason, err)
}
