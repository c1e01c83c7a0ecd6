//go:build amd64 || arm64

package ring

import "unsafe"

// prefetch asks for the 256 bytes at p to be brought into the cache. It never faults,
// also not beyond what is mapped. Go has no other way to say so.
//
//go:noescape
func prefetch(p unsafe.Pointer)
