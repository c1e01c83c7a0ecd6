package main

import (
	"bytes"
	"fmt"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const smallBody = "hello, world\n"

// largeBody is 1 MiB of something.
func largeBody() []byte {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i*i>>9 + i)
	}
	return b
}

// http1 is curl and nginx, keep-alive.
type http1 struct {
	body []byte
	text bytes.Buffer
}

func (h *http1) exchange(c *conn, n, _ int) {
	h.text.Reset()
	fmt.Fprintf(&h.text, "GET /items/%d?page=%d HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n", n, n%10)
	c.send(0, h.text.Bytes())
	h.text.Reset()
	fmt.Fprintf(&h.text, "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Type: text/plain\r\n"+
		"Content-Length: %d\r\nConnection: keep-alive\r\n\r\n", len(h.body))
	h.text.Write(h.body)
	c.send(1, h.text.Bytes())
}

// h2 is a client with one stream at a time.
type h2 struct {
	body []byte
	out  [2]bytes.Buffer
	fr   [2]*http2.Framer
	head [2]bytes.Buffer
	enc  [2]*hpack.Encoder
}

func newHTTP2(body []byte) *h2 {
	h := &h2{body: body}
	for side := range h.out {
		h.fr[side] = http2.NewFramer(&h.out[side], nil)
		h.enc[side] = hpack.NewEncoder(&h.head[side])
	}
	return h
}

// flush sends what a side has written.
func (h *h2) flush(c *conn, side int) {
	c.send(side, h.out[side].Bytes())
	h.out[side].Reset()
}

func (h *h2) exchange(c *conn, n, i int) {
	if i == 0 {
		h.out[0].WriteString(http2.ClientPreface)
		_ = h.fr[0].WriteSettings() // a buffer takes all
		_ = h.fr[1].WriteSettings()
		h.flush(c, 0)
		h.flush(c, 1)
	}
	id := uint32(2*i + 1)
	h.headers(0, id, true, ":method", "GET", ":scheme", "http", ":authority", "shop.example",
		":path", "/items/"+strconv.Itoa(n)+"?page="+strconv.Itoa(n%10), "user-agent", "curl/7.88.1", "accept", "*/*")
	h.flush(c, 0)
	h.headers(1, id, false, ":status", "200", "server", "nginx/1.22.1", "date", "Tue, 14 Nov 2023 22:13:20 GMT",
		"content-type", "text/plain", "content-length", strconv.Itoa(len(h.body)))
	const frame = 16 << 10
	for rest := h.body; len(rest) > 0; {
		b := rest[:min(len(rest), frame)]
		rest = rest[len(b):]
		_ = h.fr[1].WriteData(id, len(rest) == 0, b)
	}
	h.flush(c, 1)
	if len(h.body) > frame {
		_ = h.fr[0].WriteWindowUpdate(0, uint32(len(h.body)))
		h.flush(c, 0)
	}
}

func (h *h2) headers(side int, id uint32, end bool, fields ...string) {
	h.head[side].Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = h.enc[side].WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = h.fr[side].WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h.head[side].Bytes(), EndHeaders: true, EndStream: end})
}
