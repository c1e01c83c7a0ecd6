// Package pcapio reads and writes capture files: pcap and pcapng, plain or
// compressed. A Reader gives the TCP segments of files to a flow.Handler, with
// the same meaning as live capture; a Writer keeps packets, or segments dressed
// up as packets, in a file that other tools open.
//
// Files are trusted in nothing. A damaged file gives what precedes the damage,
// then a *DamageError.
package pcapio
