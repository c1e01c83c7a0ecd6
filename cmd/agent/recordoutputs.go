package main

import (
	"log/slog"
	"os"
	"slices"

	"gortap/internal/output"
	"gortap/internal/process"
	"gortap/internal/process/redact"
	"gortap/internal/record"
	"gortap/internal/replay/httpout"
)

// recordOutputs take records. A row may open several.
func (r *records) recordOutputs() []component[[]record.Output] {
	return []component[[]record.Output]{
		{"compare", func(c *Config) bool { return c.Compare }, r.openComparison}, // before the targets that answer
		{"output-file", func(c *Config) bool { return len(c.recordFiles()) > 0 }, r.openRecordings},
		{"output-stdout", func(c *Config) bool { return c.OutputStdout }, r.openStdout},
		{"output-http", func(c *Config) bool { return len(c.OutputHTTP) > 0 }, r.openTargets},
	}
}

// openRecordOutputs opens all that are asked for. Where it fails, it returns those
// that it had opened.
func (r *records) openOutputs(cfg *Config, log *slog.Logger) ([]record.Output, error) {
	var all []record.Output
	if cfg.InputFileDryRun {
		return nil, nil
	}
	for _, row := range r.recordOutputs() {
		if !row.wanted(cfg) {
			continue
		}
		opened, err := row.open(cfg, log)
		all = append(all, opened...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// openRecordings opens the .gor files.
func (r *records) openRecordings(cfg *Config, log *slog.Logger) ([]record.Output, error) {
	var files []record.Output
	for _, path := range cfg.recordFiles() {
		c := r.gorConfig(cfg, log)
		c.Path = path
		if !c.Append {
			c.SizeLimit, c.QueueLimit = int64(cfg.OutputFileSizeLimit), cfg.OutputFileQueueLimit
		}
		o, err := r.openGor(c, cfg.OutputFileRedact)
		if err != nil {
			return files, err
		}
		files = append(files, o)
	}
	return files, nil
}

// openStdout writes records where people look at them: secrets are hidden there by
// default.
func (r *records) openStdout(cfg *Config, log *slog.Logger) ([]record.Output, error) {
	c := r.gorConfig(cfg, log)
	c.Path, c.Stdout, c.FlushInterval, c.MaxSize = "-", os.Stdout, 0, 0
	o, err := r.openGor(c, cfg.Redact)
	if err != nil {
		return nil, err
	}
	return []record.Output{o}, nil
}

func (r *records) gorConfig(cfg *Config, log *slog.Logger) output.GorConfig {
	return output.GorConfig{
		Append:        cfg.OutputFileAppend,
		MaxSize:       int64(cfg.OutputFileMaxSizeLimit),
		FlushInterval: cfg.OutputFileFlushInterval,
		QueueSize:     min(output.GorQueue, int(cfg.RecordQueue)),
		Needs:         record.Needs{Requests: true, Responses: r.responses},
		Log:           log,
	}
}

func (r *records) openGor(c output.GorConfig, hide bool) (record.Output, error) {
	redactor, err := newRedactor(r.cfg, hide)
	if err != nil {
		return nil, err
	}
	g, err := output.NewGor(c)
	if err != nil {
		return nil, err
	}
	r.gors = append(r.gors, g)
	if hide {
		return redact.Wrap(g, redactor), nil
	}
	return g, nil
}

// newRedactor makes what hides secrets, or nil where nothing is to be hidden.
func newRedactor(cfg *Config, hide bool) (*redact.Redactor, error) {
	if !hide {
		return nil, nil
	}
	r, err := redact.New(redact.Config{
		Parameters: append(output.SensitiveParameters(), cfg.RedactParams...),
		Fields:     cfg.RedactHeaders,
		JSON:       cfg.RedactJSON,
	})
	if err != nil {
		return nil, usagef("--redact-json: %w", err)
	}
	return r, nil
}

// openTargets opens what requests are sent to.
func (r *records) openTargets(cfg *Config, log *slog.Logger) ([]record.Output, error) {
	var targets []record.Output
	for i, text := range slices.Concat(cfg.OutputHTTP, cfg.CompareBaseline) {
		url, limit, err := process.ParseLimit(text)
		if err != nil {
			return targets, usagef("--output-http: %w", err)
		}
		c := httpout.Config{
			URL:           url,
			Limit:         limit,
			Workers:       cfg.OutputHTTPWorkers,
			Timeout:       cfg.OutputHTTPTimeout,
			IdleTimeout:   cfg.OutputHTTPWorkerTimeout,
			MaxConns:      cfg.OutputHTTPMaxConns,
			QueueBytes:    int(cfg.RecordQueue),
			QueueLen:      cfg.OutputHTTPQueueLen,
			Redirects:     cfg.OutputHTTPRedirects,
			OriginalHost:  cfg.HTTPOriginalHost,
			AllowUnsafe:   cfg.OutputHTTPAllowUnsafe,
			SkipVerify:    cfg.OutputHTTPSkipVerify,
			ResponseLimit: int(cfg.OutputHTTPResponseBuffer),
			Log:           log,
		}
		r.listen(&c, i < len(cfg.OutputHTTP))
		o, err := httpout.New(c)
		if err != nil {
			return targets, usagef("--output-http: %w", err)
		}
		targets = append(targets, o)
	}
	return targets, nil
}

// listen gives a target's responses to those who want them.
func (r *records) listen(c *httpout.Config, candidate bool) {
	if r.comparison != nil {
		c.ResponseLimit = max(c.ResponseLimit, maxCompared)
	}
	if r.comparison != nil && candidate {
		c.OnFailure, c.OnLeftOut = r.comparison.Failed, r.comparison.Skip
	}
	switch {
	case r.comparison != nil && !candidate:
		c.OnResponse = r.comparison.Baseline
	case r.comparison != nil && r.cfg.OutputHTTPTrackResponse:
		c.OnResponse = func(rec *record.Record) {
			r.comparison.Candidate(rec)
			own := *rec // the chain may change its own
			r.reply(&own)
		}
	case r.comparison != nil:
		c.OnResponse = r.comparison.Candidate
	case r.cfg.OutputHTTPTrackResponse:
		c.OnResponse = r.reply
	}
}

func (r *records) openComparison(cfg *Config, _ *slog.Logger) ([]record.Output, error) {
	c, err := newComparison(cfg)
	if err != nil {
		return nil, err
	}
	r.comparison = c
	return []record.Output{c}, nil
}

// newChain makes what changes records on their way.
func newChain(cfg *Config, log *slog.Logger) (*process.Chain, error) {
	return process.New(process.Config{
		HTTPAllowMethod:     cfg.HTTPAllowMethod,
		HTTPDisallowMethod:  cfg.HTTPDisallowMethod,
		HTTPAllowURL:        cfg.HTTPAllowURL,
		HTTPDisallowURL:     cfg.HTTPDisallowURL,
		HTTPAllowHeader:     cfg.HTTPAllowHeader,
		HTTPDisallowHeader:  cfg.HTTPDisallowHeader,
		HTTPBasicAuthFilter: cfg.HTTPBasicAuthFilter,
		HTTPHeaderLimiter:   cfg.HTTPHeaderLimiter,
		HTTPParamLimiter:    cfg.HTTPParamLimiter,
		HTTPSetHeader:       cfg.HTTPSetHeader,
		HTTPSetParam:        cfg.HTTPSetParam,
		HTTPRewriteURL:      cfg.HTTPRewriteURL,
		HTTPRewriteHeader:   cfg.HTTPRewriteHeader,
		HTTPRewriteBody:     cfg.HTTPRewriteBody,
		HTTPOriginalHost:    cfg.HTTPOriginalHost,
		Middleware:          cfg.Middleware,
		MiddlewareTimeout:   cfg.MiddlewareTimeout,
		Log:                 log,
	})
}
