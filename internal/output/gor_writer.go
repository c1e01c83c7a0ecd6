package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gortap/internal/gorfile"
	"gortap/internal/pcapio"
	"gortap/internal/record"
)

const (
	// fullBlock is how many bytes of records wait before they are written.
	fullBlock = 256 << 10
	// maxNames is how many files' numbers are remembered.
	maxNames = 1024
)

// gorWriter is the goroutine that writes a Gor's records. They wait in a block for
// each file, until there are many or some time is over. A compressed block is a gzip
// member or zstd frame of its own, so that it can be taken back or appended to
// like any other.
type gorWriter struct {
	steady
	gor     *Gor
	namer   *namer         // nil where there is one file only
	openOne opener         // that one; nil for files of the pattern
	blocks  *pcapio.Blocks // nil: not compressed
	delay   time.Duration

	files   []*gorOut          // those in use, the latest last
	byName  map[string]*gorOut // the same
	current *gorOut            // whose file is open, or was last
	waiting int                // bytes in all blocks
	size    int64              // of all files
}

// gorOut is one file of the recording.
type gorOut struct {
	name, path string
	opened     bool
	size       int64 // written in this run
	count      int   // records, also those in the block
	block      []byte
	units      []gorUnit
}

// gorUnit is a record in a block.
type gorUnit struct{ end, data int }

func newGorWriter(g *Gor, open opener, after func(time.Duration) <-chan time.Time) (*gorWriter, error) {
	w := &gorWriter{gor: g, openOne: open, byName: make(map[string]*gorOut), delay: g.cfg.FlushInterval,
		blocks: pcapio.NewBlocks(g.cfg.Path)}
	w.steady = steady{
		after: after, log: g.cfg.Log.With("output", g.Name()), end: g.ending, rotated: g.rotate,
		dropped: g.droppedSoFar, idle: func() bool { n, _ := g.queue.Len(); return n == 0 },
	}
	if w.delay <= 0 {
		w.delay = 100 * time.Millisecond
		if w.blocks != nil {
			w.delay = time.Second
		}
	}
	if g.cfg.Path == "-" && open == nil {
		w.openOne = openStdout(g.cfg.Stdout)
	}
	if w.openOne != nil {
		return w, w.openFirst(&gorOut{name: "-", path: g.cfg.Path, opened: true})
	}
	w.namer = newNamer(g.cfg.Path, g.cfg.Now)
	if !strings.Contains(g.cfg.Path, "%") && g.cfg.Append {
		name := filepath.Clean(g.cfg.Path)
		return w, w.openFirst(&gorOut{name: name, path: name})
	}
	if dir := filepath.Dir(g.cfg.Path); !strings.Contains(dir, "%") {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("open %s: no such folder (make it first)", dir)
		}
	}
	return w, nil
}

// openFirst opens a file before there is a record.
func (w *gorWriter) openFirst(f *gorOut) error {
	w.files, w.byName[f.name] = append(w.files, f), f
	w.use(f)
	err := w.begin()
	if errors.Is(err, errTorn) {
		return nil // told and solved when it is written to
	}
	f.opened = err == nil
	return err
}

// run writes records until the queue has ended, or what it holds cannot be written
// after that.
func (w *gorWriter) run() {
	defer close(w.gor.done)
	defer w.closeFile()
	for {
		why, ok, more := w.batch()
		if !ok {
			w.discard(why)
			return
		}
		if !more {
			return
		}
	}
}

// batch collects records until they have to be written, and writes them.
func (w *gorWriter) batch() (why DropReason, ok, more bool) {
	ctx, more := context.Background(), true
	for more && w.waiting < fullBlock {
		r, got := w.gor.queue.Take(ctx)
		switch {
		case got:
			if why, ok := w.add(r); !ok {
				return why, false, true
			}
		case ctx.Err() == nil:
			more = false
		default:
			why, ok = w.flushAll()
			return why, ok, true
		}
		if ctx == context.Background() && w.waiting > 0 {
			timed, cancel := context.WithTimeout(ctx, w.delay)
			defer cancel()
			ctx = timed
		}
	}
	why, ok = w.flushAll()
	return why, ok, more
}

// add puts a record into its file's block.
func (w *gorWriter) add(r *record.Record) (why DropReason, ok bool) {
	cfg := &w.gor.cfg
	if cfg.MaxSize > 0 && w.size+int64(w.waiting) >= cfg.MaxSize {
		if w.gor.dropped[SizeLimit].Add(1) == 1 {
			w.log.Warn("the recording has its full size: no more is written", "bytes", cfg.MaxSize)
		}
		return 0, true
	}
	if cfg.Transform != nil {
		r = cfg.Transform(r)
	}
	f, err := w.fileOf(r)
	if err == nil && w.isFull(f) {
		if why, ok := w.flush(f); !ok {
			w.gor.drop(1, why)
			return why, false
		}
		err = w.nextNumber(f)
	}
	if err != nil { // the folder cannot be listed
		w.setTrouble(err)
		w.gor.drop(1, WriteError)
		return 0, true
	}
	before := len(f.block)
	f.block = gorfile.Append(f.block, r)
	f.units = append(f.units, gorUnit{len(f.block), len(r.Data)})
	f.count++
	w.waiting += len(f.block) - before
	return 0, true
}

