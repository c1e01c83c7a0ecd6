// Package hpack reads HTTP/2 header blocks (RFC 7541) for an observer. Unlike
// an endpoint it may begin in the middle of a connection or miss a block, and
// then goes on: what refers to the part of the dynamic table that it did not
// see is reported as unknown, and everything else is exact.
//
// Caveat: the table is only as good as the blocks are. A block that was missed
// must be told with Forget, or later fields come out wrong instead of unknown.
package hpack

import (
	"bytes"
	"errors"

	xhpack "golang.org/x/net/http2/hpack"
)

// ErrBlock is the reason of every failure: the block breaks RFC 7541, or it is
// not the block that this decoder's table belongs to.
var ErrBlock = errors.New("header block does not decode")

// Field is one header field. Its bytes are borrowed until the next call to
// Next. Where Known is false the field was there, and neither its name nor its
// value can be told.
type Field struct {
	Name, Value []byte
	Known       bool
}

// Decoder reads the header blocks of one direction of a connection, in order.
// It is not safe for concurrent use.
type Decoder struct {
	table table
	rest  []byte
	err   error
	// fields is whether the block had a field already: size updates may only
	// come before the first one (RFC 7541, 4.2).
	fields      bool
	name, value bytes.Buffer // Huffman-coded strings, decoded
}

// NewDecoder returns the decoder of a connection seen from its beginning; call
// Forget at once for one that was not. The table holds at most limit bytes;
// where the peers agreed on more, its oldest entries become unknown.
func NewDecoder(limit int) *Decoder {
	d := &Decoder{}
	d.table = newTable(limit)
	return d
}

// Forget drops what is known of the dynamic table: blocks were missed.
func (d *Decoder) Forget() { d.table.forget() }

// Reset begins a block, borrowed until Next returned false. Every block must
// be read to its end, as its fields change the table.
func (d *Decoder) Reset(block []byte) {
	d.rest, d.err, d.fields = block, nil, false
}

// Err returns ErrBlock if the block did not decode. The fields returned before
// are not to be trusted then, nor is the table: it was forgotten.
func (d *Decoder) Err() error { return d.err }

// Next returns the block's next field, or false at its end.
func (d *Decoder) Next() (Field, bool) {
	for len(d.rest) > 0 {
		b := d.rest[0]
		if b > 0x80 && b < 0xff { // an index of one byte, as most fields are
			d.rest, d.fields = d.rest[1:], true
			if i := int(b & 0x7f); i <= len(static) {
				return static[i-1], true
			}
			f, ok := d.table.at(uint64(b & 0x7f))
			if !ok {
				return d.fail()
			}
			return f, true
		}
		if b&0xe0 != 0x20 {
			d.fields = true
			return d.field(b)
		}
		size, ok := d.integer(5)
		if !ok || d.fields {
			return d.fail()
		}
		d.table.resize(size)
	}
	return Field{}, false
}

// field reads one of the representations of RFC 7541, 6.1 and 6.2.
func (d *Decoder) field(b byte) (Field, bool) {
	switch {
	case b&0x80 != 0:
		i, ok := d.integer(7)
		if !ok || i == 0 {
			return d.fail()
		}
		f, ok := d.table.at(i)
		if !ok {
			return d.fail()
		}
		return f, true
	case b&0x40 != 0:
		f, ok := d.literal(6)
		if !ok {
			return d.fail()
		}
		d.table.add(f)
		return f, true
	default:
		f, ok := d.literal(4)
		if !ok {
			return d.fail()
		}
		return f, true
	}
}

// literal reads a field whose name may be indexed by a prefix of n bits.
func (d *Decoder) literal(n uint) (Field, bool) {
	i, ok := d.integer(n)
	if !ok {
		return Field{}, false
	}
	f := Field{Known: true}
	if i == 0 {
		if f.Name, ok = d.text(&d.name); !ok {
			return Field{}, false
		}
	} else {
		named, ok := d.table.at(i)
		if !ok {
			return Field{}, false
		}
		f.Name, f.Known = named.Name, named.Known
	}
	if f.Value, ok = d.text(&d.value); !ok {
		return Field{}, false
	}
	return f, true
}

// text reads a string literal (RFC 7541, 5.2), decoding into buf if need be.
func (d *Decoder) text(buf *bytes.Buffer) ([]byte, bool) {
	raw, huffman, ok := readString(&d.rest)
	if !ok || !huffman {
		return raw, ok
	}
	buf.Reset()
	if _, err := xhpack.HuffmanDecode(buf, raw); err != nil {
		return nil, false
	}
	return buf.Bytes(), true
}

func (d *Decoder) integer(n uint) (uint64, bool) { return readInteger(&d.rest, n) }

func (d *Decoder) fail() (Field, bool) {
	d.rest, d.err = nil, ErrBlock
	d.table.forget()
	return Field{}, false
}
