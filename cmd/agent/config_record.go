package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gortap/internal/pcapio"
	"gortap/internal/process"
	"gortap/internal/record"
	"gortap/internal/replay"
)

// RecordConfig is what recording and replay can be told. It is a part of Config,
// with keys of the same kind.
type RecordConfig struct {
	InputFileLoop         bool          `mapstructure:"input-file-loop"`
	InputFilePasses       int           `mapstructure:"input-file-passes"`
	InputFileDryRun       bool          `mapstructure:"input-file-dry-run"`
	InputFileMaxWait      time.Duration `mapstructure:"input-file-max-wait"`
	InputFileReadDepth    int           `mapstructure:"input-file-read-depth"`
	InputFrom             string        `mapstructure:"input-from"`
	InputTo               string        `mapstructure:"input-to"`
	InputRawTrackResponse bool          `mapstructure:"input-raw-track-response"`
	RecordMaxMessage      Size          `mapstructure:"record-max-message"`
	RecordMaxOpen         Size          `mapstructure:"record-max-open"`
	RecordQueue           Size          `mapstructure:"record-queue"`

	OutputStdout            bool          `mapstructure:"output-stdout"`
	OutputFileRedact        bool          `mapstructure:"output-file-redact"`
	RedactHeaders           []string      `mapstructure:"redact-headers"`
	RedactJSON              []string      `mapstructure:"redact-json"`
	OutputFileAppend        bool          `mapstructure:"output-file-append"`
	OutputFileFlushInterval time.Duration `mapstructure:"output-file-flush-interval"`
	OutputFileSizeLimit     Size          `mapstructure:"output-file-size-limit"`
	OutputFileMaxSizeLimit  Size          `mapstructure:"output-file-max-size-limit"`
	OutputFileQueueLimit    int           `mapstructure:"output-file-queue-limit"`

	OutputHTTP               []string      `mapstructure:"output-http"`
	OutputHTTPWorkers        int           `mapstructure:"output-http-workers"`
	OutputHTTPTimeout        time.Duration `mapstructure:"output-http-timeout"`
	OutputHTTPWorkerTimeout  time.Duration `mapstructure:"output-http-worker-timeout"`
	OutputHTTPRedirects      int           `mapstructure:"output-http-redirects"`
	OutputHTTPQueueLen       int           `mapstructure:"output-http-queue-len"`
	OutputHTTPMaxConns       int           `mapstructure:"output-http-max-conns"`
	OutputHTTPResponseBuffer Size          `mapstructure:"output-http-response-buffer"`
	OutputHTTPSkipVerify     bool          `mapstructure:"output-http-skip-verify"`
	OutputHTTPTrackResponse  bool          `mapstructure:"output-http-track-response"`
	OutputHTTPAllowUnsafe    bool          `mapstructure:"output-http-allow-unsafe"`
	OutputStall              time.Duration `mapstructure:"output-stall-timeout"`

	Compare              bool     `mapstructure:"compare"`
	CompareBaseline      []string `mapstructure:"compare-baseline"`
	CompareIgnoreHeader  []string `mapstructure:"compare-ignore-header"`
	CompareHeader        []string `mapstructure:"compare-header"`
	CompareIgnoreJSON    []string `mapstructure:"compare-ignore-json"`
	CompareIgnoreLatency bool     `mapstructure:"compare-ignore-latency"`
	CompareThreshold     float64  `mapstructure:"compare-threshold"`

	HTTPAllowMethod     []string `mapstructure:"http-allow-method"`
	HTTPDisallowMethod  []string `mapstructure:"http-disallow-method"`
	HTTPAllowURL        []string `mapstructure:"http-allow-url"`
	HTTPDisallowURL     []string `mapstructure:"http-disallow-url"`
	HTTPAllowHeader     []string `mapstructure:"http-allow-header"`
	HTTPDisallowHeader  []string `mapstructure:"http-disallow-header"`
	HTTPBasicAuthFilter []string `mapstructure:"http-basic-auth-filter"`
	HTTPHeaderLimiter   []string `mapstructure:"http-header-limiter"`
	HTTPParamLimiter    []string `mapstructure:"http-param-limiter"`
	HTTPSetHeader       []string `mapstructure:"http-set-header"`
	HTTPSetParam        []string `mapstructure:"http-set-param"`
	HTTPRewriteURL      []string `mapstructure:"http-rewrite-url"`
	HTTPRewriteHeader   []string `mapstructure:"http-rewrite-header"`
	HTTPRewriteBody     []string `mapstructure:"http-rewrite-body"`
	HTTPOriginalHost    bool     `mapstructure:"http-original-host"`

	Middleware        string        `mapstructure:"middleware"`
	MiddlewareTimeout time.Duration `mapstructure:"middleware-timeout"`
}

