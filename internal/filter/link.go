package filter

import "strconv"

// LinkType says which header a packet begins with: a number from the pcap file
// format (LINKTYPE_*), or libpcap's own (DLT_*). The two differ for few types,
// and there neither number means anything on the other side.
type LinkType int

// The link types of live capture.
const (
	Ethernet LinkType = 1  // DLT_EN10MB
	Raw      LinkType = 12 // DLT_RAW on Linux: the packet begins with its IP header
)

// dlt returns libpcap's number of a link type that a file names by another.
func (l LinkType) dlt() LinkType {
	switch l {
	case 100:
		return 11 // ATM_RFC1483
	case 101:
		return Raw
	case 102:
		return 15 // SLIP_BSDOS
	case 103:
		return 16 // PPP_BSDOS
	}
	return l
}

// String returns the name that users know the link type by.
func (l LinkType) String() string {
	switch l.dlt() {
	case Ethernet:
		return "Ethernet"
	case Raw:
		return "raw IP"
	}
	if name := linkName(l); name != "" {
		return name
	}
	return "link type " + strconv.Itoa(int(l))
}
