package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"gortap/internal/insight"
	"gortap/internal/top"
	"gortap/internal/web/client"
)

// topFlags are the flags that only `agent top` has.
type topFlags struct{ attach, tokenFile, caFile string }

func topCommand(e env) *cobra.Command {
	var o topFlags
	cmd := &cobra.Command{
		Use:   "top [FILE...] [flags]",
		Short: "show on the terminal who uses the bandwidth: live, from files, or of a running agent",
		Long: `agent top shows who uses the bandwidth, and lets you sort, filter and look into it: services, their
endpoints, the clients of those, their exchanges. With FILE (.pcap, .pcapng, .gor, .jsonl, globs) it
shows what is in files, with --attach what another agent sees, otherwise it captures by itself. ? helps.`,
		Example: `  sudo agent top --input-raw :80
  agent top incident.pcapng
  agent top --attach http://127.0.0.1:9464`,
		RunE: func(cmd *cobra.Command, args []string) error {
			keys := captureKeys()
			if len(args) > 0 {
				keys = fileKeys()
			}
			cfg, err := loadChosen(cmd.Flags(), "top", args, knows(append(keys, "listen")))
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("listen") {
				cfg.Listen = "" // an agent may be running beside this one
			}
			return runTop(cmd.Context(), e, cfg, args, o)
		},
	}
	cmd.Flags().StringVar(&o.attach, "attach", "", "show what the agent at `URL` sees, its --listen: http://127.0.0.1:9464")
	cmd.Flags().StringVar(&o.tokenFile, "token-file", "", "`FILE` with the token that it asks for, its --web-token-file; or "+webTokenVariable)
	cmd.Flags().StringVar(&o.caFile, "ca-file", "", "PEM `FILE` with the certificate to trust, where it is of the agent's own making")
	addChosen(cmd, captureKeys())
	cmd.Flags().Lookup("listen").Hidden = false
	cmd.Flags().Lookup("listen").DefValue = ""
	return cmd
}

// runTop checks first whether there is anything to draw on.
func runTop(ctx context.Context, e env, cfg *Config, files []string, o topFlags) error {
	if _, ok := terminal(e.stdout); !ok {
		return usagef("agent top needs a terminal on stdout (for text use `agent report`, or agent with --table always)")
	}
	if _, ok := terminal(os.Stdin); !ok {
		return usagef("agent top needs a terminal on stdin")
	}
	// The shell's and the terminal's ways to end a program; SIGINT and SIGTERM are ctx.
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGQUIT)
	defer cancel()
	switch {
	case o.attach != "" && (len(files) > 0 || len(cfg.InputRaw) > 0 || cfg.BPFFilter != ""):
		return usagef("--attach with an input: it shows what another agent sees")
	case o.attach != "":
		return topAttached(ctx, e, o)
	case len(files) > 0:
		return topOfFiles(ctx, e, cfg, files)
	}
	if len(cfg.InputRaw) == 0 && cfg.BPFFilter == "" {
		cfg.BPFFilter = "tcp" // everything: one looks around with it
	}
	return topLive(ctx, e, cfg)
}

// show runs the terminal view.
func show(ctx context.Context, e env, o top.Options) error {
	screen, err := top.Open()
	if err != nil {
		return err
	}
	o.NoColor = e.getenv("NO_COLOR") != ""
	o.Suspend = stopProcess
	return top.Run(ctx, screen, o)
}

// stopProcess returns when the process is continued. A thread may run on for a moment
// after the signal, so that it does not return just when the call does.
func stopProcess() error {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
		return err
	}
	<-continued
	return nil
}

// topAttached asks another agent. That it answers is found out before the screen is
// taken.
func topAttached(ctx context.Context, e env, o topFlags) error {
	token, err := webToken(o.tokenFile, e.getenv(webTokenVariable))
	if err != nil {
		return err
	}
	trust, err := trustOf(o.caFile)
	if err != nil {
		return err
	}
	c, err := client.New(client.Options{URL: o.attach, Token: token, TLS: trust})
	if err != nil {
		return usageError{err}
	}
	defer c.Close()
	if _, err := c.View(insight.Query{Rows: 1, Points: 1}); err != nil {
		return err
	}
	return show(ctx, e, top.Options{Source: c, Title: o.attach, Live: true})
}

// topOfFiles shows what is read while it is read.
func topOfFiles(ctx context.Context, e env, cfg *Config, files []string) (err error) {
	held := &heldOutput{to: e.stderr}
	defer held.release()
	r, err := openReading(cfg, files, newLogger(held, cfg))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	reading, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	var damage error
	var beside sync.WaitGroup
	beside.Go(func() {
		defer close(ended)
		damage = r.run(reading)
	})
	err = show(ctx, e, top.Options{Source: r.store, Title: strings.Join(files, ", "), Progress: r.progress, Ended: ended})
	cancel()
	beside.Wait()
	return errors.Join(err, damage)
}

// topLive captures by itself. What the capture has to say waits until the screen is
// given back; where it ends, so does the view.
func topLive(ctx context.Context, e env, cfg *Config) (err error) {
	held := &heldOutput{to: e.stderr}
	defer held.release()
	cfg.Table, cfg.OutputNull = "never", true
	e.stderr, e.stdout = held, held
	a := newAgent(e, cfg)
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.open(); err != nil {
		return err
	}
	capturing, cancel := context.WithCancel(ctx)
	defer cancel()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	var beside sync.WaitGroup
	beside.Go(func() {
		defer stop()
		failed = a.run(capturing)
	})
	err = show(watching, e, top.Options{Source: a.shown(), Title: a.input.(*live).filter, Live: true})
	cancel()
	beside.Wait()
	return errors.Join(err, failed)
}

// heldOutput keeps the end of what is written to it until it is released.
type heldOutput struct {
	mu   sync.Mutex
	to   io.Writer
	text []byte
}

const maxHeld = 64 << 10

func (h *heldOutput) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, b...)
	if n := len(h.text) - maxHeld; n > 0 {
		h.text = append(h.text[:0], h.text[n:]...)
	}
	return len(b), nil
}

func (h *heldOutput) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	fmt.Fprintf(h.to, "%s", h.text)
	h.text = nil
}

// trustOf reads the certificates that are trusted instead of the system's.
func trustOf(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("read --ca-file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, usagef("read --ca-file %s: there is no certificate in it (want PEM)", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
