// Package filter compiles pcap-filter(7) expressions, the language of tcpdump,
// and runs them: on packets of files, through Filter.Match, and in the kernel,
// as eBPF that Inject puts into a capture program before it is loaded. Both give
// the same verdict, but for what LiveOnly tells and for packets with more than 16
// extension headers, which no protochain follows to their end in the kernel.
// libpcap is the compiler, so the language is exactly its own; the translation
// from its classic BPF to eBPF is ours.
//
// A filter in the kernel sees frames as they were on the wire, a VLAN tag that the
// device took out included, but merged (GRO) and not yet split (GSO) as the hook
// has them: `greater 1600` can match on a link with an MTU of 1500.
package filter

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/bpf"
)

// Filter is a compiled expression. It does not change, and is safe for
// concurrent use.
type Filter struct {
	expr string
	link LinkType
	code []bpf.RawInstruction
}

// maxExpression is where libpcap would take a minute and gigabytes.
const maxExpression = 16 << 10

// Compile turns an expression into a filter for packets that begin with the
// header of link. The empty expression matches everything. Host names in it are
// looked up now, and Compile blocks until the resolver answers.
//
// Errors are of type *SyntaxError, or *LinkError where the expression is right
// but speaks of what packets of that link type do not have; or they wrap
// ErrTooLarge. Up to 100 terms compile in less than 0.1 s, 250 in about one.
func Compile(expr string, link LinkType) (*Filter, error) {
	if i := strings.IndexByte(expr, 0); i >= 0 {
		return nil, &SyntaxError{Expr: expr, Msg: "NUL byte in expression", Offset: i, Len: 1}
	}
	if len(expr) > maxExpression {
		return nil, fmt.Errorf("compile filter: %w: %d bytes where %d fit [%s]", ErrTooLarge, len(expr), maxExpression, useWiderTerms)
	}
	code, msg := compile(expr, link, true)
	if msg == "" {
		return &Filter{expr: expr, link: link, code: defined(code)}, nil
	}
	if link != Ethernet {
		if _, refused := compile(expr, Ethernet, true); refused == "" {
			return nil, &LinkError{Expr: expr, Link: link, Msg: msg}
		}
	}
	off, n := locate(expr, link, msg)
	return nil, &SyntaxError{Expr: expr, Msg: msg, Offset: off, Len: n}
}

// Classic returns the program as a socket takes it (SO_ATTACH_FILTER).
func (f *Filter) Classic() []bpf.RawInstruction { return slices.Clone(f.code) }

// String returns the expression as it was given to Compile.
func (f *Filter) String() string { return f.expr }

// Link returns the link type that the filter was compiled for.
func (f *Filter) Link() LinkType { return f.link }

// LiveOnly reports whether the expression asks for what only the kernel knows of
// a packet (inbound, outbound, ifindex). On packets of a file such a primitive is
// undefined: Match says no where it decides.
func (f *Filter) LiveOnly() bool {
	return slices.ContainsFunc(f.code, func(ins bpf.RawInstruction) bool {
		_, ok := ancillary(ins)
		return ok
	})
}
