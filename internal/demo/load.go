package demo

import (
	"bytes"
	"context"
	_ "embed" // for the script of wrk
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"gortap/internal/lab"
)

//go:embed mix.lua
var wrkScript []byte

// loadGrace is how much longer than planned the load may take before it is ended.
const loadGrace = 10 * time.Second

// client is one program with one address. Each bounds its own work: a rate, and
// as many requests as fit the duration.
type client struct {
	program string
	args    []string
}

// siteFiles are what nginx serves, in bytes: small, middling and large.
func siteFiles() map[string]int {
	return map[string]int{
		"index.html":         2 << 10,
		"assets/site.css":    12 << 10,
		"assets/app.js":      180 << 10,
		"assets/logo.png":    30 << 10,
		"download/video.mp4": 8 << 20,
		"download/image.iso": 5 << 20,
	}
}

// mixedLoad plans clients whose work fits the duration, and puts what they need
// into dir.
func mixedLoad(dir string, d time.Duration) ([]client, error) {
	script := filepath.Join(dir, "mix.lua")
	if err := os.WriteFile(script, wrkScript, 0o600); err != nil {
		return nil, fmt.Errorf("write wrk script: %w", err)
	}
	upload := filepath.Join(dir, "backup.tar")
	if err := os.WriteFile(upload, make([]byte, 3<<20), 0o600); err != nil {
		return nil, fmt.Errorf("write upload: %w", err)
	}
	seconds := int(d / time.Second)
	ip := lab.ClientIP
	// With the port: without /etc/services wrk does not know what http means.
	v4 := "http://" + lab.ServerIP().String() + ":80"
	v6 := "http://[" + lab.ServerIP6().String() + "]:80"
	// A rate of n/s and n*seconds requests: done when the time is up.
	return []client{
		{"wrk", []string{"-t1", "-c8", "-d", strconv.Itoa(seconds), "-s", script, v4}},
		curl(ip(1), 30, v4+"/{index.html,assets/app.js,assets/site.css}?visit=[1-%d]", seconds*10),
		curl(ip(2), 20, v4+"/api/orders/[1-%d]", seconds*20, "--data-binary", `{"customer":7,"items":[{"sku":"a-1"}]}`),
		curl(ip(3), 1, v4+"/download/video.mp4?part=[1-%d]", seconds),
		curl(ip(4), 1, v4+"/download/image.iso?copy=[1-%d]", seconds, "--limit-rate", "5M"),
		curl(ip(5), 1, v4+"/api/backups/[1-%d]", (seconds+1)/2, "-T", upload),
		curl(ip(6), 8, v4+"/{index.html,favicon.ico}?old=[1-%d]", seconds*4, "--http1.0"),
		curl(lab.ClientIP6(7), 10, v6+"/api/users/[1-%d]/orders", seconds*10),
	}, nil
}

// curl requests target, with n put in for its %d, rate times a second, on one
// connection as long as that stays open.
func curl(from netip.Addr, rate int, target string, n int, args ...string) client {
	return client{"curl", append([]string{
		"-sS", "-o", os.DevNull, "--interface", from.String(),
		"--rate", fmt.Sprintf("%d/s", rate), fmt.Sprintf(target, n),
	}, args...)}
}

// runLoad runs the clients until they are done, one fails, or ctx ends. Being
// told to stop is no error.
func (s *stage) runLoad(ctx context.Context, d time.Duration) error {
	limited, release := context.WithTimeoutCause(ctx, d+loadGrace, fmt.Errorf("not done after %s", d+loadGrace))
	defer release()
	running, fail := context.WithCancelCause(limited)
	defer fail(nil)
	var wg sync.WaitGroup
	for _, c := range s.load {
		wg.Go(func() {
			if err := s.runClient(running, c); err != nil {
				fail(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(running); err != nil && ctx.Err() == nil {
		return fmt.Errorf("run load: %w", err)
	}
	return nil
}

func (s *stage) runClient(ctx context.Context, c client) error {
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Stderr = &complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C comes through ctx
	err := s.pair.Client.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", c.program, err, bytes.TrimSpace(complaints.Bytes()))
	}
	return nil
}
