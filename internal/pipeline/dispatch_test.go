package pipeline

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"gortap/internal/record"
	"gortap/internal/testutil"
)

// fakeOutput has room for so many records, and counts.
type fakeOutput struct {
	needs record.Needs
	room  int

	mu    sync.Mutex
	got   []*record.Record
	waits []time.Duration
	stats record.Stats
	err   error
}

func (o *fakeOutput) Name() string        { return "fake" }
func (o *fakeOutput) Needs() record.Needs { return o.needs }
func (o *fakeOutput) Close(context.Context) error {
	return o.err
}

func (o *fakeOutput) Put(r *record.Record, wait time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waits = append(o.waits, wait)
	o.stats.Taken++
	if len(o.got) == o.room {
		o.stats.Dropped = append(o.stats.Dropped, record.Count{Reason: "full", N: 1})
		return false
	}
	o.got = append(o.got, r)
	o.stats.Done++
	return true
}

func (o *fakeOutput) Stats() record.Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stats
}

// evenOnly is a stage that drops every second record.
type evenOnly struct {
	out    func(*record.Record)
	closed bool
}

func (s *evenOnly) Start(out func(*record.Record)) { s.out = out }
func (s *evenOnly) Put(_ context.Context, r *record.Record, _ time.Duration) bool {
	if r.Seq%2 == 0 {
		s.out(r)
	}
	return true
}
func (s *evenOnly) Close(context.Context) error { s.closed = true; return nil }

// stepPacer lets records pass one token each.
type stepPacer struct {
	tokens chan struct{}
	passes int
}

func (p *stepPacer) Wait(ctx context.Context, _ *record.Record) error {
	select {
	case <-p.tokens:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (p *stepPacer) Again() { p.passes++ }

var requests = record.Needs{Requests: true}

const unlimited = 1 << 30

func TestEveryRecordIsAccountedForAtEveryHop(t *testing.T) {
	testutil.CheckLeaks(t)
	wide, narrow, answers := &fakeOutput{needs: requests, room: unlimited}, &fakeOutput{needs: requests, room: 3}, &fakeOutput{needs: record.Needs{Responses: true}, room: unlimited}
	stage := &evenOnly{}
	d := NewDispatcher(DispatcherOptions{Stage: stage, Stall: time.Nanosecond, Outputs: []record.Output{wide, narrow, answers}})
	var wg sync.WaitGroup
	wg.Go(func() { d.Run(t.Context()) })
	for i := range uint64(1000) {
		for _, kind := range []record.Kind{record.Request, record.Response} {
			if !d.Put(&record.Record{Kind: kind, Seq: i}) {
				t.Error("refused")
			}
		}
	}
	d.End()
	wg.Wait()
	if err := d.Close(t.Context()); err != nil || !stage.closed {
		t.Errorf("close: %v, stage closed: %t", err, stage.closed)
	}
	st := d.Stats()
	if st.Taken != 2000 || st.Taken != st.Passed+st.Stopped+st.LateReplies || st.Waiting != 0 {
		t.Errorf("dispatcher: %+v", st)
	}
	for name, o := range map[string]*fakeOutput{"wide": wide, "narrow": narrow, "answers": answers} {
		if o.stats.Taken != 500 || o.stats.Taken != o.stats.Done+uint64(len(o.stats.Dropped)) {
			t.Errorf("%s: %d taken, %d done, %d dropped", name, o.stats.Taken, o.stats.Done, len(o.stats.Dropped))
		}
	}
}

func TestAnOutputThatHangsIsWaitedForOnce(t *testing.T) {
	hung := &fakeOutput{needs: requests, room: 1}
	d := NewDispatcher(DispatcherOptions{Stall: time.Minute, Outputs: []record.Output{hung}})
	for i := range uint64(4) {
		d.deliver(&record.Record{Kind: record.Request, Seq: i})
	}
	hung.room = unlimited
	for i := range uint64(2) {
		d.deliver(&record.Record{Kind: record.Request, Seq: i})
	}
	want := []time.Duration{time.Minute, time.Minute, 0, 0, 0, time.Minute}
	for i, w := range hung.waits {
		if w != want[i] {
			t.Errorf("record %d waited %v, want %v", i, w, want[i])
		}
	}
}

func TestLiveTrafficWaitsForNobody(t *testing.T) {
	o := &fakeOutput{needs: requests, room: unlimited}
	d := NewDispatcher(DispatcherOptions{QueueBytes: 1, Outputs: []record.Output{o}})
	if !d.Put(&record.Record{Kind: record.Request}) {
		t.Fatal("refused the first one")
	}
	if d.Put(&record.Record{Kind: record.Request}) {
		t.Fatal("took more than there is room for")
	}
	d.End()
	d.Run(t.Context())
	d.Close(t.Context())
	if len(o.got) != 1 || o.waits[0] != 0 {
		t.Errorf("got %d records, waited %v", len(o.got), o.waits)
	}
}

func TestAStopDropsAndCountsWhatWaits(t *testing.T) {
	testutil.CheckLeaks(t)
	o := &fakeOutput{needs: requests, room: unlimited}
	p := &stepPacer{tokens: make(chan struct{}, 2)}
	p.tokens <- struct{}{}
	d := NewDispatcher(DispatcherOptions{QueueBytes: 1000, Stall: time.Second, Pacer: p, Outputs: []record.Output{o}})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	put := uint64(0)
	wg.Go(func() {
		for d.Put(&record.Record{Kind: record.Request}) {
			put++
			if put == 3 {
				stop()
			}
		}
	})
	wg.Go(func() { d.Run(ctx) })
	wg.Wait()
	d.Close(t.Context())
	st := d.Stats()
	if st.Taken != put || st.Taken != st.Passed+st.Stopped || st.Passed > 1 {
		t.Errorf("put %d: %+v", put, st)
	}
}

func TestAnotherPassIsToldToThePacer(t *testing.T) {
	p := &stepPacer{tokens: make(chan struct{})}
	close(p.tokens)
	o := &fakeOutput{needs: requests, room: unlimited}
	d := NewDispatcher(DispatcherOptions{Stall: time.Second, Pacer: p, Outputs: []record.Output{o}})
	for range 2 {
		d.Put(&record.Record{Kind: record.Request})
		d.Again()
	}
	d.End()
	d.Run(t.Context())
	d.Close(t.Context())
	if p.passes != 2 || len(o.got) != 2 || d.Stats().Taken != 2 {
		t.Errorf("%d passes, %d records, %+v", p.passes, len(o.got), d.Stats())
	}
}

func TestTheEndWaitsForTheTargetsAnswers(t *testing.T) {
	testutil.CheckLeaks(t)
	answers := &fakeOutput{needs: record.Needs{Responses: true}, room: unlimited}
	idle := make(chan struct{})
	d := NewDispatcher(DispatcherOptions{Outputs: []record.Output{answers}, Idle: func() bool {
		select {
		case <-idle:
			return true
		default:
			return false
		}
	}})
	d.End()
	d.Run(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		d.Reply(&record.Record{Kind: record.Replayed})
		close(idle)
	})
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if len(answers.got) != 1 {
		t.Errorf("got %d answers", len(answers.got))
	}
}

func TestErrorsOfOutputsAreTold(t *testing.T) {
	broken := errors.New("disk on fire")
	d := NewDispatcher(DispatcherOptions{Outputs: []record.Output{&fakeOutput{err: broken}, &fakeOutput{}}})
	d.End()
	d.Run(t.Context())
	if err := d.Close(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Errorf("again: %v", err)
	}
}
