package ring_test

import (
	"math"
	"strings"
	"testing"

	"gortap/internal/capture/ring/ringtest"
)

// A record is its handler's until that returns: programs that write as much as there is
// room for meanwhile do not write there.
func TestARecordIsBorrowedUntilItsHandlerReturns(t *testing.T) {
	w := ringtest.New(2, 32<<10)
	for i := 0; w.Write(0, text(uint64(10+i), strings.Repeat("a", 500))); i++ {
	}
	freed, handled := 0, 0
	w.Drain(math.MaxInt, forever, func(record []byte) {
		before := string(record)
		for w.Write(1, text(1000, strings.Repeat("b", 500))) {
			freed++
		}
		if string(record) != before {
			t.Fatalf("record %d was written over while it was read", handled)
		}
		handled++
	})
	if handled < 30 || freed < 20 {
		t.Errorf("%d records read, %d written meanwhile: not what this test is about", handled, freed)
	}
}
