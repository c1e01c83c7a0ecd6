package bpf

import (
	"strconv"
	"strings"
	"testing"

	"gortap/internal/testutil"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
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
		calls := callGraph(t, spec.Programs[name].Instructions)
		frames := stackFrames(t, p.VerifierLog)
		if len(frames) != len(calls) {
			t.Fatalf("%s: %d frames of %d functions", name, len(frames), len(calls))
		}
		if total := deepest(0, calls, frames); total > 512 {
			t.Errorf("%s: %d bytes of stack in frames %v, want at most 512", name, total, frames)
		}
	}
}

// callGraph tells of each function, in the kernel's order, which ones it calls or has
// called.
func callGraph(t *testing.T, program asm.Instructions) [][]int {
	t.Helper()
	number := map[string]int{}
	for _, ins := range program {
		if btf.FuncMetadata(&ins) != nil {
			number[ins.Symbol()] = len(number)
		}
	}
	calls := make([][]int, len(number))
	at := -1
	for _, ins := range program {
		if btf.FuncMetadata(&ins) != nil {
			at++
		}
		if ins.IsFunctionCall() || ins.IsLoadOfFunctionPointer() {
			callee, known := number[ins.Reference()]
			if !known {
				t.Fatalf("a call of %q, which is no function of the program", ins.Reference())
			}
			calls[at] = append(calls[at], callee)
		}
	}
	return calls
}

// deepest is the stack that a function and whatever it calls may take.
func deepest(function int, calls [][]int, frames []int) int {
	below := 0
	for _, callee := range calls[function] {
		below = max(below, deepest(callee, calls, frames))
	}
	return frames[function] + below
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
