package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"gortap/internal/flow"
	"gortap/internal/gorfile"
	"gortap/internal/output"
	"gortap/internal/record"
)

// recordings is a set of .gor files, read as one by time. Its records go two ways:
// as segments through the shard, which counts them, and as they are to what takes
// records.
type recordings struct {
	reader  *gorfile.Reader
	names   []string
	passes  int // how often they are read; 0: for ever
	batch   int
	records *records // nil: they are only counted
	running atomic.Bool
	held    holdings
}

var _ input = (*recordings)(nil)

// batch is how many records are counted before they are handed on: what hands them
// on may wait, and nobody can read the account in between.
const batch = 64

// openFiles opens what --input-file names: packets, or records.
func openFiles(cfg *Config, log *slog.Logger) (input, error) {
	names, _, err := cfg.inputFiles()
	if err != nil {
		return nil, err
	}
	in, err := openRecordings(cfg, names, log)
	if errors.Is(err, gorfile.ErrNotGor) {
		return openPacketFiles(cfg, names, log)
	}
	return in, err
}

func openRecordings(cfg *Config, names []string, log *slog.Logger) (input, error) {
	reader, err := gorfile.Open(names, gorfile.Options{
		From:      bound(cfg.InputFrom),
		To:        bound(cfg.InputTo),
		Depth:     cfg.InputFileReadDepth,
		MaxRecord: int(cfg.RecordMaxMessage),
		Damaged:   func(d *gorfile.Damage) { log.Warn("a part of a recording is damaged and was passed over", "error", d) },
	})
	if err != nil {
		return nil, usageError{err}
	}
	r := &recordings{reader: reader, names: names, passes: cfg.passes(), batch: batch}
	switch {
	case cfg.BPFFilter != "":
		err = usagef("--bpf-filter with .gor files: they hold no packets (see --http-allow-url and the like)")
	case len(cfg.packetFiles()) > 0:
		err = usagef("--output-file %s: .gor files hold no packets to write", cfg.packetFiles()[0])
	case reader.Live():
		r.batch = 1 // whoever writes may do so live
	}
	if err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return r, nil
}

// bound reads --input-from and --input-to, which were checked.
func bound(text string) gorfile.Bound {
	if d, err := time.ParseDuration(text); err == nil {
		return gorfile.Bound{Offset: d}
	}
	t, _ := time.Parse(time.RFC3339Nano, text)
	return gorfile.Bound{Time: t}
}

func (r *recordings) shards() int              { return 1 }
func (r *recordings) control(int) flow.Control { return nil }
func (r *recordings) ownTotals() bool          { return true }
func (r *recordings) ready() bool              { return r.running.Load() }
func (r *recordings) idle() error              { return nil }
func (r *recordings) close() error             { return r.reader.Close() }
func (r *recordings) describe() string         { return "reading " + strings.Join(r.names, ", ") }

func (r *recordings) progress() (int64, int64) { return r.reader.Progress() }

// run reads to the end, as often as asked.
func (r *recordings) run(ctx context.Context, handlers []flow.Handler) error {
	r.running.Store(true)
	defer r.running.Store(false)
	defer context.AfterFunc(ctx, r.reader.Interrupt)()
	segments := record.NewSegments(handlers[0])
	for n := 1; ctx.Err() == nil; n++ {
		more, err := r.pass(ctx, handlers[0], segments)
		if err != nil || !more || n == r.passes {
			return err
		}
		if err := r.reader.Rewind(); err != nil {
			return err
		}
		if r.records != nil {
			r.records.dispatcher.Again()
		}
	}
	return nil
}

// pass reads the files once and reports whether there was anything.
func (r *recordings) pass(ctx context.Context, h flow.Handler, segments *record.Segments) (more bool, err error) {
	pending := make([]*record.Record, 0, r.batch)
	flush := func() {
		if len(pending) == 0 {
			return
		}
		h.Tick(pending[len(pending)-1].TimeNs)
		for _, rec := range pending {
			if r.records != nil {
				r.records.dispatcher.Put(rec)
			}
		}
		pending = pending[:0]
	}
	defer flush()
	size := 0
	for ctx.Err() == nil {
		rec, err := r.reader.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return more, err
		}
		more = true
		if record.IsHTTP2(rec.Data) {
			rec.Protocol = record.HTTP2ProtocolOf(rec.Data)
		}
		r.held.note(rec)
		segments.Add(rec)
		pending = append(pending, rec)
		if size += len(rec.Data); len(pending) == r.batch || size > 1<<20 {
			flush()
			size = 0
		}
	}
	return more, nil
}

// volumes counts records as packets, and their bytes.
func (r *recordings) volumes() (volumes, error) {
	st := r.reader.Stats()
	v := volumes{delivered: output.Volume{Packets: st.Records, Bytes: st.Bytes}}
	v.matched = v.delivered
	v.outcomes = []outcome{{"delivered", v.delivered}, {"outside", output.Volume{Packets: st.Outside}}}
	for _, c := range st.Lost {
		v.outcomes = append(v.outcomes, outcome{c.Reason, output.Volume{Packets: c.N}})
		v.dropped = append(v.dropped, output.Drop{Stage: "file", Reason: c.Reason, Volume: output.Volume{Packets: c.N}})
		v.matched.Packets += c.N
	}
	return v, nil
}
