package middleware

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gortap/internal/proto"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

func TestEchoesOfAnyKindWorkUnchanged(t *testing.T) {
	python := `import sys
for l in sys.stdin: sys.stdout.write(l)`
	for _, command := range []string{
		"cat", `bash -c 'while read line; do echo $line; done'`, "python3 -c '" + python + "'", "sed -u s/a/a/",
	} {
		t.Run(strings.Fields(command)[0], func(t *testing.T) {
			if _, err := exec.LookPath(strings.Fields(command)[0]); err != nil {
				t.Skip(err)
			}
			r := start(t, Config{Command: command})
			var want strings.Builder
			for i := range 200 {
				data := fmt.Sprintf("GET /%d HTTP/1.1\r\n\r\n\x00\xff", i)
				r.send(record.Request, id(7, i), data)
				r.send(record.Response, id(7, i), "HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", i*10))
				r.send(record.Replayed, id(7, i), "HTTP/1.1 200 OK\r\n\r\n")
				fmt.Fprintf(&want, "49:%[1]s 50:%[1]s 51:%[1]s ", id(7, i))
			}
			got := r.end()
			if summary(got) != want.String() {
				t.Fatalf("got %d records: %s", len(got), summary(got))
			}
			first := got[0]
			if string(first.Data) != "GET /0 HTTP/1.1\r\n\r\n\x00\xff" || first.Conn != 7 || first.Seq != 1 || first.TimeNs != 5 ||
				first.EndNs != 6 || first.Protocol != proto.GRPC {
				t.Errorf("changed: %+v", first)
			}
		})
	}
}

// tokens is the middleware that GoReplay's documentation is about: the target
// gives out tokens of its own, and requests are to use these.
const tokens = `
import sys
originals, aliases = {}, {}
for line in sys.stdin:
    text = bytes.fromhex(line.rstrip())
    meta, payload = text.split(b'\n', 1)
    kind, ident = meta.split(b' ')[:2]
    if kind == b'1':
        if payload.startswith(b'GET /token '):
            originals[ident] = b''
        for old, new in aliases.items():
            payload = payload.replace(b'token=' + old, b'token=' + new)
    elif kind == b'2' and ident in originals:
        originals[ident] = payload.split(b'\r\n\r\n', 1)[1]
    elif kind == b'3' and ident in originals:
        aliases[originals.pop(ident)] = payload.split(b'\r\n\r\n', 1)[1]
    sys.stdout.write((meta + b'\n' + payload).hex() + '\n')
`

func TestPythonGivesRequestsTheTokensOfTheTarget(t *testing.T) {
	script := filepath.Join(t.TempDir(), "tokens.py")
	if err := os.WriteFile(script, []byte(tokens), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, Config{Command: "python3 " + script})
	r.send(record.Request, id(7, 1), "GET /token HTTP/1.1\r\n\r\n")
	r.send(record.Response, id(7, 1), "HTTP/1.1 200 OK\r\n\r\nabc")
	r.send(record.Replayed, id(7, 1), "HTTP/1.1 200 OK\r\n\r\nxyz")
	r.send(record.Request, id(7, 2), "GET /secret?token=abc HTTP/1.1\r\n\r\n")
	got := r.end()
	if len(got) != 4 || string(got[3].Data) != "GET /secret?token=xyz HTTP/1.1\r\n\r\n" {
		t.Fatalf("got %s", summary(got))
	}
}

