// Command offline measures how fast the agent reads capture files on one core,
// and whether its memory grows with them, beside tshark where that is installed.
//
// The files are generated: the same bytes on every machine. A rate is per second
// of CPU time of the process, which other load on the machine disturbs least.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

type options struct {
	agent, dir string
	sizes      string
	kinds      string
	runs       int
	tsharkMB   int
}

func main() {
	var o options
	flag.StringVar(&o.agent, "agent", "bin/agent", "the agent")
	flag.StringVar(&o.dir, "dir", ".cache/bench", "where the files are kept")
	flag.StringVar(&o.sizes, "mb", "20,100,500", "sizes of the files in MB (10^6 bytes)")
	flag.StringVar(&o.kinds, "kinds", "http1-large,http1-small,http2-large,http2-small", "what is in them")
	flag.IntVar(&o.runs, "runs", 3, "runs, of which the fastest counts")
	flag.IntVar(&o.tsharkMB, "tshark-mb", 20, "largest file that tshark is given, which holds it all in memory; 0: no tshark")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if _, err := exec.LookPath("tshark"); err != nil && o.tsharkMB > 0 {
		fmt.Fprintln(os.Stderr, "bench: tshark is not installed, left out")
		o.tsharkMB = 0
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	fmt.Printf("%-11s %5s %9s  %-22s %8s %12s %8s\n", "file", "MB", "exchanges", "reader", "MB/s", "exchanges/s", "RSS MiB")
	for _, kind := range strings.Split(o.kinds, ",") {
		for _, text := range strings.Split(o.sizes, ",") {
			mb, err := strconv.Atoi(text)
			if err != nil {
				return fmt.Errorf("read sizes: %w", err)
			}
			if err := measure(ctx, o, kind, mb); err != nil {
				return fmt.Errorf("%s of %d MB: %w", kind, mb, err)
			}
		}
	}
	return nil
}

// measure prints the rows of one file.
func measure(ctx context.Context, o options, kind string, mb int) error {
	path := filepath.Join(o.dir, fmt.Sprintf("%s-%d.pcap", kind, mb))
	if err := ensure(path, kind, int64(mb)*1e6); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	var exchanges uint64
	for _, r := range readers(o, mb) {
		best := result{}
		for range r.runs {
			got, err := r.read(ctx, path)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			if best.cpu == 0 || got.cpu < best.cpu {
				best = got
			}
		}
		if best.exchanges > 0 {
			exchanges = best.exchanges
		}
		s := best.cpu.Seconds()
		fmt.Printf("%-11s %5d %9d  %-22s %8.0f %12.0f %8.0f\n", kind, mb, exchanges, r.name, float64(mb)/s, float64(exchanges)/s, best.rssMiB)
	}
	return nil
}
