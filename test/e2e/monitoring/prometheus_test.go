package monitoring

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

const (
	prometheusAddress = "127.0.0.1:9090"
	// Minutes of the shipped rules become seconds here: longer than a few scrapes,
	// short enough to wait for.
	window = "6s"
)

// shortened are the durations of the rules and what they are in the tests.
var shortened = []struct {
	long  *regexp.Regexp
	short string
}{
	{regexp.MustCompile(`\[1d\] offset 1h`), "[20s] offset 8s"},
	{regexp.MustCompile(`\[\d+[mh]\]`), "[" + window + "]"},
	{regexp.MustCompile(`(?m)^( +for|    interval): \d+m$`), "$1: 1s"},
}

// prometheus is a real one that scrapes the agent of its namespace every second.
type prometheus struct {
	t  *testing.T
	ns *lab.Namespace
	*program
}

// startPrometheus gives it the shipped rules and the shipped scrape config, faster.
func startPrometheus(t *testing.T, n *lab.Namespace) *prometheus {
	t.Helper()
	testutil.RequireProgram(t, "prometheus", "prometheus")
	dir := t.TempDir()
	rules := string(readConfig(t, "prometheus/gortap.rules.yml"))
	for _, d := range shortened {
		if !d.long.MatchString(rules) {
			t.Fatalf("no %s in the rules", d.long)
		}
		rules = d.long.ReplaceAllString(rules, d.short)
	}
	config := strings.ReplaceAll(string(readConfig(t, "prometheus/prometheus.yml")), "interval: 15s", "interval: 1s")
	for name, text := range map[string]string{"gortap.rules.yml": rules, "prometheus.yml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &prometheus{t: t, ns: n, program: launch(t, n, "prometheus",
		"--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", prometheusAddress, "--log.level", "warn")}
	p.await(t, "Prometheus to be ready", func() bool {
		status, _ := get(t, n, "http://"+prometheusAddress+"/-/ready")
		return status == http.StatusOK
	})
	return p
}

// sample is an element of an instant vector.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

// query evaluates an expression now. The error is what Prometheus says of it.
func (p *prometheus) query(expr string) (result []sample, failure string) {
	p.t.Helper()
	var answer struct {
		Status, Error string
		Data          struct {
			Result json.RawMessage
		}
	}
	p.ask("/api/v1/query?query="+url.QueryEscape(expr), &answer)
	if answer.Status != "success" {
		return nil, answer.Error
	}
	if err := json.Unmarshal(answer.Data.Result, &result); err != nil {
		p.t.Fatalf("query %s: %v: %s", expr, err, answer.Data.Result)
	}
	return result, ""
}

// alert is one that is pending or firing.
type alert struct {
	Labels, Annotations map[string]string
	State               string
}

func (p *prometheus) firing() (all []alert) {
	p.t.Helper()
	var answer struct {
		Data struct{ Alerts []alert }
	}
	p.ask("/api/v1/alerts", &answer)
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			all = append(all, a)
		}
	}
	return all
}

func (p *prometheus) ask(path string, answer any) {
	p.t.Helper()
	status, body := get(p.t, p.ns, "http://"+prometheusAddress+path)
	if err := json.Unmarshal(body, answer); err != nil {
		p.t.Fatalf("ask Prometheus %s: status %d: %v: %.200s", path, status, err, body)
	}
}
