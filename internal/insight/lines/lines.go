// Package lines reads JSON lines, as --output-jsonl writes them, back into
// observations. They tell no header fields and no bodies.
package lines

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"gortap/internal/insight"
	"gortap/internal/pcapio"
	"gortap/internal/proto"
)

// maxLine bounds a line in bytes.
const maxLine = 1 << 20

// ErrNotLines says that a file is of another kind.
var ErrNotLines = errors.New("not JSON lines of exchanges")

// Stats counts lines.
type Stats struct {
	Lines uint64 // that became observations
	// Bad ones are no exchange: broken, or longer than a mebibyte.
	Bad uint64
}

// Reader reads a file. One goroutine may use it; Stats any.
type Reader struct {
	stream *pcapio.Stream
	r      *bufio.Reader
	line   line
	o      insight.Observation
	texts  map[string]string
	conns  uint64
	ended  bool

	lines, bad atomic.Uint64
}

// Open opens a file, plain or compressed. read, if not nil, counts the bytes read of
// it; conns is added to the numbers of its connections, so that those of several
// files differ. It fails with ErrNotLines, and as pcapio.OpenStream does.
func Open(path string, read *atomic.Int64, conns uint64) (*Reader, error) {
	s, err := pcapio.OpenStream(path, read)
	if err != nil {
		return nil, err
	}
	if s.Format != pcapio.JSONL {
		s.Close()
		return nil, fmt.Errorf("read %s: %w: it is %s", path, ErrNotLines, s.Format)
	}
	return newReader(s, conns), nil
}

func newReader(s *pcapio.Stream, conns uint64) *Reader {
	return &Reader{stream: s, r: bufio.NewReaderSize(s, 64<<10), texts: map[string]string{}, conns: conns}
}

// Close closes the file.
func (r *Reader) Close() error { return r.stream.Close() }

// Stats returns what became of lines so far.
func (r *Reader) Stats() Stats { return Stats{r.lines.Load(), r.bad.Load()} }

// Next returns the next exchange, borrowed until the next call but for its strings.
// At the end it returns io.EOF. What is no exchange is counted and passed over.
func (r *Reader) Next() (*insight.Observation, error) {
	for {
		text, err := r.next()
		if err != nil {
			return nil, err
		}
		if len(text) == 0 {
			continue
		}
		if !r.parse(text) {
			r.bad.Add(1)
			continue
		}
		r.lines.Add(1)
		return &r.o, nil
	}
}

// next returns a line without white space around it; nothing of one that is too long.
func (r *Reader) next() ([]byte, error) {
	if r.ended {
		return nil, io.EOF
	}
	text, err := r.r.ReadSlice('\n')
	if err == nil {
		return bytes.TrimSpace(text), nil
	}
	long := bytes.Clone(text)
	for errors.Is(err, bufio.ErrBufferFull) {
		if text, err = r.r.ReadSlice('\n'); len(long) <= maxLine {
			long = append(long, text...)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read JSON lines: %w", err)
	}
	r.ended = err != nil
	if len(long) > maxLine {
		r.bad.Add(1)
		return nil, nil
	}
	return bytes.TrimSpace(long), nil
}

// line is what is written of an exchange.
type line struct {
	Time       time.Time      `json:"time"`
	Protocol   proto.Protocol `json:"protocol"`
	ClientIP   string         `json:"client_ip"`
	ClientPort uint16         `json:"client_port"`
	ServerIP   string         `json:"server_ip"`
	ServerPort uint16         `json:"server_port"`
	Service    string         `json:"service"`
	Conn       uint64         `json:"conn"`
	Seq        uint64         `json:"seq"`
	Method     string         `json:"method"`
	Host       string         `json:"host"`
	Target     string         `json:"target"`
	Path       string         `json:"path"`
	Status     int            `json:"status"`
	Code       *int           `json:"code"`

	RequestSize   int64    `json:"request_size"`
	ResponseSize  int64    `json:"response_size"`
	RequestBytes  int64    `json:"request_bytes"`
	ResponseBytes int64    `json:"response_bytes"`
	Duration      *float64 `json:"duration"`
	TTFB          *float64 `json:"ttfb"`
	Complete      bool     `json:"complete"`
	Incomplete    string   `json:"incomplete"`
}

// parse makes the observation; it reports whether text is an exchange.
func (r *Reader) parse(text []byte) bool {
	r.line = line{}
	l := &r.line
	if json.Unmarshal(text, l) != nil || l.Time.IsZero() || l.Protocol == "" || l.Path == "" {
		return false
	}
	start := l.Time.UnixNano()
	r.o = insight.Observation{
		StartNs: start, EndNs: start, Conn: r.conns + l.Conn, First: l.Seq == 0, Protocol: proto.Protocol(r.text(string(l.Protocol))),
		Client: address(l.ClientIP, l.ClientPort), Server: address(l.ServerIP, l.ServerPort),
		Service: r.text(l.Service), Method: r.text(l.Method), Path: r.text(l.Path), Host: r.text(l.Host), Target: l.Target,
		Status: l.Status, RequestBytes: l.RequestBytes, ResponseBytes: l.ResponseBytes,
		RequestSize: l.RequestSize, ResponseSize: l.ResponseSize, Duration: -1, TTFB: -1,
		Complete: l.Complete, Incomplete: reason(l.Incomplete, l.Complete),
	}
	// What an Upgrade led to has no method of its own.
	r.o.Upgraded = l.Method == "" && l.Path != "("+proto.NoRequest.String()+")"
	r.o.First = r.o.First && !r.o.Upgraded
	if l.Code != nil {
		r.o.Code, r.o.HasCode = *l.Code, true
	}
	if l.Duration != nil {
		r.o.EndNs += max(int64(*l.Duration*1e9), 0)
	}
	switch r.o.Incomplete {
	case proto.Complete, proto.Truncated, proto.SkippedBytes:
		if l.Duration != nil && !r.o.Upgraded {
			r.o.Duration = time.Duration(r.o.EndNs - start)
		}
		if l.TTFB != nil && !r.o.Upgraded {
			r.o.TTFB = time.Duration(max(*l.TTFB*1e9, 0))
		}
	}
	return true
}

func address(ip string, port uint16) netip.AddrPort {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), port)
}

// reason reads why an exchange is incomplete. A reason that is not known here is
// taken for a loss of the capture, which is nobody's error.
func reason(text string, complete bool) proto.Reason {
	if complete {
		return proto.Complete
	}
	for why := proto.Complete + 1; why < proto.NumReasons; why++ {
		if why.String() == text {
			return why
		}
	}
	return proto.Lost
}

// maxTexts is how many names are kept to be used again.
const maxTexts = 4096

// text returns s, as it came before where it did.
func (r *Reader) text(s string) string {
	if known, ok := r.texts[s]; ok {
		return known
	}
	if len(r.texts) >= maxTexts {
		clear(r.texts)
	}
	s = strings.Clone(s)
	r.texts[s] = s
	return s
}
