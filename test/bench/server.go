package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"gortap/test/bench/gauge"
)

// result is one run of one observer under one load.
type result struct {
	observer, load string
	round          int
	gauge.Load
	served float64 // requests as nginx counted them
	used
	counted
}

// serverRow is an observer under a load over the rounds; kept and p99 are relative to
// the unobserved run of the same round.
type serverRow struct {
	Load       string        `json:"load"`
	Observer   string        `json:"observer"`
	Rate       *gauge.Spread `json:"requests_per_second"`
	Kept       *gauge.Spread `json:"kept"`
	P99        *gauge.Spread `json:"p99_ratio"`
	CPU        *gauge.Spread `json:"cpu_us_per_exchange"`
	RSS        *gauge.Spread `json:"peak_rss_mib"`
	SeenServed *gauge.Spread `json:"seen_per_served"`
	Dropped    *gauge.Spread `json:"dropped_packets"`
	// Reasons are the packets that all rounds dropped together.
	Reasons map[string]float64 `json:"dropped_packets_by_reason,omitempty"`
}

// measureServer saturates the server beside every observer, in random order.
func (b *bench) measureServer(ctx context.Context) {
	var results []result
	for round := range b.rounds {
		for _, l := range b.loads {
			fmt.Fprintf(os.Stderr, "server: round %d of %d, %s\n", round+1, b.rounds, l.name)
			watching := []observer{none()}
			for _, o := range b.observers {
				if o.watches(l) {
					watching = append(watching, o)
				}
			}
			for _, i := range rand.Perm(len(watching)) {
				r, err := b.once(ctx, watching[i], l)
				if ctx.Err() != nil {
					b.report.Server = serverRows(results, b.loads, b.observers)
					return
				}
				if err != nil {
					b.report.fail("%s under load %s, round %d: %s", watching[i].name, l.name, round+1, err)
					continue
				}
				r.round = round
				results = append(results, r)
			}
		}
	}
	b.report.Server = serverRows(results, b.loads, b.observers)
}

// once is one run of one observer under one load.
func (b *bench) once(ctx context.Context, o observer, l load) (result, error) {
	r := result{observer: o.name, load: l.name, counted: uncounted()}
	a, err := b.on(ctx, l.network)
	if err != nil {
		return r, err
	}
	if o.command == nil {
		r.Load, err = l.run(ctx, a, b.duration)
		return r, err
	}
	w, err := o.start(ctx, a, l.watched())
	if err != nil {
		return r, err
	}
	defer w.kill()
	before, err := gauge.Served(ctx, a.server)
	if err != nil {
		return r, err
	}
	r.used, err = w.during(func() error {
		r.Load, err = l.run(ctx, a, b.duration)
		return err
	})
	if err != nil {
		return r, err
	}
	after, err := gauge.Served(ctx, a.server)
	if err != nil {
		return r, err
	}
	r.served = after.Since(before).Requests
	r.counted, err = w.stop()
	return r, err
}

func serverRows(results []result, loads []load, observers []observer) []serverRow {
	var rows []serverRow
	for _, l := range loads {
		for _, o := range append([]observer{none()}, observers...) {
			if row, ok := serverRowOf(results, l.name, o.name); ok {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

func serverRowOf(results []result, load, observer string) (serverRow, bool) {
	var rate, kept, p99, cpu, rss, seen, dropped []float64
	reasons := map[string]float64{}
	for _, r := range results {
		if r.load != load || r.observer != observer {
			continue
		}
		rate = append(rate, r.PerSecond)
		base := unobserved(results, r)
		kept = append(kept, ratio(r.PerSecond, base.PerSecond))
		p99 = append(p99, ratio(float64(r.P99), float64(base.P99)))
		if r.served > 0 {
			cpu = append(cpu, float64(r.cpu)/float64(time.Microsecond)/r.served)
			rss = append(rss, r.rss)
		}
		if r.seen >= 0 {
			seen = append(seen, ratio(r.seen, r.served))
		}
		if r.dropped >= 0 {
			dropped = append(dropped, r.dropped)
		}
		for why, n := range r.reasons {
			if n > 0 {
				reasons[why] += n
			}
		}
	}
	return serverRow{
		Load: load, Observer: observer, Rate: gauge.SpreadOf(rate), Kept: gauge.SpreadOf(kept), P99: gauge.SpreadOf(p99),
		CPU: gauge.SpreadOf(cpu), RSS: gauge.SpreadOf(rss), SeenServed: gauge.SpreadOf(seen), Dropped: gauge.SpreadOf(dropped), Reasons: reasons,
	}, len(rate) > 0
}

// unobserved is the run that r is compared with: the zero result where it failed.
func unobserved(results []result, r result) result {
	for _, o := range results {
		if o.observer == none().name && o.load == r.load && o.round == r.round {
			return o
		}
	}
	return result{}
}

// ratio is not a number where there is nothing to compare with; such a value is left
// out of a spread.
func ratio(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}
