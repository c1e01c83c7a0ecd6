package datagram

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// idle is how long a socket without open questions stays for more of them.
const idle = 200 * time.Millisecond

// peer is the socket of one copy of a client. It is open while answers may come, and
// shortly after.
type peer struct {
	out  *Output
	conn *net.UDPConn

	mu    sync.Mutex
	gone  bool // the socket is closed
	asked int  // and not answered
	until time.Time
	last  bool // no more is asked
}

// send asks the target. It reports false, and has done nothing, where the socket was
// closed meanwhile.
func (p *peer) send(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return false
	}
	// A refusal that an ICMP message told of is of the datagram before.
	_, err := p.conn.Write(b)
	if err != nil {
		_, err = p.conn.Write(b)
	}
	if err != nil {
		p.out.stats.skip(skipRefused)
		return true
	}
	p.asked++
	p.until = time.Now().Add(p.out.cfg.Wait)
	p.out.stats.change(func(s *Stats) {
		s.Datagrams++
		s.Sent++
		s.SentBytes += uint64(len(b))
	})
	return true
}

// run counts answers until none can come.
func (p *peer) run() {
	raw, err := p.conn.SyscallConn()
	for err == nil {
		var size uintptr
		var errno syscall.Errno
		_ = p.conn.SetReadDeadline(p.deadline())
		failed := raw.Read(func(fd uintptr) bool {
			// Of an answer only its size is of use.
			size, _, errno = unix.Syscall6(unix.SYS_RECVFROM, fd, 0, 0, unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
			return errno != unix.EAGAIN
		})
		switch {
		case failed == nil && errno == 0:
			p.answered(int(size))
		case failed == nil: // an ICMP message: nobody listens there now
		case p.over(failed):
			return
		}
	}
}

// answered counts an answer, to the oldest open question.
func (p *peer) answered(size int) {
	p.mu.Lock()
	asked := p.asked > 0
	if asked {
		p.asked--
	}
	if p.asked == 0 && !p.last {
		p.until = time.Now().Add(idle)
	}
	p.mu.Unlock()
	p.out.stats.change(func(s *Stats) {
		s.Received += uint64(size)
		if asked {
			s.Answered++
		} else {
			s.Unasked++
		}
	})
}

func (p *peer) deadline() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last && p.asked == 0 {
		return time.Unix(1, 0)
	}
	return p.until
}

// endBy says that nothing more is asked, and when to go.
func (p *peer) endBy(then time.Time) {
	p.mu.Lock()
	p.last = true
	if then.Before(p.until) {
		p.until = then
	}
	p.mu.Unlock()
	_ = p.conn.SetReadDeadline(time.Unix(1, 0)) // look again
}

// over closes the socket where it is time, or where it cannot be waited on, and reports
// whether it did. Nobody can ask it any more then.
func (p *peer) over(failed error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(failed, os.ErrDeadlineExceeded) && time.Now().Before(p.until) && (!p.last || p.asked > 0) {
		return false
	}
	p.gone = true
	p.conn.Close()
	asked := uint64(p.asked)
	p.out.stats.change(func(s *Stats) { s.Unanswered += asked })
	return true
}

func (p *peer) closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gone
}
