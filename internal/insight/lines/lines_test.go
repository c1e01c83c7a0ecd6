package lines

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gortap/internal/insight"
	"gortap/internal/pcapio"
	"gortap/internal/proto"
)

const good = `{"time":"2026-03-01T12:00:00.5Z","protocol":"http/1.1","client_ip":"10.0.0.9","client_port":40000,"server_ip":"::1","server_port":80,` +
	`"service":"shop","conn":7,"seq":0,"method":"GET","host":"shop","target":"/a?b=c","path":"/a","status":200,"request_size":0,"response_size":5,` +
	`"request_bytes":40,"response_bytes":60,"duration":0.25,"ttfb":0.125,"complete":true}`

func open(t testing.TB, text string) *Reader {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.jsonl")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(name, nil, 100)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func all(t testing.TB, r *Reader) (out []insight.Observation) {
	t.Helper()
	for {
		o, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, *o)
	}
}

func TestALineIsAnObservation(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 5e8, time.UTC).UnixNano()
	want := insight.Observation{
		StartNs: start, EndNs: start + 25e7, Conn: 107, First: true, Protocol: proto.HTTP11,
		Client: netip.MustParseAddrPort("10.0.0.9:40000"), Server: netip.MustParseAddrPort("[::1]:80"),
		Service: "shop", Method: "GET", Path: "/a", Host: "shop", Target: "/a?b=c", Status: 200,
		RequestBytes: 40, ResponseBytes: 60, ResponseSize: 5, Duration: 25e7, TTFB: 125e6, Complete: true,
	}
	if diff := cmp.Diff([]insight.Observation{want}, all(t, open(t, good+"\n")), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsIncompleteOrAnUpgradeIsToldApart(t *testing.T) {
	cut := strings.Replace(good, `"complete":true`, `"complete":false,"incomplete":"aborted"`, 1)
	later := strings.Replace(good, `"complete":true`, `"complete":false,"incomplete":"of-a-later-version"`, 1)
	socket := strings.Replace(strings.Replace(good, `"GET"`, `""`, 1), "http/1.1", "websocket", 1)
	noTimes := strings.Replace(strings.Replace(good, "0.25", "null", 1), "0.125", "null", 1)
	got := all(t, open(t, strings.Join([]string{cut, later, socket, noTimes}, "\n")))
	if len(got) != 4 {
		t.Fatalf("got %d", len(got))
	}
	if o := got[0]; o.Complete || o.Incomplete != proto.Aborted || o.Duration != -1 || !o.Failed() {
		t.Errorf("cut: %+v", o)
	}
	if o := got[1]; o.Complete || o.Failed() {
		t.Errorf("of a later version: %+v", o)
	}
	if o := got[2]; !o.Upgraded || o.First || o.Duration != -1 {
		t.Errorf("upgraded: %+v", o)
	}
	if o := got[3]; o.Duration != -1 || o.TTFB != -1 || o.EndNs != o.StartNs {
		t.Errorf("without times: %+v", o)
	}
}

func TestWhatIsNoExchangeIsCountedAndPassedOver(t *testing.T) {
	long := `{"time":"` + strings.Repeat("x", 2*maxLine) + `"}`
	r := open(t, strings.Join([]string{`{"a":1}`, good, "", "{broken", long, good, `{"time":`}, "\n"))
	if got := all(t, r); len(got) != 2 {
		t.Errorf("got %d", len(got))
	}
	if got, want := r.Stats(), (Stats{Lines: 2, Bad: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOtherFilesAreRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.jsonl")
	if err := os.WriteFile(name, []byte("1 a 1 1\nGET / HTTP/1.1\r\n\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name, nil, 0); !errors.Is(err, ErrNotLines) {
		t.Errorf("got %v", err)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(good + "\n{\"a\":\n\n" + good))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := pcapio.NewStream(io.MultiReader(strings.NewReader("{\"first\":1}\n"), bytes.NewReader(text)), "x.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		r := newReader(s, 0)
		defer r.Close()
		n := uint64(len(all(t, r)))
		lines := uint64(1)
		for _, line := range bytes.Split(text, []byte{'\n'}) {
			if len(bytes.TrimSpace(line)) > 0 {
				lines++
			}
		}
		if st := r.Stats(); st.Lines != n || st.Lines+st.Bad != lines {
			t.Errorf("%d of %d lines: %+v", n, lines, st)
		}
	})
}
