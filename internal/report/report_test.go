package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"gortap/internal/insight"
	"gortap/internal/output"
	"gortap/internal/testutil/incident"
)

func collect(t *testing.T, src insight.Source, s *output.Summary) *Report {
	t.Helper()
	r, err := Collect(src, Config{Input: "incident.pcapng", Version: "1.2", Now: incident.Begin.Add(time.Hour), Capture: s})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func clean() *output.Summary {
	return &output.Summary{
		Matched: output.Volume{Packets: 1_200_000, Bytes: 1_400_000_000}, TCPPayloadBytes: 1_330_000_000, MessageBytes: 1_310_000_000, Messages: 33000,
		Unattributed: map[string]uint64{"not-http": 20_000_000}, Incomplete: map[string]uint64{"no-response": 12}, SampleRatio: 1, RetransmittedBytes: 2e6,
	}
}

func text(t *testing.T, r *Report, o TextOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func markup(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheFirstLinesNameEndpointClientsCauseAndRemedy(t *testing.T) {
	s := text(t, collect(t, incident.New(), clean()), TextOptions{})
	lines := strings.Split(s, "\n")
	first := strings.Join(lines[:8], "\n")
	for _, want := range []string{"GET /api/v1/export", "shop", "198.51.100.11", "page parameter", "Since 14:04:01", "Make the endpoint honour page", "1.12 GB, 84 % of all bytes"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first lines lack %q:\n%s", want, first)
		}
	}
	for _, want := range []string{"\nEndpoints\n", "\nClients\n", "\nServices\n", "\nPairs\n", "Sizes and latency", "\nEvents\n", "none was dropped", "20.0 MB not HTTP"} {
		if !strings.Contains(s, want) {
			t.Errorf("no %q in\n%s", want, s)
		}
	}
}

func TestTextKeepsItsWidthAndIsPlainWithoutColour(t *testing.T) {
	r := collect(t, incident.New(), clean())
	for _, width := range []int{60, 80, 200} {
		s := text(t, r, TextOptions{Width: width})
		if strings.Contains(s, "\x1b") {
			t.Fatalf("escape sequences without colour")
		}
		for _, line := range strings.Split(s, "\n") {
			if n := len([]rune(line)); n > width {
				t.Errorf("width %d: %d characters: %s", width, n, line)
			}
		}
	}
	if s := text(t, r, TextOptions{Colour: true}); !strings.Contains(s, "\x1b[1;31m") {
		t.Error("a critical finding is not red")
	}
}

func TestLossesAreTold(t *testing.T) {
	s := clean()
	s.Dropped = []output.Drop{{Stage: "kernel", Reason: "ring-full", Volume: output.Volume{Packets: 1234, Bytes: 5e6}}}
	s.Unattributed["lost"] = 40_000_000
	s.Sampled, s.SampleRatio, s.ExchangesEstimate = true, 0.1, 160000
	r := collect(t, incident.New(), s)
	out := text(t, r, TextOptions{Width: 200})
	for _, want := range []string{"! 1\u202f234 packets (5.00 MB) were dropped: kernel, ring-full", "! 3.0 % of the payload is missing", "! Only 10 % of the connections"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	s.Degraded = []output.Degradation{{Level: "sample-1/2", Seconds: 3}}
	if out := text(t, collect(t, incident.New(), s), TextOptions{Width: 200}); !strings.Contains(out, "! Only a part of the connections") {
		t.Errorf("one share is told where there were several:\n%s", out)
	}
	if page := markup(t, r); !strings.Contains(page, "losses or limits that matter") {
		t.Error("the page does not warn at its top")
	}
	if strings.Contains(out, "none was dropped") {
		t.Error("it claims that nothing was dropped")
	}
}

func TestNothingAndNothingWrongAreSaid(t *testing.T) {
	empty := collect(t, &incident.Source{}, nil)
	if s := text(t, empty, TextOptions{}); !strings.HasPrefix(s, "No HTTP exchange was seen.") || strings.Contains(s, "NaN") {
		t.Errorf("%s", s)
	}
	if page := markup(t, empty); strings.Contains(page, "NaN") || !strings.Contains(page, "No HTTP exchange was seen") {
		t.Errorf("%s", page)
	}
	src := incident.New()
	src.Found = nil
	if s := text(t, collect(t, src, clean()), TextOptions{}); !strings.HasPrefix(s, "No waste was found. The most bytes: GET /api/v1/export of shop") {
		t.Errorf("%s", s)
	}
}

func TestAFailingSourceIsAnError(t *testing.T) {
	src := &incident.Source{Err: errors.New("gone")}
	if _, err := Collect(src, Config{}); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("%v", err)
	}
}

func TestJSONHasAllAndNoNulls(t *testing.T) {
	var b bytes.Buffer
	if err := collect(t, incident.New(), clean()).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Findings) != 3 || len(back.View.Endpoints) != 7 || back.Capture == nil || len(back.Quality) < 3 {
		t.Errorf("%s", b.String())
	}
	b.Reset()
	if err := collect(t, &incident.Source{}, nil).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"findings": []`) {
		t.Errorf("%s", b.String())
	}
}

const hostile = `</title><script>alert(1)</script>"onload="x` + "\x1b[2J\u202e"

// Whoever sends requests chooses the names that a report shows.
func TestHostileNamesStayText(t *testing.T) {
	src := incident.New()
	for i := range 30 {
		src.Add(insight.Exchange{Time: incident.Begin.Add(time.Duration(i) * time.Second), Client: "192.0.2.9:1", Server: "192.0.2.1:80", Service: hostile,
			Method: hostile, Path: hostile + strings.Repeat("y", i), Target: hostile, Status: 200, ResponseBytes: 9e8, DurationNs: 5})
	}
	src.Found = append(src.Found, insight.Finding{Severity: insight.Critical, Title: hostile, Service: hostile, Method: hostile, Path: hostile, Clients: []string{hostile},
		Evidence: []insight.Evidence{{Name: hostile, Value: hostile}}, Examples: []insight.Exchange{{Method: hostile, Target: hostile, Client: hostile}}, Remedy: hostile})
	src.Happened = append(src.Happened, insight.Event{Service: hostile, Method: hostile, Path: hostile, Measure: hostile, Reason: hostile})
	r, err := Collect(src, Config{Input: hostile, Capture: clean()})
	if err != nil {
		t.Fatal(err)
	}
	page := markup(t, r)
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "script" || n.Data == "img" || n.Data == "link" {
			t.Errorf("an element %s", n.Data)
		}
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("attribute %s=%q of %s", a.Key, a.Val, n.Data)
			}
		}
	}
	for _, s := range []string{page, text(t, r, TextOptions{})} {
		if strings.Contains(s, "\x1b") || strings.Contains(s, "\u202e") {
			t.Error("control characters pass")
		}
	}
}

// Every chart says what it shows to who cannot see it.
func TestChartsHaveDescriptionsAndTheirNumbersAreInTables(t *testing.T) {
	page := markup(t, collect(t, incident.New(), clean()))
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	images := 0
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "svg" {
			continue
		}
		attrs := map[string]string{}
		for _, a := range n.Attr {
			attrs[a.Key] = a.Val
		}
		if attrs["aria-hidden"] == "true" {
			continue
		}
		images++
		if attrs["role"] != "img" || len(attrs["aria-label"]) < 10 {
			t.Errorf("a chart without a description: %v", attrs)
		}
	}
	if images < 10 {
		t.Errorf("%d charts", images)
	}
	if dir := os.Getenv("GORTAP_REPORT_DIR"); dir != "" { // to look at
		if err := os.WriteFile(dir+"/report.html", []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
