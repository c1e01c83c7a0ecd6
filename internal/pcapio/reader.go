package pcapio

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
)

// Matcher decides whether a packet is wanted. packet is its captured prefix,
// beginning with the link layer, as it is in the file; wireLen is its length.
type Matcher interface {
	Match(packet []byte, wireLen int) bool
}

// Options steer a Reader. The zero value reads everything.
type Options struct {
	// Filter makes the Matcher for a link type; nil matches all. It is asked
	// once a link type. Like tcpdump, it sees packets before fragments are put
	// together and tunnels opened.
	Filter func(packet.LinkType) (Matcher, error)
	// Tap sees each matched packet before it is decoded. May be nil.
	Tap func(*packet.Record)
	// MaxOpen bounds the files open at a time. Default 64. Each takes 256 KiB,
	// and a compressed one what its compression needs: zstd mostly 8 MiB.
	MaxOpen int
	// Decoder steers the decoding.
	Decoder packet.Options
}

// Stats counts packets, and their bytes on the wire with the link layer.
// At any time Read = Filtered + Delivered + Pending + the sum of Dropped.
type Stats struct {
	Read     packet.Count // records of all files
	Filtered packet.Count // did not match the filter
	packet.Stats
}

// Matched is what the filter let through.
func (s *Stats) Matched() packet.Count {
	return packet.Count{
		Packets: s.Read.Packets - s.Filtered.Packets,
		Bytes:   s.Read.Bytes - s.Filtered.Bytes,
	}
}

// keepOpen is how many files stay open between Open and Run.
const keepOpen = 8

// Reader reads capture files. Open, Run and Close belong to one goroutine;
// Progress and Stats may be called by any.
type Reader struct {
	opts    Options
	sources []*source
	total   int64
	decoder *packet.Decoder
	counts  Stats // of the running goroutine

	matchers map[packet.LinkType]Matcher
	link     packet.LinkType // of the last packet; current is its matcher
	current  Matcher

	mu        sync.Mutex
	published Stats
}

// Open opens the files that match the patterns; "-" is standard input. It
// checks that each is a capture file and that the filter can be made for it.
// It fails with ErrNoFiles, ErrUnknownFormat, the filter's error or that of the
// file system; damage comes up in Run.
func Open(patterns []string, o Options) (*Reader, error) {
	sources, err := inputs(patterns)
	if err != nil {
		return nil, err
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = 64
	}
	r := &Reader{
		opts: o, sources: sources, decoder: packet.NewDecoder(o.Decoder), matchers: make(map[packet.LinkType]Matcher),
	}
	for _, s := range sources {
		err := s.probe(len(sources) <= keepOpen)
		if err == nil && s.ended == nil {
			if _, err = r.matcher(s.rec.Link); err != nil {
				err = fmt.Errorf("filter %s: %w", s.path, err)
			}
		}
		if err != nil {
			r.Close()
			return nil, err
		}
		r.total += s.size
	}
	return r, nil
}

// matcher returns the filter for a link type, or nil for none.
func (r *Reader) matcher(t packet.LinkType) (Matcher, error) {
	if r.opts.Filter == nil || (r.current != nil && t == r.link) {
		return r.current, nil
	}
	m, ok := r.matchers[t]
	if !ok {
		var err error
		if m, err = r.opts.Filter(t); err != nil {
			return nil, err
		}
		r.matchers[t] = m
	}
	r.link, r.current = t, m
	return m, nil
}

// Run gives all packets to h, merged by time, in the calling goroutine. A Tick
// comes each 1024 packets, each 100 ms of capture time (after a pause, before the
// packet that ends it), and after the last packet; its clock follows the packets,
// back too where theirs was set back. Update and End are never called.
//
// Run returns the context's error when that ends first, and the *DamageErrors
// of all damaged files, joined, after everything that precedes the damage was
// delivered. It may be called again after Rewind.
func (r *Reader) Run(ctx context.Context, h flow.Handler) error {
	defer r.closePipesAfter(ctx)()
	m := newMerge(r.sources, r.opts.MaxOpen)
	defer r.publish()
	defer r.Close()
	var c clock
	for {
		s, err := m.first()
		if err != nil || s == nil {
			return r.finish(ctx, h, &c, m, err)
		}
		if c.advance(s.rec.TsNs) {
			r.tick(h, &c)
			if ctx.Err() != nil {
				return r.finish(ctx, h, &c, m, nil)
			}
		}
		err = r.record(s, h)
		if err == nil {
			err = m.advance()
		}
		if err != nil {
			return r.finish(ctx, h, &c, m, err)
		}
	}
}

// Rewind lets Run read the files from their beginning once more. It fails where one
// is none that can be opened twice; the counts go on.
func (r *Reader) Rewind() error {
	for _, s := range r.sources {
		if s.pipe != nil {
			return fmt.Errorf("read %s again: it is a pipe (use a file)", s.path)
		}
		s.rewind()
		if err := s.probe(len(r.sources) <= keepOpen); err != nil {
			return err
		}
	}
	return nil
}

// record filters and decodes the next record of a source.
func (r *Reader) record(s *source, h flow.Handler) error {
	rec := &s.rec
	one := packet.Count{Packets: 1, Bytes: uint64(rec.WireLen)}
	r.counts.Read = r.counts.Read.Plus(one)
	m, err := r.matcher(rec.Link)
	if err != nil {
		return fmt.Errorf("filter %s: %w", s.path, err)
	}
	if m != nil && !m.Match(rec.Data, rec.WireLen) {
		r.counts.Filtered = r.counts.Filtered.Plus(one)
		return nil
	}
	if r.opts.Tap != nil {
		r.opts.Tap(rec)
	}
	rec.Copies = rec.Copies || len(r.sources) > 1
	r.decoder.Decode(rec, h)
	return nil
}

func (r *Reader) tick(h flow.Handler, c *clock) {
	r.decoder.Expire(c.now)
	h.Tick(c.now)
	r.publish()
}

// finish ends a run that err, or the context, ended.
func (r *Reader) finish(ctx context.Context, h flow.Handler, c *clock, m *merge, err error) error {
	r.decoder.Flush()
	if c.started {
		r.tick(h, c)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(append(m.damages, err)...)
}

func (r *Reader) publish() {
	s := r.counts
	s.Stats = r.decoder.Stats()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.published = s
}

// Stats returns the counts as of the last Tick; after Run, the final ones.
func (r *Reader) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.published
}

// Progress returns how many bytes of the files were read, of how many. Pipes
// do not count into the total.
func (r *Reader) Progress() (read, total int64) {
	for _, s := range r.sources {
		read += s.read.Load()
	}
	return read, r.total
}

// Close closes the files. Run does it itself.
func (r *Reader) Close() error {
	for _, s := range r.sources {
		s.close()
	}
	return nil
}

// closePipesAfter ends a Run that waits for a pipe when ctx ends. The caller
// calls what it returns when the files are no longer read.
func (r *Reader) closePipesAfter(ctx context.Context) (stop func()) {
	closed := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(closed)
		for _, s := range r.sources {
			if s.pipe != nil {
				s.pipe.Close()
			}
		}
	})
	return func() {
		if !cancel() {
			<-closed
		}
	}
}
