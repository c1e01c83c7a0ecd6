package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// recheck is how often a certificate's files are looked at.
const recheck = 10 * time.Second

// certificates is a certificate that is read again when its file changes: whoever renews
// it need not restart the agent.
type certificates struct {
	certFile, keyFile string

	mu      sync.Mutex
	current *tls.Certificate
	written time.Time // of the files that current is from
	looked  time.Time
}

// certificates returns nil where there is no TLS.
func (a Access) certificates() (*certificates, error) {
	if a.CertFile == "" && a.KeyFile == "" {
		return nil, nil
	}
	if a.CertFile == "" || a.KeyFile == "" {
		return nil, errors.New("read web certificate: want --web-cert and --web-key, both")
	}
	c := &certificates{certFile: a.CertFile, keyFile: a.KeyFile}
	_, err := c.get(nil)
	return c, err
}

// get implements tls.Config.GetCertificate. While new files are wrong, as they are
// halfway through being written, the old certificate stays.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.current != nil && now.Sub(c.looked) < recheck {
		return c.current, nil
	}
	c.looked = now
	written := max(modified(c.certFile), modified(c.keyFile))
	if c.current != nil && !time.Unix(0, written).After(c.written) {
		return c.current, nil
	}
	loaded, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	switch {
	case err == nil:
		c.current, c.written = &loaded, time.Unix(0, written)
	case c.current == nil:
		var file *fs.PathError
		if errors.As(err, &file) {
			return nil, fmt.Errorf("read web certificate: %s: %w", file.Path, file.Err)
		}
		return nil, fmt.Errorf("read web certificate %s, %s: %w (want PEM files that belong together)", c.certFile, c.keyFile, err)
	}
	return c.current, nil
}

func modified(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}
