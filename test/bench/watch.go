package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"gortap/internal/lab"
	"gortap/test/bench/gauge"
)

// watch is an observer at work.
type watch struct {
	observer
	cmd     *exec.Cmd
	dir     *lab.TempDir
	said    gauge.Output
	ended   chan struct{}
	exit    error // valid once ended
	stopped bool
}

// start starts an observer beside a server, and returns once it watches. The caller
// calls stop, or kill.
func (o observer) start(ctx context.Context, a *arena, port string) (*watch, error) {
	dir, err := lab.NewTempDir()
	if err != nil {
		return nil, err
	}
	w := &watch{observer: o, dir: dir, ended: make(chan struct{})}
	w.cmd, err = o.command(place{a.device, port, w.summary()})
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	w.cmd.Stdout, w.cmd.Stderr = &w.said, &w.said
	// A terminal's Ctrl-C is for the bench, which stops its observers itself.
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := a.server.Start(w.cmd); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", o.name, err), dir.Remove())
	}
	go func() {
		defer close(w.ended)
		w.exit = w.cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	go func() { // one that ends at once is not waited for
		select {
		case <-w.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := o.ready(ctx, a.server, &w.said); err != nil {
		w.kill()
		return nil, fmt.Errorf("%w: %s", err, w.said.Tail())
	}
	return w, nil
}

func (w *watch) summary() string { return filepath.Join(w.dir.Path, "summary.json") }

func (w *watch) pid() int { return w.cmd.Process.Pid }

// stop ends the observer and returns what it counted.
func (w *watch) stop() (counted, error) {
	defer w.kill()
	_ = w.cmd.Process.Signal(syscall.SIGTERM) // it fails where the process has ended, which shows below
	select {
	case <-w.ended:
	case <-time.After(15 * time.Second):
		return counted{}, fmt.Errorf("stop %s: it does not end", w.name)
	}
	if w.counted == nil {
		return uncounted(), nil // how others exit is their business
	}
	if w.exit != nil {
		return counted{}, fmt.Errorf("stop %s: %w: %s", w.name, w.exit, w.said.Tail())
	}
	return w.counted(w.summary(), w.said.String())
}

// kill ends the observer where it still runs, and removes what it left.
func (w *watch) kill() {
	if w.stopped {
		return
	}
	w.stopped = true
	_ = w.cmd.Process.Kill()
	<-w.ended
	_ = w.dir.Remove() // the next one sweeps what is left
}

// runTimed runs a program and returns its output and its processor time.
func runTimed(ctx context.Context, n *lab.Namespace, name string, args ...string) (string, time.Duration, error) {
	var out gauge.Output
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := n.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return out.String(), 0, fmt.Errorf("run %s: %w: %s", name, err, out.Tail())
	}
	return out.String(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// used is what an observer used during a load.
type used struct {
	cpu time.Duration
	rss float64 // MiB, peak
}

// during calls fn and returns what the observer used meanwhile, not for its start.
func (w *watch) during(fn func() error) (used, error) {
	before, err := gauge.CPUTime(w.pid())
	if err != nil {
		return used{}, err
	}
	if err := fn(); err != nil {
		return used{}, err
	}
	after, err := gauge.CPUTime(w.pid())
	if err != nil {
		return used{}, fmt.Errorf("%w (it ended: %s)", err, w.said.Tail())
	}
	rss, err := gauge.PeakRSS(w.pid())
	return used{after - before, rss}, err
}
