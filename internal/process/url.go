package process

import (
	"regexp"
	"strings"

	"gortap/internal/process/message"
)

// scope is the text that a URL expression is held against.
type scope uint8

const (
	inTarget  scope = iota // /path?query as sent: what GoReplay looks at
	inHost                 // host/path?query
	inURL                  // http://host/path?query
	inSafeURL              // https://host/path?query
)

// urlPattern is a regular expression for URLs.
type urlPattern struct {
	re    *regexp.Regexp
	scope scope
}

// parseURLPattern finds the scope by how the expression begins. The targets that
// servers get begin with "/", so that one which is anchored to a letter or digit,
// as in GoReplay's own "^www.", can mean nothing but the host.
func parseURLPattern(spec string) (urlPattern, error) {
	re, err := regexp.Compile(spec)
	p := urlPattern{re: re}
	text, anchored := strings.CutPrefix(spec, "^")
	switch {
	case strings.HasPrefix(text, "https://"):
		p.scope = inSafeURL
	case strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https?://"):
		p.scope = inURL
	case anchored && text != "" && isAlphanumeric(text[0]):
		p.scope = inHost
	}
	return p, err
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// urls is what the expressions are held against, of one request. The longer
// forms are put together when they are asked for.
type urls struct {
	buf []byte
}

func (u *urls) match(p urlPattern, v *message.View) bool {
	target := v.Target()
	if p.scope == inTarget {
		return p.re.Match(target)
	}
	if target[0] != '/' && target[0] != '*' { // absolute, or a CONNECT's authority
		if p.re.Match(target) {
			return true
		}
		if i := strings.Index(string(target), "://"); i > 0 {
			target = target[i+3:]
			target = target[min(len(target), len(v.Host())):]
		} else {
			target = nil
		}
	}
	u.buf = u.buf[:0]
	switch p.scope {
	case inURL:
		u.buf = append(u.buf, "http://"...)
	case inSafeURL:
		u.buf = append(u.buf, "https://"...)
	}
	u.buf = append(u.buf, v.Host()...)
	u.buf = append(u.buf, target...)
	return p.re.Match(u.buf)
}
