package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

func newLogger(w io.Writer, cfg *Config) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if cfg.Verbose {
		o.Level = slog.LevelDebug
	}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// say tells on stderr what is no event: as text for people, or where lines are to be
// JSON as one of those.
func (a *agent) say(text, msg string, args ...any) {
	if a.cfg.LogFormat == "json" {
		a.log.Info(msg, args...)
		return
	}
	fmt.Fprint(a.env.stderr, text)
}

// loggedError is one that the log has.
type loggedError struct{ error }

func (e loggedError) Unwrap() error { return e.error }

// logged writes the error that ends a run to the log, where nothing else than log lines
// may be on stderr.
func logged(err error, w io.Writer, cfg *Config) error {
	if err == nil || cfg.LogFormat != "json" {
		return err
	}
	newLogger(w, cfg).Error("the run has failed", "error", err)
	return loggedError{err}
}

// terminal returns the file behind w if it is one that a person looks at.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}
