package bpf_test

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"gortap/bpf"
	"gortap/internal/flow"
)

// putBack is a program of its own around the function put_back, which otherwise runs only
// where a ring is full, and meets another CPU only by chance. Its packet is a segment
// and an emission behind an Ethernet header.
type putBack struct {
	*ebpf.Program
	segment, emission, skip int // sizes, and where the skip is in an emission
}

func newPutBack(t *testing.T, k *kernel) *putBack {
	t.Helper()
	spec, err := bpf.LoadCapture()
	if err != nil {
		t.Fatal(err)
	}
	p := &putBack{}
	for name, size := range map[string]*int{"segment": &p.segment, "emission": &p.emission} {
		var s *btf.Struct
		if err := spec.Types.TypeByName(name, &s); err != nil {
			t.Fatal(err)
		}
		*size = int(s.Size)
		for _, m := range s.Members {
			if m.Name == "skip" {
				p.skip = int(m.Offset.Bytes())
			}
		}
	}
	aligned := func(n int) int { return (n + 7) &^ 7 }
	segment := -aligned(p.segment)
	emission := segment - aligned(p.emission)
	load := func(from, to, n int) asm.Instructions {
		return asm.Instructions{
			asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, int32(from)),
			asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, int32(to)), asm.Mov.Imm(asm.R4, int32(n)),
			asm.FnSkbLoadBytes.Call(), asm.JNE.Imm(asm.R0, 0, "out"),
		}
	}
	main := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	main = append(main, load(frameHeader, segment, p.segment)...)
	main = append(main, load(frameHeader+p.segment, emission, p.emission)...)
	main = append(main,
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, int32(segment)),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, int32(emission)),
		asm.Call.Label("put_back"), asm.Return().WithSymbol("out"))
	maps := map[string]*ebpf.Map{bpf.CaptureMapFlows: k.Flows, bpf.CaptureMapCounters: k.Counters}
	constants := map[string]*ebpf.MapSpec{".rodata": spec.Maps[".rodata"]}
	own := &ebpf.CollectionSpec{ByteOrder: spec.ByteOrder, Maps: constants, Programs: map[string]*ebpf.ProgramSpec{
		"put_back_only": {Type: ebpf.SchedCLS, License: "GPL", Instructions: append(main, function(t, spec, "put_back")...)},
	}}
	for name := range maps {
		own.Maps[name] = spec.Maps[name]
	}
	loaded, err := ebpf.NewCollectionWithOptions(own, ebpf.CollectionOptions{MapReplacements: maps})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(loaded.Close)
	p.Program = loaded.Programs["put_back_only"]
	return p
}

const frameHeader = 14

// function takes a function out of the programs, without its types, which say that it is global.
func function(t *testing.T, spec *ebpf.CollectionSpec, name string) (body asm.Instructions) {
	t.Helper()
	within := false
	for _, ins := range spec.Programs[bpf.CaptureProgTcL2Ingress].Instructions {
		if f := btf.FuncMetadata(&ins); f != nil {
			within = f.Name == name
		}
		if !within {
			continue
		}
		symbol, reference := ins.Symbol(), ins.Reference()
		ins.Metadata = asm.Metadata{}
		if reference != "" {
			ins = ins.WithReference(reference)
		}
		body = append(body, ins.WithSymbol(symbol))
	}
	if len(body) == 0 {
		t.Fatalf("no function %s", name)
	}
	return body
}

// run puts a skip of the only flow of the tests back, and reports whether it went.
func (p *putBack) run(t *testing.T, skip bpf.CaptureSkip) bool {
	t.Helper()
	packet := make([]byte, frameHeader+p.segment+p.emission)
	key := theKey()
	if _, err := binary.Encode(packet[frameHeader:], binary.LittleEndian, &key); err != nil {
		t.Fatal(err)
	}
	if _, err := binary.Encode(packet[frameHeader+p.segment+p.skip:], binary.LittleEndian, &skip); err != nil {
		t.Fatal(err)
	}
	done, err := p.Run(&ebpf.RunOptions{Data: packet})
	if err != nil {
		t.Fatal(err)
	}
	return done == 1
}

// A skip goes back into its flow, or is counted as lost where that cannot be: the flow
// ended, or began another skip in the meantime.
func TestSkipGoesBackOrIsLost(t *testing.T) {
	k := newKernel(t, build{budget: 100})
	p := newPutBack(t, k)
	skip := bpf.CaptureSkip{TsNs: 5, End: 9000, Len: 3000, Ack: 77, Dir: 1, Packets: 3, NetBytes: 3120}
	other := bpf.CaptureSkip{TsNs: 6, End: 70, Len: 10, Packets: 1, NetBytes: 50}
	key, _ := flow.NewKey(client4, server4, 0)
	with := func(state uint32, f bpf.CaptureFlow) *bpf.CaptureFlow {
		for i := range f.Dirs {
			f.Dirs[i].Lock = freeLock(key) | uint64(state)
		}
		return &f
	}
	counted, again := bpf.CaptureFlow{}, bpf.CaptureFlow{Skip: other, Skipping: 1}
	counted.Dirs[skip.Dir].Payload = 10_000
	putBack := counted
	putBack.Skip, putBack.Skipping, putBack.Told = skip, 1+skip.Dir, 7000
	oneTaken := *with(free, counted)
	oneTaken.Dirs[1].Lock |= uint64(taken)
	lost := counters{"COUNTED": {Packets: -uint64(skip.Packets), Bytes: -uint64(skip.NetBytes)}, "RING_FULL": {Packets: 3, Bytes: 3120}}
	for _, tc := range []struct {
		name   string
		flow   *bpf.CaptureFlow
		after  *bpf.CaptureFlow
		counts counters
	}{
		{"a flow that skips nothing", with(free, counted), with(free, putBack), counters{}},
		{"a flow that skips again", with(free, again), with(free, again), lost},
		{"a flow that ends", with(ended, counted), with(ended, counted), lost},
		{"a flow that another CPU is at work on", with(taken, counted), with(taken, counted), lost},
		{"a flow of whose one direction another CPU is at work", &oneTaken, &oneTaken, lost},
		{"another flow in its place", &bpf.CaptureFlow{}, &bpf.CaptureFlow{}, lost},
		{"no flow", nil, nil, lost},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k.t = t
			k.reset()
			if tc.flow != nil {
				if err := k.Flows.Put(theKey(), tc.flow); err != nil {
					t.Fatal(err)
				}
			}
			if back, want := p.run(t, skip), len(tc.counts) == 0; back != want {
				t.Errorf("put back: %v, want %v", back, want)
			}
			if diff := cmp.Diff(tc.counts, k.moved()); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
			if tc.flow == nil {
				return
			}
			if diff := cmp.Diff(*tc.after, k.flow()); diff != "" {
				t.Errorf("flow (-want +got):\n%s", diff)
			}
		})
	}
}
