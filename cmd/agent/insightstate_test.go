package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gortap/internal/insight"
)

func TestBaselinesAreKeptInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "baselines")
	open := func() (*insights, string) {
		var log bytes.Buffer
		cfg := &Config{Insight: true, InsightState: path, InsightMemory: 32 << 20}
		in, err := openInsights(cfg, nil, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(in.intake.Close)
		return in, log.String()
	}
	first, log := open()
	if log != "" {
		t.Errorf("the first run warns: %s", log)
	}
	o := insight.Observation{EndNs: 1e18, Service: "shop", Path: "/x", Method: "GET", Status: 200, Client: netip.MustParseAddrPort("10.0.0.1:1")}
	first.store.Batch(0, func(observe func(*insight.Observation)) { observe(&o) })
	if err := first.saveState(); err != nil {
		t.Fatal(err)
	}
	second, log := open()
	if !bytes.Contains(second.detectors.State(), []byte("/x")) || log != "" {
		t.Errorf("the second run does not know the first: %s %s", second.detectors.State(), log)
	}

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	third, log := open()
	if !strings.Contains(log, "begin without baselines") || bytes.Contains(third.detectors.State(), []byte("/x")) {
		t.Errorf("a damaged file is taken: %q", log)
	}
	if err := third.saveState(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAStateThatCannotBeWrittenSaysWhy(t *testing.T) {
	err := writeState(filepath.Join(t.TempDir(), "missing", "baselines"), nil)
	if err == nil || !strings.Contains(err.Error(), "--insight-state") {
		t.Errorf("%v", err)
	}
	dir := filepath.Join(t.TempDir(), "baselines")
	if err := os.MkdirAll(filepath.Join(dir, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeState(dir, nil); err == nil {
		t.Error("a directory is replaced")
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
