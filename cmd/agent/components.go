package main

import (
	"log/slog"
	"os"

	"gortap/internal/account"
	"gortap/internal/filter"
	"gortap/internal/output"
	"gortap/internal/pipeline"
	"gortap/internal/proto"
	"gortap/internal/proto/detect"
	"gortap/internal/proto/http1"
	"gortap/internal/proto/http2"
	"gortap/internal/proto/websocket"
)

// Everything that can be plugged in stands in the three tables of this file: to
// add one, write its package, add its line here, and its block in
// configs/agent.yaml.

// inputs are the sources of segments, in order of precedence.
func inputs() []component[input] {
	return []component[input]{
		{"input-file", func(c *Config) bool { return len(c.InputFile) > 0 }, openFiles},
		{"input-link", func(c *Config) bool { return len(c.InputLink) > 0 }, openLinks},
		{"input-raw", func(c *Config) bool { return len(c.InputRaw) > 0 || c.BPFFilter != "" }, openLive},
	}
}

// outputs take finished exchanges.
func outputs() []component[output.Output] {
	return []component[output.Output]{
		{"output-jsonl", func(c *Config) bool { return c.OutputJSONL != "" }, openJSONL},
		// Packets of files are passed on as they are, by the input.
		{"output-file", func(c *Config) bool { return len(c.packetFiles()) > 0 && len(c.InputFile) == 0 }, openPackets},
		{"output-link", func(c *Config) bool { return c.OutputLink != "" }, openLink},
	}
}

// protocols are what connections can speak; the earlier row wins.
func protocols(c *Config) []detect.Protocol {
	return []detect.Protocol{
		{
			Name: "http/1.1", Detect: http1.Detect, DetectMid: http1.DetectMid, Lines: true,
			New: func() proto.Factory { return http1.NewFactory(http1.Limits{Head: int(c.HTTPMaxHead)}) },
		},
		{
			Name: "h2c", Detect: http2.Detect, DetectMid: http2.DetectMid,
			New: func() proto.Factory { return http2.NewFactory(http2.Options{}) },
		},
		{Name: "websocket", New: func() proto.Factory { return websocket.NewFactory(websocket.Options{}) }},
	}
}

// component is a row of a table: when it is asked for, and how it is made.
type component[T any] struct {
	flag   string
	wanted func(*Config) bool
	open   func(*Config, *slog.Logger) (T, error)
}

func openInput(cfg *Config, log *slog.Logger) (input, error) {
	for _, c := range inputs() {
		if c.wanted(cfg) {
			return c.open(cfg, log)
		}
	}
	return nil, usagef("nothing to capture: give --bpf-filter, --input-raw, --input-file or --input-link (see `agent --help`)")
}

func openOutputs(cfg *Config, log *slog.Logger) ([]output.Output, error) {
	var open []output.Output
	for _, c := range outputs() {
		if !c.wanted(cfg) {
			continue
		}
		o, err := c.open(cfg, log)
		if err != nil {
			return open, err
		}
		open = append(open, o)
	}
	return open, nil
}

func openJSONL(cfg *Config, log *slog.Logger) (output.Output, error) {
	return output.NewJSONL(output.JSONLConfig{
		Path:        cfg.OutputJSONL,
		Stdout:      os.Stdout,
		ShowSecrets: !cfg.Redact,
		Sensitive:   append(output.SensitiveParameters(), cfg.RedactParams...),
		Log:         log,
	})
}

func openPackets(cfg *Config, log *slog.Logger) (output.Output, error) {
	return output.NewPackets(output.PacketsConfig{Path: cfg.packetFiles()[0], QueueSize: packetQueue(cfg), Log: log})
}

func openLink(cfg *Config, log *slog.Logger) (output.Output, error) {
	o, err := output.NewLink(output.LinkConfig{Addr: cfg.OutputLink, QueueSize: packetQueue(cfg), Log: log})
	if err != nil {
		return nil, usageError{err}
	}
	return o, nil
}

// opener makes the receivers of one shard's connections.
func opener(cfg *Config, g *governor) pipeline.Open {
	d := detect.New(protocols(cfg))
	if g != nil {
		d.Follow(&g.connections)
	}
	return d.Open
}

// liveEndpoints bounds the live table's memory, about 8 KiB each.
const liveEndpoints = 512

func newAccount(cfg *Config, shards int, live bool) (*account.Account, error) {
	a := account.Config{Patterns: cfg.PathPattern, MaxPaths: cfg.MaxPaths, MaxServices: cfg.MaxServices, MaxFlows: ledgers(cfg)}
	if live {
		a.LiveEndpoints = liveEndpoints
	}
	for _, r := range cfg.Service {
		rule := account.Rule{Name: r.Name, Hosts: r.Host}
		for _, text := range r.CIDR {
			p, err := parsePrefix(text)
			if err != nil {
				return nil, usageError{err}
			}
			rule.CIDRs = append(rule.CIDRs, p)
		}
		for _, port := range r.Port {
			rule.Ports = append(rule.Ports, uint16(port))
		}
		a.Rules = append(a.Rules, rule)
	}
	acct, err := account.New(a, shards)
	if err != nil {
		return nil, usageError{err}
	}
	return acct, nil
}

// checkComponents finds what is wrong with a config without opening anything.
func checkComponents(cfg *Config) error {
	if _, err := newAccount(cfg, 1, false); err != nil {
		return err
	}
	_, expr, err := liveSelection(cfg)
	if err != nil {
		return err
	}
	if _, err := filter.Compile(expr, filter.Ethernet); err != nil {
		return explainFilter(err)
	}
	return nil
}
