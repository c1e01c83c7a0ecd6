package pcapio

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/flow"
	"gortap/internal/testutil/corpus"
)

// direction is what both tshark and we count of one direction of a connection.
type direction struct {
	Packets int
	Payload int64
	Syn     bool
	Fin     bool
	Rst     bool
}

// Both ends of a connection, from the sender to the receiver.
type ends struct{ src, dst netip.AddrPort }

func TestTheCorpusIsReadAsTsharkReadsIt(t *testing.T) {
	for _, e := range corpus.Entries(t) {
		t.Run(e.File, func(t *testing.T) {
			c, stats, err := read(t, Options{}, e.Path())
			var damage *DamageError
			if e.File == "drv-garbage-tail.pcap" {
				if !errors.As(err, &damage) || damage.Offset != 45952 || damage.Packets != 49 {
					t.Errorf("error %v, want damage at byte 45952 after 49 packets", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if int(stats.Read.Packets) != e.Packets {
				t.Errorf("%d packets, want %d", stats.Read.Packets, e.Packets)
			}
			if diff := cmp.Diff(oracleDirections(t, &e), ourDirections(c), cmp.AllowUnexported(ends{})); diff != "" {
				t.Errorf("directions (-tshark +ours):\n%s", diff)
			}
		})
	}
}

func ourDirections(c *collector) map[ends]direction {
	m := make(map[ends]direction)
	for _, s := range c.segments {
		k := ends{s.Key.Source(s.Dir), s.Key.Source(s.Dir.Other())}
		d := m[k]
		d.Packets++
		d.Payload += int64(s.Len)
		d.Syn = d.Syn || s.Flags.Has(flow.SYN)
		d.Fin = d.Fin || s.Flags.Has(flow.FIN)
		d.Rst = d.Rst || s.Flags.Has(flow.RST)
		m[k] = d
	}
	return m
}

// oracleDirections sums up over port reuse, which is not the reader's business.
func oracleDirections(t *testing.T, e *corpus.Entry) map[ends]direction {
	t.Helper()
	m := make(map[ends]direction)
	lines := bufio.NewScanner(bytes.NewReader(e.Oracle(t)))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var rec struct {
			Type string
			Dirs []struct {
				Src, Dst      netip.AddrPort
				Packets       int
				PayloadBytes  int64 `json:"payload_bytes"`
				Syn, Fin, Rst bool
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil || rec.Type != "tcp" {
			continue
		}
		for _, r := range rec.Dirs {
			k := ends{r.Src, r.Dst}
			d := m[k]
			m[k] = direction{d.Packets + r.Packets, d.Payload + r.PayloadBytes, d.Syn || r.Syn, d.Fin || r.Fin, d.Rst || r.Rst}
		}
	}
	if err := lines.Err(); err != nil || len(m) < e.TCPStreams {
		t.Fatalf("the oracle knows %d directions of %d connections: %v", len(m), e.TCPStreams, err)
	}
	return m
}

func TestEqualAddressesInDifferentVLANsAreDifferentConnections(t *testing.T) {
	e := corpus.Get(t, "zeek-vlan-collisions.pcap")
	nets := make(map[uint32]int)
	for _, s := range mustRead(t, e.Path()).segments {
		nets[s.Key.Net]++
	}
	if diff := cmp.Diff(map[uint32]int{0: 14, 42: 14, 10<<12 | 20: 14}, nets); diff != "" {
		t.Errorf("segments by network (-want +got):\n%s", diff)
	}
}
