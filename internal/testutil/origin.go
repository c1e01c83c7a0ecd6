package testutil

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"gortap/internal/lab"
)

// Step is one thing that an Origin does on a connection.
type Step func(*conn) error

// conn is the server's end of a connection; in holds what was read beyond the
// last step.
type conn struct {
	*net.TCPConn
	in       []byte
	received *bytes.Buffer
	sent     int64
	quit     <-chan struct{} // closed when the origin closes
}

// ReadHead reads up to the empty line that ends a head, and leaves what follows.
func ReadHead() Step {
	return func(c *conn) error {
		end := []byte("\r\n\r\n")
		for !bytes.Contains(c.in, end) {
			if err := c.fill(); err != nil {
				return err
			}
		}
		c.in = c.in[bytes.Index(c.in, end)+len(end):]
		return nil
	}
}

// ReadN reads n bytes.
func ReadN(n int) Step {
	return func(c *conn) error {
		for len(c.in) < n {
			if err := c.fill(); err != nil {
				return err
			}
		}
		c.in = c.in[n:]
		return nil
	}
}

// Write sends the bytes as they are, in one write.
func Write(b string) Step {
	return func(c *conn) error {
		n, err := c.TCPConn.Write([]byte(b))
		c.sent += int64(n)
		return err
	}
}

// Wait pauses the script until the channel is closed.
func Wait(until <-chan struct{}) Step {
	return func(c *conn) error {
		select {
		case <-until:
			return nil
		case <-c.quit:
			return net.ErrClosed
		}
	}
}

// CloseWrite sends FIN and goes on reading.
func CloseWrite() Step {
	return func(c *conn) error { return c.TCPConn.CloseWrite() }
}

// Reset ends the connection with RST.
func Reset() Step {
	return func(c *conn) error {
		if err := c.SetLinger(0); err != nil {
			return err
		}
		return c.Close()
	}
}

// ReadToEnd reads until the client has closed its side.
func ReadToEnd() Step {
	return func(c *conn) error {
		for {
			if err := c.fill(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
}

func (c *conn) fill() error {
	buf := make([]byte, 64<<10)
	n, err := c.TCPConn.Read(buf)
	c.in = append(c.in, buf[:n]...)
	c.received.Write(buf[:n])
	return err
}

// Origin is a server that plays the same script on every connection and closes
// it afterwards. It sends what it is told, valid or not.
type Origin struct {
	listener net.Listener
	script   []Step
	wg       sync.WaitGroup
	quit     chan struct{}
	stop     func() // closes quit; idempotent

	mu    sync.Mutex
	conns map[net.Conn]struct{} // open ones
	log   []Served
}

// Served is what one connection of an Origin came to.
type Served struct {
	Client   net.Addr
	Received []byte
	Sent     int64
	Err      error // of the step that ended the script early
}

// NewOrigin serves the script on a TCP address inside the namespace, and ends
// after the test. A nil namespace is the one of the test: use loopback.
func NewOrigin(t testing.TB, n *lab.Namespace, address string, script ...Step) *Origin {
	t.Helper()
	listen := new(net.ListenConfig).Listen
	if n != nil {
		listen = n.Listen
	}
	l, err := listen(context.Background(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	quit := make(chan struct{})
	o := &Origin{
		listener: l,
		script:   script,
		quit:     quit,
		stop:     sync.OnceFunc(func() { close(quit) }),
		conns:    make(map[net.Conn]struct{}),
	}
	o.wg.Go(o.accept)
	t.Cleanup(func() { o.Close() })
	return o
}

// Addr is where the origin listens.
func (o *Origin) Addr() net.Addr { return o.listener.Addr() }

// Close ends the server and its connections and returns what they came to, in
// the order in which they ended.
func (o *Origin) Close() []Served {
	o.listener.Close()
	o.stop()
	o.mu.Lock()
	for c := range o.conns {
		c.Close()
	}
	o.mu.Unlock()
	o.wg.Wait()
	return o.log
}

// Drain accepts no more, waits for the open connections to end by themselves,
// and returns what they came to.
func (o *Origin) Drain() []Served {
	o.listener.Close()
	o.wg.Wait()
	return o.log
}

func (o *Origin) accept() {
	for {
		c, err := o.listener.Accept()
		if err != nil {
			return // closed
		}
		o.mu.Lock()
		o.conns[c] = struct{}{}
		o.mu.Unlock()
		o.wg.Go(func() { o.serve(c.(*net.TCPConn)) })
	}
}

func (o *Origin) serve(tcp *net.TCPConn) {
	c := &conn{TCPConn: tcp, received: new(bytes.Buffer), quit: o.quit}
	var err error
	for _, step := range o.script {
		if err = step(c); err != nil {
			break
		}
	}
	tcp.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.conns, tcp)
	o.log = append(o.log, Served{Client: tcp.RemoteAddr(), Received: c.received.Bytes(), Sent: c.sent, Err: err})
}
