package corpus

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestEveryCaptureIsTheOneThatItsOracleRead(t *testing.T) {
	for _, e := range Entries(t) {
		var head struct {
			Packets int
			Sha256  string
		}
		first, _, _ := strings.Cut(string(e.Oracle(t)), "\n")
		if err := json.Unmarshal([]byte(first), &head); err != nil {
			t.Errorf("%s: parse oracle: %v", e.File, err)
			continue
		}
		sum := sha256.Sum256(e.Content(t))
		if got := hex.EncodeToString(sum[:]); got != head.Sha256 || e.Packets != head.Packets {
			t.Errorf("%s: sum %s, %d packets in the index; oracle says %s, %d", e.File, got, e.Packets, head.Sha256, head.Packets)
		}
	}
}

func TestEveryCaptureIsAttributed(t *testing.T) {
	text, err := os.ReadFile("ATTRIBUTION.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range Entries(t) {
		prefix, _, _ := strings.Cut(e.File, "-")
		if !strings.Contains(string(text), "`"+prefix+"-`") {
			t.Errorf("%s: ATTRIBUTION.md has no row for %s-", e.File, prefix)
		}
	}
}
