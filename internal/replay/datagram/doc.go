// Package datagram sends captured UDP requests to a target again, from sockets of the
// clients' own, and counts what answers them. Use it for protocols of one datagram and
// its answer, as DNS: each goes out by its time alone, whatever was answered before. What
// shakes hands or encrypts (QUIC, DTLS, WireGuard) refuses what was made for another server.
package datagram
