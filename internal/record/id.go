package record

import "encoding/hex"

// ConnID names the n-th connection of a run. It is unique within the run, and
// with seeds as different as times are, among runs too.
func ConnID(seed, n uint64) uint64 {
	// The finisher of splitmix64, which maps no two values to one.
	z := seed + n*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// ID returns the identifier of an exchange: 16 digits for the connection, 8 for the
// exchange.
func ID(conn, seq uint64) string {
	var b [24]byte
	var raw [12]byte
	for i := range 8 {
		raw[i] = byte(conn >> (56 - 8*i))
	}
	for i := range 4 {
		raw[8+i] = byte(seq >> (24 - 8*i))
	}
	hex.Encode(b[:], raw[:])
	return string(b[:])
}
