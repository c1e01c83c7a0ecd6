package httpout

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// detour is a request that a redirect asks for.
type detour struct {
	inflight
	url  *url.URL
	away bool // not to the target
}

// redirect returns what to send instead of giving the response at hand for the last
// one. Behind a pipelined request redirects are not followed: their answers would
// come out of order.
func (s *session) redirect(f *inflight) (detour, bool) {
	status := s.resp.status
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return detour{}, false
	}
	if f.hops >= s.o.cfg.Redirects || len(s.sent) > 1 || f.holding || s.writing != nil || f.req.connect || len(s.resp.location) == 0 {
		return detour{}, false
	}
	base := url.URL{Scheme: "http", Host: s.o.target.host, Path: "/"}
	if s.o.target.tls {
		base.Scheme = "https"
	}
	if at, err := base.Parse(string(f.data[f.req.target.from:f.req.target.to])); err == nil {
		base.Path = at.Path
	}
	u, err := base.Parse(string(s.resp.location))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return detour{}, false
	}
	d := detour{inflight: *f, url: u, away: !s.staysHere(f, u)}
	if d.away {
		d.host = u.Host
	}
	d.data = rewrite(f, u, status, d.away)
	d.hops++
	var ok bool
	d.req, ok = parseRequest(d.data)
	return d, ok
}

// staysHere reports whether u is at the target, or by a name under which it is asked.
func (s *session) staysHere(f *inflight, u *url.URL) bool {
	if s.away {
		return false
	}
	if h := f.req.hosts[0]; f.host == "" && strings.EqualFold(u.Host, string(f.data[h.from:h.to])) {
		return true
	}
	return (u.Scheme == "https") == s.o.target.tls && strings.EqualFold(addressOf(u), s.o.target.address)
}

func addressOf(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// rewrite makes the request to u out of f (RFC 9110, 15.4). Only 307 and 308 keep a
// body; what proves who the client is goes to nobody else.
func rewrite(f *inflight, u *url.URL, status int, away bool) []byte {
	method := string(f.data[f.req.method.from:f.req.method.to])
	keep := status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect || f.req.safe && status != http.StatusSeeOther
	if !keep && method != http.MethodHead && (status == http.StatusSeeOther || method == http.MethodPost) {
		method = http.MethodGet
	}
	keep = keep || method != http.MethodGet && method != http.MethodHead
	line, next := cutLine(f.data, 0)
	out := append([]byte(method+" "+u.RequestURI()), line[bytes.LastIndexByte(line, ' '):]...)
	out = append(out, "\r\n"...)
	for {
		from := next
		if line, next = cutLine(f.data, from); len(line) == 0 {
			break
		}
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch strings.ToLower(string(name)) {
		case "content-length", "transfer-encoding", "content-type", "content-encoding", "expect", "trailer":
			if !keep {
				continue
			}
		case "authorization", "cookie", "proxy-authorization":
			if away {
				continue
			}
		}
		out = append(out, f.data[from:next]...)
	}
	out = append(out, "\r\n"...)
	if keep {
		out = append(out, f.data[f.req.head:]...)
	}
	return out
}

// goOn follows a redirect, over the same connection where that leads to its place.
func (s *session) goOn(d detour) {
	ends := s.endsConnection(&s.sent[0])
	s.pop1()
	if ends || d.away {
		s.hangUp()
		address, config := s.o.target.address, s.o.tls
		if d.away {
			if address, config = addressOf(d.url), nil; d.url.Scheme == "https" {
				config = s.o.tlsFor(d.url.Hostname())
			}
		}
		if why, ok := s.reach(address, config); !ok {
			s.drop(d.r, why)
			return
		}
		s.away = d.away
	}
	if !d.req.safe && !s.o.cfg.AllowUnsafe && s.o.captured(d.r, s.conn.peer) {
		s.hangUp()
		s.drop(d.r, sameServer)
		return
	}
	s.o.stats.add(&s.o.stats.followed)
	s.setDeadline(d.startNs + int64(s.o.cfg.Timeout))
	s.setBusy(true)
	s.reply = s.reply[:0]
	s.resp.begin(&d.req, true)
	s.sent = append(s.sent, d.inflight)
	s.pending += len(d.data)
	s.transmit(&s.sent[0])
	s.flush()
}