func TestUnansweredIsFilteredAndHoldsNobodyUp(t *testing.T) {
	// Everything but the third line.
	r := start(t, Config{Command: "sed -u 3d", Timeout: 50 * time.Millisecond})
	for i := 1; i <= 4; i++ {
		r.send(record.Request, id(7, i), "GET / HTTP/1.1\r\n\r\n")
	}
	r.send(record.End, "", "")
	r.wait(4)
	if got, want := summary(r.end()), fmt.Sprintf("49:%s 49:%s 49:%s 0: ", id(7, 1), id(7, 2), id(7, 4)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := r.dropped("middleware-filtered"); n != 1 {
		t.Errorf("%d filtered", n)
	}
}

func TestStreamsAndEndsKeepTheirPlace(t *testing.T) {
	r := start(t, Config{Command: "cat"})
	var want []string
	for i := range 500 {
		r.send(record.Request, id(7, i), "GET / HTTP/1.1\r\n\r\n")
		r.send(record.Stream, id(7, i), "frame")
		r.send(record.Stream, id(7, i), "frame")
		want = append(want, "49:"+id(7, i), "52:"+id(7, i), "52:"+id(7, i))
	}
	r.send(record.End, "", "")
	want = append(want, "0:")
	got := strings.Fields(summary(r.end()))
	// Requests may overtake streams, but not the other way round.
	seen := map[string]bool{}
	for i, x := range got {
		if kind, id, _ := strings.Cut(x, ":"); kind == "49" {
			seen[id] = true
		} else if kind == "52" && !seen[id] || kind == "0" && i != len(got)-1 {
			t.Fatalf("%s at %d", x, i)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("got %d of %d", len(got), len(want))
	}
}

func TestDeathIsCountedAndSurvived(t *testing.T) {
	// It answers two lines and takes a third with it.
	r := start(t, Config{Command: `bash -c 'for i in 1 2; do read line; echo $line; done; read line; echo bye >&2; exit 3'`})
	for i := 1; i <= 2; i++ {
		r.send(record.Request, id(7, 3*i), "GET / HTTP/1.1\r\n\r\n")
		r.send(record.Request, id(7, 3*i+1), "GET / HTTP/1.1\r\n\r\n")
		r.wait(2 * i)
		r.send(record.Request, id(7, 3*i+2), "GET / HTTP/1.1\r\n\r\n")
		r.send(record.End, "", "") // comes when the third is known to be lost
		waitFor(t, func() bool { return r.dropped("middleware-died") == uint64(i) })
	}
	got := r.end()
	if len(got) != 6 || r.Stats().Restarts < 2 {
		t.Errorf("got %s, %+v", summary(got), r.Stats())
	}
	if log := r.log.String(); !strings.Contains(log, "exit status 3") || !strings.Contains(log, "line=bye") {
		t.Errorf("log: %s", log)
	}
}

func TestOneThatCannotStartDropsWhatDoesNotFit(t *testing.T) {
	script := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := start(t, Config{Command: script, Limit: 10000})
	refused := 0
	for i := range 100 {
		r.put++
		if !r.Put(t.Context(), &record.Record{Kind: record.Request, ID: id(7, i), Data: make([]byte, 100)}, 0) {
			refused++
		}
	}
	if refused == 0 || r.dropped("middleware-slow") != uint64(refused) {
		t.Errorf("%d refused, %+v", refused, r.Stats())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Close(ctx); err == nil {
		t.Error("closed without an error")
	}
	r.end()
}

func TestOneThatNeverReadsBlocksNothing(t *testing.T) {
	r := start(t, Config{Command: "sleep 1000", Limit: 10000})
	refused := 0
	for i := range 1000 {
		r.put++
		if !r.Put(t.Context(), &record.Record{Kind: record.Request, ID: id(7, i), Data: make([]byte, 1000)}, 0) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("all fitted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Close(ctx)
	if got := r.end(); len(got) != 0 {
		t.Errorf("got %d", len(got))
	}
}

func TestOutputThatBlocksHoldsItAll(t *testing.T) {
	testutil.CheckLeaks(t)
	m, err := New(Config{Command: "cat", Limit: 10000, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	out := 0
	m.Start(func(*record.Record) { <-gate; out++ })
	put := 0
	for ; put < 10000; put++ {
		if !m.Put(t.Context(), &record.Record{Kind: record.Request, ID: id(7, put), Data: make([]byte, 1000)}, 100*time.Millisecond) {
			break
		}
	}
	close(gate)
	if put == 10000 {
		t.Error("a queue without limit")
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if s := m.Stats(); out != put+int(s.Added)-int(s.Dropped[1].N) {
		t.Errorf("%d in, %d out: %+v", put, out, s)
	}
}

func TestWhatIsNoneOfTheProtocolIsCounted(t *testing.T) {
	r := start(t, Config{Command: `bash -c 'echo hello; echo 616263; echo 3120610a; echo; read line; echo $line; echo $line'`})
	r.send(record.Request, id(7, 1), "GET / HTTP/1.1\r\n\r\n")
	r.wait(2)
	if s := r.Stats(); s.Garbled < 3 || s.Added != 1 {
		t.Errorf("%+v", s)
	}
	if got := r.got[1]; got.Conn != 7 {
		t.Errorf("connection of an addition: %d", got.Conn)
	}
}

func TestOneThatIgnoresItsEndIsKilled(t *testing.T) {
	r := start(t, Config{Command: `bash -c 'trap "" TERM; while read line; do echo $line; done; while :; do sleep 1000; done'`, Timeout: time.Minute})
	r.send(record.Request, id(7, 1), "GET / HTTP/1.1\r\n\r\n")
	if got := r.end(); len(got) != 1 {
		t.Errorf("got %s", summary(got))
	}
}

func TestLineEndsThatAScriptAddsAreTakenOff(t *testing.T) {
	r := start(t, Config{Command: "sed -u s/$/0a/"})
	const get, post = "GET / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nhi\n"
	r.send(record.Request, id(7, 1), get)
	r.send(record.Request, id(7, 2), post)
	r.send(record.Response, id(7, 2), "HTTP/1.1 200 OK\r\n\r\nall of it\n")
	got := r.end()
	if len(got) != 3 || string(got[0].Data) != get || string(got[1].Data) != post || !strings.HasSuffix(string(got[2].Data), "it\n\n") {
		t.Errorf("got %s", summary(got))
	}
}

func TestDelayedAnswersPassAtTheEnd(t *testing.T) {
	// tac says everything at its end, the last line first.
	r := start(t, Config{Command: "tac", Timeout: 20 * time.Millisecond})
	for i := range 3 {
		r.send(record.Request, id(7, i), "GET / HTTP/1.1\r\n\r\n")
	}
	waitFor(t, func() bool { return r.dropped("middleware-filtered") == 3 })
	got := r.end()
	if want := fmt.Sprintf("49:%s 49:%s 49:%s ", id(7, 2), id(7, 1), id(7, 0)); summary(got) != want {
		t.Errorf("got %s", summary(got))
	}
	if s := r.Stats(); s.Added != 3 || got[0].Seq != 3 {
		t.Errorf("%+v, %+v", s, got[0])
	}
}

func TestLongLines(t *testing.T) {
	r := start(t, Config{Command: "cat", Limit: 1 << 20})
	for i := range 4 {
		r.send(record.Request, id(7, i), strings.Repeat("0123456789", 1<<i*50_000))
	}
	for i, x := range r.end() {
		if len(x.Data) != 1<<i*500_000 {
			t.Errorf("%d: %d bytes", i, len(x.Data))
		}
	}
}

func TestNewExplains(t *testing.T) {
	for _, command := range []string{"", "  ", "no-such-command-here x", "cat 'x"} {
		if _, err := New(Config{Command: command}); err == nil || !strings.Contains(err.Error(), "--middleware") {
			t.Errorf("%q: %v", command, err)
		}
	}
}

func TestSplitCommand(t *testing.T) {
	for in, want := range map[string]string{
		`a b  c`: "a|b|c", `bash -c 'x "y" \z'`: `bash|-c|x "y" \z`, `a "b \" \n c" d\ e ''`: `a|b " \n c|d e|`,
	} {
		if got, err := splitCommand(in); err != nil || strings.Join(got, "|") != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
}
