package httpout

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// await polls for what nobody tells.
func await(t *testing.T, done func() bool) {
	t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(limit) {
			t.Fatal("it does not come")
		}
		time.Sleep(time.Millisecond)
	}
}

// sentNow is how many queued records are under way.
func sentNow(o *Output) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := int(o.records.Load())
	for s := range o.live {
		s.mu.Lock()
		n -= s.queue.n
		s.mu.Unlock()
	}
	return n
}

func markOf(t *testing.T, c *net.TCPConn) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var mark int
	err = errors.Join(raw.Control(func(fd uintptr) {
		mark, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK)
	}), err)
	if err != nil {
		t.Fatal(err)
	}
	return mark
}
