package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"
)

// load parses a command line as the root command does.
func load(t *testing.T, args ...string) (*Config, error) {
	t.Helper()
	f := pflag.NewFlagSet("agent", pflag.ContinueOnError)
	for _, g := range flagGroups() {
		f.AddFlagSet(g.flags)
	}
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return loadConfig(f)
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheShippedConfigIsTheDefaults(t *testing.T) {
	want, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	got, err := load(t, "--config", "../../configs/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("configs/agent.yaml differs from the defaults (-flags +file):\n%s", diff)
	}
}

func TestTheShippedConfigHasEveryKeyWithAComment(t *testing.T) {
	text, err := os.ReadFile("../../configs/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range configKeys() {
		if !strings.Contains(string(text), "\n"+key+":") {
			t.Errorf("configs/agent.yaml lacks %s", key)
		}
	}
	if !strings.HasPrefix(string(text), "#") {
		t.Error("configs/agent.yaml does not begin with a comment")
	}
}

func TestEveryFlagIsAKeyAndEveryKeyAFlag(t *testing.T) {
	flags := []string{}
	for _, g := range flagGroups() {
		g.flags.VisitAll(func(f *pflag.Flag) {
			if f.Name != "config" {
				flags = append(flags, f.Name)
			}
			if f.Usage == "" {
				t.Errorf("--%s has no help", f.Name)
			}
		})
	}
	sorted := cmpopts.SortSlices(strings.Compare)
	if diff := cmp.Diff(configKeys(), flags, sorted); diff != "" {
		t.Errorf("keys and flags differ (-keys +flags):\n%s", diff)
	}
}

func TestFlagsWinOverEnvironmentOverFile(t *testing.T) {
	file := writeConfig(t, "max-paths: 1\nmax-flows: 2\nshards: 4\nturn-budget: 4KiB\n")
	t.Setenv("GOR_MAX_FLOWS", "20")
	t.Setenv("GOR_SHARDS", "8")
	t.Setenv("GOR_INTERFACE", "eth0,eth1")
	got, err := load(t, "--config", file, "--shards", "16")
	if err != nil {
		t.Fatal(err)
	}
	if got.MaxPaths != 1 || got.MaxFlows != 20 || got.Shards != 16 || got.TurnBudget != 4096 {
		t.Errorf("max-paths %d, max-flows %d, shards %d, turn-budget %d; want 1 (file), 20 (environment), 16 (flag), 4096 (file)",
			got.MaxPaths, got.MaxFlows, got.Shards, got.TurnBudget)
	}
	if diff := cmp.Diff([]string{"eth0", "eth1"}, got.Interface); diff != "" {
		t.Errorf("interface from the environment (-want +got):\n%s", diff)
	}
}

func TestServiceRulesFromFlagAndFile(t *testing.T) {
	want := []ServiceRule{{Name: "shop", CIDR: []string{"10.0.0.0/8"}, Port: []int{80, 8080}, Host: []string{"*.shop.example"}}}
	fromFlag, err := load(t, "--service", "name=shop,cidr=10.0.0.0/8,port=80,port=8080,host=*.shop.example")
	if err != nil {
		t.Fatal(err)
	}
	fromFile, err := load(t, "--config", writeConfig(t, "service:\n  - name: shop\n    cidr: [10.0.0.0/8]\n    port: [80, 8080]\n    host: ['*.shop.example']\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fromFlag.Service); diff != "" {
		t.Errorf("from a flag (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, fromFile.Service); diff != "" {
		t.Errorf("from a file (-want +got):\n%s", diff)
	}
}

func TestListsFromTheEnvironment(t *testing.T) {
	t.Setenv("GOR_INPUT_RAW", "lo:80,8080")
	t.Setenv("GOR_SERVICE", "name=shop,port=80,port=8080")
	t.Setenv("GOR_LISTEN", "")
	got, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"lo:80,8080"}, got.InputRaw); diff != "" {
		t.Errorf("input-raw (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ServiceRule{{Name: "shop", Port: []int{80, 8080}}}, got.Service); diff != "" {
		t.Errorf("service (-want +got):\n%s", diff)
	}
	if got.Listen != "" {
		t.Errorf("listen is %q, want none", got.Listen)
	}
}

func TestMistakesAreUsageErrorsThatNameTheirPlace(t *testing.T) {
	for _, c := range []struct {
		name, yaml string
		args       []string
		want       string
	}{
		{"unknown key", "bpf-fliter: tcp\n", nil, "unknown key bpf-fliter"},
		{"unknown key in a rule", "service:\n  - nmae: x\n    port: [1]\n", nil, "nmae"},
		{"not YAML", "max-paths: [\n", nil, "read config"},
		{"wrong type", "max-paths: many\n", nil, "max-paths"},
		{"no such file", "", []string{"--config", "/nonexistent/agent.yaml"}, "no such file"},
		{"hook", "", []string{"--hook", "kprobe"}, "--hook"},
		{"ring size", "", []string{"--ring-size", "3KiB"}, "--ring-size"},
		{"shards", "", []string{"--shards", "3"}, "--shards"},
		{"duration", "gap-timeout: soon\n", nil, "gap-timeout"},
		{"rule without name", "service:\n  - port: [80]\n", nil, "without a name"},
		{"rule without condition", "service:\n  - name: x\n", nil, "want a cidr"},
		{"rule with a wrong prefix", "service:\n  - name: x\n    cidr: [10.0.0.0/80]\n", nil, "10.0.0.0/80"},
		{"two owners of stdout", "", []string{"--output-jsonl", "-", "--summary", "-"}, "stdout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if c.yaml != "" {
				args = append(args, "--config", writeConfig(t, c.yaml))
			}
			_, err := load(t, args...)
			var usage usageError
			if !errors.As(err, &usage) {
				t.Fatalf("got %v, want a usage error", err)
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line with %q", err, c.want)
			}
		})
	}
}

func TestSizesTakeUnits(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "65536": 65536, "64KiB": 65536, "8MiB": 8 << 20, "1GiB": 1 << 30, "1kB": 1000} {
		var s Size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("Set(%q): got %d, %v; want %d", text, s, err, want)
		}
		var back Size
		if err := back.Set(s.String()); err != nil || back != s {
			t.Errorf("%q shows as %q, which reads as %d, %v", text, s.String(), back, err)
		}
	}
	var s Size
	if err := s.Set("many"); err == nil {
		t.Error(`Set("many"): want an error`)
	}
}

func TestDurationsFromFile(t *testing.T) {
	got, err := load(t, "--config", writeConfig(t, "exit-after: 90s\n"))
	if err != nil || got.ExitAfter != 90*time.Second {
		t.Errorf("got %v, %v; want 1m30s", got.ExitAfter, err)
	}
}
