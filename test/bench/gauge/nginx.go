package gauge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"gortap/internal/lab"
)

// StatusPort is where StatusServer answers: not on the port that is watched.
const StatusPort = "8081"

// StatusServer is an nginx directive that makes Served work.
const StatusServer = `listen 127.0.0.1:` + StatusPort + `; location = /status { access_log off; stub_status; }`

// Counts is what an nginx has had so far, the questions of Served included: each is
// one connection and one request.
type Counts struct{ Connections, Requests float64 }

var statusLine = regexp.MustCompile(`(?m)^ (\d+) \d+ (\d+)`)

// Served asks the nginx in a namespace for its counts.
func Served(ctx context.Context, n *lab.Namespace) (Counts, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+StatusPort+"/status", nil)
	if err != nil {
		return Counts{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return Counts{}, fmt.Errorf("ask nginx for its counts: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return Counts{}, fmt.Errorf("ask nginx for its counts: %w", err)
	}
	return parseStatus(string(text))
}

func parseStatus(text string) (Counts, error) {
	m := statusLine.FindStringSubmatch(text)
	if m == nil {
		return Counts{}, fmt.Errorf("read nginx's counts: no counts in %q", text)
	}
	connections, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return Counts{}, fmt.Errorf("read nginx's counts: %w", err)
	}
	requests, err := strconv.ParseFloat(m[2], 64)
	return Counts{connections, requests}, err
}

// Since returns what came between two questions, without the second question.
func (c Counts) Since(before Counts) Counts {
	return Counts{c.Connections - before.Connections - 1, c.Requests - before.Requests - 1}
}
