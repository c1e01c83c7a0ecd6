package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"gortap/internal/filter"
	"gortap/internal/flow"
	"gortap/internal/pcapio"
	"gortap/internal/pcapio/packet"
)

// files is a set of capture files, read as one by time.
type files struct {
	reader  *pcapio.Reader
	copy    *pcapio.Writer // of --output-file; nil: none
	copyErr error
	names   []string
	passes  int // how often they are read; 0: for ever
	running atomic.Bool
	log     *slog.Logger
	// again is told when one pass is over, at nowNs, and of how much later than
	// recorded the times of the next one are.
	again func(nowNs, shiftNs int64)
}

var _ input = (*files)(nil)

func openPacketFiles(cfg *Config, names []string, log *slog.Logger) (input, error) {
	if cfg.passes() != 1 && slices.Contains(names, "-") {
		return nil, usagef("--input-file - can be read once only (use a file)")
	}
	f := &files{names: names, passes: cfg.passes(), log: log}
	if f.passes != 1 && len(cfg.packetFiles()) > 0 {
		return nil, usagef("--output-file %s with --input-file-loop or --input-file-passes: the packets would be in it again and again", cfg.packetFiles()[0])
	}
	o := pcapio.Options{}
	if cfg.BPFFilter != "" {
		o.Filter = func(link packet.LinkType) (pcapio.Matcher, error) {
			m, err := filter.Compile(cfg.BPFFilter, filter.LinkType(link))
			if err == nil && m.LiveOnly() {
				return nil, usagef("--bpf-filter %q: inbound, outbound and ifindex mean nothing in a file", cfg.BPFFilter)
			}
			return m, err
		}
	}
	if len(cfg.packetFiles()) > 0 {
		if err := notAnInput(cfg); err != nil {
			return nil, err
		}
		o.Tap = f.pass
	}
	var err error
	if f.reader, err = pcapio.Open(names, o); err != nil {
		return nil, usageError{explainFilter(err)}
	}
	// Last: it empties the file.
	if len(cfg.packetFiles()) > 0 {
		if f.copy, err = pcapio.Create(cfg.packetFiles()[0]); err != nil {
			return nil, errors.Join(fmt.Errorf("write packets: %w", err), f.reader.Close())
		}
	}
	return f, nil
}

// notAnInput keeps the output from emptying a file that is to be read.
func notAnInput(cfg *Config) error {
	copied := cfg.packetFiles()[0]
	out, err := os.Stat(copied)
	if err != nil {
		return nil //nolint:nilerr // it is not there yet
	}
	patterns, _, _ := cfg.inputFiles()
	for _, pattern := range patterns {
		names, _ := filepath.Glob(pattern) // a wrong pattern is for the reader to tell
		for _, name := range names {
			if in, err := os.Stat(name); err == nil && os.SameFile(in, out) {
				return usagef("--output-file %s: is also an input (choose another name)", copied)
			}
		}
	}
	return nil
}

// pass writes a matched packet as it is in its file.
func (f *files) pass(r *packet.Record) {
	if err := f.copy.Packet(r); err != nil && f.copyErr == nil {
		f.copyErr = fmt.Errorf("write packets: %w", err)
	}
}

// closeCopy ends the output file, once. The error of a write that failed is told
// there already.
func (f *files) closeCopy() error {
	if f.copy == nil {
		return nil
	}
	err := f.copy.Close()
	f.copy = nil
	if f.copyErr != nil {
		return f.copyErr
	}
	return err
}

// One shard: packets of a file have one order, and one core reads faster than
// most disks.
func (f *files) shards() int              { return 1 }
func (f *files) control(int) flow.Control { return nil }
func (f *files) ownTotals() bool          { return true }
func (f *files) ready() bool              { return f.running.Load() }
func (f *files) idle() error              { return nil }
func (f *files) close() error             { return errors.Join(f.reader.Close(), f.closeCopy()) }
func (f *files) progress() (int64, int64) { return f.reader.Progress() }
func (f *files) describe() string         { return "reading " + strings.Join(f.names, ", ") }

// run reads to the end, as often as asked. What precedes damage counts; the damage is
// the error.
func (f *files) run(ctx context.Context, handlers []flow.Handler) error {
	f.running.Store(true)
	defer f.running.Store(false)
	err := f.read(ctx, handlers[0])
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil // stopped, as asked
	}
	return errors.Join(err, f.closeCopy())
}

// volumes says where the packets of the files went.
func (f *files) volumes() (volumes, error) {
	st := f.reader.Stats()
	return fileVolumes(&st), nil
}
