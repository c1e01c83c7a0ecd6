package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gortap/internal/insight/intake"
	"gortap/internal/output"
	incident "gortap/internal/report"
	"gortap/internal/wording"
)

// reportFlags are the flags that only `agent report` has.
type reportFlags struct{ html, json string }

func reportCommand(e env) *cobra.Command {
	var o reportFlags
	cmd := &cobra.Command{
		Use:   "report FILE... [flags]",
		Short: "say who wasted the bandwidth, from captures, recordings or JSON lines",
		Long: `agent report reads files and tells who used the bandwidth, what was wasted and what to change.
FILE is a path or a glob: .pcap, .pcapng, .gor or .jsonl, also .gz or .zst, recognised by content,
several merged by time.`,
		Example: `  agent report incident.pcapng
  agent report 'capture-*.pcap.gz' exchanges.jsonl --html report.html`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no file to report on: agent report FILE... (a live run writes a report with --report)")
			}
			cfg, err := loadChosen(cmd.Flags(), "report", args, knows(fileKeys()))
			if err != nil {
				return err
			}
			if o.html == "-" && o.json == "-" {
				return usagef("--html - and --json -: both want stdout")
			}
			return runReport(cmd.Context(), e, cfg, args, o)
		},
	}
	cmd.Flags().StringVar(&o.html, "html", "", "write the report as one HTML page to `PATH`, or - for stdout")
	cmd.Flags().StringVar(&o.json, "json", "", "write the report as JSON to `PATH`, or - for stdout")
	addChosen(cmd, fileKeys())
	return cmd
}

func runReport(ctx context.Context, e env, cfg *Config, files []string, o reportFlags) (err error) {
	if limit := heapLimit(cfg); limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	r, err := openReading(cfg, files, newLogger(e.stderr, cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	// Damage does not make what precedes it worthless: the report is written, then
	// the error is told.
	damage := readWithProgress(ctx, e, r)
	stats, err := r.stats()
	if err != nil {
		return errors.Join(damage, err)
	}
	made, err := incident.Collect(r.store, stats.reportConfig(r, files, damage, ctx.Err() != nil))
	if err != nil {
		return errors.Join(damage, err)
	}
	return errors.Join(damage, writeReport(e, made, o))
}

func writeReport(e env, made *incident.Report, o reportFlags) error {
	var err error
	for _, form := range []struct {
		path  string
		write func(io.Writer) error
	}{{o.html, made.WriteHTML}, {o.json, made.WriteJSON}} {
		switch form.path {
		case "":
		case "-":
			err = errors.Join(err, form.write(e.stdout))
		default:
			err = errors.Join(err, writeFile(form.path, form.write))
		}
	}
	if o.html == "-" || o.json == "-" {
		return err
	}
	text := incident.TextOptions{}
	if f, ok := terminal(e.stdout); ok {
		text.Colour = e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
		if width, _, e := term.GetSize(int(f.Fd())); e == nil {
			text.Width = width
		}
	}
	if e := made.WriteText(e.stdout, text); !errors.Is(e, syscall.EPIPE) { // head is a fine reader
		err = errors.Join(err, e)
	}
	return err
}

// readWithProgress reads everything, and shows a bar for it on a terminal.
func readWithProgress(ctx context.Context, e env, r *reading) error {
	f, ok := terminal(e.stderr)
	if !ok {
		return r.run(ctx)
	}
	done := make(chan struct{})
	var bar sync.WaitGroup
	bar.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		defer fmt.Fprint(f, "\r\x1b[K")
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Fprintf(f, "\r%s\x1b[K", progressBar(r.progress()))
			}
		}
	})
	err := r.run(ctx)
	close(done)
	bar.Wait()
	return err
}

// reportConfig is what a report says of the files that it is made of.
func (st *readStats) reportConfig(r *reading, files []string, damage error, stopped bool) incident.Config {
	c := incident.Config{Input: strings.Join(files, ", "), Version: version, Now: time.Now()}
	remark := func(level, format string, args ...any) {
		c.Remarks = append(c.Remarks, incident.Remark{Level: level, Text: fmt.Sprintf(format, args...)})
	}
	if damage != nil {
		remark(incident.LevelWarning, "Reading ended early: %s. What comes behind is missing.", wording.Printable(damage.Error()))
	}
	if stopped {
		remark(incident.LevelWarning, "Reading was stopped before the end of the files.")
	}
	if len(st.packets) > 0 {
		c.Capture = &output.Summary{Version: version, Started: c.Now, SampleRatio: 1}
		for _, v := range st.packets {
			add(&c.Capture.Matched, v.matched)
			add(&c.Capture.Delivered, v.delivered)
			c.Capture.Dropped = append(c.Capture.Dropped, v.dropped...)
		}
		c.Capture.AddAccount(r.account.Totals())
		c.Records = r.recordsOnly()
	}
	if n := st.lines.Lines + st.lines.Bad; n > 0 {
		remark(incident.LevelOK, "%s exchanges were read from lists.", wording.Grouped(st.lines.Lines))
		if st.lines.Bad > 0 {
			remark(incident.LevelWarning, "%s lines are no exchanges and were left out.", wording.Grouped(st.lines.Bad))
		}
	}
	return c
}

func add(to *output.Volume, v output.Volume) {
	to.Packets += v.Packets
	to.Bytes += v.Bytes
}

// recordsOnly says that no packets were read, but records.
func (r *reading) recordsOnly() bool {
	for _, p := range r.parts {
		if in, ok := p.(*readInput); ok {
			if _, recorded := in.in.(*recordings); !recorded {
				return false
			}
		}
	}
	return true
}

// writeReports writes what --report asks for at the end of a run.
func (a *agent) writeReports(s *output.Summary) error {
	if a.cfg.Compare || len(a.cfg.Report) == 0 {
		return nil // a comparison has its own
	}
	_, records := a.input.(*recordings)
	what := a.input.describe()
	if l, ok := a.input.(*live); ok {
		what = "live capture of " + cmp.Or(l.filter, "everything") // by now it is attached nowhere
	}
	c := incident.Config{Input: what, Version: version, Now: time.Now(), Capture: s, Records: records}
	if n := a.insights.intake.Stats().Missing[intake.QueueFull]; n > 0 {
		c.Remarks = append(c.Remarks, incident.Remark{Level: incident.LevelWarning,
			Text: fmt.Sprintf("%s exchanges were counted in the metrics but came too fast for this report.", wording.Grouped(n))})
	}
	made, err := incident.Collect(a.source(), c)
	if err != nil {
		return err
	}
	for _, path := range a.cfg.Report {
		write := made.WriteJSON
		switch filepath.Ext(path) {
		case ".html", ".htm":
			write = made.WriteHTML
		case ".txt":
			write = func(w io.Writer) error { return made.WriteText(w, incident.TextOptions{}) }
		}
		if e := writeFile(path, write); e != nil {
			err = errors.Join(err, e)
			continue
		}
		a.say(fmt.Sprintf("%-12s%s\n", "report", path), "report", "path", path)
	}
	if err == nil {
		a.say(fmt.Sprintf("%-12s%s\n", "", made.Headline()), "report", "headline", made.Headline())
	}
	return err
}
