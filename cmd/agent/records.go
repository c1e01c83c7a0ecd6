package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gortap/internal/output"
	"gortap/internal/pipeline"
	"gortap/internal/process"
	"gortap/internal/record"
	"gortap/internal/replay"
)

// records is the part of a run that records and replays: what makes records, what
// changes them, and what takes them. It is nil where nothing takes any.
type records struct {
	cfg        *Config
	log        *slog.Logger
	dispatcher *pipeline.Dispatcher
	chain      *process.Chain
	pacer      *replay.Pacer // nil: as fast as it goes
	outputs    []recordOutput
	comparison *comparison   // nil: nothing is compared
	gors       []*output.Gor // those of outputs that are files
	recorders  []*record.Recorder
	responses  bool // there are some to be written
	seed       uint64
	files      bool
	paced      bool
	window     replay.Window // of packet files; .gor files keep to theirs
	firstNs    int64
	shiftNs    int64         // of this pass of packet files, to the recorded times
	outside    atomic.Uint64 // of the window
	held       holdings      // in packet files
	running    sync.WaitGroup
}

// pacedQueue is how far files are read ahead of the clock, in bytes of records: enough
// to never wait for the disk, and not so much that reading takes the processor from
// what is due.
const pacedQueue = 1 << 20

// recordOutput is an output with a name that no other has.
type recordOutput struct {
	record.Output
	name string
}

// openRecords makes what takes records, if anything is to.
func openRecords(cfg *Config, in input, log *slog.Logger, started time.Time) (*records, error) {
	if !cfg.records() {
		return nil, nil
	}
	r := &records{cfg: cfg, log: log, files: len(cfg.InputFile) > 0, seed: uint64(started.UnixNano())}
	_, recorded := in.(*recordings)
	r.responses = recorded || cfg.InputRawTrackResponse || cfg.OutputHTTPTrackResponse
	var err error
	if r.window, err = cfg.window(); err != nil {
		return nil, err
	}
	if r.chain, err = newChain(cfg, log); err != nil {
		return nil, usageError{err}
	}
	if err := r.openPacer(); err != nil {
		return nil, err
	}
	o := pipeline.DispatcherOptions{QueueBytes: int(cfg.RecordQueue), Stage: r.chain}
	if r.files {
		o.Stall = cfg.OutputStall
	}
	if r.pacer != nil {
		o.Pacer = r.pacer
		o.QueueBytes = min(o.QueueBytes, pacedQueue)
	}
	if cfg.OutputHTTPTrackResponse {
		o.Idle = r.idle
	}
	opened, err := r.openOutputs(cfg, log)
	for _, out := range opened {
		r.outputs = append(r.outputs, recordOutput{out, r.uniqueName(out.Name())})
	}
	o.Outputs = opened
	// Even where one could not be opened: the dispatcher closes the others.
	r.dispatcher = pipeline.NewDispatcher(o)
	if err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if r.comparison != nil {
			err = errors.Join(err, r.comparison.Comparer.Close(ctx))
		}
		return nil, errors.Join(err, r.close(ctx))
	}
	return r, nil
}

// openPacer makes the clock of a replay. Without a target nothing has to be in
// time.
func (r *records) openPacer() error {
	if !r.files || len(r.cfg.OutputHTTP) == 0 || r.cfg.InputFileDryRun {
		return nil
	}
	_, speed, err := r.cfg.inputFiles()
	if err != nil {
		return err
	}
	r.paced = true
	r.pacer, err = replay.NewPacer(replay.Timing{Speed: speed, MaxWait: r.cfg.InputFileMaxWait})
	return err
}

func (r *records) uniqueName(name string) string {
	unique := name
	for n := 2; ; n++ {
		taken := false
		for _, o := range r.outputs {
			taken = taken || o.name == unique
		}
		if !taken {
			return unique
		}
		unique = fmt.Sprintf("%s#%d", name, n)
	}
}

// reply takes what a target answered.
func (r *records) reply(rec *record.Record) { r.dispatcher.Reply(rec) }

// recorder makes the feed of a shard.
func (r *records) recorder(shards int) *record.Recorder {
	rec := record.NewRecorder(record.RecorderOptions{
		Put:        r.put,
		Needs:      r.cfg.recordNeeds(),
		Seed:       r.seed,
		MaxMessage: int(r.cfg.RecordMaxMessage),
		MaxOpen:    max(int(r.cfg.RecordMaxOpen)/shards, int(r.cfg.RecordMaxMessage)),
		Ordered:    r.files,
		Window:     int(r.cfg.RecordQueue),
	})
	r.recorders = append(r.recorders, rec)
	return rec
}

// put takes what was recorded. Of packet files it leaves out what is outside of the
// window.
func (r *records) put(rec *record.Record) bool {
	if r.files {
		if r.firstNs == 0 {
			r.firstNs = rec.TimeNs
		}
		if r.window.Place(r.firstNs, rec.TimeNs-r.shiftNs) != replay.Inside {
			r.outside.Add(1)
			return true
		}
		r.held.note(rec)
	}
	return r.dispatcher.Put(rec)
}

// again begins another pass of packet files, whose times are shiftNs later than those
// recorded.
func (r *records) again(shiftNs int64) {
	r.shiftNs = shiftNs
	r.dispatcher.Again()
}

// start begins to dispatch. Of files nothing more is sent once ctx is done; what was
// captured live is, as far as there is time.
func (r *records) start(ctx context.Context) {
	if !r.files {
		ctx = context.WithoutCancel(ctx)
	}
	r.running.Go(func() { r.dispatcher.Run(ctx) })
}

// drain waits until everything that was put is out: after a signal, no longer than
// closeTimeout.
func (r *records) drain(ctx context.Context, e env) error {
	r.dispatcher.End()
	late, cancel := lingering(ctx)
	defer cancel()
	r.running.Wait() // its waits are bounded
	err := r.closeAll(late)
	if ctx.Err() != nil && err != nil { // it was asked to end: what did not get out is counted
		r.log.Warn("outputs were cut off", "error", err)
		err = nil
	}
	if r.comparison != nil {
		return errors.Join(err, r.comparison.conclude(late, e))
	}
	if r.files && ctx.Err() == nil {
		err = errors.Join(err, r.unanswered())
	}
	return err
}

func (r *records) close(ctx context.Context) error {
	err := r.dispatcher.Close(ctx)
	if r.pacer != nil {
		err = errors.Join(err, r.pacer.Close())
		r.pacer = nil
	}
	return err
}

// lingering returns a context that is done closeTimeout after ctx.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(closeTimeout)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-late.Done():
		}
		cancel()
	})
	return late, func() {
		stop()
		cancel()
	}
}

// idle reports whether all that was dispatched is done with.
func (r *records) idle() bool {
	st := r.chain.Stats()
	if st.Taken+st.Added != st.Passed+sum(st.Dropped) {
		return false
	}
	for _, o := range r.outputs {
		if st := o.Stats(); st.Taken != st.Done+sum(st.Dropped) {
			return false
		}
	}
	return true
}

func sum(counts []record.Count) (n uint64) {
	for _, c := range counts {
		n += c.N
	}
	return n
}
