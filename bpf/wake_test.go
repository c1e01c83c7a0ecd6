package bpf_test

import (
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// wakeups returns a function that tells whether the reader of the first ring was
// woken since it was asked last. Data alone does not show: the wait is for edges.
func (k *kernel) wakeups() func(waitMs int) bool {
	k.t.Helper()
	var id ebpf.MapID
	if err := k.Rings.Lookup(uint32(0), &id); err != nil {
		k.t.Fatal(err)
	}
	ring, err := ebpf.NewMapFromID(id)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { ring.Close() })
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { unix.Close(epoll) })
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, ring.FD(), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET}); err != nil {
		k.t.Fatal(err)
	}
	return func(waitMs int) bool {
		for {
			n, err := unix.EpollWait(epoll, make([]unix.EpollEvent, 1), waitMs)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				k.t.Fatal(err)
			}
			return n > 0
		}
	}
}

// wakeAt asks to be woken, and pending reads whether that still holds.
func (k *kernel) wakeAt(bytes uint64) {
	k.t.Helper()
	if err := k.WakeAt.Put(uint32(0), bytes); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kernel) pendingWake() (bytes uint64) {
	k.t.Helper()
	if err := k.WakeAt.Lookup(uint32(0), &bytes); err != nil {
		k.t.Fatal(err)
	}
	return bytes
}

// A reader is woken once for each time that it asks, when as much is in the ring as
// it said, and not at all where it did not ask.
func TestReaderIsWokenWhenItAsks(t *testing.T) {
	k := newKernel(t, build{budget: 2048})
	woken := k.wakeups()
	packet := func(i int) { k.show(k.ingress(), client(push, uint32(1+200*i), 1, 200).frame(), 0) }

	packet(0)
	if woken(0) {
		t.Error("woken without asking")
	}
	k.records()

	k.wakeAt(1)
	packet(1)
	if !woken(1000) {
		t.Error("not woken by the first record")
	}
	if k.pendingWake() != 0 {
		t.Error("the wish outlives the waking")
	}
	packet(2)
	if woken(0) {
		t.Error("woken a second time")
	}
	k.records()

	k.wakeAt(1000) // a record of 200 bytes takes 288
	packet(3)
	early := woken(0)
	for i := 4; i < 8; i++ {
		packet(i)
	}
	if early || !woken(1000) {
		t.Errorf("woken early: %v, want at the fill that was asked for", early)
	}
	k.wakeAt(0)
}
