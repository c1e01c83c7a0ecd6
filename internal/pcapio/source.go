package pcapio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"gortap/internal/pcapio/packet"
)

// source is one capture file of a merge. It is open only while its time is
// due, so that a thousand rotated files need the memory of one or two.
type source struct {
	path    string
	index   int // among the inputs: the order of packets of the same time
	regular bool
	size    int64
	read    atomic.Int64 // bytes of the file; for other goroutines

	pipe *os.File // where the file is none that can be opened twice

	stream  *Stream
	records recordReader
	rec     packet.Record // the next one
	packets uint64
	firstNs int64
	ended   error // set where the first look found no record
}

// inputs turns patterns into files. A pattern that names a file is that file,
// whatever characters it has. A file that two patterns match is read once.
func inputs(patterns []string) ([]*source, error) {
	var sources []*source
	seen := make(map[string]bool)
	for _, p := range patterns {
		found, err := Expand(p)
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			if seen[path] {
				continue
			}
			seen[path] = true
			s := &source{path: path, index: len(sources)}
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
				s.regular, s.size = true, st.Size()
			}
			sources = append(sources, s)
		}
	}
	return sources, nil
}

// Expand returns the files that a pattern matches. One that names a file, or "-", is
// that file. It fails with ErrNoFiles where there are none.
func Expand(pattern string) ([]string, error) {
	if _, err := os.Lstat(pattern); err == nil || pattern == "-" {
		return []string{pattern}, nil
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("match files %q: %w", pattern, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("match files %q: %w", pattern, ErrNoFiles)
	}
	return found, nil
}

// probe checks that the file is a capture and learns its first time. It closes
// the file again, unless it is to stay or could not be opened twice. Damage is
// no error yet: it comes up when the file's turn comes.
func (s *source) probe(stay bool) error {
	err := s.open()
	s.firstNs = s.rec.TsNs
	var d *DamageError
	switch {
	case err == nil && !s.regular:
		s.pipe = s.stream.file
		return nil
	case err == nil && stay:
		return nil
	case err == nil:
		s.rewind()
		return nil
	case errors.Is(err, io.EOF) || errors.As(err, &d):
		s.close()
		s.ended = err
		return nil
	}
	s.close()
	return err
}

// open opens the file, if it is not, and reads its first record. It returns
// io.EOF where there is none.
func (s *source) open() error {
	if s.ended != nil || s.stream != nil {
		return s.ended
	}
	stream, err := OpenStream(s.path, &s.read)
	if err != nil {
		return err
	}
	s.stream = stream
	if stream.format.open == nil {
		return fmt.Errorf("read %s: %w: it is %s", s.path, ErrUnknownFormat, stream.Format)
	}
	if s.records, err = stream.format.open(stream.w); err != nil {
		return s.damage(&DamageError{Err: err})
	}
	s.rec.Interface = uint64(s.index) << 48
	return s.advance()
}

// advance reads the next record. The data of the one before is gone then.
func (s *source) advance() error {
	err := s.records.next(&s.rec)
	if err == nil {
		s.packets++
		return nil
	}
	var d *DamageError
	if errors.As(err, &d) {
		return s.damage(d)
	}
	return err
}

func (s *source) damage(d *DamageError) error {
	d.Path, d.Packets, d.Decompressed = s.path, s.packets, s.stream.Compressed
	return d
}

func (s *source) close() {
	if s.stream != nil {
		s.stream.Close()
	}
	s.stream, s.records, s.rec.Data = nil, nil, nil
}

// rewind closes the file and forgets what was read of it.
func (s *source) rewind() {
	s.close()
	s.packets, s.ended = 0, nil
	s.read.Store(0)
}
