package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/proto/prototest"
	"gortap/internal/reassembly"
)

// reread is a handler that records what it is fed, anew.
type reread struct {
	collector
	assembler *reassembly.Assembler
}

func newReread() *reread {
	r := &reread{}
	rec := NewRecorder(RecorderOptions{Put: r.put, Needs: Needs{Requests: true, Responses: true}})
	d := newDetector()
	r.assembler = reassembly.New(reassembly.Config{}, func(c *reassembly.Conn) reassembly.Receiver {
		return &closing{Receiver: d.Open(c, quiet{rec}, prototest.NewLedger()), r: rec}
	})
	return r
}

// closing hands records over when a connection closes.
type closing struct {
	reassembly.Receiver
	r *Recorder
}

func (c *closing) Close(why reassembly.CloseReason, tsNs int64) {
	c.Receiver.Close(why, tsNs)
	c.r.Close()
}

func (r *reread) Segment(s *flow.Segment) { r.assembler.Segment(s) }
func (r *reread) Update(*flow.Totals)     {}
func (r *reread) End(*flow.Totals)        {}
func (r *reread) Tick(int64)              {}

func TestRecordsMakeTheTrafficTheyCameFrom(t *testing.T) {
	in := []*Record{
		{Kind: Request, Conn: 1<<48 | 7, Data: []byte(get), TimeNs: 1},
		{Kind: Request, Conn: 2<<48 | 7, Data: []byte(get), TimeNs: 2},
		{Kind: Request, Conn: 1<<48 | 7, Data: []byte(get), TimeNs: 3, Seq: 1},
		{Kind: Response, Conn: 1<<48 | 7, Data: []byte(ok), TimeNs: 4},
		{Kind: Response, Conn: 1<<48 | 7, Data: []byte(noBody), TimeNs: 5, Seq: 1},
		{Kind: Replayed, Conn: 1<<48 | 7, Data: []byte(ok), TimeNs: 5},
		{Kind: Request, Conn: 3, Data: []byte("POST /h2 HTTP/2.0\r\nhost: h\r\n\r\nbody"), TimeNs: 6},
		{Kind: Request, Conn: 3, Data: []byte("POST /h2 HTTP/2.0\r\n\r\n"), TimeNs: 7},
		{Kind: Request, Conn: 3, Data: []byte(get), TimeNs: 8},
	}
	h := newReread()
	s := NewSegments(h)
	for _, r := range in {
		s.Add(r)
	}
	h.assembler.Close()
	got := map[string]int{}
	for _, r := range h.records {
		if r.Kind != End {
			got[string(r.Data)]++
		}
	}
	want := map[string]int{get: 4, ok: 1, noBody: 1, "POST /h2 HTTP/1.1\r\ncontent-length: 4\r\nhost: h\r\n\r\nbody": 1, "POST /h2 HTTP/1.1\r\ncontent-length: 0\r\n\r\n": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
