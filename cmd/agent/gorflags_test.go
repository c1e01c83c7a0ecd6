package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"gortap/internal/testutil"
)

func TestACommandLineForGorWorks(t *testing.T) {
	for _, tc := range []struct{ gor, ours, note string }{
		{"-input-raw :80 -output-http http://x", "--input-raw :80 --output-http http://x", ""},
		{"--verbose 2 --stats --output-stdout", "--verbose=true --output-stdout", "--stats"},
		{"--verbose 0", "--verbose=false", ""},
		{"--verbose", "--verbose", ""},
		{"--verbose=3", "--verbose=true", ""},
		{"--input-raw-engine libpcap --input-raw :80", "--input-raw :80", "--input-raw-engine"},
		{"--input-raw-engine=libpcap --input-raw :80", "--input-raw :80", "--input-raw-engine"},
		{"--input-raw-bpf-filter=tcp", "--bpf-filter=tcp", ""},
		{"--input-raw-bpf-filter tcp", "--bpf-filter tcp", ""},
		{"--split-output true", "--split-output true", ""},
		{"-h", "-h", ""},
		{"check-config -- --stats", "check-config -- --stats", ""},
	} {
		got, notes := fromGor(strings.Fields(tc.gor))
		if diff := cmp.Diff(tc.ours, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.gor, diff)
		}
		if all := strings.Join(notes, "\n"); tc.note == "" && all != "" || !strings.Contains(all, tc.note) {
			t.Errorf("%s: notes %q", tc.gor, all)
		}
	}
}

func TestAFlagOfGorThatIsNotOursSaysWhatToUse(t *testing.T) {
	var stderr testutil.Buffer
	e := env{stdout: &stderr, stderr: &stderr, getenv: os.Getenv}
	if status := run(t.Context(), e, []string{"check-config", "--split-output", "true"}); status != exitUsage || !strings.Contains(stderr.String(), "|50%") {
		t.Errorf("status %d: %s", status, &stderr)
	}
}

// TestEveryFlagOfGorIsKnown reads them from the program itself, where it is there.
func TestEveryFlagOfGorIsKnown(t *testing.T) {
	help, _ := exec.Command(testutil.GoReplay(t), "--help").CombinedOutput()
	flags := regexp.MustCompile(`(?m)^  -([a-z-]+)`).FindAllStringSubmatch(string(help), -1)
	if len(flags) == 0 {
		t.Fatalf("GoReplay has no flags: %s", help)
	}
	known := map[string]bool{}
	for _, g := range flagGroups() {
		g.flags.VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	}
	for _, f := range gorFlags() {
		if known[f.name] {
			t.Errorf("--%s is ours: it needs no explanation", f.name)
		}
		known[f.name] = true
	}
	for _, f := range flags {
		if !known[f[1]] {
			t.Errorf("nothing tells what to use for --%s", f[1])
		}
	}
}