// packetFiles and recordFiles are the two kinds of --output-file, by extension.
func (c *Config) packetFiles() []string { return c.outputFiles(pcapio.CanCreate) }

func (c *Config) recordFiles() []string { return c.outputFiles(isRecording) }

func (c *Config) outputFiles(kind func(string) bool) []string {
	var names []string
	for _, name := range c.OutputFile {
		if kind(name) {
			names = append(names, name)
		}
	}
	return names
}

// isRecording reports whether a file is to hold records: .gor, and .gz or .zst after
// it.
func isRecording(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	return strings.HasSuffix(name, ".gor")
}

// records reports whether anything takes records.
func (c *Config) records() bool {
	return len(c.recordFiles()) > 0 || len(c.OutputHTTP) > 0 || c.OutputStdout || c.Middleware != "" || c.InputFileDryRun
}

// recordNeeds is what has to be seen of the traffic for them.
func (c *Config) recordNeeds() record.Needs {
	return record.Needs{Requests: c.records(), Responses: c.records() && (c.InputRawTrackResponse || c.Compare)}
}

// inputFiles splits "day.gor|200%" into names and the speed that all share.
func (c *Config) inputFiles() (names []string, speed float64, err error) {
	speed = 1
	given := ""
	for _, text := range c.InputFile {
		name, limit, found := strings.Cut(text, "|")
		if found {
			if given != "" && given != limit {
				return nil, 0, usagef("--input-file: speeds %s and %s: files are read as one recording, at one speed", given, limit)
			}
			given = limit
		}
		names = append(names, name)
	}
	if given == "" {
		return names, speed, nil
	}
	percent, ok := strings.CutSuffix(strings.TrimSpace(given), "%")
	if ok {
		_, err = fmt.Sscanf(percent, "%g", &speed)
	}
	if !ok || err != nil {
		return nil, 0, usagef("--input-file: speed %q: want a percentage as in 'day.gor|200%%'", given)
	}
	speed /= 100
	if err := (replay.Timing{Speed: speed}).Validate(); err != nil {
		return nil, 0, usagef("--input-file: %w", err)
	}
	return names, speed, nil
}

// window is what of the files is played.
func (c *Config) window() (w replay.Window, err error) {
	if w.From, err = replay.ParseInstant(c.InputFrom); err != nil {
		return w, usagef("--input-from: %w", err)
	}
	if w.To, err = replay.ParseInstant(c.InputTo); err != nil {
		return w, usagef("--input-to: %w", err)
	}
	return w, nil
}

// passes is how often files are read, 0 for ever.
func (c *Config) passes() int {
	if c.InputFileLoop {
		return 0
	}
	return c.InputFilePasses
}

