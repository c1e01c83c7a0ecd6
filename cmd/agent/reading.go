package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/account"
	"gortap/internal/flow"
	"gortap/internal/insight"
	"gortap/internal/insight/intake"
	"gortap/internal/insight/lines"
	"gortap/internal/output"
	"gortap/internal/pcapio"
	"gortap/internal/pipeline"
)

// reading reads files of all kinds (packets, .gor records, JSON lines, mixed) into one
// insight.Store, by time. It is for reports and for looking at files.
type reading struct {
	store   *insight.Store
	account *account.Account // of packets and records; lines are counted already
	parts   []readPart
	order   *intake.Order
}

// readPart is all packets, all records, or one file of lines.
type readPart interface {
	// read reads to the end, or until ctx is done.
	read(ctx context.Context) error
	progress() (read, total int64)
	close() error
	// end is for a part that is not read.
	end()
}

// reportSteps let a report cover a month, with seconds where it covers half an hour.
func reportSteps() [3]insight.Steps {
	return [3]insight.Steps{
		{Every: time.Second, For: 30 * time.Minute},
		{Every: 30 * time.Second, For: 24 * time.Hour},
		{Every: 15 * time.Minute, For: 31 * 24 * time.Hour},
	}
}

// openReading opens the files that match the patterns. What is wrong with one is a
// usage error.
func openReading(cfg *Config, patterns []string, log *slog.Logger) (*reading, error) {
	names, kinds, err := sortFiles(patterns)
	if err != nil {
		return nil, usageError{err}
	}
	n := len(kinds[pcapio.JSONL])
	for _, kind := range []pcapio.Format{pcapio.PCAP, pcapio.GOR} {
		if len(kinds[kind]) > 0 {
			n++
		}
	}
	if len(names) == 0 {
		return nil, usagef("nothing to read: give files (.pcap, .pcapng, .gor or .jsonl, also .gz or .zst)")
	}
	store, _ := newStore(cfg, reportSteps(), true, log)
	r := &reading{store: store, order: intake.NewOrder(n)}
	if r.account, err = newAccount(cfg, 2, false); err != nil {
		return nil, err
	}
	for _, open := range []struct {
		kind pcapio.Format
		open func(*Config, []string, *slog.Logger) (input, error)
	}{{pcapio.PCAP, openPacketFiles}, {pcapio.GOR, openRecordings}} {
		if len(kinds[open.kind]) == 0 {
			continue
		}
		in, err := open.open(cfg, kinds[open.kind], log)
		if err == nil {
			err = r.addInput(cfg, in)
		}
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	for _, name := range kinds[pcapio.JSONL] {
		if err := r.addLines(name); err != nil {
			return nil, errors.Join(usageError{err}, r.close())
		}
	}
	return r, nil
}

// sortFiles finds the files and what they hold: PCAP stands for all packets.
func sortFiles(patterns []string) (names []string, kinds map[pcapio.Format][]string, err error) {
	kinds = map[pcapio.Format][]string{}
	seen := map[string]bool{}
	for _, p := range patterns {
		found, err := pcapio.Expand(p)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range found {
			if seen[name] {
				continue
			}
			seen[name] = true
			s, err := pcapio.OpenStream(name, nil)
			if err != nil {
				return nil, nil, err
			}
			kind := s.Format
			s.Close()
			if kind == pcapio.PCAPNG {
				kind = pcapio.PCAP
			}
			kinds[kind] = append(kinds[kind], name)
			names = append(names, name)
		}
	}
	return names, kinds, nil
}

// addInput reads packets or records, as a run would.
func (r *reading) addInput(cfg *Config, in input) error {
	c, err := intakeConfig(cfg, r.store)
	if err != nil {
		return errors.Join(err, in.close())
	}
	c.Wait, c.Order, c.Turn = true, r.order, len(r.parts)
	i := len(r.parts)
	p := &readInput{in: in, intake: intake.New(c)}
	p.shard = pipeline.NewShard(pipeline.Options{
		Account: r.account.Shard(i), Feeds: []pipeline.Feed{p.intake.Feed(resentOf(r.account.Shard(i)))},
		Reassembly: reassemblyConfig(cfg, i, 2), Open: opener(cfg, nil), OwnTotals: true,
	})
	r.parts = append(r.parts, p)
	return nil
}

func (r *reading) addLines(name string) error {
	p := &readLines{reading: r, turn: len(r.parts), size: sizeOf(name)}
	var err error
	// The numbers of connections from elsewhere are small.
	if p.lines, err = lines.Open(name, &p.done, uint64(p.turn+1)<<40); err != nil {
		return err
	}
	r.parts = append(r.parts, p)
	return nil
}

// run reads everything. Where a file is damaged the rest is read, and the error tells.
func (r *reading) run(ctx context.Context) error {
	errs := make([]error, len(r.parts))
	var all sync.WaitGroup
	for i, p := range r.parts {
		all.Go(func() { errs[i] = p.read(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// progress tells how many bytes are read, of how many.
func (r *reading) progress() (read, total int64) {
	for _, p := range r.parts {
		n, of := p.progress()
		read, total = read+n, total+of
	}
	return read, total
}

func (r *reading) close() error {
	var err error
	for _, p := range r.parts {
		p.end()
		err = errors.Join(err, p.close())
	}
	return err
}

// readInput is an input with one shard.
type readInput struct {
	in     input
	intake *intake.Intake
	shard  *pipeline.Shard
}

func (p *readInput) read(ctx context.Context) error {
	err := p.in.run(ctx, []flow.Handler{p.shard})
	p.shard.Close()
	p.intake.Close()
	return err
}

func (p *readInput) progress() (int64, int64) {
	return p.in.(interface{ progress() (int64, int64) }).progress()
}
func (p *readInput) close() error { return p.in.close() }
func (p *readInput) end()         { p.intake.Close() }

// readLines is a file of JSON lines.
type readLines struct {
	*reading
	lines *lines.Reader
	turn  int
	done  atomic.Int64
	size  int64
}

// linesBatch is how many lines are counted at a time.
const linesBatch = 256

func (p *readLines) read(ctx context.Context) error {
	defer p.order.Done(p.turn)
	batch := make([]insight.Observation, 0, linesBatch)
	nowNs := int64(0)
	flush := func() {
		p.order.Wait(p.turn, nowNs)
		p.store.Batch(nowNs, func(observe func(*insight.Observation)) {
			for i := range batch {
				observe(&batch[i])
			}
		})
		batch = batch[:0]
	}
	for ctx.Err() == nil {
		o, err := p.lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			flush()
			return err
		}
		batch = append(batch, *o)
		nowNs = max(nowNs, o.EndNs)
		if len(batch) == linesBatch {
			flush()
		}
	}
	flush()
	return nil
}

func (p *readLines) progress() (int64, int64) { return p.done.Load(), p.size }
func (p *readLines) close() error             { return p.lines.Close() }
func (p *readLines) end()                     {}

// readStats is what became of what the files hold, for the end of a report.
type readStats struct {
	packets  []volumes // of packets and of records
	lines    lines.Stats
	insight  insight.Stats
	missing  intake.Stats
	problems []output.Drop // what was lost, by stage and reason
}

// stats sums up; read must be over.
func (r *reading) stats() (readStats, error) {
	st := readStats{insight: r.store.Stats()}
	for _, p := range r.parts {
		switch p := p.(type) {
		case *readInput:
			v, err := p.in.volumes()
			if err != nil {
				return st, err
			}
			st.packets = append(st.packets, v)
			st.problems = append(st.problems, v.dropped...)
			in := p.intake.Stats()
			st.missing.Taken += in.Taken
			for i, n := range in.Missing {
				st.missing.Missing[i] += n
			}
		case *readLines:
			l := p.lines.Stats()
			st.lines.Lines += l.Lines
			st.lines.Bad += l.Bad
		}
	}
	if st.lines.Bad > 0 {
		st.problems = append(st.problems, output.Drop{Stage: "lines", Reason: "not-an-exchange", Volume: output.Volume{Packets: st.lines.Bad}})
	}
	return st, nil
}

func sizeOf(name string) int64 {
	st, err := os.Stat(name)
	if err != nil || !st.Mode().IsRegular() {
		return 0
	}
	return st.Size()
}
