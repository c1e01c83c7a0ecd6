package monitoring

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/testutil"
)

// object is what the tests read of a Kubernetes object.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		Template struct {
			Metadata struct{ Labels, Annotations map[string]string }
			Spec     podSpec
		}
		Endpoints []struct{ Port, Path string } `yaml:"podMetricsEndpoints"`
	}
}

type podSpec struct {
	ServiceAccountName string `yaml:"serviceAccountName"`
	HostNetwork        bool   `yaml:"hostNetwork"`
	HostPID            bool   `yaml:"hostPID"`
	Containers         []container
	Volumes            []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
	}
}

type container struct {
	Args  []string
	Env   []struct{ Name string }
	Ports []struct {
		Name string
		Port int `yaml:"containerPort"`
	}
	Startup   probe `yaml:"startupProbe"`
	Liveness  probe `yaml:"livenessProbe"`
	Readiness probe `yaml:"readinessProbe"`
	Resources struct{ Requests, Limits map[string]string }
	Security  struct {
		Privileged   bool
		Escalation   *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnly     bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities struct{ Add, Drop []string }
	} `yaml:"securityContext"`
	Mounts []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	Get struct{ Path, Port string } `yaml:"httpGet"`
}

func daemonSet(t *testing.T) object {
	t.Helper()
	objects := readYAML[object](t, "kubernetes/daemonset.yaml")
	i := slices.IndexFunc(objects, func(o object) bool { return o.Kind == "DaemonSet" })
	j := slices.IndexFunc(objects, func(o object) bool { return o.Kind == "ServiceAccount" })
	if i < 0 || j < 0 {
		t.Fatal("no DaemonSet, or no ServiceAccount")
	}
	if name := objects[i].Spec.Template.Spec.ServiceAccountName; name != objects[j].Metadata.Name {
		t.Errorf("service account %q, want %q", name, objects[j].Metadata.Name)
	}
	return objects[i]
}

// arguments are those of the pod, with configs/agent.yaml as its ConfigMap.
func (c container) arguments(t *testing.T, nodeIP string) (args []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "agent.yaml"), readConfig(t, "agent.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range c.Args {
		a = strings.NewReplacer(c.Mounts[0].Path, dir, "$("+c.Env[0].Name+")", nodeIP).Replace(a)
		if strings.Contains(a, "$(") {
			t.Errorf("a variable has no value: %s", a)
		}
		args = append(args, a)
	}
	return args
}

func TestTheDaemonSetsArgumentsAreTheAgents(t *testing.T) {
	c := daemonSet(t).Spec.Template.Spec.Containers[0]
	args := append([]string{"check-config"}, c.arguments(t, "192.0.2.1")...)
	out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "config ok") {
		t.Errorf("agent %s: %v\n%s", args, err, out)
	}
}

// With the pod's arguments and capabilities, and none other, the agent captures,
// and the probes say so.
func TestTheDaemonSetsCapabilitiesAreEnough(t *testing.T) {
	n := testutil.Namespace(t)
	c := daemonSet(t).Spec.Template.Spec.Containers[0]
	bounds := "-all"
	for _, name := range c.Security.Capabilities.Add {
		bounds += ",+" + strings.ToLower(name)
	}
	args := append([]string{"--no-new-privs", "--inh-caps", "-all", "--bounding-set", bounds, binary}, c.arguments(t, "127.0.0.1")...)
	a := launch(t, n, "setpriv", args...)
	for _, p := range []probe{c.Startup, c.Liveness, c.Readiness} {
		a.await(t, p.Get.Path+" to succeed", func() bool {
			status, _ := get(t, n, "http://"+agentAddress+p.Get.Path)
			return status == http.StatusOK
		})
	}
}

func TestTheDaemonSetAsksForWhatTheAgentNeedsAndNoMore(t *testing.T) {
	pod := daemonSet(t).Spec.Template.Spec
	c := pod.Containers[0]
	if diff := cmp.Diff([]string{"BPF", "PERFMON", "NET_ADMIN"}, c.Security.Capabilities.Add); diff != "" {
		t.Errorf("capabilities (-README +here):\n%s", diff)
	}
	if !slices.Equal(c.Security.Capabilities.Drop, []string{"ALL"}) || c.Security.Privileged || !c.Security.ReadOnly ||
		c.Security.Escalation == nil || *c.Security.Escalation || !pod.HostNetwork || pod.HostPID {
		t.Errorf("%+v, host network %t, host pid %t", c.Security, pod.HostNetwork, pod.HostPID)
	}
	for _, r := range []string{"cpu", "memory"} {
		if c.Resources.Requests[r] == "" || c.Resources.Limits[r] == "" {
			t.Errorf("%s has no request or no limit", r)
		}
	}
}

func TestProbesScrapersAndSelectorsMeetThePod(t *testing.T) {
	d := daemonSet(t)
	pod := d.Spec.Template
	c := pod.Spec.Containers[0]
	port := c.Ports[0]
	for want, p := range map[string][]probe{"/healthz": {c.Startup, c.Liveness}, "/readyz": {c.Readiness}} {
		for _, p := range p {
			if p.Get.Path != want || p.Get.Port != port.Name {
				t.Errorf("probe %+v, want %s on %s", p, want, port.Name)
			}
		}
	}
	address := ":" + pod.Metadata.Annotations["prometheus.io/port"]
	if !slices.ContainsFunc(c.Args, func(a string) bool { return strings.HasPrefix(a, "--listen=") && strings.HasSuffix(a, address) }) ||
		address != ":9464" || port.Port != 9464 {
		t.Errorf("annotation %s, container port %d, arguments %s", address, port.Port, c.Args)
	}
	monitor := readYAML[object](t, "kubernetes/podmonitor.yaml")[0]
	if monitor.Kind != "PodMonitor" || monitor.Spec.Endpoints[0].Port != port.Name || monitor.Spec.Endpoints[0].Path != "/metrics" {
		t.Errorf("%s: %+v", monitor.Kind, monitor.Spec.Endpoints)
	}
	for _, o := range []object{d, monitor} {
		if diff := cmp.Diff(o.Spec.Selector.MatchLabels, pod.Metadata.Labels); diff != "" {
			t.Errorf("%s selects other labels than the pod has (-selector +pod):\n%s", o.Kind, diff)
		}
	}
	jobs := readYAML[[]struct {
		Name string `yaml:"job_name"`
	}](t, "kubernetes/scrape-job.yaml")[0]
	if len(jobs) != 1 || jobs[0].Name != "gortap" {
		t.Errorf("scrape jobs %+v", jobs)
	}
	if pod.Spec.Volumes[0].ConfigMap.Name != "gortap" || pod.Spec.Volumes[0].Name != c.Mounts[0].Name {
		t.Errorf("volume %+v, mount %+v", pod.Spec.Volumes[0], c.Mounts[0])
	}
}
