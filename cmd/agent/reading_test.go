package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gortap/internal/insight"
	"gortap/internal/testutil"
	"gortap/internal/testutil/corpus"
)

// readAll returns what is in files.
func readAll(t *testing.T, cfg *Config, names ...string) (insight.View, readStats) {
	t.Helper()
	r, err := openReading(cfg, names, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.run(t.Context()); err != nil {
		t.Error(err)
	}
	v, err := r.store.View(insight.Query{Rows: 1000, Points: 10})
	if err != nil {
		t.Error(err)
	}
	st, err := r.stats()
	if err != nil {
		t.Error(err)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
	return v, st
}

// agentRun runs the agent, which must come to a good end.
func agentRun(t *testing.T, args ...string) {
	t.Helper()
	var out testutil.Buffer
	args = append(args, "--listen=", "--table=never")
	if status := run(t.Context(), env{stdout: io.Discard, stderr: &out, getenv: func(string) string { return "" }}, args); status != exitDone {
		t.Fatalf("agent %s: status %d\n%s", strings.Join(args, " "), status, out.String())
	}
}

// TestAllKindsOfFilesTellTheSame: packets, and the lines and records that the agent
// made of them, alone and together.
func TestAllKindsOfFilesTellTheSame(t *testing.T) {
	testutil.CheckLeaks(t)
	entry := corpus.Get(t, "pcap2har-sajal.pcap")
	packets, dir := entry.Path(), t.TempDir()
	jsonl, zst, gor := filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "b.jsonl"), filepath.Join(dir, "c.gor")
	agentRun(t, "--input-file", packets, "--output-jsonl", jsonl, "--output-file", gor, "--output-file-append", "--input-raw-track-response")
	text, err := os.ReadFile(jsonl)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(zst, append(text, "\n{\"no\":\"exchange\"}\n{\"broken\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	of, _ := readAll(t, cfg, packets)
	if of.Total.Requests != 58 || len(of.Sizes) == 0 || of.Total.SizeP99 == 0 {
		t.Fatalf("packets: %+v", of.Total)
	}
	if of.Total.Retransmitted != 573 {
		t.Errorf("%d bytes were sent again, want 573", of.Total.Retransmitted)
	}
	lines, st := readAll(t, cfg, zst)
	if st.lines.Lines != 58 || st.lines.Bad != 2 || len(st.problems) != 1 {
		t.Errorf("lines: %+v", st)
	}
	// Lines are not told to the nanosecond, and nothing of packets behind the last exchange.
	near := cmp.Options{
		cmpopts.IgnoreFields(insight.Row{}, "FirstNs", "LastNs", "DurationP50", "DurationP99", "RequestRate", "ByteRate", "Retransmitted", "Bytes", "Counts"),
		cmpopts.IgnoreFields(insight.View{}, "Durations", "FromNs", "ToNs", "From", "To", "StepNs"), cmpopts.EquateApprox(0, 1e-6),
	}
	if diff := cmp.Diff(of, lines, near); diff != "" {
		t.Errorf("lines tell another story (-packets +lines):\n%s", diff)
	}
	records, _ := readAll(t, cfg, gor)
	if records.Total.Requests != of.Total.Requests || records.Total.ResponseBytes != of.Total.ResponseBytes || records.Total.RequestBytes != of.Total.RequestBytes {
		t.Errorf("records: %+v\npackets: %+v", records.Total, of.Total)
	}
	all, _ := readAll(t, cfg, gor, packets, jsonl)
	if all.Total.Requests != 3*of.Total.Requests || all.Total.ResponseBytes != 3*of.Total.ResponseBytes {
		t.Errorf("all: %+v", all.Total)
	}
}

func TestReadingStopsWhenAsked(t *testing.T) {
	testutil.CheckLeaks(t)
	entry := corpus.Get(t, "pcap2har-sajal.pcap")
	cfg, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openReading(cfg, []string{entry.Path()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.run(ctx); err != nil {
		t.Error(err)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
}
