package httpout

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"gortap/internal/proto/syntax"
	"gortap/internal/record"
)

// maxStreams bounds the streams of a connection that wait for their end.
const maxStreams = 256

// streams is what a session of HTTP/2 has under way. One connection serves for each
// recorded one; a request that the client sent without waiting for the response
// before goes beside it, any other after it.
type streams struct {
	s    *session
	conn *clientConn
	wire *heard        // what conn reads from
	last chan struct{} // closed at the end of the stream before; nil: there was none
	room chan struct{} // holds a token for each stream under way
	wg   sync.WaitGroup
}

// clientConn is not the one of net/http, which has no exported type that tells a target
// that breaks the protocol from one that hangs up.
type clientConn = http2.ClientConn //nolint:staticcheck // see above

// newClientConn reads from c from now on, in a goroutine that ends with it.
func newClientConn(c net.Conn) (*clientConn, error) {
	t := &http2.Transport{AllowHTTP: true, DisableCompression: true, StrictMaxConcurrentStreams: true} //nolint:staticcheck // see clientConn
	return t.NewClientConn(c)                                                                          //nolint:staticcheck // see clientConn
}

// runMultiplexed plays the records of an HTTP/2 connection.
func (s *session) runMultiplexed() {
	m := &streams{s: s, room: make(chan struct{}, maxStreams)}
	for {
		q, ok := s.await()
		if !ok {
			break
		}
		m.play(q.r)
	}
	m.wg.Wait()
	m.hangUp()
}

func (m *streams) play(r *record.Record) {
	o := m.s.o
	q, ok := parseRequest(r.Data)
	switch {
	case r.Kind != record.Request || q.connect:
		m.s.drop(r, unsupported)
		return
	case !ok:
		m.s.drop(r, incomplete)
		return
	}
	if m.last != nil && !r.Pipelined {
		<-m.last
	}
	if why, ok := m.ready(); !ok {
		m.s.drop(r, why)
		return
	}
	if !q.safe && !o.cfg.AllowUnsafe && o.captured(r, m.s.conn.peer) {
		m.s.drop(r, sameServer)
		return
	}
	start := o.now()
	if r.DueNs != 0 {
		o.stats.late(time.Duration(o.begin.UnixNano() + start - r.DueNs))
	}
	m.room <- struct{}{}
	conn, wire, done := m.conn, m.wire, make(chan struct{})
	m.last = done
	m.wg.Go(func() {
		defer func() { <-m.room; close(done) }()
		m.exchange(conn, wire, &inflight{queued: queued{r: r}, req: q, startNs: start})
	})
}

// ready connects where there is no connection that takes another stream.
func (m *streams) ready() (why reason, ok bool) {
	if m.conn != nil && m.conn.CanTakeNewRequest() {
		return 0, true
	}
	m.wg.Wait() // streams of the old connection
	m.hangUp()
	config := m.s.o.tls
	if config != nil {
		config = config.Clone()
		config.NextProtos = []string{http2.NextProtoTLS}
	}
	if why, ok = m.s.reach(m.s.o.target.address, config); !ok {
		return why, false
	}
	wire := &heard{Conn: m.s.conn}
	conn, err := newClientConn(wire)
	if err != nil {
		m.hangUp()
		return reset, false
	}
	m.conn, m.wire = conn, wire
	return 0, true
}

func (m *streams) hangUp() {
	if m.conn != nil {
		_ = m.conn.Close()
		m.conn = nil
	}
	m.s.hangUp()
}

// exchange sends a request and reads its response.
func (m *streams) exchange(conn *clientConn, wire *heard, f *inflight) {
	s := m.s
	ctx, cancel := s.o.timed()
	defer cancel()
	req := s.o.build(f).WithContext(ctx)
	res, err := conn.RoundTrip(req)
	var reply []byte
	if err == nil {
		reply, err = s.readReply(res)
	}
	if err != nil {
		s.drop(f.r, s.reasonOf(ctx, wire, err))
		return
	}
	now := s.o.now()
	s.o.stats.answer(res.StatusCode, len(f.r.Data), time.Duration(now-f.startNs))
	s.tell(f, reply, now)
	s.o.release(f.r)
}

