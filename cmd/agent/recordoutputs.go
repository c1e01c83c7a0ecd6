package main

import (
	"log/slog"

	"gortap/internal/process"
	"gortap/internal/record"
	"gortap/internal/replay/httpout"
)

// recordOutputs take records. A row may open several.
func recordOutputs(reply func(*record.Record)) []component[[]record.Output] {
	return []component[[]record.Output]{
		{"output-http", func(c *Config) bool { return len(c.OutputHTTP) > 0 }, func(c *Config, _ *slog.Logger) ([]record.Output, error) {
			return openTargets(c, reply)
		}},
	}
}

// openRecordOutputs opens all that are asked for. Where it fails, it returns those
// that it had opened.
func openRecordOutputs(cfg *Config, log *slog.Logger, reply func(*record.Record)) ([]record.Output, error) {
	var all []record.Output
	if cfg.InputFileDryRun {
		return nil, nil
	}
	for _, row := range recordOutputs(reply) {
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

// openTargets opens what requests are sent to.
func openTargets(cfg *Config, reply func(*record.Record)) ([]record.Output, error) {
	var targets []record.Output
	for _, text := range cfg.OutputHTTP {
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
		}
		if cfg.OutputHTTPTrackResponse {
			c.OnResponse = reply
		}
		o, err := httpout.New(c)
		if err != nil {
			return targets, usagef("--output-http: %w", err)
		}
		targets = append(targets, o)
	}
	return targets, nil
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
