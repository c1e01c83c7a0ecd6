package main

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
)

// Size is a number of bytes, written with or without a unit: 65536, 64KiB, 8MB.
type Size int64

var _ pflag.Value = (*Size)(nil)

// Set implements pflag.Value.
func (s *Size) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size (examples: 65536, 64KiB, 8MiB)", text)
	}
	*s = Size(n)
	return nil
}

// UnmarshalText implements encoding.TextUnmarshaler, for files and environment.
func (s *Size) UnmarshalText(text []byte) error { return s.Set(string(text)) }

// Type implements pflag.Value; --help shows it.
func (s *Size) Type() string { return "size" }

// String implements pflag.Value.
func (s *Size) String() string {
	n := int64(*s)
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return fmt.Sprintf("%d%s", n/unit.bytes, unit.name)
		}
	}
	return fmt.Sprintf("%d", n)
}
