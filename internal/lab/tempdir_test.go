package lab

import (
	"os"
	"testing"
	"time"
)

func TestSweepRemovesOnlyFoldersOfTheDead(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	live, err := NewTempDir()
	if err != nil {
		t.Fatal(err)
	}
	dead, err := NewTempDir()
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := NewTempDir()
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * orphanAge)
	for _, d := range []*TempDir{live, dead} {
		if err := os.Chtimes(d.Path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	dead.lock.Close() // as the kernel does when its process ends
	fresh.lock.Close()

	if err := sweepTempDirs(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		dir  *TempDir
		want bool
	}{{"live", live, true}, {"dead", dead, false}, {"made just now", fresh, true}} {
		_, err := os.Stat(tc.dir.Path)
		if got := err == nil; got != tc.want {
			t.Errorf("%s folder: exists = %v, want %v", tc.name, got, tc.want)
		}
	}
	if err := live.Remove(); err != nil {
		t.Error(err)
	}
}
