package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gortap/internal/lab"
)

// measureLive has sessions made at constant rates, and copied to the other address of
// the same nginx, with all of it on the same cores.
func (b *bench) measureLive(ctx context.Context, rates []int) {
	server, err := lab.StartNginx(ctx, b.ns, lab.NginxOptions{Server: nginxServer})
	if err != nil {
		b.fail("live: %s", err)
		return
	}
	defer func() { _, _ = server.Stop() }()
	for _, rate := range rates {
		var all []played
		for range b.runs {
			fmt.Fprintf(os.Stderr, "live: %d sessions a second\n", rate)
			p, err := b.live(ctx, rate)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				b.fail("live, %d a second: %s", rate, err)
				continue
			}
			all = append(all, p)
		}
		if len(all) > 0 {
			b.report.Live = append(b.report.Live, rateRowOf(rate, all))
		}
	}
}

func (b *bench) live(ctx context.Context, rate int) (played, error) {
	self, err := os.Executable()
	if err != nil {
		return played{}, fmt.Errorf("find own program: %w", err)
	}
	copier, err := b.start(ctx, "--interface", "lo", "--listen", "", "--bpf-filter", "tcp and host "+serverIP+" and port 80",
		"--output-session", targetIP+":80", "--session-client-ip", clients)
	if err != nil {
		return played{}, err
	}
	for copier.said.String() == "" && ctx.Err() == nil { // until it captures
		time.Sleep(10 * time.Millisecond)
	}
	n := int(b.length.Seconds() * float64(rate))
	said, err := b.ns.Run(ctx, self, loadCommand, strconv.Itoa(rate), strconv.Itoa(n), serverIP+":80")
	_ = copier.cmd.Process.Signal(syscall.SIGINT) // it fails where the process has ended
	p, ended := copier.wait()
	if err == nil {
		err = ended
	}
	if err != nil {
		return played{}, err
	}
	fields := strings.Fields(said)
	if len(fields) != 3 || fields[1] != "0" {
		return played{}, fmt.Errorf("make sessions: %q of %d failed", said, n)
	}
	if took, _ := strconv.ParseFloat(fields[2], 64); took > 1.1*b.length.Seconds() {
		return played{}, fmt.Errorf("make sessions: they took %.1f s instead of %v: the machine is too slow for so many", took, b.length)
	}
	if p.Captured != uint64(n) {
		return played{}, fmt.Errorf("%d sessions of %d were captured", p.Captured, n)
	}
	return p, nil
}
