package filter

// libpcap is called directly, as gopacket's binding holds a link type in 8 bits
// and has no numbers for Linux cooked v2 (276) and later ones.

/*
#cgo LDFLAGS: -lpcap
#cgo noescape bpf_filter
#cgo nocallback bpf_filter
#include <pcap/pcap.h>
#include <stdlib.h>
*/
import "C"

import (
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/net/bpf"
)

// snapLen is what a matching program returns. It only has to be more than 0.
const snapLen = 262144

// compile returns libpcap's program for the expression, or its error message. The
// time of the optimizer grows with the third power of the size of the expression.
func compile(expr string, link LinkType, optimize bool) (code []bpf.RawInstruction, msg string) {
	h := C.pcap_open_dead(C.int(link.dlt()), snapLen)
	if h == nil {
		return nil, "out of memory"
	}
	defer C.pcap_close(h)
	text := C.CString(expr)
	defer C.free(unsafe.Pointer(text))

	level := C.int(0)
	if optimize {
		level = 1
	}
	var prog C.struct_bpf_program
	if C.pcap_compile(h, &prog, text, level, C.PCAP_NETMASK_UNKNOWN) != 0 {
		return nil, strings.TrimSpace(strings.TrimPrefix(C.GoString(C.pcap_geterr(h)), "can't parse filter expression: "))
	}
	defer C.pcap_freecode(&prog)
	// struct bpf_insn and RawInstruction have the same layout: the kernel's.
	insns := unsafe.Slice((*bpf.RawInstruction)(unsafe.Pointer(prog.bf_insns)), int(prog.bf_len))
	return slices.Clone(insns), ""
}

// linkName returns libpcap's description of a link type, empty if it has none.
func linkName(link LinkType) string {
	return C.GoString(C.pcap_datalink_val_to_description(C.int(link.dlt())))
}

// Match reports whether the filter matches a packet. packet holds the bytes that
// were captured of it, possibly none, and wireLen how many it had: expressions on
// the length use that. It does not allocate.
func (f *Filter) Match(packet []byte, wireLen int) bool {
	insns := (*C.struct_bpf_insn)(unsafe.Pointer(unsafe.SliceData(f.code)))
	data := (*C.u_char)(unsafe.Pointer(unsafe.SliceData(packet)))
	return C.bpf_filter(insns, data, C.u_int(wireLen), C.u_int(len(packet))) != 0
}
