package testutil

import (
	"os"
	"path/filepath"
	"testing"
)

// GoReplay returns the path of GoReplay v1.3.2, which make builds. Without it the
// test is skipped; where skips are not allowed, only if make could not build it.
func GoReplay(t testing.TB) string {
	t.Helper()
	cache := filepath.Join(moduleRoot(t), ".cache")
	path := filepath.Join(cache, "goreplay")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if _, err := os.Stat(path + ".unavailable"); err == nil {
		t.Skip("GoReplay could not be built on this machine")
	}
	skip(t, "needs GoReplay [run: make .cache/goreplay]")
	return ""
}

// moduleRoot is the folder with go.mod above the test's.
func moduleRoot(t testing.TB) string {
	t.Helper()
	at, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			t.Fatal("find module: no go.mod above the test's folder")
		}
		at = filepath.Dir(at)
	}
}
