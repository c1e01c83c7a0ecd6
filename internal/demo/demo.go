// Package demo shows the agent at work on a machine that has nothing to watch: a
// private network with nginx, real clients with a mixed load, and the agent on
// the server's link. Root is needed; nothing is left behind.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gortap/internal/lab"
)

// Options are what a demo needs to know.
type Options struct {
	Agent    string        // path of the agent's binary
	Duration time.Duration // of the load, in whole seconds, at least one
	// Stdout and Stderr are handed to the agent: where Stdout is a terminal, the
	// agent draws on it.
	Stdout, Stderr io.Writer
}

// programs are run by the demo; the packages are Debian's.
var programs = []struct{ name, pkg string }{{"nginx", "nginx-light"}, {"wrk", "wrk"}, {"curl", "curl"}}

// Run plays the demo and returns when everything it started has ended. When ctx
// is cancelled it ends early: the agent still prints what it has seen.
func Run(ctx context.Context, o Options) error {
	if o.Duration < time.Second {
		return fmt.Errorf("run demo: duration %s is too short (want 1s or more)", o.Duration)
	}
	if err := checkMachine(); err != nil {
		return err
	}
	stage, err := build(ctx, o.Duration)
	if err == nil {
		err = errors.Join(stage.play(ctx, o), stage.remove())
	}
	if errors.Is(err, context.Canceled) {
		return nil // interrupted before there was anything to show
	}
	if err != nil {
		return fmt.Errorf("run demo: %w", err)
	}
	return nil
}

func checkMachine() error {
	if os.Geteuid() != 0 {
		return errors.New("run demo: not root (it makes network namespaces and loads BPF programs: use sudo)")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p.name); err != nil {
			return fmt.Errorf("run demo: %s is missing (on Debian: apt-get install %s)", p.name, p.pkg)
		}
	}
	return nil
}

// stage is the network, what serves in it, and a folder for the rest.
type stage struct {
	pair  *lab.Pair
	nginx *lab.Nginx
	files *lab.TempDir
	load  []client
}

func build(ctx context.Context, d time.Duration) (*stage, error) {
	s := &stage{}
	err := s.fill(ctx, d)
	if err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

func (s *stage) fill(ctx context.Context, d time.Duration) (err error) {
	if s.files, err = lab.NewTempDir(); err != nil {
		return err
	}
	if s.load, err = mixedLoad(s.files.Path, d); err != nil {
		return err
	}
	if s.pair, err = lab.NewPair(len(s.load)); err != nil {
		return err
	}
	s.nginx, err = lab.StartNginx(ctx, s.pair.Server, lab.NginxOptions{Files: siteFiles()})
	return err
}

// play lets the agent watch the load from its first to its last packet, and
// compares what it saw with what nginx logged.
func (s *stage) play(ctx context.Context, o Options) error {
	fmt.Fprintf(o.Stdout, "demo: nginx on %s and %d clients in a private network, %s of load; the agent watches %s\n",
		lab.ServerIP(), len(s.load), o.Duration, lab.Device)
	summary := filepath.Join(s.files.Path, "summary.json")
	a, err := startAgent(ctx, s.pair.Server, o, summary)
	if err != nil {
		return err
	}
	loadErr := s.runLoad(ctx, o.Duration)
	// The server's last segments are in the kernel's hands when the load ends: nginx
	// says when they are sent, so it stops first.
	log, err := s.nginx.Stop()
	s.nginx = nil
	if err := errors.Join(loadErr, err, a.stop()); err != nil {
		return err
	}
	return conclude(o.Stdout, summary, log)
}

func (s *stage) remove() error {
	var errs []error
	if s.nginx != nil {
		_, err := s.nginx.Stop()
		errs = append(errs, err)
	}
	if s.pair != nil {
		errs = append(errs, s.pair.Close())
	}
	if s.files != nil {
		errs = append(errs, s.files.Remove())
	}
	return errors.Join(errs...)
}
