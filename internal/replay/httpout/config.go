// Package httpout sends recorded requests to a target: over one connection for each
// recorded one and in its order, or over a pool. It keeps the bytes as they were but
// for the host, and measures what comes back. What a target does, hang, refuse or
// answer with garbage, costs this output records, each counted with a reason, and
// nothing else.
package httpout

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"gortap/internal/process"
	"gortap/internal/record"
)

// Config says where to send and how. The zero value of a field takes its default.
type Config struct {
	// URL is the target: http:// or https://, a host and perhaps a port. Without
	// a scheme it is http.
	URL   string
	Limit process.Limit // the zero value plays each connection once

	Workers       int           // connections of a pool; 0: one for each recorded connection
	Timeout       time.Duration // of connecting, and of a request until its response is whole; default 5 s
	IdleTimeout   time.Duration // after which a connection is closed whose client's end is not known; default 60 s, 2 s in a pool
	MaxConns      int           // connections at once; default 10,000
	QueueBytes    int           // of records that wait or are under way; default 64 MiB
	QueueLen      int           // number of them; default 100,000
	Redirects     int           // how many redirects to follow for a request
	OriginalHost  bool          // keep the Host that was recorded
	AllowUnsafe   bool          // send unsafe methods to the captured server itself
	SkipVerify    bool          // accept any certificate
	RootCAs       *x509.CertPool
	ServerName    string // for TLS; default the URL's host
	Unmarked      bool   // do not mark sockets
	ResponseLimit int    // bytes of a response that OnResponse gets; default 200 KiB

	Log *slog.Logger // told once for each reason why a target fails; nil: nobody is

	// OnResponse gets each response as a record of kind Replayed, its head and its
	// body up to ResponseLimit as sent; of several copies of a connection that of
	// the first. It is called from many goroutines, must not block, and may keep
	// the record.
	OnResponse func(*record.Record)
	// OnFailure is told, in the same way, of each request that the target did not
	// answer, by its ID, and why: connect, timeout, reset or protocol.
	OnFailure func(id, reason string)
	// OnLeftOut is told of each request that a limit leaves out, by Put.
	OnLeftOut func(id string)
}

func (c *Config) setDefaults() {
	if c.Limit == (process.Limit{}) {
		c.Limit.Connections = 1
	}
	set(&c.Timeout, 5*time.Second)
	if c.Workers > 0 {
		set(&c.IdleTimeout, 2*time.Second)
	}
	set(&c.IdleTimeout, 60*time.Second)
	set(&c.MaxConns, 10000)
	set(&c.QueueBytes, 64<<20)
	set(&c.QueueLen, 100000)
	set(&c.ResponseLimit, 200<<10)
}

func set[T int | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

func (c *Config) validate() error {
	for _, v := range []struct {
		name string
		bad  bool
	}{
		{"workers", c.Workers < 0}, {"timeout", c.Timeout <= 0}, {"idle timeout", c.IdleTimeout <= 0},
		{"number of connections", c.MaxConns <= 0}, {"queue", c.QueueBytes <= 0 || c.QueueLen <= 0},
		{"number of redirects", c.Redirects < 0}, {"response limit", c.ResponseLimit < 0},
	} {
		if v.bad {
			return fmt.Errorf("%s of %s is negative", v.name, c.URL)
		}
	}
	return nil
}

// target is where requests go.
type target struct {
	tls     bool
	host    string // as in a Host field
	name    string // without port
	address string // with port
}

func parseTarget(s string) (target, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return target{}, fmt.Errorf("parse target: %w", err)
	}
	t := target{tls: u.Scheme == "https", host: u.Host, name: u.Hostname()}
	port := u.Port()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		err = errors.New("its scheme is neither http nor https")
	case t.name == "":
		err = errors.New("it has no host")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		err = errors.New("it has a path, which requests bring along [use --http-rewrite-url to change theirs]")
	case u.User != nil:
		err = errors.New("it has a user, which requests bring along [use --http-set-header to change theirs]")
	case port == "" && t.tls:
		port = "443"
	case port == "":
		port = "80"
	}
	if err != nil {
		return target{}, fmt.Errorf("parse target %q: %w", u.Redacted(), err)
	}
	t.address = net.JoinHostPort(t.name, port)
	return t, nil
}
