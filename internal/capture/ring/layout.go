package ring

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"

	"gortap/bpf"
)

// Sizes of include/ring.h and include/event.h.
const (
	poolWords = 256
	maxChunks = poolWords * 64 // of a shard
	tailBytes = 16
	laneSize  = int(unsafe.Sizeof(bpf.CaptureLane{}))
	eventSize = int(unsafe.Sizeof(bpf.CaptureEvent{}))
	jumpSize  = int(unsafe.Sizeof(bpf.CaptureJump{}))
)

// A chunk is as small as what the smallest ring has room for, and never so large that
// a CPU which writes little keeps much from the others.
const (
	minChunk = 4 << 10
	maxChunk = 64 << 10
)

// Layout says how the memory lies that the programs and their readers share.
type Layout struct {
	Shards     int
	Lanes      int // of a shard: one a CPU, then the control program's
	Chunks     int // of a shard
	ChunkBytes int
}

// LayoutOf divides bytes a shard. It takes more where that is not enough for two chunks
// a lane.
func LayoutOf(shards, cpus, bytes int) Layout {
	lanes, size := cpus+1, maxChunk
	for size > minChunk && bytes/size < 3*lanes {
		size /= 2
	}
	return Layout{Shards: shards, Lanes: lanes, Chunks: max(bytes/size, 2*lanes), ChunkBytes: size}
}

// MaxBytes is the largest ring of a shard.
const MaxBytes = maxChunks * maxChunk

// Bytes is what a shard's records have room in.
func (l Layout) Bytes() int { return l.Chunks * l.ChunkBytes }

// Slice is how much payload one record takes at most.
func (l Layout) Slice() int { return l.ChunkBytes / 4 }

// Last is where in a chunk the last record may begin: behind the largest one there is
// room to say where the lane goes on.
func (l Layout) Last() int { return l.ChunkBytes - l.Slice() - eventSize - tailBytes - jumpSize }

// Apply sets the sizes in the programs' maps and constants, before they are loaded.
func (l Layout) Apply(spec *ebpf.CollectionSpec) error {
	if l.Chunks > maxChunks {
		return fmt.Errorf("divide ring of %d bytes a shard: more than %d", l.Bytes(), MaxBytes)
	}
	chunks := spec.Maps[bpf.CaptureMapChunks]
	chunks.MaxEntries, chunks.ValueSize = uint32(l.Shards*l.Chunks), uint32(l.ChunkBytes)
	spec.Maps[bpf.CaptureMapLanes].MaxEntries = uint32(l.Shards * l.Lanes)
	spec.Maps[bpf.CaptureMapPool].MaxEntries = uint32(l.Shards * poolWords)
	for name, value := range map[string]int{
		bpf.CaptureVarCfgShards:    l.Shards,
		bpf.CaptureVarCfgLanes:     l.Lanes,
		bpf.CaptureVarCfgChunks:    l.Chunks,
		bpf.CaptureVarCfgChunkLast: l.Last(),
		bpf.CaptureVarCfgSlice:     l.Slice(),
	} {
		if err := spec.Variables[name].Set(uint32(value)); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	ordered := uint8(0)
	if runtime.GOARCH == "amd64" {
		ordered = 1
	}
	if err := spec.Variables[bpf.CaptureVarCfgOrderedStores].Set(ordered); err != nil {
		return fmt.Errorf("set order of stores: %w", err)
	}
	return nil
}