func (s *session) reasonOf(ctx context.Context, wire *heard, err error) reason {
	s.mu.Lock()
	aborted := s.aborted
	s.mu.Unlock()
	var broken http2.ConnectionError
	switch {
	case aborted, errors.Is(ctx.Err(), context.Canceled):
		return deadline
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return timeout
	case errors.As(err, &broken), errors.Is(err, http2.ErrFrameTooLarge), wire.http1.Load():
		return protocol
	}
	return reset
}

// build makes of a recorded request one that net/http2 sends with the same fields.
func (o *Output) build(f *inflight) *http.Request {
	data, q := f.r.Data, &f.req
	header, host := make(http.Header), ""
	chunked, agent := false, false
	length := int64(-1)
	_, next := cutLine(data, 0)
	for {
		var line []byte
		if line, next = cutLine(data, next); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		v := string(syntax.Trim(value))
		switch k := strings.ToLower(string(name)); k {
		case "host":
			host = v
		case "transfer-encoding":
			chunked = true
		case "content-length":
			length, _ = syntax.Decimal([]byte(v))
		default:
			agent = agent || k == "user-agent"
			header[k] = append(header[k], v)
		}
	}
	if !agent {
		header.Set("User-Agent", "") // or it would add its own
	}
	if !o.cfg.OriginalHost {
		host = o.target.host
	}
	scheme := "http"
	if o.target.tls {
		scheme = "https"
	}
	req := &http.Request{
		Method: string(data[q.method.from:q.method.to]), Host: host, Header: header, ContentLength: length,
		URL: &url.URL{Scheme: scheme, Host: host, Opaque: string(data[q.target.from:q.target.to])},
	}
	body := data[q.head:]
	if chunked {
		body, req.Trailer = dechunk(body)
	}
	if len(body) > 0 || length < 0 && !q.safe || req.Trailer != nil {
		req.Body = io.NopCloser(bytes.NewReader(body))
	} else {
		req.ContentLength = 0
	}
	return req
}

// dechunk undoes the chunked coding of a whole body, and returns the trailers.
func dechunk(b []byte) (body []byte, trailer http.Header) {
	for {
		line, next := cutLine(b, 0)
		n, _ := syntax.ChunkSize(line)
		b = b[next:]
		if n == 0 {
			break
		}
		body = append(body, b[:n]...)
		_, next = cutLine(b, int(n))
		b = b[next:]
	}
	for {
		line, next := cutLine(b, 0)
		if len(line) == 0 {
			return body, trailer
		}
		b = b[next:]
		if trailer == nil {
			trailer = make(http.Header)
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		trailer.Add(string(name), string(syntax.Trim(value)))
	}
}

// readReply reads a response to its end, and returns it as a record has it where
// somebody wants it.
func (s *session) readReply(res *http.Response) ([]byte, error) {
	defer res.Body.Close()
	if s.o.cfg.OnResponse == nil || !s.first {
		_, err := io.Copy(io.Discard, res.Body)
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(s.o.cfg.ResponseLimit)))
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("HTTP/2.0 " + strconv.Itoa(res.StatusCode) + "\r\n")
	fields(&b, res.Header)
	if len(res.Trailer) == 0 {
		b.WriteString("\r\n")
		b.Write(body)
		return b.Bytes(), nil
	}
	b.WriteString("transfer-encoding: chunked\r\n\r\n")
	if len(body) > 0 {
		b.WriteString(strconv.FormatInt(int64(len(body)), 16) + "\r\n")
		b.Write(body)
		b.WriteString("\r\n")
	}
	b.WriteString("0\r\n")
	fields(&b, res.Trailer)
	b.WriteString("\r\n")
	return b.Bytes(), nil
}

// fields writes fields in lower case and the order of their names: net/http2 keeps no
// other.
func fields(b *bytes.Buffer, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			b.WriteString(strings.ToLower(name) + ": " + v + "\r\n")
		}
	}
}
