package testutil

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"go.uber.org/goleak"
)

// CheckLeaks fails the test if at its end there are goroutines or open files of
// this process that were not there when it was called. Open files include BPF
// programs, maps and links. Call it first, so that it looks last; not in
// parallel tests.
func CheckLeaks(t testing.TB) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	before := openFiles(t)
	t.Cleanup(func() {
		// It waits a little for goroutines that are about to end.
		if err := goleak.Find(ignore); err != nil {
			t.Error(err)
		}
		for _, leak := range newFiles(before, openFiles(t)) {
			t.Errorf("leaked %s", leak)
		}
	})
}

// openFiles maps descriptors to what they are open on.
func openFiles(t testing.TB) map[int]string {
	t.Helper()
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[int]string)
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // the descriptor of the listing itself
		}
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[fd] = target
	}
	return files
}

// newFiles compares how often each target is open: the numbers of descriptors
// are used again.
func newFiles(before, after map[int]string) []string {
	extra := make(map[string]int)
	for _, target := range after {
		extra[target]++
	}
	for _, target := range before {
		extra[target]--
	}
	var leaks []string
	for _, target := range slices.Sorted(maps.Keys(extra)) {
		// The runtime's poller is opened once, by the first that needs it.
		if extra[target] <= 0 || target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]" {
			continue
		}
		leaks = append(leaks, fmt.Sprintf("%d open file(s) on %s", extra[target], target))
	}
	return leaks
}
