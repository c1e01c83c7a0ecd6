package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gortap/internal/lab"
	"gortap/internal/testutil"
	"gortap/internal/testutil/scenario"
)

// reportOf returns the first paragraph of `agent report`: its first finding.
func reportOf(t *testing.T, args ...string) (first, whole string) {
	t.Helper()
	out, err := exec.Command(binary, append([]string{"report"}, args...)...).Output()
	if err != nil {
		t.Fatalf("agent report: %v", err)
	}
	first, _, _ = strings.Cut(string(out), "\n\n")
	// Lines are broken anywhere.
	return strings.Join(strings.Fields(first), " "), string(out)
}

// checkFirst wants the first lines to say all that somebody needs.
func checkFirst(t *testing.T, first, whole string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(first, want) {
			t.Errorf("the first lines lack %q", want)
		}
	}
	if t.Failed() {
		t.Logf("the report is\n%s", whole)
	}
}

// The incident that everybody knows: an export whose page parameter does nothing, behind
// three caches. It is told from the packets, and by the live run itself.
func TestReportNamesTheCulpritOfABrokenExport(t *testing.T) {
	p := testutil.Pair(t, 30)
	export := scenario.NewExport(t, p, 8000)
	dir := t.TempDir()
	packets, page, text := filepath.Join(dir, "incident.pcapng"), filepath.Join(dir, "report.html"), filepath.Join(dir, "report.txt")
	a := start(t, p.Server, "--interface", lab.Device, "--bpf-filter", "tcp port 8000", "--table", "never",
		"--output-file", packets, "--report", page, "--report", text)
	export.Users(t.Context())
	surge, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	export.Surge(surge)
	export.Check()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	wants := []string{"GET " + scenario.ExportPath + " of " + scenario.ShopHost, lab.ClientIP(0).String(), lab.ClientIP(1).String(), lab.ClientIP(2).String(),
		"page parameter is ignored", "ince ", "would save"}
	first, whole := reportOf(t, packets, "--html", filepath.Join(dir, "offline.html"), "--json", filepath.Join(dir, "offline.json"))
	checkFirst(t, first, whole, append(wants, "-> ")...)
	for _, name := range []string{page, text, filepath.Join(dir, "offline.html"), filepath.Join(dir, "offline.json")} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), "page parameter is ignored") {
			t.Errorf("%s does not name the cause", filepath.Base(name))
		}
	}
	if keep := os.Getenv("GORTAP_REPORT_DIR"); keep != "" { // to look at
		if err := exec.Command("cp", page, packets, keep).Run(); err != nil {
			t.Error(err)
		}
	}
}

// A service that asks another one for the same again and again.
func TestReportNamesTheCulpritOfRepeatedCalls(t *testing.T) {
	p := testutil.Pair(t, 30)
	calls := scenario.NewCalls(t, p, 8000, 8001)
	packets := filepath.Join(t.TempDir(), "calls.pcapng")
	a := start(t, p.Server, "--interface", lab.Device, "--bpf-filter", "tcp portrange 8000-8009", "--table", "never", "--output-file", packets)
	calls.Visit(t.Context(), 100)
	calls.Check()
	if status := a.stop(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	first, whole := reportOf(t, packets)
	checkFirst(t, first, whole, "GET "+scenario.RatesPath+" of "+scenario.StockHost, "Cache-Control")
}
