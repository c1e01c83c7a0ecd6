package pcapio

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The runtime sends signals to its threads to preempt them.
func TestASilentPipeIsSilentWhateverSignalsCome(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	content, err := os.ReadFile(pcapFile(t, "a.pcap", 7))
	if err != nil {
		t.Fatal(err)
	}
	w.Write(content)
	s, err := OpenStream(path, new(atomic.Int64))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread, done := unix.Gettid(), make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				unix.Tgkill(os.Getpid(), thread, unix.SIGURG)
			}
		}
	})
	if _, err := s.Peek(1); err != nil {
		t.Error(err)
	}
	if !s.Idle(20 * time.Millisecond) {
		t.Error("a pipe that nobody writes to is not idle")
	}
	close(done)
	storm.Wait()
}
