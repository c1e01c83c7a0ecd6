package e2e

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"

	"github.com/google/go-cmp/cmp"
)

// scripted is a conversation between a client that writes pieces, each a segment of
// its own, and a server with a script; and what the agent must make of it.
type scripted struct {
	name   string
	client []string
	server []testutil.Step
	// await is how many bytes the client reads before it writes its last piece.
	await int
	want  []string // "method target status request-size response-size", or with what is incomplete
}

const (
	okEmpty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	getOne  = "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
	getTwo  = "GET /two HTTP/1.1\r\nHost: x\r\n\r\n"
)

// long is more than any copy budget: its middle is counted, not copied.
var long = strings.Repeat("0123456789abcdef", 8<<10)

func chunked(body string, chunk int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(chunk, len(body))
		fmt.Fprintf(&b, "%x;ext=1\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String()
}

func conversations() []scripted {
	read, write := testutil.ReadHead, testutil.Write
	respond := func(text string) []testutil.Step { return []testutil.Step{read(), write(text)} }
	known := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long)
	unknown := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(long, 5000) + "0\r\n\r\n"
	return []scripted{
		{
			name:   "request line split between segments",
			client: []string{"GE", "T /on", "e HTTP/1.1\r\nHo", "st: x\r\n\r\n"},
			server: respond(okEmpty),
			want:   []string{"GET /one 200 0 0"},
		},
		{
			name:   "pipelined requests",
			client: []string{getOne + getTwo},
			server: []testutil.Step{read(), read(), write(okEmpty + "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")},
			want:   []string{"GET /one 200 0 0", "GET /two 404 0 2"},
		},
		{
			name:   "HEAD with Content-Length, then GET",
			client: []string{"HEAD /one HTTP/1.1\r\nHost: x\r\n\r\n", getTwo},
			server: []testutil.Step{read(), write("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"), read(), write(okEmpty)},
			want:   []string{"HEAD /one 200 0 0", "GET /two 200 0 0"},
		},
		{
			name:   "304 with Content-Length",
			client: []string{getOne, getTwo},
			server: []testutil.Step{read(), write("HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"), read(), write(okEmpty)},
			want:   []string{"GET /one 304 0 0", "GET /two 200 0 0"},
		},
		{
			name:   "close-delimited",
			client: []string{getOne},
			server: respond("HTTP/1.1 200 OK\r\n\r\nuntil the end"),
			want:   []string{"GET /one 200 0 13"},
		},
		{
			name:   "close-delimited and long",
			client: []string{getOne},
			server: respond("HTTP/1.1 200 OK\r\n\r\n" + long),
			want:   []string{fmt.Sprintf("GET /one 200 0 %d", len(long))},
		},
		{
			name:   "chunked with a split end",
			client: []string{getOne},
			server: []testutil.Step{read(), write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0"), write("\r\n"), write("\r\n")},
			want:   []string{"GET /one 200 0 5"},
		},
		{
			name:   "chunked with trailers",
			client: []string{getOne},
			server: respond("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n"),
			want:   []string{"GET /one 200 0 5"},
		},
		{
			name:   "known length, long, then another",
			client: []string{getOne, getTwo}, await: len(known),
			server: []testutil.Step{read(), write(known), read(), write(okEmpty)},
			want:   []string{fmt.Sprintf("GET /one 200 0 %d", len(long)), "GET /two 200 0 0"},
		},
		{
			name:   "long upload",
			client: []string{fmt.Sprintf("POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(long), long)},
			server: []testutil.Step{read(), testutil.ReadN(len(long)), write(okEmpty)},
			want:   []string{fmt.Sprintf("POST /one 200 %d 0", len(long))},
		},
		{
			name:   "early response",
			client: []string{"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf ", "done!", getTwo},
			server: []testutil.Step{read(), write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"), testutil.ReadN(10), read(), write(okEmpty)},
			want:   []string{"POST /one 413 10 0", "GET /two 200 0 0"},
		},
		{
			name:   "unknown method and status",
			client: []string{"FROBNICATE /one HTTP/1.1\r\nHost: x\r\n\r\n"},
			server: respond("HTTP/1.1 799 Whatever\r\nContent-Length: 0\r\n\r\n"),
			want:   []string{"FROBNICATE /one 799 0 0"},
		},
		{
			name:   "all-zero payload",
			client: []string{"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n", strings.Repeat("\x00", 4000)},
			server: []testutil.Step{read(), testutil.ReadN(4000), write(okEmpty)},
			want:   []string{"POST /one 200 4000 0"},
		},
		{
			name:   "100-continue",
			client: []string{"PUT /one HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "hello"},
			server: []testutil.Step{read(), write("HTTP/1.1 100 Continue\r\n\r\n"), testutil.ReadN(5), write(okEmpty)},
			want:   []string{"PUT /one 200 5 0"},
		},
		{
			name:   "bare line feeds and folded headers",
			client: []string{"GET /one HTTP/1.1\nHost: x\nX: a\n b\n\n"},
			server: []testutil.Step{testutil.ReadN(35), write("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")},
			want:   []string{"GET /one 200 0 2"},
		},
		{
			name:   "CONNECT",
			client: []string{"CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n", "not http at all"},
			server: []testutil.Step{read(), write("HTTP/1.1 200 OK\r\n\r\n"), testutil.ReadN(15)},
			want:   []string{"CONNECT db:5432 200 0 0"},
		},
		{
			name:   "reset in the middle",
			client: []string{getOne},
			server: []testutil.Step{read(), write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"), testutil.Reset()},
			want:   []string{"GET /one 200 0 9 aborted"},
		},
		{
			name:   "chunked and long, then another",
			client: []string{getOne, getTwo}, await: len(unknown),
			server: []testutil.Step{read(), write(unknown), read(), write(okEmpty)},
			want:   []string{"GET /one 200 0 *", "GET /two 200 0 0"},
		},
	}
}

func TestWhatOthersGetWrongLive(t *testing.T) {
	for _, depth := range []string{"head", "all"} {
		t.Run(depth, func(t *testing.T) {
			p := testutil.Pair(t, 1)
			out := filepath.Join(t.TempDir(), "out.jsonl")
			a := start(t, p.Server, "--interface", lab.Device, "--bpf-filter", "tcp portrange 1000-1999", "--output-jsonl", out, "--depth", depth)
			cases := conversations()
			for i, c := range cases {
				o := testutil.NewOrigin(t, p.Server, fmt.Sprintf(":%d", 1000+i), c.server...)
				converse(t, p.Client, c, i)
				o.Drain()
			}
			if status := a.stop(); status != 0 {
				t.Errorf("exit status %d", status)
			}
			got := make([][]string, len(cases))
			lines := readLines(t, out)
			for seq := range 3 { // in the order of their connection
				for l := range lines {
					if i := l.ServerPort - 1000; l.Seq == seq {
						got[i] = append(got[i], l.short(cases[i].want))
					}
				}
			}
			for i, c := range cases {
				if diff := cmp.Diff(c.want, got[i]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", c.name, diff)
				}
			}
			s := a.readSummary()
			s.conserved(t)
			if sum := s.MessageBytes + total(s.Unattributed); sum != s.TCPPayloadBytes {
				t.Errorf("%d bytes in messages and outside them, %d payload bytes", sum, s.TCPPayloadBytes)
			}
		})
	}
}

// short is the line as scripted.want has it. A response size that depends on how
// much was copied is not compared.
func (l *line) short(want []string) string {
	size := fmt.Sprint(l.ResponseSize)
	if l.Seq < len(want) && strings.HasSuffix(want[l.Seq], "*") {
		size = "*"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %d %d %s %s", l.Method, l.Target, l.Status, l.RequestSize, size, l.Incomplete))
}

// converse plays the client's part: one write a piece, each after the server has
// acknowledged the one before where the network is idle, and reads to the end.
func converse(t *testing.T, n *lab.Namespace, c scripted, i int) {
	t.Helper()
	conn, err := n.DialContext(t.Context(), "tcp", fmt.Sprintf("%s:%d", lab.ServerIP(), 1000+i))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, piece := range c.client {
		if i == len(c.client)-1 {
			if _, err := io.CopyN(io.Discard, conn, int64(c.await)); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if _, err := io.WriteString(conn, piece); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	_, err = io.Copy(io.Discard, conn)
	if err != nil && !strings.Contains(c.name, "reset") {
		t.Errorf("%s: %v", c.name, err)
	}
}
