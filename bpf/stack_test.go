package bpf

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"gortap/internal/testutil"

	"github.com/cilium/ebpf"
)

// Kernels before 6.9 round each frame up to 32 bytes and allow a chain of calls 512.
// This kernel rounds to 16; so the frames are added up as an older one would.
func TestTheStackIsLargeEnoughOnOlderKernels(t *testing.T) {
	testutil.RequireRoot(t)
	spec, err := LoadCapture()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, p := range c.Programs {
		frames := stackFrames(t, p.VerifierLog)
		// The program's own frame, and below it no deeper chain than of two calls.
		slices.Sort(frames[1:])
		total := frames[0]
		for _, f := range frames[max(1, len(frames)-2):] {
			total += f
		}
		if total > 512 {
			t.Errorf("%s: %d bytes of stack in frames %v, want at most 512", name, total, frames)
		}
	}
}

// stackFrames reads "stack depth 112+144+0" and rounds as older kernels do. A
// function without a frame counts as one.
func stackFrames(t *testing.T, log string) []int {
	t.Helper()
	for line := range strings.Lines(log) {
		list, found := strings.CutPrefix(strings.TrimSpace(line), "stack depth ")
		if !found {
			continue
		}
		var frames []int
		for text := range strings.SplitSeq(list, "+") {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			frames = append(frames, max(32, (n+31)/32*32))
		}
		return frames
	}
	t.Fatalf("no stack depth in the verifier's log:\n%s", log)
	return nil
}
