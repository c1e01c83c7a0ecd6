package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gortap/internal/testutil"
)

// Whoever reads stderr as JSON lines gets nothing else there: not at the start, not at
// the end, and not where the run fails.
func TestStderrIsJSONWhereTheLogIs(t *testing.T) {
	const file = "../../internal/testutil/corpus/data/gen-any-sll.pcap"
	report := filepath.Join(t.TempDir(), "r.json")
	for _, tc := range []struct {
		name   string
		flags  []string
		status int
		want   []string // messages
	}{
		{"a run", []string{"--input-file", file, "--report", report}, exitDone, []string{"summary", "report", "report"}},
		{"a dry run", []string{"--input-file", file, "--input-file-dry-run"}, exitDone, []string{"summary", "recording"}},
		{"a failure", []string{"--input-file", file + "x"}, exitUsage, []string{"the run has failed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stderr testutil.Buffer
			e := env{stdout: &stderr, stderr: &stderr, getenv: os.Getenv}
			if status := run(t.Context(), e, append(tc.flags, "--listen", "", "--log-format", "json")); status != tc.status {
				t.Errorf("status %d, want %d", status, tc.status)
			}
			var got []string
			for line := range strings.Lines(stderr.String()) {
				var l struct {
					Msg     string
					Summary struct{ Exchanges int }
				}
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				if l.Msg != "started" { // a run that is over at once does not come to it
					got = append(got, l.Msg)
				}
				if l.Msg == "summary" && l.Summary.Exchanges == 0 {
					t.Errorf("the summary is empty: %s", line)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("lines %q, want %q", got, tc.want)
			}
		})
	}
}
