package filter

// hook is a place in the kernel where a filter runs.
type hook struct {
	stub string // the C function that a filter replaces
	load string // the C function that reaches all of a packet
	link LinkType
	xdp  bool
	// Offsets in the context. They are the same on every kernel.
	data, dataEnd int16
	vlanPresent   int16 // 0 where no VLAN tag can be beside the frame

	callAlways bool // tests: no direct access
}

// Offsets of struct __sk_buff and struct xdp_md, linux/bpf.h.
const (
	skbLen            = 0
	skbVlanPresent    = 20
	skbIngressIfindex = 36
	skbIfindex        = 40
	skbData           = 76
	skbDataEnd        = 80
	xdpData           = 0
	xdpDataEnd        = 4
	xdpIngressIfindex = 12
)

// hidesTags reports whether the outermost VLAN tag may be beside the frame. XDP
// runs before the stack takes one out; a device that does so itself hides it from
// XDP altogether.
func (h *hook) hidesTags() bool { return h.vlanPresent != 0 }

func hookOf(stub string) (*hook, bool) {
	tc := hook{stub: stub, load: "filter_load_" + stub[min(len("filter_"), len(stub)):], data: skbData, dataEnd: skbDataEnd}
	xdp := hook{stub: stub, load: "filter_load_xdp", xdp: true, data: xdpData, dataEnd: xdpDataEnd}
	switch stub {
	case "filter_tc_l2":
		tc.link, tc.vlanPresent = Ethernet, skbVlanPresent
		return &tc, true
	case "filter_tc_l3":
		tc.link = Raw
		return &tc, true
	case "filter_xdp_l2":
		xdp.link = Ethernet
		return &xdp, true
	case "filter_xdp_l3":
		xdp.link = Raw
		return &xdp, true
	}
	return nil, false
}
