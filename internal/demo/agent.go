package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"syscall"
	"time"

	"gortap/internal/lab"
)

const (
	// listen is free: the namespace is the demo's own.
	listen = "127.0.0.1:9464"
	// readyLimit is generous: verifying the programs takes a slow machine seconds.
	readyLimit = 30 * time.Second
	readyPoll  = 20 * time.Millisecond
	stopLimit  = 20 * time.Second
)

// agent is the agent's process inside the server's namespace.
type agent struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	result error // of the process; valid once ended is closed
}

// startAgent starts the agent on the server's link and returns once it captures.
func startAgent(ctx context.Context, n *lab.Namespace, o Options, summary string) (*agent, error) {
	cmd := exec.Command(o.Agent,
		"--interface", lab.Device,
		"--bpf-filter", "tcp port 80",
		"--table", "always",
		"--listen", listen,
		"--summary", summary,
	)
	cmd.Stdout, cmd.Stderr = o.Stdout, o.Stderr
	// Ctrl-C is for the demo, which stops the agent once the load has ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.Start(cmd); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	a := &agent{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		a.result = cmd.Wait()
	}()
	if err := a.awaitReady(ctx, n); err != nil {
		return nil, errors.Join(err, a.stop())
	}
	return a, nil
}

func (a *agent) awaitReady(ctx context.Context, n *lab.Namespace) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	transport := &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if ready(ctx, transport) {
			return nil
		}
		select {
		case <-tick.C:
		case <-a.ended:
			return errors.New("the agent ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("wait for the agent: %w", ctx.Err())
		}
	}
}

func ready(ctx context.Context, transport http.RoundTripper) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// stop ends the agent in the orderly way and returns how it ended. It is
// idempotent.
func (a *agent) stop() error {
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	a.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-a.ended:
	case <-limit.C:
		a.cmd.Process.Kill()
		<-a.ended
		return fmt.Errorf("stop agent: it did not end within %s", stopLimit)
	}
	if a.result != nil {
		return fmt.Errorf("run agent: %w", a.result)
	}
	return nil
}
