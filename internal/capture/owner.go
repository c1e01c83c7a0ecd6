package capture

import (
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// owner is what marks the clsact filters of a capture as its own, and tells other
// agents that it lives: a name, held as that of an abstract unix socket. The
// kernel gives the name up with the process. A pid would not do: agents in other
// containers count their own.
type owner struct {
	name string
	fd   int
}

func newOwner() (*owner, error) {
	name := clsactName + rand.Text()[:12]
	fd, err := hold(name)
	if err != nil {
		return nil, fmt.Errorf("hold name %s: %w", name, err)
	}
	return &owner{name: name, fd: fd}, nil
}

// hold binds a socket to the name, in the network namespace of the thread: that
// of the interfaces. The path of an abstract address starts with a zero byte.
func hold(name string) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + name}); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// ownerLives reports whether somebody holds the name. Where it cannot tell,
// somebody does.
func ownerLives(name string) bool {
	fd, err := hold(name)
	if err != nil {
		return true
	}
	unix.Close(fd)
	return false
}

func (o *owner) Close() error {
	if o == nil {
		return nil
	}
	return unix.Close(o.fd)
}