func (w *gorWriter) isFull(f *gorOut) bool {
	cfg := &w.gor.cfg
	size := f.size
	if w.blocks == nil { // else nobody knows how many bytes the block gives
		size += int64(len(f.block))
	}
	return (cfg.QueueLimit > 0 && f.count >= cfg.QueueLimit) || (cfg.SizeLimit > 0 && size >= cfg.SizeLimit)
}

// fileOf returns the file that a record belongs to.
func (w *gorWriter) fileOf(r *record.Record) (*gorOut, error) {
	if w.namer == nil {
		return w.files[0], nil
	}
	name := w.namer.of(r)
	if f := w.byName[name]; f != nil {
		return f, nil
	}
	if len(w.files) >= maxNames {
		w.forget()
	}
	f := &gorOut{name: name, path: name}
	if !w.gor.cfg.Append {
		if err := w.nextNumber(f); err != nil {
			return nil, err
		}
	}
	w.files, w.byName[name] = append(w.files, f), f
	return f, nil
}

// forget drops the older half of those files that nothing waits for. One that
// comes again gets the next number.
func (w *gorWriter) forget() {
	old := w.files[:len(w.files)/2]
	kept := w.files[len(w.files)/2:]
	for _, f := range old {
		if len(f.block) > 0 {
			kept = append(kept, f)
			continue
		}
		delete(w.byName, f.name)
	}
	w.files = slices.Clone(kept)
}

// nextNumber begins a new file of the same name.
func (w *gorWriter) nextNumber(f *gorOut) error {
	n := 0
	if w.namer.everyTime {
		n = firstFree(f.name)
	} else {
		var err error
		if n, err = freeNumber(f.name); err != nil {
			return err
		}
	}
	f.path, f.opened, f.size, f.count = numbered(f.name, n), false, 0, 0
	if w.current == f {
		w.current = nil // its file is another one now
	}
	return nil
}

// flushAll writes all blocks.
func (w *gorWriter) flushAll() (why DropReason, ok bool) {
	for _, f := range w.files {
		if why, ok = w.flush(f); !ok {
			return why, false
		}
	}
	w.watchQueue()
	return 0, true
}

// flush writes a file's block, however long it takes. Where the output ends before
// that, it drops the rest, and tells why.
func (w *gorWriter) flush(f *gorOut) (why DropReason, ok bool) {
	if len(f.block) == 0 {
		return 0, true
	}
	if w.end.gaveUp() {
		return Deadline, false
	}
	w.ready(f)
	out, start := f.block, f.unitStart
	if w.blocks != nil {
		var err error
		if out, err = w.blocks.Compress(f.block); err != nil {
			w.setTrouble(err) // it has no reason to
			return WriteError, false
		}
		start = func([]byte) int { return 0 }
	}
	left, why, ok := w.put(out, start)
	f.opened = f.opened || w.file != nil
	f.size += int64(len(out) - len(left))
	w.size += int64(len(out) - len(left))
	done := f.unitsIn(len(out)-len(left), len(left) == 0)
	for _, u := range f.units[:done] {
		w.gor.bytes.Add(uint64(u.data))
	}
	w.gor.written.Add(uint64(done))
	w.gor.drop(uint64(len(f.units)-done), why)
	w.reset(f)
	return why, ok
}

// ready opens f's file, if it is not, and does what Reopen asked for.
func (w *gorWriter) ready(f *gorOut) {
	select {
	case <-w.rotated:
		if w.current == f && w.file != nil && w.gor.cfg.Path != "-" {
			w.steady.rotate()
		}
	default:
	}
	if w.current == f && w.file != nil {
		return
	}
	w.closeFile()
	w.use(f)
	w.reopen()
}

// use makes f the file that is opened next.
func (w *gorWriter) use(f *gorOut) {
	w.current = f
	w.open = w.openOne
	if w.openOne != nil {
		return
	}
	w.open = func() (target, error) {
		if f.opened {
			return openPath(f.path)
		}
		t, err := openGor(f.path)
		if errors.Is(err, errTorn) {
			w.log.Warn("append to recording; a new file is begun", "error", err)
			if err := w.nextNumber(f); err != nil {
				return nil, err
			}
			return openGor(f.path)
		}
		return t, err
	}
}

// discard drops all that waits, in blocks and in the queue.
func (w *gorWriter) discard(why DropReason) {
	for _, f := range w.files {
		w.gor.drop(uint64(len(f.units)), why)
		w.reset(f)
	}
	w.gor.queue.Close()
	for {
		if _, ok := w.gor.queue.Take(context.Background()); !ok {
			return
		}
		w.gor.drop(1, why)
	}
}

func (w *gorWriter) reset(f *gorOut) {
	w.waiting -= len(f.block)
	f.block, f.units = f.block[:0], f.units[:0]
	if cap(f.block) > 4*fullBlock || len(w.files) > 4 {
		f.block, f.units = nil, nil
	}
}

// unitStart returns where the record begins that a beginning of the block ends in.
func (f *gorOut) unitStart(done []byte) int {
	n := f.unitsIn(len(done), false)
	if n == 0 {
		return 0
	}
	return f.units[n-1].end
}

// unitsIn returns how many records n bytes of the block hold, or all.
func (f *gorOut) unitsIn(n int, all bool) int {
	if all {
		return len(f.units)
	}
	count, _ := slices.BinarySearchFunc(f.units, n+1, func(u gorUnit, n int) int { return u.end - n })
	return count
}
