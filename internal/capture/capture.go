// Package capture is the live source: it loads the kernel programs, attaches
// them to interfaces, and turns what they emit into calls of a flow.Handler, one
// handler a ring shard. It needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.
//
// Read in this order to follow a packet: bpf/capture.bpf.c, ring/, decode.go,
// shard.go. Beside the path: load.go, attach*.go and interfaces.go put the
// programs in place, flows.go reads and evicts the kernel's flow table,
// control.go talks back to the kernel, tuning.go sets how much is copied.
package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gortap/bpf"
	"gortap/internal/capture/ring"
	"gortap/internal/flow"
)

// The default sizes of a ring. A smaller one stays in the cache, where a record
// costs a fifth less, but streams that are copied whole (HTTP/2) overrun 2 MiB
// within one sleep of the reader.
const (
	headRing = 8 << 20
	fullRing = 16 << 20
)

// DefaultMaxFlows is the default size of the flow table.
const DefaultMaxFlows = 65536

// DefaultRing is the default size of a shard's ring.
func DefaultRing(copyAll bool) int {
	if copyAll {
		return fullRing
	}
	return headRing
}

// Options configure a Capture. The zero value of a field means its default.
type Options struct {
	Filter     string   // pcap-filter(7) expression; empty matches everything
	Interfaces []string // names or globs; empty or "any": every interface that is up
	Hook       Hook     // default HookTC
	Attach     Attach   // default AttachAuto
	// RequestBudget and ResponseBudget are how much is copied of each turn of the
	// end that opened the connection, and of the other; default CopyAll.
	RequestBudget, ResponseBudget Budget
	// Sample says of which connections anything is copied; default all.
	Sample Sample
	// Windows asks for what tells how fast clients take what they are sent: the scale of
	// their windows, the acknowledgement that ends the handshake and, of those who read
	// slowly, others, no more than one in 4 ms. They come as segments without payload.
	Windows   bool
	Shards    int           // a power of two; default: half the CPUs, 1 to 8
	RingBytes int           // per shard; default headRing or fullRing, at least two chunks of 4 KiB a CPU
	MaxFlows  int           // size of the kernel's flow table; default 65536
	FlowIdle  time.Duration // a flow without packets for so long is ended; default 5 min
	// SweepEvery is how often flow totals are read; default 1 s.
	SweepEvery time.Duration
	// Nap lets shards sleep in system calls instead of Go's poller: cheaper, but not
	// where other goroutines of the process want every CPU.
	Nap bool
	Log *slog.Logger
}

func (o *Options) setDefaults() {
	if o.Hook == "" {
		o.Hook = HookTC
	}
	o.RequestBudget, o.ResponseBudget = cmp.Or(o.RequestBudget, CopyAll), cmp.Or(o.ResponseBudget, CopyAll)
	o.Sample = cmp.Or(o.Sample, SampleAll)
	if o.Shards == 0 {
		o.Shards = DefaultShards()
	}
	if o.RingBytes == 0 {
		o.RingBytes = DefaultRing(max(o.RequestBudget, o.ResponseBudget) == CopyAll)
	}
	if o.MaxFlows == 0 {
		o.MaxFlows = DefaultMaxFlows
	}
	if o.FlowIdle == 0 {
		o.FlowIdle = 5 * time.Minute
	}
	if o.SweepEvery == 0 {
		o.SweepEvery = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

func (o *Options) windows() uint8 {
	if o.Windows {
		return 1
	}
	return 0
}

// Capture is a loaded set of programs. Open makes one, Run uses it once, Close
// frees it. Shards, Stats, RingFill, Ready and Attached may be called at any time
// from any goroutine.
type Capture struct {
	opts   Options
	objs   *bpf.CaptureObjects
	layout ring.Layout
	memory ring.Memory
	rings  []*ring.Ring
	bells  bells
	shards []*shard
	wishes wishes
	ready  atomic.Bool
	flows  atomic.Int64 // in the table at the last sweep
	links  *interfaces
	owner  *owner // of clsact filters; nil without
	tcx    func(nic, programs) (*attachment, error)

	mu    sync.RWMutex // Close waits for those who read counters
	final *Stats       // once closed
}

// Open loads the programs with the filter built in. Errors name the remedy. A
// wrong filter is a *filter.SyntaxError.
func Open(opts Options) (*Capture, error) {
	opts.setDefaults()
	if err := checkClock("/proc/self/timens_offsets"); err != nil {
		return nil, err
	}
	c := &Capture{opts: opts, tcx: attachTCX}
	filters, err := compileFilters(opts.Filter)
	if err != nil {
		return nil, err
	}
	if err := c.load(filters); err != nil {
		c.Close()
		return nil, err
	}
	c.links = newInterfaces(c, filters)
	return c, nil
}

// Shards returns how many handlers Run wants.
func (c *Capture) Shards() int { return len(c.rings) }

// Ready reports whether the programs are attached.
func (c *Capture) Ready() bool { return c.ready.Load() }

// Flows returns how many flows the kernel kept count of at the last sweep.
func (c *Capture) Flows() int { return int(c.flows.Load()) }

// Attached returns what is attached where, for example "eth0 (tcx)".
func (c *Capture) Attached() []string { return c.links.list() }

// Control returns the way back to the kernel for the handler of one shard. It
// may only be used from that handler's calls.
func (c *Capture) Control(shard int) flow.Control { return c.shards[shard] }

// Run attaches the programs and feeds handlers[i] from ring shard i until ctx is
// done. Then it detaches, ends every flow, drains the rings and returns; that
// takes no longer than drainTimeout. handlers has length Shards.
func (c *Capture) Run(ctx context.Context, handlers []flow.Handler) error {
	for i, s := range c.shards {
		s.handler = handlers[i]
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, s := range c.shards {
		wg.Go(func() { s.run(stop) })
	}
	err := c.links.attach()
	if err == nil {
		c.ready.Store(true)
		var sweep sync.WaitGroup
		sweep.Go(func() { c.sweep(ctx) })
		c.links.watch(ctx)
		sweep.Wait() // else totals could come after a flow's end
		c.ready.Store(false)
	}
	// Nothing new comes in from here on. The shards still run, so that the
	// records of the ended flows find room.
	c.links.detach()
	err = errors.Join(err, c.endAllFlows())
	close(stop)
	c.wakeShards()
	wg.Wait()
	return err
}

// wakeShards ends the sleep of those who could sleep long, with nothing to read.
func (c *Capture) wakeShards() {
	for _, s := range c.shards {
		s.sleeper.wake()
	}
}

// Close frees the programs and maps. It is idempotent, and must not be called
// while Run runs.
func (c *Capture) Close() error {
	last, err := c.Stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.final != nil {
		return nil
	}
	c.final = &last
	err = errors.Join(err, c.owner.Close())
	for _, s := range c.shards {
		err = errors.Join(err, s.sleeper.close())
	}
	err = errors.Join(err, c.memory.Unmap(), c.wishes.unmap(), c.bells.close())
	if c.objs != nil {
		err = errors.Join(err, c.objs.Close())
	}
	if err != nil {
		return fmt.Errorf("close capture: %w", err)
	}
	return nil
}
