package monitoring

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type dashboard struct {
	Panels []struct {
		Title, Type string
		Datasource  struct{ UID string }
		Targets     []struct{ Expr string }
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct {
		List []struct{ Expr string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal(readConfig(t, "grafana/gortap.json"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// filled gives Grafana's variables the values of "all" and of a short step.
var filled = strings.NewReplacer("$__rate_interval", window, "$__range", "20s", "$service", ".*", "$instance", ".*")

// mayBeEmpty are panels that show nothing while all is well.
var mayBeEmpty = []string{"Bytes of no endpoint", "Error share by endpoint"}

// checkDashboard puts each expression of the dashboard to a Prometheus that has
// seen traffic.
func checkDashboard(t *testing.T, p *prometheus) {
	d := readDashboard(t)
	titles := map[string]bool{}
	for _, panel := range d.Panels {
		if titles[panel.Title] {
			t.Errorf("two panels are called %q", panel.Title)
		}
		titles[panel.Title] = true
		if panel.Type == "row" {
			continue
		}
		if panel.Datasource.UID != "${datasource}" || len(panel.Targets) == 0 {
			t.Errorf("%s: datasource %q, %d expressions", panel.Title, panel.Datasource.UID, len(panel.Targets))
		}
		for _, target := range panel.Targets {
			expr := filled.Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%s: unknown variable in %s", panel.Title, expr)
			}
			result, failure := p.query(expr)
			if failure != "" {
				t.Errorf("%s: %s: %s", panel.Title, expr, failure)
			} else if len(result) == 0 && !slices.Contains(mayBeEmpty, panel.Title) {
				t.Errorf("%s: no data: %s", panel.Title, expr)
			}
		}
	}
	for _, a := range d.Annotations.List {
		if result, failure := p.query(a.Expr); failure != "" || len(result) == 0 {
			t.Errorf("annotation %s: %d results, %s", a.Expr, len(result), failure)
		}
	}
	variables := map[string]bool{}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
			if result, _ := p.query("count by (" + m[2] + ") (" + m[1] + "{" + m[2] + `!=""})`); len(result) == 0 {
				t.Errorf("variable %s: no values: %s", v.Name, v.Definition)
			}
		}
	}
	for _, name := range []string{"datasource", "service", "instance"} {
		if !variables[name] {
			t.Errorf("no variable %s", name)
		}
	}
}

var (
	labelValues = regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)
	// A metric or a recorded series; the suffixes of a histogram are its own.
	metricName = regexp.MustCompile(`\b(?:[a-z]+:)?(?:gor|process|go)_[a-z0-9_:]+`)
)

// checkMetricNames holds what rules and dashboard ask for against what the agent
// tells and the rules record.
func checkMetricNames(t *testing.T, p *prometheus) {
	known := map[string]bool{}
	status, text := get(t, p.ns, "http://"+agentAddress+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("scrape: status %d", status)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" {
			known[f[2]] = true
			if f[3] == "histogram" {
				known[f[2]+"_bucket"] = true
			}
		}
	}
	asked := map[string]string{}
	ask := func(by, expr string) {
		for _, name := range metricName.FindAllString(expr, -1) {
			asked[name] = by
		}
	}
	for _, r := range rules(t) {
		if r.Record != "" {
			known[r.Record] = true
		}
		ask("rule "+r.Record+r.Alert, r.Expr)
		for _, a := range r.Annotations {
			ask("annotation of "+r.Alert, a)
		}
	}
	d := readDashboard(t)
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			ask("panel "+panel.Title, target.Expr)
		}
	}
	for _, v := range d.Templating.List {
		ask("variable "+v.Name, v.Definition)
	}
	if len(asked) < 20 {
		t.Errorf("found %d names of metrics only", len(asked))
	}
	for name, by := range asked {
		if !known[name] {
			t.Errorf("%s asks for %s, which there is not", by, name)
		}
	}
}
