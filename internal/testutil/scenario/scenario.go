// Package scenario plays incidents with real servers and clients, for tests of what
// explains them: findings, reports, views. Everything runs in a lab.Pair: servers at
// lab.ServerIP, clients at addresses of their own. What captures it is the test's.
package scenario

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gortap/internal/lab"
)

// Serve answers on an address inside a namespace until the test ends.
func Serve(t testing.TB, n *lab.Namespace, addr string, h http.Handler) {
	t.Helper()
	l, err := n.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	var done sync.WaitGroup
	done.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() {
		s.Close()
		done.Wait()
	})
}

// Client is a client with an address of its own. It keeps connections and, as curl
// does, asks for no compression.
func Client(t testing.TB, n *lab.Namespace, from netip.Addr) *http.Client {
	tr := &http.Transport{
		DisableCompression:  true,
		MaxIdleConnsPerHost: 100,
		DialContext: func(_ context.Context, network, address string) (c net.Conn, err error) {
			err = n.Do(func() error {
				to, err := net.ResolveTCPAddr(network, address)
				if err != nil {
					return err
				}
				// Not by a Dialer: it would connect from another goroutine, outside.
				c, err = net.DialTCP(network, net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), to)
				return err
			})
			return c, err
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// Get fetches a target of a host from a server and returns the answer's status and how
// many bytes it had. fields are names and values of header fields.
func Get(ctx context.Context, c *http.Client, server, host, target string, fields ...string) (status int, size int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+server+target, nil)
	if err != nil {
		return 0, 0, err
	}
	req.Host = host
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, 0, fmt.Errorf("get %s of %s: %w", target, host, err)
	}
	defer res.Body.Close()
	size, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, size, err
}

// pace calls do so many times a second, in at most so many goroutines, until ctx is
// done. What the machine cannot keep up with is left out.
func pace(ctx context.Context, rate, workers int, do func(i int)) {
	const slices = 50 // a second
	jobs := make(chan int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range jobs {
				do(i)
			}
		})
	}
	tick := time.NewTicker(time.Second / slices)
	defer tick.Stop()
	begin, sent := time.Now(), 0
	for ctx.Err() == nil {
		due := int(time.Since(begin).Seconds() * float64(rate))
		sent = max(sent, due-rate/10-1)
		for ; sent < due && ctx.Err() == nil; sent++ {
			select {
			case jobs <- sent:
			case <-ctx.Done():
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	close(jobs)
	all.Wait()
}

// failures keeps the first error of many goroutines.
type failures struct{ first atomic.Pointer[error] }

func (f *failures) see(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		f.first.CompareAndSwap(nil, &err)
	}
}

func (f *failures) check(t testing.TB) {
	t.Helper()
	if err := f.first.Load(); err != nil {
		t.Error(*err)
	}
}
