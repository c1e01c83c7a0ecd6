// Package lab builds private networks with real programs in them, for tests and
// for the demo: network namespaces, veth links, nginx. It needs root.
//
// Nothing of it outlives the process, however that ends: namespaces have no
// names and vanish with their last descriptor, links vanish with their
// namespace, and children are killed with the thread that started them.
package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrClosed is returned by a Namespace after Close.
var ErrClosed = errors.New("namespace is closed")

// threadNamespace names the network namespace of the calling thread.
const threadNamespace = "/proc/thread-self/ns/net"

// Namespace is a network namespace of this process alone. Its methods may be
// called from any goroutine.
type Namespace struct {
	net *os.File

	tasks chan func() // for the thread that owns the children
	quit  func()      // tells it to end; idempotent
	ended chan struct{}
}

// NewNamespace makes a namespace whose loopback interface is up. The caller
// closes it.
func NewNamespace() (*Namespace, error) {
	quit := make(chan struct{})
	n := &Namespace{
		tasks: make(chan func()),
		quit:  sync.OnceFunc(func() { close(quit) }),
		ended: make(chan struct{}),
	}
	ready := make(chan error, 1)
	go n.own(ready, quit)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("create network namespace: %w (needs root)", err)
	}
	if err := n.Do(func() error { return linkUp("lo") }); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// own keeps a thread for the children: PR_SET_PDEATHSIG follows the thread that
// forked, so they must not be started from one that the runtime may end early.
func (n *Namespace) own(ready chan<- error, quit <-chan struct{}) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The runtime never ends the first thread of a process. Hold it, so that
		// the owner gets another one.
		go n.own(ready, quit)
		<-n.ended
		runtime.UnlockOSThread()
		return
	}
	// Still locked on return: the thread ends, and with it the children.
	defer close(n.ended)

	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		ready <- err
		return
	}
	var err error
	n.net, err = os.Open(threadNamespace)
	ready <- err
	if err != nil {
		return
	}
	for {
		select {
		case task := <-n.tasks:
			task()
		case <-quit:
			return
		}
	}
}

// Close kills the programs that still run inside, gives up the namespace and
// returns when its thread has ended its work. It is idempotent.
func (n *Namespace) Close() error {
	n.quit()
	<-n.ended
	if err := n.net.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close namespace: %w", err)
	}
	return nil
}

// Do runs fn with the calling goroutine inside the namespace. Sockets that fn
// opens stay inside; goroutines that it starts do not.
func (n *Namespace) Do(fn func() error) (err error) {
	runtime.LockOSThread()
	outside, err := os.Open(threadNamespace)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open own namespace: %w", err)
	}
	defer outside.Close()
	if err := unix.Setns(int(n.net.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace: %w", err)
	}
	defer func() {
		// A thread that cannot go back stays locked, and ends with the goroutine.
		if back := unix.Setns(int(outside.Fd()), unix.CLONE_NEWNET); back != nil {
			err = errors.Join(err, fmt.Errorf("leave namespace: %w", back))
			return
		}
		runtime.UnlockOSThread()
	}()
	return fn()
}

// Start starts cmd inside the namespace. The caller waits for it. It gets SIGKILL
// when the namespace is closed and when this process ends.
func (n *Namespace) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	started := make(chan error, 1)
	select {
	case <-n.ended:
		return ErrClosed
	case n.tasks <- func() { started <- cmd.Start() }:
		return <-started
	}
}

// Run runs a program inside the namespace and returns what it printed. The error
// of one that failed holds the output too.
func (n *Namespace) Run(ctx context.Context, name string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := n.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return out.String(), fmt.Errorf("run %s: %w: %s", name, err, bytes.TrimSpace(out.Bytes()))
	}
	return out.String(), nil
}

// Listen listens inside the namespace; the listener may be used from anywhere.
func (n *Namespace) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var l net.Listener
	err := n.Do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(ctx, network, address)
		return err
	})
	return l, err
}

// DialContext connects from inside the namespace. The address must be numeric: a
// resolver would run outside.
func (n *Namespace) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var c net.Conn
	err := n.Do(func() (err error) {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set link %s up: %w", name, err)
	}
	return nil
}
