package compare

import (
	"bytes"
	"strconv"
)

// equalNumbers compares two JSON numbers as decimals: 1, 1.0 and 10e-1 are one
// number, and no digit is lost to a float.
func equalNumbers(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var scratch [2][64]byte
	x, ok := decimalOf(scratch[0][:0], a)
	if !ok {
		return false
	}
	y, ok := decimalOf(scratch[1][:0], b)
	return ok && x.negative == y.negative && x.exponent == y.exponent && bytes.Equal(x.digits, y.digits)
}

// decimal is 0.digits times ten to the exponent, without zeros at either end of
// the digits; zero has none.
type decimal struct {
	negative bool
	digits   []byte
	exponent int64
}

// decimalOf reports false where the exponent has more digits than any that means
// something.
func decimalOf(scratch, text []byte) (d decimal, ok bool) {
	if text[0] == '-' {
		d.negative, text = true, text[1:]
	}
	mantissa := text
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		var err error
		if d.exponent, err = strconv.ParseInt(string(text[i+1:]), 10, 48); err != nil {
			return d, false
		}
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	digits := append(append(scratch, whole...), fraction...)
	d.exponent += int64(len(whole))
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
		d.exponent--
	}
	d.digits = bytes.TrimRight(digits, "0")
	if len(d.digits) == 0 {
		return decimal{}, true
	}
	return d, true
}
