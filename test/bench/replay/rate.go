package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"gortap/test/bench/gauge"
)

// rateRow is how fast a sender is. Loss-free is a rate with no request lost.
type rateRow struct {
	Sender      string        `json:"sender"`
	Requests    int           `json:"requests"` // of the recording; 0: as many as it can
	Rate        *gauge.Spread `json:"requests_per_second"`
	CPU         *gauge.Spread `json:"cpu_us_per_request"`
	Connections *gauge.Spread `json:"connections"`
	Lost        *gauge.Spread `json:"lost,omitempty"`
}

func (b *bench) measureRate(ctx context.Context) {
	const gap = 10 * time.Microsecond
	fast, slow := b.path("fast.gor"), b.path("slow.gor")
	if err := record(fast, b.requests, b.connections, gap); err != nil {
		b.fail("rate: %s", err)
		return
	}
	if err := record(slow, b.slow, b.connections, gap); err != nil {
		b.fail("rate: %s", err)
		return
	}
	senders := []sender{
		b.agentSender("agent", fast, "", b.requests),
		b.agentSender("agent, 10000%", fast, "|10000%", b.requests),
		b.agentSender("agent, pool of 10", fast, "", b.requests, "--output-http-workers", "10"),
	}
	if b.goreplay != "" {
		senders = append(senders,
			b.goreplaySender("goreplay", slow, "", b.slow),
			b.goreplaySender("goreplay, 10000%", slow, "|10000%", b.slow))
	}
	seconds := "3s"
	if b.quick {
		seconds = "1s"
	}
	senders = append(senders, sender{name: "wrk", command: []string{"wrk", "-t1", "-c" + strconv.Itoa(b.connections), "-d" + seconds, "http://127.0.0.1/small"}})
	for _, s := range senders {
		var all []sent
		for range b.runs {
			fmt.Fprintf(os.Stderr, "rate: %s\n", s.name)
			r, err := b.send(ctx, s, 2*time.Minute)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				b.fail("rate of %s: %s", s.name, err)
				continue
			}
			all = append(all, r)
		}
		if len(all) > 0 {
			b.report.Rate = append(b.report.Rate, rateRowOf(s, all))
		}
	}
}

func rateRowOf(s sender, all []sent) rateRow {
	var rate, cpu, connections, lost []float64
	for _, r := range all {
		rate = append(rate, r.requests/r.took.Seconds())
		cpu = append(cpu, float64(r.cpu)/float64(time.Microsecond)/r.requests)
		connections = append(connections, r.connections)
		if s.requests > 0 {
			lost = append(lost, float64(s.requests)-r.requests)
		}
	}
	return rateRow{s.name, s.requests, gauge.SpreadOf(rate), gauge.SpreadOf(cpu), gauge.SpreadOf(connections), gauge.SpreadOf(lost)}
}

func (r *report) rateTable() *gauge.Table {
	t := &gauge.Table{Title: "Rate, of a schedule that nobody can keep; medians (smallest..largest)",
		Head: "sender|recorded|requests/s|CPU us/request|connections|lost"}
	for _, s := range r.Rate {
		recorded := "-"
		if s.Requests > 0 {
			recorded = strconv.Itoa(s.Requests)
		}
		t.Add("%s|%s|%s|%s|%s|%s", s.Sender, recorded, s.Rate.Range("%.0f"), s.CPU.Range("%.1f"), s.Connections.Text("%.0f"), s.Lost.Text("%.0f"))
	}
	return t
}
