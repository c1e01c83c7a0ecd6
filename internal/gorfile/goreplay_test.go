package gorfile_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/gorfile"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

// What we write, GoReplay reads: its standard output shows the same records, in the
// order of their time.
func TestGoReplayReadsWhatWeWrite(t *testing.T) {
	binary := testutil.GoReplay(t)
	var file []byte
	for i, data := range []string{
		"GET /one?a=1 HTTP/1.1\r\nHost: origin.test\r\nx-Case: MiXed\r\nx-case: twice\r\n\r\n",
		"POST /length HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 9\r\n\r\nnine\nbyte",
		"POST /chunked HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\nA: b\r\n\r\n",
		"POST /bytes HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 6\r\n\r\n\x00\xff\r\n\r\n",
	} {
		file = gorfile.Append(file, &record.Record{
			Kind: record.Request, ID: record.ID(9, uint64(i)), TimeNs: 1700000000000000000 + int64(i)*1e6, Data: []byte(data),
		})
	}
	path := filepath.Join(t.TempDir(), "ours.gor")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, binary, len(file), "--input-file", path, "--output-stdout")
	if diff := cmp.Diff(string(file), got); diff != "" {
		t.Errorf("(-ours +GoReplay's):\n%s", diff)
	}
}

// run returns the first n bytes that GoReplay writes to its standard output. It
// does not end by itself.
func run(t *testing.T, binary string, n int, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, n)
	if k, err := io.ReadFull(out, got); err != nil {
		got = got[:k]
	}
	cancel()
	_ = cmd.Wait() // it was killed
	return string(got)
}

// The requests that GoReplay sends from our file to a target are those of the file,
// but for what its HTTP client changes: Host, order, case and two fields more.
func TestGoReplaySendsWhatWeWrote(t *testing.T) {
	binary := testutil.GoReplay(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want := "POST /length HTTP/1.1\r\nHost: " + l.Addr().String() + "\r\nX-A: 1\r\nContent-Length: 9\r\n\r\nnine\nbyte"
	path := filepath.Join(t.TempDir(), "ours.gor")
	file := gorfile.Append(nil, &record.Record{Kind: record.Request, ID: record.ID(9, 0), TimeNs: 1e18, Data: []byte(want)})
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "--input-file", path, "--output-http", "http://"+l.Addr().String())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got bytes.Buffer
	for !strings.Contains(got.String(), "nine\nbyte") {
		if _, err := io.CopyN(&got, c, 1); err != nil {
			t.Fatalf("%v after %q", err, got.String())
		}
	}
	for _, part := range strings.SplitAfter(want, "\r\n") {
		if !strings.Contains(got.String(), part) {
			t.Errorf("GoReplay sent %q, without %q", got.String(), part)
		}
	}
}
