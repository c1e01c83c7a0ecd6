package middleware

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is one run of the command.
type child struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr *os.File
	exited chan struct{} // closed when it has; err says how
	err    error
}

// startChild starts the command in a process group of its own, so that Ctrl-C
// does not reach it before it has answered what it was given.
func startChild(words []string) (*child, error) {
	var ends []*os.File
	closeAll := func() {
		for _, f := range ends {
			f.Close()
		}
	}
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("make pipe for %s: %w", words[0], err)
		}
		ends = append(ends, r, w)
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = ends[0], ends[3], ends[5]
	// Python buffers what it writes to a pipe until there are 8 KiB of it.
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		closeAll()
		return nil, fmt.Errorf("start %s: %w", words[0], err)
	}
	ends[0].Close()
	ends[3].Close()
	ends[5].Close()
	c := &child{cmd: cmd, stdin: ends[1], stdout: ends[2], stderr: ends[4], exited: make(chan struct{})}
	go c.wait()
	return c, nil
}

// drainTime is how long what a child that has ended left in its pipes may take.
// Only its own children can hold them open longer.
const drainTime = time.Second

// wait ends with the child, which end makes sure of.
func (c *child) wait() {
	c.err = c.cmd.Wait()
	c.stdin.Close()
	until := time.Now().Add(drainTime)
	_ = c.stdout.SetReadDeadline(until)
	_ = c.stderr.SetReadDeadline(until)
	close(c.exited)
}

// unread returns how much of what was written the child has not yet read.
func (c *child) unread() int64 {
	raw, err := c.stdin.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return int64(n)
}

// terminate asks the child and its own children to end, and makes them.
func (c *child) terminate(grace time.Duration) {
	c.stdin.Close()
	c.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.exited:
	case <-timer.C:
		c.signal(syscall.SIGKILL)
		<-c.exited
	}
}

// signal reaches the group, which the child leads. Once the child has been waited
// for, its number may belong to somebody else.
func (c *child) signal(s syscall.Signal) {
	select {
	case <-c.exited:
	default:
		_ = syscall.Kill(-c.cmd.Process.Pid, s)
	}
}
