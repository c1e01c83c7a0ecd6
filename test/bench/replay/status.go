package main

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

// counts is what an nginx has accepted so far.
type counts struct{ connections, requests int }

var counters = regexp.MustCompile(`(?m)^ (\d+) \d+ (\d+)`)

// status asks nginx for its counts. A question is a connection and a request too, and
// counts itself.
func status(ctx context.Context, n *lab.Namespace) (counts, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/status", nil)
	if err != nil {
		return counts{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return counts{}, fmt.Errorf("ask nginx for its counts: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return counts{}, fmt.Errorf("ask nginx for its counts: %w", err)
	}
	m := counters.FindSubmatch(text)
	if m == nil {
		return counts{}, fmt.Errorf("ask nginx for its counts: got %q", text)
	}
	var c counts
	if c.connections, err = strconv.Atoi(string(m[1])); err != nil {
		return c, err
	}
	c.requests, err = strconv.Atoi(string(m[2]))
	return c, err
}

// await polls until the server has seen so many requests, questions not counted, or
// no more come. It returns when the last one came, and how often it asked.
func await(ctx context.Context, n *lab.Namespace, requests int, start time.Time) (took time.Duration, asked int, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last, seen := time.Duration(0), 0
	for {
		select {
		case <-ctx.Done():
			return 0, asked, ctx.Err()
		case <-tick.C:
		}
		c, err := status(ctx, n)
		if err != nil {
			return 0, asked, err
		}
		asked++
		now := time.Since(start)
		if got := c.requests - asked; got != seen {
			seen, last = got, now
		}
		if seen >= requests {
			return last, asked, nil
		}
		if now-last > 5*time.Second {
			return 0, asked, fmt.Errorf("it stopped after %d of %d requests", seen, requests)
		}
	}
}
