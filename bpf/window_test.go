package bpf_test

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
)

// shaken is a kernel that saw a handshake, with these options in the client's SYN, and
// whose records were read.
func shaken(t *testing.T, b build) *kernel {
	k := newKernel(t, b)
	k.show(k.ingress(), segment{seq: 100, flags: flow.SYN, window: 64240}.frame(), 0)
	k.show(k.ingress(), segment{src: server4, dst: client4, seq: 500, ack: 101, flags: flow.SYN | flow.ACK, window: 65000}.frame(), 0)
	k.records()
	k.moved()
	return k
}

// windowsTold shows bare acknowledgements with these windows, and returns those that are
// told. Between them the tick goes on.
func (k *kernel) windowsTold(windows ...uint16) (told []uint16) {
	k.t.Helper()
	for _, w := range windows {
		f := k.flow()
		f.Dirs[flow.FromB].Rare.WindowTick = 0
		key := theKey()
		if err := k.Flows.Update(&key, &f, ebpf.UpdateExist); err != nil {
			k.t.Fatal(err)
		}
		k.show(k.ingress(), segment{seq: 101, ack: 501, flags: flow.ACK, window: w}.frame(), 0)
	}
	for _, r := range k.records() {
		if r.Event.Len > 0 || r.Event.Cap > 0 {
			k.t.Errorf("a record of %d bytes", r.Event.Len)
		}
		told = append(told, r.Event.Window)
	}
	return told
}

func TestWindowsAreToldOfSlowClientsAlone(t *testing.T) {
	for name, c := range map[string]struct {
		windows bool
		show    []uint16
		want    []uint16
	}{
		"nobody asks":                {false, []uint16{500, 0, 500, 20}, nil},
		"the handshake":              {true, []uint16{500}, []uint16{500}},
		"a client that keeps up":     {true, []uint16{500, 480, 300, 63, 500, 600}, []uint16{500}},
		"a client that does not":     {true, []uint16{500, 300, 62, 500, 400}, []uint16{500, 62, 500, 400}},
		"a window that stays closed": {true, []uint16{500, 0, 0, 0}, []uint16{500, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			k := shaken(t, build{budget: 2048, windows: c.windows})
			if diff := cmp.Diff(c.want, k.windowsTold(c.show...)); diff != "" {
				t.Errorf("windows (-want +told):\n%s", diff)
			}
		})
	}
}

func TestOnlyOneOfManyWindowsIsToldAtATime(t *testing.T) {
	k := shaken(t, build{budget: 2048, windows: true})
	k.windowsTold(500, 0)
	told := 0
	for range 1000 {
		k.show(k.ingress(), segment{seq: 101, ack: 501, flags: flow.ACK, window: 400}.frame(), 0)
		told += len(k.records())
	}
	if told > 500 {
		t.Errorf("%d of 1000 are told", told)
	}
	if f := k.flow(); f.Dirs[flow.FromB].Rare.Slow == 0 {
		t.Errorf("the client is not slow any more")
	}
}

func TestTheScaleOfWindowsIsRead(t *testing.T) {
	k := newKernel(t, build{budget: 2048, windows: true})
	for name, c := range map[string]struct {
		options []byte
		want    uint8
	}{
		"none":             {nil, 0},
		"first":            {[]byte{3, 3, 7, 0}, 8},
		"as Linux has it":  {[]byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 9}, 10},
		"no scale":         {[]byte{2, 4, 5, 180, 1, 1, 1, 0}, 0},
		"after the end":    {[]byte{1, 0, 3, 3, 7, 0, 0, 0}, 0},
		"larger than 14":   {[]byte{1, 3, 3, 200}, 15},
		"without a length": {[]byte{8, 0, 3, 3, 7, 0, 0, 0}, 0},
		"cut off":          {[]byte{1, 1, 3, 3}, 0},
	} {
		for _, h := range k.hooks() {
			k.reset()
			frame := segment{flags: flow.SYN, options: c.options, payload: []byte("data")}.frame()
			if h.raw {
				frame = frame[etherLen:]
			}
			k.show(h, frame, 0)
			if got := k.records()[0].Event.Scale; got != c.want {
				t.Errorf("%s: %s: scale %d, want %d", h.name, name, got, c.want)
			}
		}
	}
}
