package syntax

import (
	"bytes"
	"testing"
)

func TestNamesAreEqualWithoutRegardToASCIICaseOnly(t *testing.T) {
	for a := range 256 {
		for b := range 128 {
			x, y := []byte{byte(a)}, []byte{byte(b)}
			want := bytes.Equal(AppendLower(nil, x), AppendLower(nil, y))
			if got := EqualFold(x, string(y)); got != want {
				t.Errorf("%q and %q: %v", x, y, got)
			}
		}
	}
	if EqualFold([]byte("a"), "ab") || EqualFold([]byte("ab"), "a") || !EqualFold([]byte("Host"), "hOST") {
		t.Error("length or case")
	}
}

func TestTokensOfLists(t *testing.T) {
	for list, want := range map[string][2]bool{
		"":                    {false, false},
		"chunked":             {true, true},
		" gzip ,\tCHUNKED\r":  {true, true},
		"chunked, gzip":       {true, false},
		"notchunked, chunke ": {false, false},
	} {
		if has, last := HasToken([]byte(list), "chunked"), LastToken([]byte(list), "chunked"); has != want[0] || last != want[1] {
			t.Errorf("%q: has %v, last %v", list, has, last)
		}
	}
}

func TestNumbersAreReadWholeOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		read func([]byte) (int64, bool)
		text string
		want int64 // -1: none
	}{
		{Length, "5", 5}, {Length, "5, 5", 5}, {Length, "5, 6", -1}, {Length, "", -1}, {Length, "-1", -1},
		{Length, "99999999999999999999", -1}, {Length, "72057594037927936", 1 << 56},
		{ChunkSize, "1aF", 0x1af}, {ChunkSize, "5;x=y", 5}, {ChunkSize, "5 \r", 5}, {ChunkSize, ";5", -1}, {ChunkSize, "", -1},
		{ChunkSize, "5g", -1}, {ChunkSize, "ffffffffffffffff", -1}, {ChunkSize, "0", 0},
	} {
		if n, ok := c.read([]byte(c.text)); ok != (c.want >= 0) || ok && n != c.want {
			t.Errorf("%q: %d, %v, want %d", c.text, n, ok, c.want)
		}
	}
}
