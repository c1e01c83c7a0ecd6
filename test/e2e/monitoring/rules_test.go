package monitoring

import (
	"os/exec"
	"testing"

	"gortap/internal/testutil"
)

// The shipped rules are what promtool takes and what their own unit tests say.
func TestPromtoolAcceptsTheRules(t *testing.T) {
	for name, args := range map[string][]string{
		"config":     {"check", "config", configs + "/prometheus/prometheus.yml"},
		"rules":      {"check", "rules", configs + "/prometheus/gortap.rules.yml"},
		"unit tests": {"test", "rules", configs + "/prometheus/gortap.test.yml"},
	} {
		t.Run(name, func(t *testing.T) {
			testutil.RequireProgram(t, "promtool", "prometheus")
			if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
				t.Errorf("promtool: %v\n%s", err, out)
			}
		})
	}
}

type ruleFile struct {
	Groups []struct {
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	for _, f := range readYAML[ruleFile](t, "prometheus/gortap.rules.yml") {
		for _, g := range f.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all
}

type unitTests struct {
	Tests []struct {
		Alerts []struct {
			Name     string `yaml:"alertname"`
			Expected []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

func TestEachAlertSaysWhatToDoAndIsSeenFiring(t *testing.T) {
	fires := map[string]bool{}
	for _, f := range readYAML[unitTests](t, "prometheus/gortap.test.yml") {
		for _, test := range f.Tests {
			for _, a := range test.Alerts {
				fires[a.Name] = fires[a.Name] || len(a.Expected) > 0
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if !fires[r.Alert] {
			t.Errorf("%s: no unit test in which it fires", r.Alert)
		}
		if r.Labels["severity"] == "" {
			t.Errorf("%s: no severity", r.Alert)
		}
		for _, a := range []string{"summary", "description", "runbook"} {
			if r.Annotations[a] == "" {
				t.Errorf("%s: no %s", r.Alert, a)
			}
		}
	}
}
