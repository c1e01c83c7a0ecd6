package output

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gortap/internal/gorfile"
	"gortap/internal/pcapio"
)

// errTorn is about a compressed file that nothing can be appended to.
var errTorn = errors.New("its end is damaged")

// openGor opens a file of a recording and makes it end with a whole record, in case
// an earlier run was killed. It fails with errTorn where that cannot be done.
func openGor(path string) (target, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	t, err := openPath(path)
	if err != nil {
		return nil, err
	}
	if r, ok := t.(*regular); ok {
		if err := mendGor(r, path); err != nil {
			r.Close()
			return nil, fmt.Errorf("append to %s: %w", path, err)
		}
	}
	return t, nil
}

func mendGor(r *regular, path string) error {
	if r.size == 0 {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil // may be write-only; then nobody knows
	}
	defer f.Close()
	s, err := pcapio.OpenStream(path, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	if s.Format != pcapio.GOR {
		return gorfile.ErrNotGor
	}
	if s.Compressed {
		if _, err := io.Copy(io.Discard, s); err != nil {
			return fmt.Errorf("%w: %w", errTorn, err)
		}
		return nil
	}
	whole, err := wholeSize(f, r.size)
	if err != nil || whole == r.size {
		return err
	}
	return r.CutBack(r.size - whole)
}

// wholeSize returns up to where a file is whole records.
func wholeSize(f io.ReaderAt, size int64) (int64, error) {
	const piece = 64 << 10
	buf := make([]byte, piece+len(gorfile.Separator))
	for end := size; end > 0; {
		from := max(0, end-int64(len(buf)))
		b := buf[:end-from]
		if n, err := f.ReadAt(b, from); n < len(b) {
			return 0, err
		}
		if i := bytes.LastIndex(b, []byte(gorfile.Separator)); i >= 0 {
			return from + int64(i+len(gorfile.Separator)), nil
		}
		if from == 0 {
			break
		}
		end = from + int64(len(gorfile.Separator)) - 1
	}
	return 0, nil
}
