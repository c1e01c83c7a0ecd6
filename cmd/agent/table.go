package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"gortap/internal/output"
)

const tableEvery = time.Second

// wantsTable says whether the live table is shown: by default on a terminal, and
// only where nothing else is written to stdout.
func (a *agent) wantsTable() bool {
	switch a.cfg.Table {
	case "always":
		return true
	case "never":
		return false
	}
	_, ok := terminal(a.env.stdout)
	return ok && !a.cfg.OutputStdout && a.cfg.OutputJSONL != "-" && a.cfg.Summary != "-" && len(a.cfg.InputFile) == 0
}

// showTable draws the last seconds over and over until ctx is done. What is no
// terminal gets the table of the whole run only, at its end (finalTable).
func (a *agent) showTable(ctx context.Context) {
	if !a.wantsTable() {
		return
	}
	if f, ok := terminal(a.env.stdout); ok {
		if _, live := output.TableFor(f, a.env.getenv); live {
			a.drawTable(ctx, f)
		}
	}
}

func (a *agent) drawTable(ctx context.Context, f *os.File) {
	fmt.Fprint(f, output.EnterScreen)
	defer fmt.Fprint(f, output.LeaveScreen)
	tick := time.NewTicker(tableEvery)
	defer tick.Stop()
	for {
		t, _ := output.TableFor(f, a.env.getenv) // each time: windows change their size
		fmt.Fprint(f, t.Frame(a.account.Live()))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// finalTable prints what the run came to.
func (a *agent) finalTable() {
	t := output.Table{}
	if f, ok := terminal(a.env.stdout); ok {
		t, _ = output.TableFor(f, a.env.getenv)
		t.Height = 0
	}
	t.Sums = true
	fmt.Fprint(a.env.stdout, t.Text(a.account.Whole(time.Since(a.started))))
}
