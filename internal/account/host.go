package account

import "bytes"

// maxHost is the longest DNS name in text form (RFC 1035, 2.3.4).
const maxHost = 253

// host is a Host header made comparable: lower-cased, without a trailing dot
// and without the default ports 80 and 443.
type host struct {
	full      []byte // with a port that is not a default
	nameLen   int    // the part of full without the port
	isAddress bool   // an IP address: it names a machine, not a service
}

// parseHost normalises raw into buf. ok is false for what can be no host name:
// an empty or overlong text or label, or characters outside of letters,
// digits, "-" and "_".
func parseHost(buf, raw []byte) (h host, ok bool) {
	name, port := splitPort(raw)
	bracketed := len(name) > 2 && name[0] == '[' && name[len(name)-1] == ']'
	isAddress := bracketed
	if !bracketed {
		name = bytes.TrimSuffix(name, []byte("."))
		isAddress = endsInNumber(name)
	}
	if len(name) > maxHost || len(port) > 5 || hasEmptyLabel(name) {
		return host{}, false
	}
	for _, c := range name {
		switch {
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		case isLetter(c), isDigit(c), c == '-', c == '_', c == '.':
		case bracketed && (c == '[' || c == ']' || c == ':'):
		default:
			return host{}, false
		}
		buf = append(buf, c)
	}
	h = host{full: buf, nameLen: len(buf), isAddress: isAddress}
	for _, c := range port {
		if !isDigit(c) {
			return host{}, false
		}
	}
	if len(port) > 0 && string(port) != "80" && string(port) != "443" {
		h.full = append(append(h.full, ':'), port...)
	}
	return h, true
}

func hasEmptyLabel(name []byte) bool {
	return len(name) == 0 || name[0] == '.' || name[len(name)-1] == '.' || bytes.Contains(name, []byte(".."))
}

func splitPort(raw []byte) (name, port []byte) {
	i := bytes.LastIndexByte(raw, ':')
	if i < 0 || bytes.IndexByte(raw[i:], ']') >= 0 {
		return raw, nil
	}
	return raw[:i], raw[i+1:]
}

// endsInNumber tells an IPv4 address from a name as browsers do: no top-level
// domain is a number.
func endsInNumber(name []byte) bool {
	label := name[bytes.LastIndexByte(name, '.')+1:]
	for _, c := range label {
		if !isDigit(c) {
			return false
		}
	}
	return len(label) > 0
}
