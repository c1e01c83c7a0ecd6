package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestATimeNamespaceIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "timens_offsets")
	for text, refused := range map[string]bool{
		"monotonic           0         0\nboottime            0         0\n": false,
		"monotonic           0         0\nboottime           50         0\n": false,
		"monotonic       -3600         0\nboottime            0         0\n": true,
		"monotonic           0         1\n":                                  true,
		"":                                                                   false,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := checkClock(path)
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "run the agent outside of it") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := checkClock(path + ".none"); err != nil {
		t.Errorf("a kernel without time namespaces: %v", err)
	}
}
