package govern

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// The meter tells work from idleness, and memory in use from memory given back.
func TestMeterSeesWorkAndMemory(t *testing.T) {
	m, err := NewMeter()
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
		runtime.Gosched()
	}
	busy, err := m.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if busy <= 0 || busy > float64(runtime.NumCPU())+1 {
		t.Errorf("kept %v cores busy", busy)
	}
	debug.FreeOSMemory() // else it may be there already
	before := m.Memory()
	big := make([]byte, 64<<20)
	for i := 0; i < len(big); i += 4096 {
		big[i] = 1
	}
	if grown := m.Memory() - before; grown < 60<<20 || grown > 80<<20 {
		t.Errorf("memory grew by %d bytes for 64 MiB", grown)
	}
	runtime.KeepAlive(big)
}
