package packet

// network is what becomes flow.Key.Net: it separates equal addresses of
// different networks. 0 is the untagged network; one VLAN tag is its id, two
// are outer<<12 | inner, so that people can read them. Anything beyond is a
// hash with the top bit set: only equality matters.
//
// Only ids that both directions share count. MPLS labels and GTP endpoints do
// not (each direction has its own), nor do the tunnel's outer addresses.
type network uint32

const hashedNetwork network = 1 << 31

// The kinds of ids, so that VNI 5 of VXLAN is not VNI 5 of GENEVE.
const (
	vlanID = iota + 1
	vxlanID
	geneveID
	greKey
)

// vlan enters a VLAN. Id 0 is a priority tag and no VLAN (802.1Q, 9.6).
func (n network) vlan(id uint16) network {
	switch {
	case id == 0:
		return n
	case n < 1<<12:
		return n<<12 | network(id)
	}
	return n.mix(vlanID, uint32(id))
}

// overlay enters a virtual network. What the tunnel itself runs in is
// forgotten: the two directions may come by different VLANs.
func overlay(kind byte, id uint32) network { return network(0).mix(kind, id) }

func (n network) mix(kind byte, id uint32) network {
	const prime = 16777619 // FNV-1a
	h := uint32(2166136261)
	for _, v := range [...]uint32{uint32(n), uint32(kind), id} {
		for range 4 {
			h = (h ^ v&0xff) * prime
			v >>= 8
		}
	}
	return network(h) | hashedNetwork
}

func (d *Decoder) enterVLAN(id uint16) {
	if !d.flat {
		d.net = d.net.vlan(id)
	}
}

func (d *Decoder) enterOverlay(kind byte, id uint32) {
	if !d.flat {
		d.net = overlay(kind, id)
	}
}
