package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gortap/internal/lab"
)

// keeper is an HTTP/1.1 server that keeps every request as it came, to the byte.
type keeper struct {
	listener net.Listener
	wg       sync.WaitGroup
	mute     bool // it never answers

	mu       sync.Mutex
	response string // to all but HEAD
	requests [][]byte
	conns    map[net.Conn]struct{}
	opened   int
}

func startKeeper(t *testing.T, n *lab.Namespace, addr string, mute bool) *keeper {
	t.Helper()
	l, err := n.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{listener: l, mute: mute, response: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", conns: map[net.Conn]struct{}{}}
	k.wg.Go(k.accept)
	t.Cleanup(func() {
		l.Close()
		k.mu.Lock()
		for c := range k.conns {
			c.Close()
		}
		k.mu.Unlock()
		k.wg.Wait()
	})
	return k
}

// say changes what it answers.
func (k *keeper) say(response string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.response = response
}

func (k *keeper) accept() {
	for {
		c, err := k.listener.Accept()
		if err != nil {
			return
		}
		k.mu.Lock()
		k.conns[c] = struct{}{}
		k.opened++
		k.mu.Unlock()
		k.wg.Go(func() {
			defer c.Close()
			k.serve(c)
		})
	}
}

func (k *keeper) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		request, ok := readRequest(in, c)
		if !ok {
			return
		}
		k.mu.Lock()
		k.requests = append(k.requests, request)
		response := k.response
		k.mu.Unlock()
		if k.mute {
			continue
		}
		if bytes.HasPrefix(request, []byte("HEAD ")) {
			response = strings.TrimSuffix(response, "ok")
		}
		if _, err := io.WriteString(c, response); err != nil {
			return
		}
	}
}

// readRequest returns the bytes of the next request. It asks for the body where the
// client waits for that.
func readRequest(in *bufio.Reader, c net.Conn) (raw []byte, ok bool) {
	length, chunked := 0, false
	for {
		line, err := in.ReadBytes('\n')
		raw = append(raw, line...)
		if err != nil {
			return nil, false
		}
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(string(line))), ":")
		switch value = strings.TrimSpace(value); {
		case name == "content-length":
			length, _ = strconv.Atoi(value)
		case name == "transfer-encoding":
			chunked = true
		case name == "expect":
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		case name == "":
			if chunked {
				return readChunks(in, raw)
			}
			body := make([]byte, length)
			_, err := io.ReadFull(in, body)
			return append(raw, body...), err == nil
		}
	}
}

func readChunks(in *bufio.Reader, raw []byte) ([]byte, bool) {
	for {
		line, err := in.ReadBytes('\n')
		raw = append(raw, line...)
		digits, _, _ := strings.Cut(strings.TrimSpace(string(line)), ";")
		size, bad := strconv.ParseInt(digits, 16, 32)
		if err != nil || bad != nil {
			return nil, false
		}
		if size == 0 {
			break
		}
		chunk := make([]byte, size+2)
		if _, err := io.ReadFull(in, chunk); err != nil {
			return nil, false
		}
		raw = append(raw, chunk...)
	}
	for { // trailers
		line, err := in.ReadBytes('\n')
		raw = append(raw, line...)
		if err != nil {
			return nil, false
		}
		if len(line) <= 2 {
			return raw, true
		}
	}
}

func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.requests)
}

// digests are the requests, in no order, so that those of two keepers can be compared.
func (k *keeper) digests() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for _, r := range k.requests {
		line, _, _ := bytes.Cut(r, []byte("\r\n"))
		sum := sha256.Sum256(r)
		all = append(all, fmt.Sprintf("%s: %d bytes, sha256 %x", line, len(r), sum))
	}
	slices.Sort(all)
	return all
}
