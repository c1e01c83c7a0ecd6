package e2e

import (
	network "encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"gortap/internal/flow"
	"gortap/internal/lab"
	"gortap/internal/testutil"

	"golang.org/x/sys/unix"
)

const (
	crowdRequest  = "GET /p/aaaaaa HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\r\n"
	crowdResponse = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 16\r\n\r\n0123456789abcdef"
	crowdPayload  = len(crowdRequest) + len(crowdResponse)
	// crowdBatch is how many connections fit a ring of the default size, whatever the
	// agent does meanwhile.
	crowdBatch = 10_000
)

// crowd writes connections of one exchange each, handshake included and without an
// end, to a link: as many as no pair of real programs can keep open. Nobody answers
// at the other end of it, where the agent sees both directions.
type crowd struct {
	socket int
	to     unix.SockaddrLinklayer
	// SYN, SYN-ACK, request, response.
	frames [4][]byte
}

func newCrowd(t *testing.T, n *lab.Namespace) *crowd {
	t.Helper()
	c := &crowd{to: unix.SockaddrLinklayer{Halen: 6, Addr: [8]byte{2, 0, 0, 0, 0, 9}}}
	err := n.Do(func() error {
		link, err := net.InterfaceByName(lab.Device)
		if err != nil {
			return err
		}
		c.to.Ifindex = link.Index
		c.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatalf("open packet socket: %v", err)
	}
	t.Cleanup(func() { unix.Close(c.socket) })
	c.frames = [4][]byte{
		crowdFrame(false, flow.SYN, 0, 0, ""),
		crowdFrame(true, flow.SYN|flow.ACK, 0, 1, ""),
		crowdFrame(false, flow.PSH|flow.ACK, 1, 1, crowdRequest),
		crowdFrame(true, flow.PSH|flow.ACK, 1, 1+len(crowdRequest), crowdResponse),
	}
	return c
}

// crowdFrame is an Ethernet frame to or, where answer is set, from port 80. Its
// checksums are none.
func crowdFrame(answer bool, flags flow.Flags, seq, ack int, payload string) []byte {
	b := make([]byte, 54, 54+len(payload))
	copy(b, []byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x08, 0x00, 0x45})
	b[22], b[23], b[46], b[47] = 64, unix.IPPROTO_TCP, 5<<4, byte(flags)
	network.BigEndian.PutUint16(b[16:], uint16(40+len(payload)))
	client, server := b[26:30], b[30:34]
	port := b[36:38]
	if answer {
		client, server, port = server, client, b[34:36]
	}
	copy(client, []byte{198, 18, 0, 0})
	copy(server, []byte{198, 51, 100, 1})
	network.BigEndian.PutUint16(port, 80)
	network.BigEndian.PutUint32(b[38:], uint32(seq))
	network.BigEndian.PutUint32(b[42:], uint32(ack))
	return append(b, payload...)
}

// connect shows connections from to to-1, each asking for one of so many paths.
func (c *crowd) connect(t *testing.T, from, to, paths int) {
	t.Helper()
	for i := from; i < to; i++ {
		for k, b := range c.frames {
			client, port := b[26:30], b[34:36]
			if k%2 == 1 {
				client, port = b[30:34], b[36:38]
			}
			network.BigEndian.PutUint16(client[2:], uint16(i>>15))
			network.BigEndian.PutUint16(port, uint16(20_000+i&0x7fff))
			if k == 2 {
				copy(b[54+len("GET /p/"):], name(i%paths))
			}
			if err := unix.Sendto(c.socket, b, 0, &c.to); err != nil {
				t.Fatalf("send frame: %v", err)
			}
		}
	}
}

// name is a number in six letters.
func name(n int) string {
	var b [6]byte
	for i := range b {
		b[i] = byte('a' + n%26)
		n /= 26
	}
	return string(b[:])
}

// A crowd, each asking for something else than the last: every connection is parsed,
// each byte is in the books, and the end, which evicts all of them, comes within its
// time. That is 5 s, of which this takes less than one: room for a busy machine.
func TestACrowdIsExactToTheEnd(t *testing.T) {
	const flows, paths = 100_000, 50_000
	p := testutil.Pair(t, 1)
	a := start(t, p.Server, "--max-flows", "150000", "--max-connections", "150000", "--interface", lab.Device, "--bpf-filter", "tcp port 80")
	c := newCrowd(t, p.Client)
	for i := 0; i < flows; i += crowdBatch {
		c.connect(t, i, i+crowdBatch, paths)
		a.await(fmt.Sprintf("%d requests to be counted", i+crowdBatch), func() bool {
			return a.sum("gor_requests_total") >= float64(i+crowdBatch)
		})
	}
	a.await("a sweep to meet all flows", func() bool { return a.sum("gor_flows") == flows })
	began := time.Now()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	t.Logf("ended in %v", time.Since(began))
	s := a.readSummary()
	s.conserved(t)
	if s.Exchanges != flows || s.TCPPayloadBytes != uint64(flows*crowdPayload) || s.MessageBytes != s.TCPPayloadBytes || len(s.Incomplete) > 0 {
		t.Errorf("%d exchanges, %d payload bytes, %d in messages, incomplete %v; want %d exchanges of %d bytes",
			s.Exchanges, s.TCPPayloadBytes, s.MessageBytes, s.Incomplete, flows, crowdPayload)
	}
}
