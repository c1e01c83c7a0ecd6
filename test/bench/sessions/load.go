package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// loadCommand is the bench's own first argument where it is to be the program that
// makes sessions: so many a second, so many in all, to an address.
const loadCommand = "load"

// workers is how many sessions of the load are under way at most.
const workers = 64

// load makes sessions at a constant rate. One that finds no worker free is late, and
// the rate is made up for.
func load(args []string) error {
	rate, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("read rate: %w", err)
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("read number: %w", err)
	}
	began := time.Now()
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			b := make([]byte, 4096)
			for {
				i := next.Add(1) - 1
				if i >= int64(n) {
					return
				}
				time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
				if !ask(args[2], b) {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	fmt.Fprintf(os.Stdout, "%d %d %f\n", n, failed.Load(), time.Since(began).Seconds())
	return nil
}

// ask has one session.
func ask(addr string, b []byte) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		return false
	}
	for {
		if _, err := c.Read(b); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
