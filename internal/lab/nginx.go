package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"
)

const (
	nginxStartLimit = 10 * time.Second
	nginxStopLimit  = 5 * time.Second
	nginxPoll       = 5 * time.Millisecond
)

// NginxOptions say what an nginx serves on port 80 of its namespace, IPv4 and IPv6.
type NginxOptions struct {
	// Files are served at their name, for example "img/logo.png", with so many
	// bytes of incompressible content.
	Files map[string]int
	// Server holds further directives of the server block, for example locations.
	Server string
}

// Nginx is a running nginx. Beside its files it answers everything under /api/
// with a small body, after it has read the whole request. Elsewhere it discards
// request bodies and does not count them.
type Nginx struct {
	dir    *TempDir
	cmd    *exec.Cmd
	output bytes.Buffer // nginx's own messages; read after exited
	exited chan struct{}
}

// The log is what others are compared with, and nginx counts only request bodies
// that it reads: a proxied location does.
const nginxConfig = `
daemon off;
user root;
worker_processes 1;
pid {{.Dir}}/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
	log_format counted '{{.Format}}';
	access_log {{.Dir}}/access.log counted;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	client_max_body_size 0;
	keepalive_requests 1000000;
	sendfile on;
	server {
		listen 80 backlog=4096;
		listen [::]:80 backlog=4096;
		root {{.Dir}}/www;
		location /api/ { proxy_pass http://unix:{{.Dir}}/api.sock; }
		{{.Server}}
	}
	server {
		listen unix:{{.Dir}}/api.sock;
		access_log off;
		default_type application/json;
		location / { return 200 '{"path":"$request_uri","bytes":"$http_content_length"}\n'; }
	}
}
`

// StartNginx starts nginx in the namespace, from a config and files of its own in
// a temp folder, and returns once it accepts connections. The caller stops it.
func StartNginx(ctx context.Context, n *Namespace, o NginxOptions) (*Nginx, error) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		return nil, fmt.Errorf("find nginx: %w (on Debian: apt-get install nginx-light)", err)
	}
	dir, err := NewTempDir()
	if err != nil {
		return nil, err
	}
	s := &Nginx{dir: dir, exited: make(chan struct{})}
	config, err := s.prepare(o)
	if err != nil {
		return nil, errors.Join(err, dir.Remove())
	}
	s.cmd = exec.Command(program, "-p", dir.Path, "-c", config)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	// nginx is the init of its own pid namespace: with it, its workers die. A
	// group of its own keeps a terminal's Ctrl-C from it.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Setpgid: true}
	if err := n.Start(s.cmd); err != nil {
		return nil, errors.Join(fmt.Errorf("start nginx: %w", err), dir.Remove())
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait() // how it ended says less than what it printed
	}()
	if err := s.awaitAccept(ctx, n); err != nil {
		// No time for good manners: it may not even handle signals yet.
		s.cmd.Process.Kill()
		<-s.exited
		return nil, errors.Join(fmt.Errorf("start nginx: %w: %s", err, bytes.TrimSpace(s.output.Bytes())), dir.Remove())
	}
	return s, nil
}

// prepare writes the config and the files and returns the config's path.
func (s *Nginx) prepare(o NginxOptions) (string, error) {
	form, err := template.New("nginx.conf").Parse(nginxConfig)
	if err != nil {
		return "", fmt.Errorf("read form of nginx config: %w", err)
	}
	var conf strings.Builder
	err = form.Execute(&conf, map[string]string{"Dir": s.dir.Path, "Server": o.Server, "Format": accessFormat})
	if err != nil {
		return "", fmt.Errorf("fill nginx config: %w", err)
	}
	path := filepath.Join(s.dir.Path, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf.String()), 0o600); err != nil {
		return "", fmt.Errorf("write nginx config: %w", err)
	}
	for name, size := range o.Files {
		file := filepath.Join(s.dir.Path, "www", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return "", fmt.Errorf("create folder: %w", err)
		}
		if err := os.WriteFile(file, content(size), 0o600); err != nil {
			return "", fmt.Errorf("write file: %w", err)
		}
	}
	return path, nil
}

// awaitAccept polls: nginx does not say when it listens.
func (s *Nginx) awaitAccept(ctx context.Context, n *Namespace) error {
	ctx, cancel := context.WithTimeout(ctx, nginxStartLimit)
	defer cancel()
	tick := time.NewTicker(nginxPoll)
	defer tick.Stop()
	for {
		c, err := n.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", "80"))
		if err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// Pid is the process id of nginx's master.
func (s *Nginx) Pid() int { return s.cmd.Process.Pid }

// Stop lets nginx finish its requests, ends it, removes its folder and returns
// what it logged, in the order in which requests ended. It must be called once.
func (s *Nginx) Stop() ([]Access, error) {
	deadline := time.NewTimer(nginxStopLimit)
	defer deadline.Stop()
	s.cmd.Process.Signal(syscall.SIGQUIT) // an error means that it has ended
	select {
	case <-s.exited:
	case <-deadline.C:
		s.cmd.Process.Kill()
		<-s.exited
	}
	log, err := readAccessLog(filepath.Join(s.dir.Path, "access.log"))
	return log, errors.Join(err, s.dir.Remove())
}

// content is deterministic and does not compress (xorshift32).
func content(size int) []byte {
	b := make([]byte, size)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}
