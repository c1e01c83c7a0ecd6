package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gortap/internal/replay"
	"gortap/internal/replay/session"
)

// SessionConfig is what the replay of whole connections can be told. It is a part of
// Config, with keys of the same kind.
type SessionConfig struct {
	OutputSession        []string      `mapstructure:"output-session"`
	SessionClientIP      string        `mapstructure:"session-client-ip"`
	SessionProxyProtocol string        `mapstructure:"session-proxy-protocol"`
	SessionOrder         string        `mapstructure:"session-order"`
	SessionStall         time.Duration `mapstructure:"session-stall"`
	SessionSpeed         float64       `mapstructure:"session-speed"`
	SessionMaxWait       time.Duration `mapstructure:"session-max-wait"`
	SessionRTT           string        `mapstructure:"session-rtt"`
	SessionTimeout       time.Duration `mapstructure:"session-timeout"`
	SessionMax           int           `mapstructure:"session-max"`
	SessionMemory        Size          `mapstructure:"session-memory"`
	SessionRamp          time.Duration `mapstructure:"session-ramp"`
	SessionCompare       string        `mapstructure:"session-compare"`
	SessionThreshold     float64       `mapstructure:"session-compare-threshold"`
	SessionLog           string        `mapstructure:"session-log"`
}

// sessions reports whether connections are replayed.
func (c *Config) sessions() bool {
	return slices.ContainsFunc(c.OutputSession, func(s string) bool { return !strings.HasPrefix(s, udpScheme) })
}

// sessionTiming is how files are played: with the speed of --input-file too.
func (c *Config) sessionTiming() (replay.Timing, error) {
	_, speed, err := c.inputFiles()
	if err != nil {
		return replay.Timing{}, err
	}
	t := replay.Timing{Speed: speed * c.SessionSpeed, MaxWait: c.SessionMaxWait}
	if err := t.Validate(); err != nil {
		return t, usagef("--session-speed: %w", err)
	}
	return t, nil
}

// sessionTargets are the outputs of connections that are asked for.
func (c *Config) sessionTargets() ([]session.Config, error) {
	shared, err := c.sessionDefaults()
	if err != nil {
		return nil, err
	}
	var targets []session.Config
	for _, text := range c.OutputSession {
		if strings.HasPrefix(text, udpScheme) {
			continue
		}
		t := shared
		if err := t.ParseTarget(text); err != nil {
			return nil, usagef("--output-session: %w", err)
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// sessionDefaults is what all targets have in common.
func (c *Config) sessionDefaults() (t session.Config, err error) {
	t = session.Config{
		Stall: c.SessionStall, MaxWait: c.SessionMaxWait, Timeout: c.SessionTimeout, Max: c.SessionMax, Ramp: c.SessionRamp,
		MaxQueue: int(c.SessionMemory), Live: len(c.InputFile) == 0,
	}
	if t.Live {
		t.MaxQueue /= 4 // the others want room too
	}
	t.Proxy, _ = c.proxyVersion()
	if t.Order, err = session.ParseOrder(c.SessionOrder); err != nil {
		return t, usagef("--session-order: %w", err)
	}
	if t.Clients, err = session.ParseClients(c.SessionClientIP); err != nil {
		return t, usagef("--session-client-ip: %w", err)
	}
	if t.Compare, err = session.ParseCompare(c.SessionCompare); err != nil {
		return t, usagef("--session-compare: %w", err)
	}
	if t.RTT, err = session.ParseRTT(c.SessionRTT); err != nil {
		return t, usagef("--session-rtt: %w", err)
	}
	timing, err := c.sessionTiming()
	t.Speed = timing.Speed
	return t, err
}

// proxyVersion is what --session-proxy-protocol says, 0 for none.
func (c *Config) proxyVersion() (version int, ok bool) {
	switch c.SessionProxyProtocol {
	case "none":
		return 0, true
	case "v1":
		return 1, true
	case "v2":
		return 2, true
	}
	return 0, false
}

// validateSessions checks what is about the replay of connections.
func (c *Config) validateSessions() error {
	_, knownProxy := c.proxyVersion()
	for _, check := range []struct {
		ok      bool
		problem string
	}{
		{knownProxy, fmt.Sprintf("--session-proxy-protocol %q: want v1, v2 or none", c.SessionProxyProtocol)},
		{c.SessionProxyProtocol == "none" || c.SessionClientIP == "own", "--session-proxy-protocol with --session-client-ip: the target sees the address already (use one of them)"},
		{c.SessionStall > 0 && c.SessionTimeout > 0, "--session-stall, --session-timeout: want positive durations"},
		{c.SessionMaxWait >= 0, "--session-max-wait: want a duration that is not negative"},
		{c.SessionRamp >= 0, "--session-ramp: want a duration that is not negative"},
		{c.SessionThreshold >= 0 && c.SessionThreshold <= 1, "--session-compare-threshold: want a share from 0 to 1"},
		{c.SessionThreshold == 0 || c.SessionCompare != "none", "--session-compare-threshold without --session-compare: nothing is compared"},
		{c.SessionRamp == 0 && c.SessionCompare == "none" || c.sessions(), "--session-ramp and --session-compare are about --output-session"},
		{c.SessionMax > 0, "--session-max: want a positive number"},
		{c.SessionMemory >= 1<<20, "--session-memory: want at least 1MiB"},
		{c.SessionSpeed == 1 && c.SessionMaxWait == 0 || len(c.InputFile) > 0, "--session-speed and --session-max-wait are about --input-file"},
		{c.sessions() || c.SessionLog == "", "--session-log without --output-session: there is nothing to log"},
		{!c.sessions() || c.Depth != "head" && c.Depth != "none", "--depth " + c.Depth + " with --output-session: it needs all that clients send (use --depth auto)"},
		{!c.sessions() || !c.OutputNull, "--output-null with --output-session: they contradict each other"},
	} {
		if !check.ok {
			return usagef("%s", check.problem)
		}
	}
	if _, err := c.sessionTargets(); err != nil {
		return err
	}
	_, err := c.datagramTargets()
	return err
}
