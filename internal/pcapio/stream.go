package pcapio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"gortap/internal/pcapio/packet"
)

// Format is what a file's content turned out to be.
type Format string

// The formats.
const (
	PCAP   Format = "pcap"
	PCAPNG Format = "pcapng"
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
	}
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
	plain      io.Closer // the decompressor, or nil
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
	if err := s.recognise(read); err != nil {
		s.Close()
		if s.Compressed && !errors.Is(err, ErrUnknownFormat) {
			return nil, &DamageError{Path: path, Decompressed: true, Err: cut(err)}
		}
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

func (s *Stream) recognise(read *atomic.Int64) error {
	br := bufio.NewReaderSize(&countedReader{s.file, read}, 64<<10)
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

// Close closes the file. It must not be called during Read.
func (s *Stream) Close() error {
	if s.plain != nil {
		s.plain.Close()
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
