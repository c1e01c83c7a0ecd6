package pcapio

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"gortap/internal/flow"
	"gortap/internal/pcapio/packet"
	"gortap/internal/testutil/corpus"
)

// notDecodedByGopacket lists what gopacket v1.1.19 lacks, by link type or tag of
// the index: it opens neither GRE in UDP nor those two headers.
var notDecodedByGopacket = []string{"linktype-sll2", "linktype-chdlc", "gre", "truncated-snaplen"}

// TestGopacketDecodesTheSame holds our decoder against another one, packet by
// packet. gopacket knows neither networks nor cut payloads nor layer 3 lengths.
func TestGopacketDecodesTheSame(t *testing.T) {
	var compared int
	for _, e := range corpus.Entries(t) {
		if slices.ContainsFunc(notDecodedByGopacket, e.Has) {
			continue
		}
		var theirs []flow.Segment
		r, err := Open([]string{e.Path()}, Options{Tap: func(rec *packet.Record) {
			if s, ok := byGopacket(rec); ok {
				theirs = append(theirs, s)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		c := &collector{}
		if err := r.Run(context.Background(), c); err != nil && !e.Has("corrupt-file") {
			t.Errorf("%s: %v", e.File, err)
		}
		if len(theirs) != len(c.segments) {
			t.Errorf("%s: %d segments, gopacket finds %d", e.File, len(c.segments), len(theirs))
			continue
		}
		for i, ours := range c.segments {
			ours.Key.Net, ours.NetBytes = 0, 0
			if !reflect.DeepEqual(theirs[i], ours) {
				t.Errorf("%s, segment %d (-gopacket +ours):\n%s", e.File, i, cmp.Diff(theirs[i], ours))
				break
			}
		}
		compared += len(theirs)
	}
	if compared < 7000 {
		t.Errorf("only %d segments compared", compared)
	}
}

func byGopacket(rec *packet.Record) (flow.Segment, bool) {
	p := gopacket.NewPacket(rec.Data, layers.LinkType(rec.Link), gopacket.DecodeOptions{NoCopy: true, Lazy: false})
	var src, dst netip.Addr
	for _, l := range slices.Backward(p.Layers()) {
		switch l := l.(type) {
		case *layers.IPv4:
			src, _ = netip.AddrFromSlice(l.SrcIP.To4())
			dst, _ = netip.AddrFromSlice(l.DstIP.To4())
		case *layers.IPv6:
			src, _ = netip.AddrFromSlice(l.SrcIP)
			dst, _ = netip.AddrFromSlice(l.DstIP)
		}
		if src.IsValid() {
			break
		}
	}
	tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if !ok || !src.IsValid() {
		return flow.Segment{}, false
	}
	s := flow.Segment{
		Flags: flow.Flags(tcp.Contents[13]), Seq: tcp.Seq, Ack: tcp.Ack, Window: tcp.Window, Len: len(tcp.Payload), TsNs: rec.TsNs,
	}
	for _, o := range tcp.Options {
		if tcp.SYN && o.OptionType == layers.TCPOptionKindWindowScale {
			s.Scale = min(o.OptionData[0], 14) + 1
		}
	}
	if s.Len > 0 {
		s.Data = tcp.Payload
	}
	s.Data = slices.Clone(s.Data)
	s.Key, s.Dir = flow.NewKey(
		netip.AddrPortFrom(src, uint16(tcp.SrcPort)), netip.AddrPortFrom(dst, uint16(tcp.DstPort)), 0)
	return s, true
}
