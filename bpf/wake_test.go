package bpf_test

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// wakeups returns a function that tells whether the reader of the first shard was
// woken since it was asked last. Data alone does not show: the wait is for edges.
func (k *kernel) wakeups() func(waitMs int) bool {
	k.t.Helper()
	bell, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize())})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { bell.Close() })
	if err := k.Bells.Put(uint32(0), bell); err != nil {
		k.t.Fatal(err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { unix.Close(epoll) })
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell.FD(), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET}); err != nil {
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
func (k *kernel) wakeAt(begun uint64) {
	k.t.Helper()
	if err := k.WakeAt.Put(uint32(0), begun); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kernel) pendingWake() (begun uint64) {
	k.t.Helper()
	if err := k.WakeAt.Lookup(uint32(0), &begun); err != nil {
		k.t.Fatal(err)
	}
	return begun
}

// A reader is woken once for each time that it asks, when as many chunks are begun as
// it said, and not at all where it did not ask.
func TestReaderIsWokenWhenItAsks(t *testing.T) {
	k := newKernel(t, build{budget: 2048, ring: smallRing})
	k.room(4)
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

	k.wakeAt(1 + 2)
	begun := 0
	for i := 3; begun < 2; i++ {
		if woken(0) {
			t.Fatalf("woken after %d chunks, want 2", begun)
		}
		before := k.pendingWake()
		packet(i)
		begun += int(before - max(k.pendingWake(), 1))
	}
	if !woken(1000) || k.pendingWake() != 0 {
		t.Error("not woken when as many chunks were begun as it asked for")
	}
	k.wakeAt(0)
}
