package monitoring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// corpus are captures whose lines together have every field.
const corpus = "../../../internal/testutil/corpus/data/"

type mapping struct {
	Type       string             `json:"type"`
	Properties map[string]mapping `json:"properties"`
}

// template returns what the index template says of the fields of a line.
func template(t *testing.T) map[string]mapping {
	t.Helper()
	var file struct {
		IndexPatterns []string `json:"index_patterns"`
		Template      struct {
			Mappings mapping `json:"mappings"`
		} `json:"template"`
	}
	decoder := json.NewDecoder(bytes.NewReader(readConfig(t, "elastic/index-template.json")))
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if ts := file.Template.Mappings.Properties["@timestamp"].Type; ts != "date_nanos" {
		t.Errorf("@timestamp is a %q", ts)
	}
	if !slices.Equal(file.IndexPatterns, []string{"logs-gortap-*"}) {
		t.Errorf("the template is for %v", file.IndexPatterns)
	}
	return file.Template.Mappings.Properties["gortap"].Properties
}

// fits says why a value of a line would not go into a field of a type.
func fits(fieldType string, value any) error {
	text, isText := value.(string)
	number, isNumber := value.(json.Number)
	var err error
	switch fieldType {
	case "keyword":
		if !isText {
			err = fmt.Errorf("no text")
		}
	case "ip":
		_, err = netip.ParseAddr(text)
	case "date_nanos":
		_, err = time.Parse(time.RFC3339Nano, text)
	case "boolean":
		if _, ok := value.(bool); !ok {
			err = fmt.Errorf("no boolean")
		}
	case "integer", "long":
		var n int64
		n, err = number.Int64()
		if err == nil && fieldType == "integer" && (n > math.MaxInt32 || n < math.MinInt32) {
			err = fmt.Errorf("beyond 32 bits")
		}
	case "double":
		if value != nil && !isNumber {
			err = fmt.Errorf("neither number nor null")
		}
	default:
		err = fmt.Errorf("unknown type")
	}
	return err
}

// checkLines holds a file of lines against the index template and returns the
// fields that it has. The last line may be one that was being written.
func checkLines(t *testing.T, path string) map[string]bool {
	t.Helper()
	fields, seen := template(t), map[string]bool{}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if len(lines) < 2 {
		t.Fatal("no lines")
	}
	const enough = 5000
	for _, line := range lines[:min(len(lines)-1, enough)] {
		var exchange map[string]any
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&exchange); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		for name, value := range exchange {
			seen[name] = true
			if f, ok := fields[name]; !ok {
				t.Fatalf("the template lacks %s: %s", name, line)
			} else if err := fits(f.Type, value); err != nil {
				t.Fatalf("%s is %v, not %s (%v): %s", name, value, f.Type, err, line)
			}
		}
	}
	return seen
}

// What the agent writes of every protocol goes into the fields of the template,
// which has no others, and neither has the documentation.
func TestTheIndexTemplateHasEachFieldOfALine(t *testing.T) {
	seen := map[string]bool{}
	for _, capture := range []string{
		"gen-any-sll.pcap", "arkime-http2-nghttp2.pcap.gz", "packt-grpc-bidi-streaming.pcapng", "mikekap-ws-segmented.pcap",
		"drv-oneway-req.pcap",
	} {
		lines := filepath.Join(t.TempDir(), "lines.jsonl")
		agent := exec.CommandContext(t.Context(), binary, "--input-file", corpus+capture, "--output-jsonl", lines, "--listen", "")
		if out, err := agent.CombinedOutput(); err != nil {
			t.Fatalf("agent: %v\n%s", err, out)
		}
		for name := range checkLines(t, lines) {
			seen[name] = true
		}
	}
	documented := documentedFields(t)
	for name := range template(t) {
		if !seen[name] {
			t.Errorf("no line has %s", name)
		}
		if !documented[name] {
			t.Errorf("docs/output.md lacks %s", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("the template lacks %s, which docs/output.md has", name)
	}
}

var (
	lineTable = regexp.MustCompile(`(?s)## JSON lines.*?\n## `)
	firstCell = regexp.MustCompile("(?m)^\\| (`[^|]*) \\|")
	inQuotes  = regexp.MustCompile("`([^`]+)`")
)

// documentedFields are those of the table in docs/output.md.
func documentedFields(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../../docs/output.md")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	for _, cell := range firstCell.FindAllSubmatch(lineTable.Find(text), -1) {
		for _, name := range inQuotes.FindAllSubmatch(cell[1], -1) {
			fields[string(name[1])] = true
		}
	}
	return fields
}

// filebeatConfig is what the test reads of filebeat.yml.
type filebeatConfig struct {
	Inputs []struct {
		Parsers []struct{ NDJSON struct{ Target string } }
	} `yaml:"filebeat.inputs"`
	Processors []struct {
		Timestamp struct {
			Field         string
			Layouts, Test []string
		}
	}
	Output struct{ Index string } `yaml:"output.elasticsearch"`
}

// vectorConfig is what the test reads of vector.yaml.
type vectorConfig struct {
	Sources    map[string]any
	Transforms map[string]struct {
		Inputs []string
		Source string
	}
	Sinks map[string]struct {
		Inputs []string
		Bulk   struct{ Action, Index string }
	}
}

// Filebeat and Vector are not run here. What can be held against the rest is:
// they write where the template applies, below the field that it knows.
func TestShippersWriteWhereTheTemplateApplies(t *testing.T) {
	const index = "logs-gortap-default"
	f := readYAML[filebeatConfig](t, "elastic/filebeat.yml")[0]
	if target := f.Inputs[0].Parsers[0].NDJSON.Target; target != "gortap" || f.Output.Index != index {
		t.Errorf("Filebeat writes to %q below %q", f.Output.Index, target)
	}
	stamp := f.Processors[0].Timestamp
	if stamp.Field != "gortap.time" {
		t.Errorf("Filebeat's time is of %q", stamp.Field)
	}
	for _, text := range stamp.Test {
		if _, err := time.Parse(stamp.Layouts[0], text); err != nil {
			t.Error(err)
		}
	}
	v := readYAML[vectorConfig](t, "elastic/vector.yaml")[0]
	for name, sink := range v.Sinks {
		if sink.Bulk.Index != index || sink.Bulk.Action != "create" {
			t.Errorf("Vector's %s writes to %q by %q", name, sink.Bulk.Index, sink.Bulk.Action)
		}
		for _, in := range sink.Inputs {
			transform, ok := v.Transforms[in]
			if !ok {
				t.Fatalf("Vector's %s reads from %s, which there is not", name, in)
			}
			for _, from := range transform.Inputs {
				if v.Sources[from] == nil {
					t.Errorf("Vector's %s reads from %s, which there is not", in, from)
				}
			}
		}
	}
}
