package pcapio

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Compressed tells that a path's extension says .gz or .zst.
func Compressed(path string) bool { return compressionOf(path) != nil }

func compressionOf(path string) *compression {
	for _, c := range compressions() {
		if strings.HasSuffix(path, c.suffix) {
			return &c
		}
	}
	return nil
}

// Blocks compresses blocks that can be read alone, and one after another in a file.
type Blocks struct {
	compression *compression
	buf         bytes.Buffer
	w           io.WriteCloser
}

// NewBlocks makes a Blocks for a path's extension; it is nil where that says none.
func NewBlocks(path string) *Blocks {
	if c := compressionOf(path); c != nil {
		return &Blocks{compression: c}
	}
	return nil
}

// Compress returns a block compressed, until the next call.
func (b *Blocks) Compress(block []byte) ([]byte, error) {
	b.buf.Reset()
	if again, ok := b.w.(interface{ Reset(io.Writer) }); ok {
		again.Reset(&b.buf)
	} else {
		var err error
		if b.w, err = b.compression.create(&b.buf); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
	}
	if _, err := b.w.Write(block); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := b.w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return b.buf.Bytes(), nil
}
