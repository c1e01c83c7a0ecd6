package capture

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"gortap/bpf"
	"gortap/internal/flow"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	// closedLinger keeps a closed connection's flow for late retransmissions.
	closedLinger = time.Second
	// halfOpenIdle ends flows that never carried payload: scans, SYN floods.
	halfOpenIdle = 15 * time.Second
	drainTimeout = 5 * time.Second
	sweepBatch   = 1024
)

// sweep reads the flow table each SweepEvery: it posts the totals of flows that
// changed to their shards, and evicts those that ended. An evicted flow's last
// word comes through its ring, behind its last segment. It is not posted beside
// that, and nothing is evicted while an earlier post waits: so no totals of a
// flow can arrive after its end.
func (c *Capture) sweep(ctx context.Context) {
	ticker := time.NewTicker(c.opts.SweepEvery)
	defer ticker.Stop()
	s := newSweeper(c)
	warned := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !c.shardsIdle() {
			continue
		}
		if err := s.once(); err != nil && !warned {
			c.opts.Log.Warn("read flow table", "error", err)
			warned = true
		}
	}
}

func (c *Capture) shardsIdle() bool {
	for _, s := range c.shards {
		if !s.idle() {
			return false
		}
	}
	return true
}

// endAllFlows evicts every flow. The shards must be running: their rings have to
// take the flows' totals.
func (c *Capture) endAllFlows() error {
	if c.objs == nil {
		return nil
	}
	for _, sh := range c.shards {
		sh.stopping.Store(true)
	}
	s := newSweeper(c)
	deadline := time.Now().Add(drainTimeout)
	for {
		if c.shardsIdle() {
			left, err := s.endAll()
			if err != nil || left == 0 {
				return err
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("drain flow table: not done after %v (the last bytes of some flows are not accounted)", drainTimeout)
		}
		time.Sleep(minSleep)
	}
}

type sweeper struct {
	c       *Capture
	control *control
	clock   clock
	reader  flowReader
	posts   [][]flow.Totals // by shard, which borrows them until it is idle
	evicts  []bpf.CaptureFlowKey
	// seen holds a fingerprint of each flow's totals: quiet flows are not posted
	// again. Rebuilt by each sweep, so it is bounded by the flow table.
	seen, next map[bpf.CaptureFlowKey]uint64
}

func newSweeper(c *Capture) *sweeper {
	return &sweeper{
		c:       c,
		control: newControl(c.objs.Control, c.opts.Log),
		reader:  newFlowReader(c.objs.Flows),
		posts:   make([][]flow.Totals, len(c.shards)),
		seen:    map[bpf.CaptureFlowKey]uint64{},
		next:    map[bpf.CaptureFlowKey]uint64{},
	}
}

func (s *sweeper) once() error {
	_, now := s.clock.now()
	s.evicts = s.evicts[:0]
	for i := range s.posts {
		s.posts[i] = s.posts[i][:0]
	}
	if err := s.reader.each(func(k *bpf.CaptureFlowKey, f *bpf.CaptureFlow) { s.visit(now, k, f) }); err != nil {
		return err
	}
	s.seen, s.next = s.next, s.seen
	s.c.flows.Store(int64(len(s.seen)))
	clear(s.next)
	ended, err := s.control.evict(s.evicts, now-uint64(closedLinger))
	for i, p := range s.posts {
		s.c.shards[i].post(p)
	}
	// The records of flows that end are written without a wake-up.
	if ended > 0 {
		s.c.wakeShards()
	}
	return err
}

func (s *sweeper) visit(now uint64, k *bpf.CaptureFlowKey, f *bpf.CaptureFlow) {
	last := max(f.Dirs[0].LastNs, f.Dirs[1].LastNs)
	idle := time.Duration(int64(now - last))
	limit := s.c.opts.FlowIdle
	switch {
	case f.Closed != 0:
		limit = closedLinger
	case f.Dirs[0].Payload+f.Dirs[1].Payload == 0:
		limit = min(limit, halfOpenIdle)
	}
	if idle > limit {
		s.evicts = append(s.evicts, *k)
		return
	}
	sum := fingerprint(f)
	s.next[*k] = sum
	if before, ok := s.seen[*k]; ok && before == sum {
		return
	}
	if f.Replay != 0 {
		return // it is ignored
	}
	s.posts[f.Shard] = append(s.posts[f.Shard], s.totals(k, f))
}

// fingerprint is a sum of what only grows: another one where any of it has. The time
// of the last packet alone would not do, for the table is read without locks: the
// counts beside it may be those of a moment before.
func fingerprint(f *bpf.CaptureFlow) uint64 {
	sum := uint64(0)
	for i := range f.Dirs {
		d := &f.Dirs[i]
		sum += d.LastNs + d.Packets + d.Bytes + toldPayload(f, i) + f.Dirs[i].Rare.Retrans
	}
	return sum
}

// toldPayload is the payload of a direction but for what no record has told yet: that
// would look lost. While the kernel keeps something back, what was told before that is
// one number of its own, so that no two numbers of different moments are subtracted.
func toldPayload(f *bpf.CaptureFlow, dir int) uint64 {
	if f.Skip.Len > 0 && int(f.Skip.Dir) == dir {
		return f.Told
	}
	return f.Dirs[dir].Payload
}

func (s *sweeper) totals(k *bpf.CaptureFlowKey, f *bpf.CaptureFlow) flow.Totals {
	t := flow.Totals{
		Key:         *flowKey(k),
		Opener:      flow.Dir(f.Opener),
		OpenerKnown: f.OpenerKnown != 0,
		FirstNs:     s.clock.unix(f.FirstNs),
		LastNs:      s.clock.unix(max(f.Dirs[0].LastNs, f.Dirs[1].LastNs)),
		Unsampled:   f.Unsampled != 0,
	}
	for i := range f.Dirs {
		d := &f.Dirs[i]
		t.Dirs[i] = flow.DirTotals{Packets: d.Packets, Bytes: d.Bytes, Payload: toldPayload(f, i), Retransmitted: f.Dirs[i].Rare.Retrans}
	}
	return t
}

// endAll evicts whatever is there and returns how many flows are left.
func (s *sweeper) endAll() (int, error) {
	s.evicts = s.evicts[:0]
	err := s.reader.each(func(k *bpf.CaptureFlowKey, _ *bpf.CaptureFlow) { s.evicts = append(s.evicts, *k) })
	if err != nil {
		return 0, err
	}
	done, err := s.control.evict(s.evicts, math.MaxUint64)
	s.c.wakeShards()
	return len(s.evicts) - done, err
}

// flowReader copies the flow table out in batches.
type flowReader struct {
	m      *ebpf.Map
	keys   []bpf.CaptureFlowKey
	values []bpf.CaptureFlow
}

func newFlowReader(m *ebpf.Map) flowReader {
	return flowReader{m: m, keys: make([]bpf.CaptureFlowKey, sweepBatch), values: make([]bpf.CaptureFlow, sweepBatch)}
}

// each visits every flow. One that comes or goes meanwhile may be missed, or
// visited twice.
func (r *flowReader) each(visit func(*bpf.CaptureFlowKey, *bpf.CaptureFlow)) error {
	var cursor ebpf.MapBatchCursor
	for {
		n, err := r.m.BatchLookup(&cursor, r.keys, r.values, nil)
		for i := range n {
			visit(&r.keys[i], &r.values[i])
		}
		switch {
		case errors.Is(err, ebpf.ErrKeyNotExist):
			return nil
		case errors.Is(err, unix.ENOSPC) && len(r.keys) < r.maxBatch():
			// A hash bucket larger than the batch.
			r.keys = make([]bpf.CaptureFlowKey, 2*len(r.keys))
			r.values = make([]bpf.CaptureFlow, 2*len(r.values))
		case err != nil:
			return fmt.Errorf("look up flows: %w", err)
		}
	}
}

func (r *flowReader) maxBatch() int { return int(r.m.MaxEntries()) }
