package main

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"gortap/internal/capture"
	"gortap/internal/govern"
)

// validate checks what can be checked without touching the machine. Errors are
// usage errors and name the flag.
func (c *Config) validate() error {
	checks := []struct {
		ok      bool
		problem string
	}{
		{oneOf(c.Hook, string(capture.HookTC), string(capture.HookXDP)), fmt.Sprintf("--hook %q: want tc or xdp", c.Hook)},
		{oneOf(c.TCAttach, "auto", "tcx", "clsact"), fmt.Sprintf("--tc-attach %q: want auto, tcx or clsact", c.TCAttach)},
		{oneOf(c.Depth, "auto", "head", "all", "none"), fmt.Sprintf("--depth %q: want auto, head, all or none", c.Depth)},
		{oneOf(c.Table, "auto", "always", "never"), fmt.Sprintf("--table %q: want auto, always or never", c.Table)},
		{oneOf(c.LogFormat, "text", "json"), fmt.Sprintf("--log-format %q: want text or json", c.LogFormat)},
		{c.TurnBudget >= 256 && c.TurnBudget <= 1<<30, "--turn-budget: want 256 bytes to 1GiB (--depth all copies everything)"},
		{c.Sample.valid(), "--sample: want a share above 0 and up to 100% (--depth none copies nothing)"},
		{c.RingSize == 0 || (c.RingSize >= 4096 && c.RingSize <= 1<<30), "--ring-size: want 4KiB to 1GiB, or 0 for automatic"},
		{c.Shards == 0 || (powerOfTwo(int64(c.Shards)) && c.Shards <= 64), "--shards: want a power of two up to 64, or 0 for automatic"},
		{c.MaxFlows >= 0 && c.MaxFlows <= 1<<24, "--max-flows: want 1 to 16777216, or 0 for automatic"},
		{c.MaxCPU.valid(), "--max-cpu: want at least 0.1%, or 0 for no limit"},
		{c.MaxMemory == 0 || c.MaxMemory >= govern.MinMemory, "--max-memory: want at least 24MiB, or 0 for no limit"},
		{c.Degrade || c.MaxCPU == 0, "--max-cpu with --degrade=false: nothing could keep the limit"},
		{c.FlowIdleTimeout > 0, "--flow-idle-timeout: want a positive duration"},
		{c.GapTimeout > 0, "--gap-timeout: want a positive duration"},
		{c.MaxBuffered > 0 && c.MaxBufferedConn > 0, "--max-buffered, --max-buffered-per-direction: want positive sizes"},
		{c.MaxConnections > 0, "--max-connections: want a positive number"},
		{c.HTTPMaxHead >= 1024, "--http-max-head: want at least 1KiB"},
		{c.InsightMemory >= 1<<20, "--insight-memory: want at least 1MiB"},
		{c.InsightRate >= 0 && c.InsightRate <= 1e9, "--insight-rate: want up to 1000000000 exchanges a second, or 0 for all"},
		{c.InsightWarmup >= 0, "--insight-warmup: want a duration that is not negative"},
		{c.MaxPaths > 0 && c.MaxServices > 0, "--max-paths, --max-services: want positive numbers"},
		{(c.WebCert == "") == (c.WebKey == ""), "--web-cert, --web-key: want both or none"},
		{c.OutputMetricsInterval >= 100*time.Millisecond, "--output-metrics-interval: want at least 100ms"},
		{c.OutputMetrics != "" || len(c.OutputMetricsLabel) == 0 && c.OutputMetricsPasswordFile == "", "--output-metrics-label, -password-file without --output-metrics"},
		{c.ExitAfter >= 0, "--exit-after: want a duration that is not negative"},
		{c.MemoryMax >= 0, "--go-memory-limit: want a size, or 0 for none"},
	}
	for _, check := range checks {
		if !check.ok {
			return usagef("%s", check.problem)
		}
	}
	for _, p := range c.Interface {
		if _, err := path.Match(p, ""); err != nil {
			return usagef("--interface %q: %w", p, err)
		}
	}
	for _, s := range c.Service {
		if err := s.validate(); err != nil {
			return err
		}
	}
	return c.validateTogether()
}

// validateTogether checks what only combinations can get wrong.
func (c *Config) validateTogether() error {
	if len(c.InputFile) > 0 && len(c.InputRaw) > 0 {
		return usagef("--input-file with --input-raw: one agent reads files or an interface (run two agents)")
	}
	if err := c.validateLinks(); err != nil {
		return err
	}
	if c.OutputNull && (c.OutputJSONL != "" || len(c.OutputFile) > 0 || c.records() && !c.InputFileDryRun) {
		return usagef("--output-null with another output: they contradict each other")
	}
	if c.Depth == "none" && (c.OutputJSONL != "" || len(c.OutputFile) > 0) {
		return usagef("--depth none with an output: there is nothing to write (use --depth auto)")
	}
	if err := c.validateRecords(); err != nil {
		return err
	}
	if err := c.validateSessions(); err != nil {
		return err
	}
	if c.OutputJSONL == "-" && c.Summary == "-" {
		return usagef("--output-jsonl - with --summary -: both want stdout (give one of them a file)")
	}
	if c.Table == "always" && (c.OutputJSONL == "-" || c.Summary == "-") {
		return usagef("--table always with an output on stdout: both want stdout")
	}
	return nil
}

// validateLinks checks what is about the link between two agents.
func (c *Config) validateLinks() error {
	if len(c.InputLink) > 0 && (len(c.InputRaw) > 0 || len(c.InputFile) > 0 || c.BPFFilter != "") {
		return usagef("--input-link with --input-raw, --input-file or --bpf-filter: one agent takes packets from one kind of place (run two agents)")
	}
	if c.OutputLink != "" && (len(c.InputLink) > 0 || len(c.InputFile) > 0) {
		return usagef("--output-link with --input-file or --input-link: it sends what is captured live (copy a file itself)")
	}
	if c.OutputLink != "" && (c.Depth == "head" || c.Depth == "none" || c.OutputNull) {
		return usagef("--output-link with --depth %s or --output-null: it needs all that clients send (use --depth auto)", c.Depth)
	}
	for _, text := range c.InputLink {
		if _, err := linkAddress(text); err != nil {
			return err
		}
	}
	return nil
}

func (s *ServiceRule) validate() error {
	if s.Name == "" {
		return usagef("--service: a rule without a name")
	}
	if len(s.CIDR)+len(s.Port)+len(s.Host) == 0 {
		return usagef("--service %s: want a cidr, a port or a host", s.Name)
	}
	for _, text := range s.CIDR {
		if _, err := parsePrefix(text); err != nil {
			return usagef("--service %s: %w", s.Name, err)
		}
	}
	for _, p := range s.Port {
		if p < 1 || p > 65535 {
			return usagef("--service %s: port %d is not in 1 to 65535", s.Name, p)
		}
	}
	return nil
}

// parsePrefix takes a bare address as a prefix of full length.
func parsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("cidr %q: not an address or prefix", text)
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("cidr %q: not an address or prefix", text)
	}
	return p, nil
}

func oneOf(value string, allowed ...string) bool { return slices.Contains(allowed, value) }

func powerOfTwo(n int64) bool { return n > 0 && n&(n-1) == 0 }
