package detect

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gortap/internal/insight"
	"gortap/internal/proto"
)

// epoch is when tests begin: a full hour, not at midnight.
var epoch = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

// at returns a time of the test.
func at(d time.Duration) int64 { return epoch.Add(d).UnixNano() }

// get is a good answer to a GET: JSON with all that a cache and a compressor want.
func get(path string, when time.Duration, size int64) insight.Observation {
	o := insight.Observation{
		StartNs: at(when), EndNs: at(when) + 2e6, Conn: 1, Protocol: proto.HTTP11,
		Client: client(1), Server: netip.MustParseAddrPort("192.0.2.1:80"),
		Service: "shop", Method: "GET", Path: path, Host: "shop", Target: path, Status: 200, Complete: true, HasHead: true,
		RequestBytes: 200, ResponseBytes: size + 250, ResponseSize: size,
		Duration: 2 * time.Millisecond, TTFB: time.Millisecond,
	}
	o.Head.AcceptEncoding, o.Head.ContentEncoding, o.Head.ContentType = "gzip, br", "gzip", "application/json"
	return o
}

func client(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 40000)
}

// unique gives an observation a target and an answer of its own.
func unique(o insight.Observation, i int) insight.Observation {
	o.Target = fmt.Sprintf("%s?id=%d", o.Path, i)
	o.ResponseHash, o.HasResponseHash = uint64(i)+1, true
	return o
}

func feed(s *Set, all ...insight.Observation) {
	for i := range all {
		s.Observe(&all[i])
	}
}

// findings returns those of a kind.
func findings(s *Set, kind insight.Kind) (of []insight.Finding) {
	for _, f := range s.Findings() {
		if f.Kind == kind {
			of = append(of, f)
		}
	}
	return of
}

// one returns the only finding of a kind, and checks what all findings must hold.
func one(t *testing.T, s *Set, kind insight.Kind) insight.Finding {
	t.Helper()
	of := findings(s, kind)
	if len(of) != 1 {
		t.Fatalf("%d findings of %s, want 1; all: %s", len(of), kind, titles(s))
	}
	f := of[0]
	if f.Title == "" || f.Remedy == "" || len(f.Evidence) == 0 || f.ID == "" || f.Severity == "" || f.First.IsZero() || f.Last.Before(f.First) {
		t.Errorf("incomplete finding: %+v", f)
	}
	if strings.Contains(f.Title+f.Remedy, "%!") || len(f.Examples) > 3 || f.Saves < 0 || f.Saves > s.runBytes || f.Share > 1 {
		t.Errorf("wrong finding: %+v", f)
	}
	return f
}

func titles(s *Set) string {
	var b strings.Builder
	for _, f := range s.Findings() {
		fmt.Fprintf(&b, "\n  %s: %s (saves %d)", f.Kind, f.Title, f.Saves)
	}
	return b.String()
}

// wantNone fails where a healthy traffic gives a finding.
func wantNone(t *testing.T, s *Set) {
	t.Helper()
	if len(s.Findings()) > 0 {
		t.Errorf("findings:%s", titles(s))
	}
}

// wantNot fails where there is a finding of a kind.
func wantNot(t *testing.T, s *Set, kind insight.Kind) {
	t.Helper()
	for _, f := range findings(s, kind) {
		t.Errorf("finding %s: %s", f.Kind, f.Title)
	}
}

// jsonRows is JSON of about so many bytes that compresses as real lists do.
func jsonRows(seed, size int) []byte {
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	var b bytes.Buffer
	b.WriteString(`{"items":[`)
	for b.Len() < size {
		fmt.Fprintf(&b, `{"id":%d,"name":"item-%x","price":%d.%02d,"in_stock":%v},`, r.IntN(1e6), r.Uint32(), r.IntN(1000), r.IntN(100), r.IntN(2) == 0)
	}
	return b.Bytes()[:size]
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