// validateRecords checks what is about recording and replay.
func (c *Config) validateRecords() error {
	files := len(c.InputFile) > 0
	for _, check := range []struct {
		ok      bool
		problem string
	}{
		{files || !c.InputFileLoop && !c.InputFileDryRun && c.InputFrom+c.InputTo == "" && c.InputFileMaxWait == 0, "--input-file-loop, --input-file-dry-run, --input-file-max-wait, --input-from and --input-to are about --input-file"},
		{c.InputFilePasses >= 1, "--input-file-passes: want at least 1 (--input-file-loop is for ever)"},
		{c.InputFilePasses <= 1 || files && !c.InputFileLoop, "--input-file-passes is about --input-file without --input-file-loop"},
		{!c.InputFileDryRun || !c.InputFileLoop, "--input-file-dry-run with --input-file-loop: it would never end"},
		{c.InputFileMaxWait >= 0, "--input-file-max-wait: want a duration that is not negative"},
		{c.InputFileReadDepth >= 1, "--input-file-read-depth: want at least 1"},
		{c.RecordMaxMessage >= 4096, "--record-max-message: want at least 4KiB"},
		{c.RecordMaxOpen >= c.RecordMaxMessage, "--record-max-open: want at least --record-max-message"},
		{c.RecordQueue >= 64<<10, "--record-queue: want at least 64KiB"},
		{c.OutputFileFlushInterval > 0, "--output-file-flush-interval: want a positive duration"},
		{c.OutputFileSizeLimit >= 0 && c.OutputFileMaxSizeLimit >= 0 && c.OutputFileQueueLimit >= 0, "--output-file-size-limit, --output-file-max-size-limit, --output-file-queue-limit: want numbers that are not negative"},
		{c.OutputHTTPWorkers >= 0 && c.OutputHTTPRedirects >= 0 && c.OutputHTTPQueueLen >= 0 && c.OutputHTTPMaxConns > 0, "--output-http-workers, -redirects, -queue-len, -max-conns: want numbers that are not negative"},
		{c.OutputHTTPTimeout > 0 && c.OutputHTTPWorkerTimeout >= 0, "--output-http-timeout: want a positive duration"},
		{c.OutputStall > 0, "--output-stall-timeout: want a positive duration"},
		{c.MiddlewareTimeout > 0, "--middleware-timeout: want a positive duration"},
		{!c.OutputHTTPTrackResponse || len(c.OutputHTTP) > 0, "--output-http-track-response without --output-http: nobody answers"},
		{!c.Compare || len(c.OutputHTTP) == 1, "--compare: want one --output-http, the target that is to be compared"},
		{c.Compare || len(c.CompareBaseline) == 0, "--compare-baseline without --compare: nothing is compared (add --compare)"},
		{c.Compare || c.Insight || len(c.Report) == 0, "--report with --insight=false: there is nothing to report"},
		{len(c.CompareBaseline) <= 2, "--compare-baseline: want two at most"},
		{c.CompareThreshold >= 0 && c.CompareThreshold <= 1, "--compare-threshold: want a share of 0 to 1"},
		{!c.OutputStdout || c.OutputJSONL != "-" && c.Summary != "-" && c.Table != "always", "--output-stdout with another output on stdout: both want it"},
		{c.Depth != "head" && c.Depth != "none" || !c.records(), "--depth " + c.Depth + " with an output of records: they need whole requests (use --depth auto)"},
	} {
		if !check.ok {
			return usagef("%s", check.problem)
		}
	}
	for _, name := range c.OutputFile {
		if !pcapio.CanCreate(name) && !isRecording(name) {
			return usagef("--output-file %s: want .gor, .pcapng or .pcap, and .gz or .zst after that", name)
		}
	}
	if len(c.packetFiles()) > 1 {
		return usagef("--output-file: more than one file of packets (they would be the same)")
	}
	for _, name := range c.Report {
		if ext := filepath.Ext(name); ext != ".html" && ext != ".htm" && ext != ".json" && ext != ".txt" {
			return usagef("--report %s: want .html, .json or .txt", name)
		}
	}
	for _, target := range slices.Concat(c.OutputHTTP, c.CompareBaseline) {
		if _, _, err := process.ParseLimit(target); err != nil {
			return usagef("--output-http: %w", err)
		}
	}
	if _, _, err := c.inputFiles(); err != nil {
		return err
	}
	w, err := c.window()
	if err == nil && w.Empty() {
		err = usagef("--input-from %s, --input-to %s: nothing is between them (want an earlier --input-from)", c.InputFrom, c.InputTo)
	}
	return err
}
