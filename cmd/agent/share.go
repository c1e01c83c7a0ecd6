package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Share is a part of a whole, above 0 and up to 1, written 10% or 0.1.
type Share float64

var _ pflag.Value = (*Share)(nil)

// Set implements pflag.Value.
func (s *Share) Set(text string) error {
	n, err := parseShare(text)
	if err != nil || !Share(n).valid() {
		return fmt.Errorf("%q is not a share (examples: 10%%, 0.1; above 0, at most 100%%)", text)
	}
	*s = Share(n)
	return nil
}

// parseShare reads 10% or 0.1.
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	n, err := strconv.ParseFloat(number, 64)
	if percent {
		n /= 100
	}
	return n, err
}

func (s Share) valid() bool { return s > 0 && s <= 1 }

// UnmarshalText implements encoding.TextUnmarshaler, for files and environment.
func (s *Share) UnmarshalText(text []byte) error { return s.Set(string(text)) }

// Type implements pflag.Value; --help shows it.
func (s *Share) Type() string { return "share" }

// String implements pflag.Value.
func (s *Share) String() string { return strconv.FormatFloat(float64(*s)*100, 'g', 6, 64) + "%" }

// Cores is an amount of CPU time: 5% or 0.05 of one core, 2 or 200% for two; 0 for
// no limit.
type Cores float64

var _ pflag.Value = (*Cores)(nil)

// Set implements pflag.Value.
func (c *Cores) Set(text string) error {
	n, err := parseShare(text)
	if err != nil || !Cores(n).valid() {
		return fmt.Errorf("%q is not an amount of CPU time (examples: 5%%, 0.05, 150%%; of one core)", text)
	}
	*c = Cores(n)
	return nil
}

// The least that can be told from noise is a thousandth of a core.
func (c Cores) valid() bool { return c == 0 || c >= 0.001 && c <= 4096 }

// UnmarshalText implements encoding.TextUnmarshaler, for files and environment.
func (c *Cores) UnmarshalText(text []byte) error { return c.Set(string(text)) }

// Type implements pflag.Value; --help shows it.
func (c *Cores) Type() string { return "share" }

// String implements pflag.Value.
func (c *Cores) String() string { return strconv.FormatFloat(float64(*c)*100, 'g', 6, 64) + "%" }
