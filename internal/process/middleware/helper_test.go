package middleware

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"gortap/internal/proto"
	"gortap/internal/record"
	"gortap/internal/testutil"
)

const long = time.Minute

// rig is a middleware and what came out of it.
type rig struct {
	*Middleware
	t    *testing.T
	mu   sync.Mutex
	got  []*record.Record
	came chan struct{}
	put  int
	log  *testutil.Buffer
}

func start(t *testing.T, cfg Config) *rig {
	t.Helper()
	testutil.CheckLeaks(t)
	r := &rig{t: t, came: make(chan struct{}, 1), log: &testutil.Buffer{}}
	cfg.Log = slog.New(slog.NewTextHandler(r.log, nil))
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Middleware = m
	m.Start(func(x *record.Record) {
		r.mu.Lock()
		r.got = append(r.got, x)
		r.mu.Unlock()
		select {
		case r.came <- struct{}{}:
		default:
		}
	})
	t.Cleanup(func() { r.end() })
	return r
}

func (r *rig) send(kind record.Kind, id string, data string) {
	r.t.Helper()
	r.put++
	x := &record.Record{Kind: kind, ID: id, Conn: 7, Seq: uint64(r.put), TimeNs: 5, EndNs: 6, Protocol: proto.GRPC, Data: []byte(data)}
	if !r.Put(r.t.Context(), x, long) {
		r.t.Fatalf("put %s refused", id)
	}
}

// end closes the middleware and checks that every record became of something.
func (r *rig) end() []*record.Record {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		r.t.Error(err)
	}
	s := r.Stats()
	var dropped uint64
	for _, d := range s.Dropped {
		dropped += d.N
	}
	if in, out := uint64(r.put)+s.Added, uint64(len(r.got))+dropped; in != out {
		r.t.Errorf("%d records in, %d out: %+v", in, out, s)
	}
	return r.got
}

// wait returns when n records came out.
func (r *rig) wait(n int) {
	r.t.Helper()
	for {
		r.mu.Lock()
		have := len(r.got)
		r.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-r.came:
		case <-time.After(long):
			r.t.Fatalf("%d of %d came, %+v", have, n, r.Stats())
		}
	}
}

func (r *rig) dropped(reason string) uint64 {
	for _, d := range r.Stats().Dropped {
		if d.Reason == reason {
			return d.N
		}
	}
	r.t.Fatalf("no reason %s", reason)
	return 0
}

func summary(records []*record.Record) string {
	var b strings.Builder
	for _, r := range records {
		fmt.Fprintf(&b, "%d:%s ", r.Kind, r.ID)
	}
	return b.String()
}

func id(conn, n int) string { return fmt.Sprintf("%016x%08x", conn, n) }

func FuzzParseLine(f *testing.F) {
	f.Add([]byte("1 000000000000000700000001 5 0\nGET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, ok := parseLine(fmt.Appendf(nil, "%x", text))
		if !ok {
			return
		}
		line, _ := appendLine(nil, nil, r)
		again, ok := parseLine(bytes.TrimSpace(line))
		if !ok || again.ID != r.ID || again.TimeNs != r.TimeNs || !bytes.Equal(again.Data, r.Data) {
			t.Fatalf("%+v became %+v", r, again)
		}
	})
}

// waitFor asks again until it is so.
func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
