package main

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/capture"
	"gortap/internal/record"
)

func TestMistakesAboutRecordsAreUsageErrors(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"--input-file-loop", "about --input-file"},
		{"--input-file x.gor --input-file-loop --input-file-dry-run", "never end"},
		{"--input-file x.gor|fast", "speed"},
		{"--input-file x.gor|0%", "out of range"},
		{"--input-file x.gor|50% --input-file y.gor|200%", "one speed"},
		{"--input-file x.gor --input-from yesterday", "--input-from"},
		{"--output-file x.txt", "want .gor"},
		{"--output-file x.pcap --output-file y.pcapng", "more than one file of packets"},
		{"--output-http http://x|nonsense", "--output-http"},
		{"--output-http-track-response", "without --output-http"},
		{"--output-stdout --summary -", "stdout"},
		{"--output-http http://x --depth head", "--depth head"},
		{"--output-http http://x --output-null", "--output-null"},
		{"--compare", "want one --output-http"},
		{"--compare-baseline http://x", "add --compare"},
		{"--report x.html --insight=false", "nothing to report"},
		{"--input-file x.gor --input-from 5s --input-to 5s", "nothing is between them"},
		{"--compare --output-http http://x --report x.pdf", "want .html, .json or .txt"},
	} {
		_, err := load(t, strings.Fields(tc.args)...)
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want a usage error with %q", tc.args, err, tc.want)
		}
	}
}

func TestSpeedOfFiles(t *testing.T) {
	for text, want := range map[string]float64{"x.gor": 1, "x.gor|200%": 2, "x.gor|0.5%": 0.005} {
		cfg, err := load(t, "--input-file", text)
		if err != nil {
			t.Fatal(err)
		}
		names, speed, err := cfg.inputFiles()
		if err != nil || math.Abs(speed-want) > 1e-9 || names[0] != "x.gor" {
			t.Errorf("%s: %v at speed %v, %v", text, names, speed, err)
		}
	}
}

func TestCommasInRulesAreTheirOwn(t *testing.T) {
	t.Setenv("GOR_HTTP_REWRITE_HEADER", "Host: (.*).example.com,$1.beta.example.com")
	cfg, err := load(t, "--http-allow-url", "/a{1,2}")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Host: (.*).example.com,$1.beta.example.com"}, cfg.HTTPRewriteHeader); diff != "" {
		t.Errorf("from the environment (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/a{1,2}"}, cfg.HTTPAllowURL); diff != "" {
		t.Errorf("from a flag (-want +got):\n%s", diff)
	}
}

// TestTheKernelCopiesWhatIsNeeded and no more.
func TestTheKernelCopiesWhatIsNeeded(t *testing.T) {
	const head, all = 2048, capture.CopyAll
	for _, tc := range []struct {
		args                string
		requests, responses capture.Budget
	}{
		{"--output-jsonl x", head, head},
		{"--output-http http://x", all, head},
		{"--output-file x.gor", all, head},
		{"--output-file x.gor --input-raw-track-response", all, all},
		{"--output-http http://x --compare", all, all},
		{"--output-file x.pcap", all, all},
		{"--depth all", all, all},
	} {
		cfg, err := load(t, strings.Fields(tc.args)...)
		if err != nil {
			t.Fatal(err)
		}
		if requests, responses := budgets(cfg); requests != tc.requests || responses != tc.responses {
			t.Errorf("%s: %d and %d, want %d and %d", tc.args, requests, responses, tc.requests, tc.responses)
		}
	}
}

func TestRecordsOfTheSameNameAreToldApart(t *testing.T) {
	r := &records{}
	for _, want := range []string{"http://x", "http://x#2", "http://x#3"} {
		name := r.uniqueName("http://x")
		r.outputs = append(r.outputs, recordOutput{Output: record.Output(nil), name: name})
		if name != want {
			t.Errorf("got %s, want %s", name, want)
		}
	}
}
