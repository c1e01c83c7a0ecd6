package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// start is the first instant of the recordings, in Unix nanoseconds.
const start = 1_790_000_000_000_000_000

// marker is where a request says its place in the recording, in so many digits.
const (
	marker = "GET /small?i="
	digits = 8
)

// record makes a recording of n requests, gap apart, over connections in turn.
func record(path string, n, connections int, gap time.Duration) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	w := bufio.NewWriter(f)
	writeRequests(w, n, connections, gap)
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	return nil
}

// writeRequests leaves errors to the writer, whose Flush returns the first.
func writeRequests(w io.Writer, n, connections int, gap time.Duration) {
	for i := range n {
		fmt.Fprintf(w, "1 %016x%08x %d 0\n", i%connections+1, i/connections, start+int64(i)*int64(gap))
		fmt.Fprintf(w, "%s%0*d HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n", marker, digits, i)
		fmt.Fprint(w, "Accept-Encoding: gzip, deflate\r\nCookie: session=0123456789abcdef\r\n\r\n")
		fmt.Fprint(w, "\n🐵🙈🙉\n")
	}
}

// placeOf reads the place in the recording from the beginning of a request.
func placeOf(request []byte) (int, bool) {
	rest, ok := bytes.CutPrefix(request, []byte(marker))
	if !ok || len(rest) < digits {
		return 0, false
	}
	i, err := strconv.Atoi(string(rest[:digits]))
	return i, err == nil
}
