package pcapio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"gortap/internal/pcapio/packet"
)

// Format is what a file's content turned out to be.
type Format string

// The formats.
const (
	PCAP   Format = "pcap"
	PCAPNG Format = "pcapng"
	GOR    Format = "gor" // records of HTTP messages; internal/gorfile reads them
	// JSONL is one JSON object a line; internal/insight/lines reads those of exchanges.
	JSONL Format = "jsonl"
)

// recordReader reads the packets of one file.
type recordReader interface {
	// next fills in the next record: io.EOF at the end, a *DamageError (with
	// Offset and Err) where the file makes no sense. The data is the window's,
	// until the next call.
	next(*packet.Record) error
}

// format is a row of the table below. To add one, add a row.
type format struct {
	name  Format
	match func(head []byte) bool
	open  func(*window) (recordReader, error) // nil for formats that hold no packets
}

func formats() []format {
	return []format{
		{PCAP, isPCAP, openPCAP},
		{PCAPNG, isPCAPNG, openPCAPNG},
		{GOR, isGOR, nil},
		{JSONL, isJSONL, nil},
	}
}

// isJSONL tells an object with members.
func isJSONL(head []byte) bool { return bytes.HasPrefix(head, []byte(`{"`)) }

// isGOR tells a record's header by its start: a type and the ID. Records of an
// unknown type count too: the file is none of the others.
func isGOR(head []byte) bool {
	if len(head) < 4 || head[0] < '1' || head[0] > '9' || head[1] != ' ' {
		return false
	}
	for _, c := range head[2:] {
		if c == ' ' {
			break
		}
		if c < '!' || c > '~' {
			return false
		}
	}
	return head[2] != ' '
}

// namedGOR is for files without a first record: an empty recording is one, and
// one with a damaged start has more records to give.
func namedGOR(path string) bool {
	for _, c := range compressions() {
		path = strings.TrimSuffix(path, c.suffix)
	}
	return filepath.Ext(path) == ".gor"
}

// compression is a row of the table below.
type compression struct {
	suffix string
	magic  []byte
	open   func(io.Reader) (io.ReadCloser, error)
	create func(io.Writer) (io.WriteCloser, error)
}

// maxZstdWindow is what `zstd --long=27` needs, and the most a file may make us allocate.
const maxZstdWindow = 128 << 20

func compressions() []compression {
	return []compression{
		{".gz", []byte{0x1f, 0x8b, 8}, openGzip, createGzip},
		{".zst", []byte{0x28, 0xb5, 0x2f, 0xfd}, openZstd, createZstd},
		{".zst", []byte{0x50, 0x2a, 0x4d, 0x18}, openZstd, createZstd}, // pzstd: a skippable frame first
	}
}

func openGzip(r io.Reader) (io.ReadCloser, error)    { return gzip.NewReader(r) }
func createGzip(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }

// openZstd decodes in the caller's goroutine: concurrency 1 starts none.
func openZstd(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

func createZstd(w io.Writer) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
}

// headSize is how much content the format tables see.
const headSize = 12

// Stream is an open file, decompressed, and what it holds. It is also for
// readers of formats that are not packets.
type Stream struct {
	Format     Format
	Compressed bool
	format     format
	w          *window
	file       *os.File
	buffered   *bufio.Reader // between file and w
	plain      io.Closer     // the decompressor, or nil
}

// OpenStream opens a file and recognises it by its content; "-" is standard
// input. read, if not nil, counts the bytes read from the file. It fails with
// ErrUnknownFormat where the content is none of ours, and with a *DamageError
// where it cannot be decompressed.
func OpenStream(path string, read *atomic.Int64) (*Stream, error) {
	name := path
	if path == "-" {
		name = "/dev/stdin" // a new description of it, so that Close unblocks a read
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open capture: %w", err)
	}
	s := &Stream{file: f}
	if err := s.recognise(&countedReader{f, read}, path); err != nil {
		s.Close()
		if s.Compressed && !errors.Is(err, ErrUnknownFormat) {
			return nil, &DamageError{Path: path, Decompressed: true, Err: cut(err)}
		}
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// NewStream recognises content that comes from elsewhere, like OpenStream; name
// is for its extension and for errors. The caller closes r.
func NewStream(r io.Reader, name string) (*Stream, error) {
	s := &Stream{}
	if err := s.recognise(r, name); err != nil {
		s.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return s, nil
}

func (s *Stream) recognise(in io.Reader, path string) error {
	br := bufio.NewReaderSize(in, 64<<10)
	s.buffered = br
	magic, _ := br.Peek(headSize) // an error comes again below
	var r io.Reader = br
	for _, c := range compressions() {
		if bytes.HasPrefix(magic, c.magic) {
			s.Compressed = true
			z, err := c.open(br)
			if err != nil {
				return err
			}
			r, s.plain = z, z
			break
		}
	}
	s.w = newWindow(r)
	head, err := s.w.peek(headSize)
	for _, f := range formats() {
		if f.match(head) {
			s.format, s.Format = f, f.name
			return nil
		}
	}
	if namedGOR(path) && (err == nil || errors.Is(err, io.EOF)) {
		s.Format = GOR
		return nil
	}
	if len(head) == 0 && errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it is empty", ErrUnknownFormat)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return ErrUnknownFormat
}

// Read reads the decompressed content.
func (s *Stream) Read(p []byte) (int, error) {
	if _, err := s.w.peek(1); err != nil {
		return 0, err
	}
	n := copy(p, s.w.buf[s.w.start:s.w.end])
	s.w.start += n
	return n, nil
}

// Peek returns the decompressed content that is in memory, without consuming
// it: at least n bytes, or the reason why there are fewer (io.EOF, or what is
// wrong with the file). It is valid until the next call. The caller bounds n.
func (s *Stream) Peek(n int) ([]byte, error) {
	_, err := s.w.peek(n)
	return s.w.buf[s.w.start:s.w.end], err
}

// Skip consumes n bytes that Peek returned.
func (s *Stream) Skip(n int) { s.w.start += n }

// Offset is the place of the next unread byte in the decompressed content.
func (s *Stream) Offset() int64 { return s.w.offset() }

// Idle waits up to d for more than what Peek returns already, and reports whether
// there is nothing: the other end of a pipe has written no more. It is false at the
// end, and where that is not known: of compressed content.
func (s *Stream) Idle(d time.Duration) bool {
	if s.file == nil || s.Compressed || s.buffered.Buffered() > 0 || s.w.err != nil {
		return false
	}
	conn, err := s.file.SyscallConn()
	if err != nil {
		return false
	}
	idle := false
	err = conn.Control(func(fd uintptr) {
		until := time.Now().Add(d)
		n, err := 0, error(unix.EINTR)
		for errors.Is(err, unix.EINTR) { // the runtime's signals come at any time
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(max(time.Until(until), 0).Milliseconds()))
		}
		idle = n == 0 && err == nil
	})
	return idle && err == nil
}

// Interrupt ends a Read or Peek of another goroutine that waits for a pipe.
func (s *Stream) Interrupt() {
	if s.file != nil {
		_ = s.file.SetReadDeadline(time.Unix(1, 0)) // regular files have none, and need none
	}
}

// Close closes the file. It must not be called during Read or Peek.
func (s *Stream) Close() error {
	if s.plain != nil {
		s.plain.Close()
	}
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// countedReader counts what it reads, for other goroutines to see.
type countedReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n != nil {
		c.n.Add(int64(n))
	}
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err // our errors name the file themselves
	}
	return n, err
}
