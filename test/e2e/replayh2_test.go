package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/testutil/corpus"
)

// TestHTTP2IsReplayedOverHTTP2 from packets, and from the recording made of them.
func TestHTTP2IsReplayedOverHTTP2(t *testing.T) {
	n := namespace(t)
	var mu sync.Mutex
	var got []string
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ProtoMajor != 2 {
			t.Errorf("%s %s over %s: %v", r.Method, r.URL, r.Proto, err)
		}
		mu.Lock()
		got = append(got, fmt.Sprintf("%s %s %d %x", r.Method, r.URL, len(body), sha256.Sum256(body)))
		mu.Unlock()
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	l, err := n.Listen(t.Context(), "tcp", target)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(handler), Protocols: protocols}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		server.Close()
		serving.Wait()
	})
	arrived := func() []string {
		mu.Lock()
		defer mu.Unlock()
		all := got
		got = nil
		slices.Sort(all)
		return all
	}
	replay := func(file string, flags ...string) []string {
		a := launch(t, n, append(flags, "--listen", "", "--input-file", file+"|10000%", "--output-http", "http://"+target, "--output-http-allow-unsafe")...)
		if status := a.wait(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		s, requests := a.readSummary(), arrived()
		// The last output is the target.
		if o := s.Outputs[len(s.Outputs)-1]; o.Sent == 0 || int(o.Sent) != len(requests) || len(o.Dropped) > 0 {
			t.Errorf("%s: %d sent, %v dropped, %d arrived", file, o.Sent, o.Dropped, len(requests))
		}
		return requests
	}
	e := corpus.Get(t, "gen-h2-continuation.pcap")
	recording := filepath.Join(t.TempDir(), "rec.gor")
	fromPackets := replay(e.Path(), "--output-file", recording, "--output-file-append")
	if diff := cmp.Diff(fromPackets, replay(recording)); diff != "" {
		t.Errorf("requests (-from packets +from the recording):\n%s", diff)
	}
}
