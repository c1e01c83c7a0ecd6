package output

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendText writes the inside of a JSON string (RFC 8259, 7). Bytes that are
// no UTF-8 become %XX: that keeps them, and in a target it is what they mean.
func appendText(dst, s []byte) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscaped(dst, c)
		i++
		start = i
	}
	return append(dst, s[start:]...)
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if c >= utf8.RuneSelf {
		return append(dst, '%', upperHexDigit(c>>4), upperHexDigit(c&15))
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

func upperHexDigit(n byte) byte {
	if n < 10 {
		return '0' + n
	}
	return 'A' + n - 10
}

// appendSeconds writes a duration as seconds with up to nine decimals.
func appendSeconds(dst []byte, ns int64) []byte {
	if ns < 0 {
		dst = append(dst, '-')
		ns = -ns
	}
	dst = strconv.AppendInt(dst, ns/int64(time.Second), 10)
	part := ns % int64(time.Second)
	if part == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(100 * time.Millisecond); part > 0; unit /= 10 {
		dst = append(dst, '0'+byte(part/unit))
		part %= unit
	}
	return dst
}

// clock writes times. It keeps the text of the last second, because the next
// line is mostly of the same.
type clock struct {
	second int64
	text   []byte
}

// appendTime writes Unix nanoseconds as RFC 3339 in UTC with nine decimals, so
// that lines sort by their text.
func (c *clock) appendTime(dst []byte, ns int64) []byte {
	second, part := ns/int64(time.Second), ns%int64(time.Second)
	if part < 0 {
		second, part = second-1, part+int64(time.Second)
	}
	if second != c.second || c.text == nil {
		c.second = second
		c.text = time.Unix(second, 0).UTC().AppendFormat(c.text[:0], "2006-01-02T15:04:05.")
	}
	dst = append(dst, c.text...)
	for unit := int64(100 * time.Millisecond); unit > 0; unit /= 10 {
		dst = append(dst, '0'+byte(part/unit%10))
	}
	return append(dst, 'Z')
}

// appendAddr writes "ip":"...","port":n with the prefix before both names.
func appendAddr(dst []byte, prefix string, a netip.AddrPort) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, prefix...)
	dst = append(dst, `_ip":"`...)
	if a.Addr().IsValid() {
		dst = a.Addr().AppendTo(dst)
	}
	dst = append(dst, `","`...)
	dst = append(dst, prefix...)
	dst = append(dst, `_port":`...)
	return strconv.AppendUint(dst, uint64(a.Port()), 10)
}
