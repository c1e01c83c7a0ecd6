package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"gortap/test/bench/gauge"
)

// rateRow is what an observer adds to the processor time of an exchange at a fixed
// rate, which leaves the machine idle in between. Machine is everything that ran,
// interrupts and strangers included; Processes are nginx, the load generator and the
// observer.
type rateRow struct {
	Load      string        `json:"load"`
	Observer  string        `json:"observer"`
	Asked     float64       `json:"requests_per_second_asked"`
	Rate      *gauge.Spread `json:"requests_per_second"`
	Machine   *gauge.Spread `json:"machine_cpu_us_per_exchange"`
	Processes *gauge.Spread `json:"processes_cpu_us_per_exchange"`
	Observing *gauge.Spread `json:"observer_cpu_us_per_exchange"`
	// Added are the differences to the same round's unobserved run.
	AddedMachine   *gauge.Spread `json:"added_machine_cpu_us_per_exchange,omitempty"`
	AddedProcesses *gauge.Spread `json:"added_processes_cpu_us_per_exchange,omitempty"`
}

// rateRun is one run; times are microseconds an exchange.
type rateRun struct {
	observer                            string
	round                               int
	rate, machine, processes, observing float64
}

func (b *bench) measureRate(ctx context.Context) {
	watching := []observer{none(), agentObserver("agent", b.options, nil), floorObserver("floor")}
	for _, l := range b.loads {
		rate := b.rate
		switch l.name {
		case "small", "10k":
		case "1m":
			rate /= 10
		default:
			continue
		}
		var runs []rateRun
		for round := range b.rounds {
			fmt.Fprintf(os.Stderr, "fixed rate: round %d of %d, %s\n", round+1, b.rounds, l.name)
			for _, i := range rand.Perm(len(watching)) {
				r, err := b.rateOnce(ctx, watching[i], l, rate)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					b.report.fail("%s at a fixed rate of %s: %s", watching[i].name, l.name, err)
					continue
				}
				r.round = round
				runs = append(runs, r)
			}
		}
		for _, o := range watching {
			if row, ok := rateRowOf(runs, o.name); ok {
				row.Load, row.Asked = l.name, rate
				b.report.Rate = append(b.report.Rate, row)
			}
		}
	}
}

func (b *bench) rateOnce(ctx context.Context, o observer, l load, rate float64) (rateRun, error) {
	r := rateRun{observer: o.name}
	a, err := b.on(ctx, l.network)
	if err != nil {
		return r, err
	}
	pids, err := a.processes()
	if err != nil {
		return r, err
	}
	var observing time.Duration
	asked := func() (times, error) { return b.timesOf(ctx, a, l, rate, pids) }
	var t times
	if o.command == nil {
		t, err = asked()
	} else {
		var w *watch
		if w, err = o.start(ctx, a, l.watched()); err != nil {
			return r, err
		}
		defer w.kill()
		var u used
		u, err = w.during(func() error { t, err = asked(); return err })
		observing = u.cpu
	}
	if err != nil {
		return r, err
	}
	each := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / t.served }
	r.rate, r.machine, r.processes, r.observing = t.rate, each(t.machine), each(t.processes+observing), each(observing)
	return r, nil
}

// times are what a load at a fixed rate took.
type times struct {
	machine, processes time.Duration
	served, rate       float64
}

func (b *bench) timesOf(ctx context.Context, a *arena, l load, rate float64, pids []int) (t times, err error) {
	before, err := gauge.Served(ctx, a.server)
	if err != nil {
		return t, err
	}
	servers, err := gauge.CPUTimes(pids)
	if err != nil {
		return t, err
	}
	idle, err := gauge.IdleTime()
	if err != nil {
		return t, err
	}
	began := time.Now()
	r, generator, err := l.runAt(ctx, a, rate, b.duration)
	if err != nil {
		return t, err
	}
	took := time.Since(began)
	idleAfter, err := gauge.IdleTime()
	if err != nil {
		return t, err
	}
	serversAfter, err := gauge.CPUTimes(pids)
	if err != nil {
		return t, err
	}
	after, err := gauge.Served(ctx, a.server)
	if err != nil {
		return t, err
	}
	t.machine = took*time.Duration(runtime.NumCPU()) - (idleAfter - idle)
	t.processes = generator + serversAfter - servers
	t.served, t.rate = after.Since(before).Requests, r.PerSecond
	if t.served <= 0 {
		return t, fmt.Errorf("count exchanges: nginx has served none")
	}
	return t, nil
}

func rateRowOf(runs []rateRun, observer string) (rateRow, bool) {
	var rate, machine, processes, observing, addedMachine, addedProcesses []float64
	for _, r := range runs {
		if r.observer != observer {
			continue
		}
		rate, machine = append(rate, r.rate), append(machine, r.machine)
		processes, observing = append(processes, r.processes), append(observing, r.observing)
		for _, base := range runs {
			if observer != none().name && base.observer == none().name && base.round == r.round {
				addedMachine = append(addedMachine, r.machine-base.machine)
				addedProcesses = append(addedProcesses, r.processes-base.processes)
			}
		}
	}
	return rateRow{
		Observer: observer, Rate: gauge.SpreadOf(rate), Machine: gauge.SpreadOf(machine), Processes: gauge.SpreadOf(processes),
		Observing: gauge.SpreadOf(observing), AddedMachine: gauge.SpreadOf(addedMachine), AddedProcesses: gauge.SpreadOf(addedProcesses),
	}, len(rate) > 0
}
