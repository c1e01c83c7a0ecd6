package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gortap/internal/record"
)

// givePoll is how often it is looked whether anything gets on.
const givePoll = 50 * time.Millisecond

// closeAll closes the chain and the outputs. Where files were read and nothing gets
// done for a long time, it does not wait for what is left: a target that hangs would
// cost a timeout for each request that waits.
func (r *records) closeAll(ctx context.Context) error {
	if !r.files {
		return r.close(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	closed := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if r.stuck(closed) {
			r.log.Warn("outputs get nothing done: what they have left is dropped", "waited", r.patience())
			cancel()
		}
	}()
	err := r.close(ctx)
	close(closed)
	<-watched
	cancel()
	return err
}

// patience is how long it may take until something is done: a request may time out
// while the next one is answered.
func (r *records) patience() time.Duration {
	d := max(r.cfg.OutputStall, 2*r.cfg.OutputHTTPTimeout)
	if r.cfg.Middleware != "" {
		d = max(d, 2*r.cfg.MiddlewareTimeout)
	}
	return d
}

// stuck waits until nothing has been done for too long, and reports false where
// closed came first.
func (r *records) stuck(closed <-chan struct{}) bool {
	tick := time.NewTicker(givePoll)
	defer tick.Stop()
	done, since := r.done(), time.Now()
	for {
		select {
		case <-closed:
			return false
		case <-tick.C:
		}
		if now := r.done(); now != done {
			done, since = now, time.Now()
		} else if time.Since(since) > r.patience() {
			return true
		}
	}
}

// done counts what the chain and the outputs have brought to a good end.
func (r *records) done() uint64 {
	n := r.chain.Stats().Passed
	for _, o := range r.outputs {
		n += o.Stats().Done
	}
	return n
}

// targetFailures are the reasons that are the target's fault.
var targetFailures = []string{"connect", "conn-limit", "timeout", "reset", "protocol", "deadline"}

// unanswered is an error where a target answered nothing at all.
func (r *records) unanswered() error {
	var errs []error
	for _, o := range r.outputs {
		st := o.Stats()
		failed := slices.DeleteFunc(slices.Clone(st.Dropped), func(c record.Count) bool { return !slices.Contains(targetFailures, c.Reason) })
		if _, ok := o.Output.(reporter); !ok || st.Done > 0 || sum(failed) == 0 {
			continue
		}
		var reasons []string
		for _, c := range failed {
			reasons = append(reasons, fmt.Sprintf("%d %s", c.N, c.Reason))
		}
		errs = append(errs, fmt.Errorf("replay to %s: no request was answered (%s)", o.name, strings.Join(reasons, ", ")))
	}
	return errors.Join(errs...)
}
