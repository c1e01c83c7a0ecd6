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
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	n, err := strconv.ParseFloat(number, 64)
	if percent {
		n /= 100
	}
	if err != nil || !Share(n).valid() {
		return fmt.Errorf("%q is not a share (examples: 10%%, 0.1; above 0, at most 100%%)", text)
	}
	*s = Share(n)
	return nil
}

func (s Share) valid() bool { return s > 0 && s <= 1 }

// UnmarshalText implements encoding.TextUnmarshaler, for files and environment.
func (s *Share) UnmarshalText(text []byte) error { return s.Set(string(text)) }

// Type implements pflag.Value; --help shows it.
func (s *Share) Type() string { return "share" }

// String implements pflag.Value.
func (s *Share) String() string { return strconv.FormatFloat(float64(*s)*100, 'g', 6, 64) + "%" }
