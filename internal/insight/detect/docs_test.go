package detect

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"gortap/internal/insight"
)

func TestTheDocsHaveEveryKindAndEveryThreshold(t *testing.T) {
	text, err := os.ReadFile("../../../docs/findings.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range insight.Kinds() {
		if !strings.Contains(string(text), "\n### `"+string(kind)+"`\n") {
			t.Errorf("no section on %s", kind)
		}
	}
	defaults := reflect.ValueOf(Defaults())
	for i := range defaults.NumField() {
		row := fmt.Sprintf("\n| `%s` | %v | ", defaults.Type().Field(i).Name, defaults.Field(i))
		if !strings.Contains(string(text), row) {
			t.Errorf("no row %q", row)
		}
		if defaults.Field(i).IsZero() {
			t.Errorf("%s has no default", defaults.Type().Field(i).Name)
		}
	}
}
