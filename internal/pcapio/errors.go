package pcapio

import (
	"errors"
	"fmt"
)

// DamageError says where a capture file stops making sense: it is cut, or holds
// something else from there on. All packets before that place were delivered.
type DamageError struct {
	Path   string
	Offset int64 // of the damaged record or block, in bytes from the start
	// Decompressed tells that Offset counts decompressed bytes.
	Decompressed bool
	Packets      uint64 // read from this file before the damage
	Err          error  // what is wrong
}

// Error is one line.
func (e *DamageError) Error() string {
	of := ""
	if e.Decompressed {
		of = " of its decompressed content"
	}
	return fmt.Sprintf("read %s: damaged at byte %d%s, after %d packets: %v (what precedes it was used)",
		e.Path, e.Offset, of, e.Packets, e.Err)
}

// Unwrap returns what is wrong.
func (e *DamageError) Unwrap() error { return e.Err }

// Sentinels that callers may test for.
var (
	// ErrUnknownFormat is about a file whose content is none of the formats.
	ErrUnknownFormat = errors.New("not a capture file or recording (pcap, pcapng or .gor, plain, .gz or .zst)")
	// ErrCut is inside a DamageError where a record is longer than the file.
	ErrCut = errors.New("the file ends inside a record")
	// ErrNoFiles is about a pattern that no file matches.
	ErrNoFiles = errors.New("no such file")
	// ErrTooManyOpen is about more files of the same time than may be open.
	ErrTooManyOpen = errors.New("too many files overlap in time (merge some of them first, with mergecap)")
	// ErrLinkType is about a packet that the file cannot hold.
	ErrLinkType = errors.New("a .pcap file holds one link type (write .pcapng)")
)
