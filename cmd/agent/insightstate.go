package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"gortap/internal/insight"
	"gortap/internal/insight/detect"
)

const (
	// findingsWindow is what the findings of a live run are about. Those of files are
	// about all of them.
	findingsWindow = time.Hour
	liveWarmup     = time.Minute
	filesWarmup    = 5 * time.Second
	saveEvery      = 5 * time.Minute
	// endpointBytes is about what the detectors keep of an endpoint.
	endpointBytes = 16 << 10
	maxEndpoints  = 2000
	minEndpoints  = 50
)

// newDetectors makes what looks for waste, with the baselines of the run before.
func newDetectors(cfg *Config, memory int, files bool, log *slog.Logger) *detect.Set {
	c := detect.Config{Window: findingsWindow, Warmup: cfg.InsightWarmup}
	if c.Warmup == 0 {
		c.Warmup = liveWarmup
	}
	if files {
		c.Window = 0
		if cfg.InsightWarmup == 0 {
			c.Warmup = filesWarmup
		}
	}
	c.MaxEndpoints = min(maxEndpoints, max(minEndpoints, memory/endpointBytes))
	c.MaxServices = max(minEndpoints, c.MaxEndpoints/8)
	set := detect.New(c)
	if cfg.InsightState == "" {
		return set
	}
	state, err := readState(cfg.InsightState)
	if errors.Is(err, fs.ErrNotExist) {
		return set // the first run
	}
	if err == nil {
		err = set.Restore(state)
	}
	if err != nil {
		log.Warn("begin without baselines", "file", cfg.InsightState, "error", err)
	}
	return set
}

func readState(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read baselines: %w", err)
	}
	defer f.Close()
	state, err := io.ReadAll(io.LimitReader(f, detect.MaxState+1))
	if err != nil {
		return nil, fmt.Errorf("read baselines: %w", err)
	}
	return state, nil
}

// writeState replaces the file as a whole: whoever reads it finds the old or the new
// state, also after a crash.
func writeState(path string, state []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write baselines: %w (--insight-state names a file in a directory that can be written)", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write baselines: %w", err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(state)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// saveState writes what the detectors know of what is usual; nothing where no file was
// asked for.
func (in *insights) saveState() error {
	if in.statePath == "" {
		return nil
	}
	var state []byte
	in.store.Batch(0, func(func(*insight.Observation)) { state = in.detectors.State() })
	return writeState(in.statePath, state)
}

// saveStates saves now and then, so that a crash costs a few minutes.
func (in *insights) saveStates(ctx context.Context, log *slog.Logger) {
	if in.statePath == "" {
		return
	}
	every := time.NewTicker(saveEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			if err := in.saveState(); err != nil {
				log.Warn("keep baselines", "error", err)
			}
		}
	}
}
