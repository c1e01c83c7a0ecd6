package session

import (
	"crypto/tls"
	"errors"
)

var errTLS = errors.New("it is TLS: what follows the handshake is encrypted with keys that the target does not have (capture behind the TLS terminator, or where the service speaks plain text)")

// isClientHello reports whether a write begins with the first message of a TLS
// handshake (RFC 8446, sections 4 and 5.1).
func isClientHello(b []byte) bool {
	const handshake, clientHello = 22, 1
	return len(b) > 5 && b[0] == handshake && b[1] == tls.VersionTLS10>>8 && b[5] == clientHello
}

// sealed returns why a session is not replayed that ended for why. One that is TLS is
// not, however it ends: targets hang up at the first byte that they cannot decrypt.
func (p *play) sealed(why reason) reason {
	if !p.tls || why != none && why != targetGone {
		return why
	}
	p.out.explain(encrypted, errTLS)
	if p.line.Compared != nil {
		p.line.Compared = uncomparedFor(encrypted)
	}
	return encrypted
}
