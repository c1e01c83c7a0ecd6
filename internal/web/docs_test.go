package web

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gortap/internal/testutil"
)

// What docs/api.md tells users to type works, against an agent that serves made-up traffic.
func TestTheCommandsOfTheManualWork(t *testing.T) {
	testutil.RequireProgram(t, "curl", "curl")
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, plain := servePage(t, Access{})
	a := writeCertificate(t, dir, 1)
	_, secure := servePage(t, a)
	ca, err := os.ReadFile(a.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{"ca.pem": ca, "token": []byte(testToken + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The tests have addresses of their own.
	here := strings.NewReplacer("http://127.0.0.1:9464", plain, "https://node7:9464", secure, "curl -s ", "curl -sS --fail-with-body ")
	n := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		n++
		// Who has no jq sees at least that the answer comes.
		if strings.Contains(line, "| jq") {
			if _, err := exec.LookPath("jq"); err != nil {
				line, _, _ = strings.Cut(line, "| jq")
			}
		}
		cmd := exec.Command("bash", "-c", "set -o pipefail; "+here.Replace(line))
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil || len(strings.TrimSpace(string(out))) == 0 || strings.HasPrefix(string(out), "null") {
			t.Errorf("%s%v: %.300s", line, err, out)
		}
	}
	if n < 7 {
		t.Errorf("%d commands are in the manual, want 7 at least: are they found?", n)
	}
}
