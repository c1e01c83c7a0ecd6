package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

const (
	progressEvery = 200 * time.Millisecond
	progressWidth = 40
)

// showProgress draws a bar on a terminal while files are read, or a line of figures
// while they are replayed. It stops before anything else is written there.
func (a *agent) showProgress(ctx context.Context) {
	f, ok := terminal(a.env.stderr)
	in, bounded := a.input.(interface{ progress() (read, total int64) })
	if !ok || !bounded {
		return
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	defer fmt.Fprint(f, "\r\x1b[K")
	var meter *replayMeter
	if a.records != nil && len(a.records.outputs) > 0 {
		meter = newReplayMeter(a.records)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			line := ""
			if read, total := in.progress(); meter == nil {
				line = progressBar(read, total)
			} else {
				line = meter.look(time.Now(), read, total).line()
			}
			fmt.Fprintf(f, "\r%s\x1b[K", line)
		}
	}
}

// progressBar is "[====    ]  50 %  1.0 GB of 2.0 GB"; without the bar where the
// total is not known.
func progressBar(read, total int64) string {
	if total <= 0 {
		return humanize.Bytes(uint64(read)) + " read"
	}
	done := int(min(read, total) * progressWidth / total)
	return fmt.Sprintf("[%s%s] %3d %%  %s of %s", strings.Repeat("=", done), strings.Repeat(" ", progressWidth-done),
		min(read, total)*100/total, humanize.Bytes(uint64(read)), humanize.Bytes(uint64(total)))
}
