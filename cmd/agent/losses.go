package main

import (
	"context"
	"errors"
	"time"

	"gortap/internal/output"
)

const lossEvery = 5 * time.Second

// remedies of losses in the kernel that the user can do something about.
func remedy(reason string) string {
	switch reason {
	case "ring-full":
		return "a larger --ring-size, or --depth head, loses less"
	case "flow-table-full":
		return "raise --max-flows, or narrow --bpf-filter"
	}
	return ""
}

// watchLosses warns while packets are being lost, once each lossEvery and reason.
// Byte counts stay exact; exchanges are missing.
func (a *agent) watchLosses(ctx context.Context) {
	tick := time.NewTicker(lossEvery)
	defer tick.Stop()
	before := map[string]uint64{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		v, err := a.input.volumes()
		if err != nil {
			continue // a scrape and the summary tell
		}
		for _, d := range v.dropped {
			if what := remedy(d.Reason); what != "" && d.Packets > before[d.Reason] {
				a.log.Warn("packets lost", "reason", d.Reason, "packets", d.Packets-before[d.Reason], "remedy", what)
			}
			before[d.Reason] = d.Packets
		}
	}
}

// endWithReader ends the run when whoever reads stdout is gone, as in
// `agent ... | head -1`: nothing more can come of it.
func (a *agent) endWithReader(ctx context.Context, end context.CancelFunc) {
	if a.cfg.OutputJSONL != "-" && !a.cfg.OutputStdout {
		return
	}
	tick := time.NewTicker(lossEvery / 20)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if a.readerGone() {
			end()
			return
		}
	}
}

func (a *agent) readerGone() bool {
	for _, o := range a.outputs {
		if o.Name() == "jsonl:-" && errors.Is(o.Err(), output.ErrReaderGone) {
			return true
		}
	}
	if a.records == nil {
		return false
	}
	for _, g := range a.records.gors {
		if g.Name() == "gor:-" && errors.Is(g.Err(), output.ErrReaderGone) {
			return true
		}
	}
	return false
}
