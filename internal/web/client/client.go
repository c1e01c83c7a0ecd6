// Package client asks a running agent through its JSON API. A Client is an
// insight.Source, so that what shows the agent's own data shows another agent's too.
package client

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gortap/internal/insight"
	"gortap/internal/web/api"
)

const (
	// answerTimeout bounds a request: an agent that is asked answers in milliseconds.
	answerTimeout = 10 * time.Second
	maxAnswer     = 64 << 20
	maxRefusal    = 1 << 10
)

// ErrUnauthorized is returned where the agent wants another token.
var ErrUnauthorized = errors.New("the agent wants a token (give the one of its --web-token-file)")

// Options say which agent to ask.
type Options struct {
	URL   string // like http://127.0.0.1:9464; without a scheme http
	Token string // of the agent's --web-token-file; empty: none
	// TLS is for agents with a certificate of their own making; nil: the system's roots.
	TLS *tls.Config
	// Transport is for tests; nil: a new one.
	Transport *http.Transport
}

// Client asks one agent. Its methods may be called from any goroutine, block until the
// answer is there, 10 seconds at most, and return errors of one line.
type Client struct {
	base, token string
	http        http.Client
}

var _ insight.Source = (*Client)(nil)

// New returns a client. It does not connect yet. The caller closes it.
func New(o Options) (*Client, error) {
	text := o.URL
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("read agent's address %q: want host:port, http://host:port or https://host:port", o.URL)
	}
	t := o.Transport
	if t == nil {
		t = &http.Transport{TLSClientConfig: o.TLS, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}
	}
	return &Client{
		base: u.Scheme + "://" + u.Host, token: o.Token,
		// A redirect would take the token elsewhere.
		http: http.Client{Transport: t, Timeout: answerTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
	}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// View implements insight.Source.
func (c *Client) View(q insight.Query) (v insight.View, err error) {
	err = c.get(api.ViewPath, api.Query{Query: q}.Values(), &v)
	v.FromNs, v.ToNs = v.From.UnixNano(), v.To.UnixNano()
	return v, err
}

// Findings implements insight.Source.
func (c *Client) Findings() ([]insight.Finding, error) {
	var a api.Findings
	err := c.get(api.FindingsPath, nil, &a)
	return a.Findings, err
}

// Events implements insight.Source.
func (c *Client) Events() ([]insight.Event, error) {
	var a api.Events
	err := c.get(api.EventsPath, nil, &a)
	return a.Events, err
}

// Exchanges implements insight.Source.
func (c *Client) Exchanges(q insight.Query, after uint64) ([]insight.Exchange, error) {
	var a api.Exchanges
	q.Points = 0 // means nothing here
	err := c.get(api.ExchangesPath, api.Query{Query: q, After: after}.Values(), &a)
	return a.Exchanges, err
}

// Health tells how the agent itself does.
func (c *Client) Health() (h api.Health, err error) {
	err = c.get(api.HealthPath, nil, &h)
	return h, err
}

func (c *Client) get(path string, v url.Values, answer any) error {
	target := c.base + path
	if len(v) > 0 {
		target += "?" + v.Encode()
	}
	req, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base, err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // which says the address again
		}
		if errors.As(err, new(*tls.CertificateVerificationError)) {
			return fmt.Errorf("ask %s: %w (where it is of the agent's own making, name its file: --ca-file)", c.base, err)
		}
		return fmt.Errorf("ask %s: %w (is an agent running there, with this --listen?)", c.base, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return c.refused(path, res)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("read answer of %s%s: %w", c.base, path, err)
	}
	return nil
}

// refused makes an error of an answer that is none.
func (c *Client) refused(path string, res *http.Response) error {
	if res.StatusCode == http.StatusUnauthorized {
		return fmt.Errorf("ask %s: %w", c.base, ErrUnauthorized)
	}
	said, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal)) // what there is of it is shown
	line, _, _ := strings.Cut(string(bytes.TrimSpace(said)), "\n")
	switch {
	case strings.Contains(line, "HTTPS server"): // as Go's server answers plain text
		line = "it speaks TLS there: use https://"
	case !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") || line == "":
		line = "is this an agent's --listen?"
	}
	return fmt.Errorf("ask %s%s: status %d: %s", c.base, path, res.StatusCode, line)
}
