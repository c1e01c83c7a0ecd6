package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// databases are servers with the same accounts, each over data of its own: app, who
// needs no password, and secret, whose password is pw.
type databases struct {
	dir               *lab.TempDir
	mariadb, postgres string // data that is copied for each server
}

// prepareDatabases makes the data, both kinds at once.
func prepareDatabases(t *testing.T) *databases {
	t.Helper()
	testutil.RequireProgram(t, "mariadbd", "mariadb-server-core")
	testutil.RequireProgram(t, "mariadb", "mariadb-client-core")
	testutil.RequireProgram(t, "psql", "postgresql-client")
	dir, err := lab.NewTempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Remove(); err != nil {
			t.Error(err)
		}
	})
	d := &databases{dir: dir, mariadb: filepath.Join(dir.Path, "mariadb"), postgres: filepath.Join(dir.Path, "postgres")}
	if err := os.Mkdir(d.mariadb, 0o700); err != nil {
		t.Fatal(err)
	}
	d.give(t)
	done := make(chan error, 2)
	go func() { done <- d.initMariaDB() }()
	go func() { done <- d.initPostgres(t) }()
	for range cap(done) {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// The servers refuse to run as root.
const nobody = 65534

func unprivileged(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Dir = "/"
	return cmd
}

// give hands all data to the servers' user.
func (d *databases) give(t *testing.T) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "chown", "-R", fmt.Sprint(nobody), d.dir.Path).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
}

// mariadbFlags leave out InnoDB, which takes seconds and 100 MB at the start.
func mariadbFlags(data string, more ...string) []string {
	return append([]string{"--no-defaults", "--datadir=" + data, "--skip-innodb", "--default-storage-engine=Aria", "--aria-log-dir-path=" + data}, more...)
}

func (d *databases) initMariaDB() error {
	sql := "create database mysql;\ncreate database shop;\nuse mysql;\n"
	for _, file := range []string{"mysql_system_tables.sql", "mysql_system_tables_data.sql"} {
		text, err := os.ReadFile("/usr/share/mysql/" + file)
		if err != nil {
			return fmt.Errorf("read what MariaDB is made of: %w", err)
		}
		if strings.Contains(file, "data") {
			sql += "set @auth_root_socket=null;\nset @current_hostname='x';\nset @skip_auth_anonymous=1;\n"
		}
		sql += string(text)
	}
	sql += "flush privileges;\ncreate user app@'%';\ngrant all on *.* to app@'%';\ncreate user secret@'%' identified by 'pw';\ngrant all on *.* to secret@'%';\n"
	cmd := unprivileged("/usr/sbin/mariadbd", mariadbFlags(d.mariadb, "--bootstrap")...)
	cmd.Stdin = strings.NewReader(sql)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make MariaDB: %w: %s", err, out)
	}
	return nil
}

// postgresProgram is one of the newest version that is here.
func postgresProgram(t *testing.T, name string) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		testutil.RequireProgram(t, name, "postgresql")
		return name
	}
	slices.Sort(found)
	return found[len(found)-1]
}

func (d *databases) initPostgres(t *testing.T) error {
	out, err := unprivileged(postgresProgram(t, "initdb"), "-D", d.postgres, "-U", "app", "-A", "trust", "--no-sync", "--locale=C", "--no-instructions").CombinedOutput()
	if err != nil {
		return fmt.Errorf("make PostgreSQL: %w: %s", err, out)
	}
	alone := unprivileged(postgresProgram(t, "postgres"), "--single", "-F", "-D", d.postgres, "postgres")
	alone.Stdin = strings.NewReader("create role secret superuser login password 'pw'\n")
	if out, err := alone.CombinedOutput(); err != nil {
		return fmt.Errorf("make a role: %w: %s", err, out)
	}
	rules := "local all all trust\nhost all secret 0.0.0.0/0 scram-sha-256\nhost all all 0.0.0.0/0 trust\n"
	if err := os.WriteFile(filepath.Join(d.postgres, "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		return fmt.Errorf("write access rules: %w", err)
	}
	return nil
}

// serve starts both servers in a namespace, over copies of the data.
func (d *databases) serve(t *testing.T, n *lab.Namespace, name string) {
	t.Helper()
	data := filepath.Join(d.dir.Path, name)
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cp", "-r", d.mariadb, d.postgres, data).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	d.give(t)
	maria, postgres := filepath.Join(data, "mariadb"), filepath.Join(data, "postgres")
	if err := os.Chmod(postgres, 0o700); err != nil {
		t.Fatal(err)
	}
	runServer(t, n, syscall.SIGTERM, unprivileged("/usr/sbin/mariadbd", mariadbFlags(maria, "--socket="+data+"/mariadb.sock", "--pid-file="+data+"/mariadb.pid",
		"--bind-address=0.0.0.0", "--port=3306", "--skip-name-resolve", "--max-connections=200")...))
	runServer(t, n, syscall.SIGINT, unprivileged(postgresProgram(t, "postgres"), "-D", postgres, "-h", "0.0.0.0", "-k", maria, "-F", "-c", "autovacuum=off"))
	awaitAnswer(t, n, "mariadb", "--no-defaults", "-h", "127.0.0.1", "-u", "app", "-e", "select 1")
	awaitAnswer(t, n, "psql", "-h", "127.0.0.1", "-U", "app", "-d", "postgres", "-c", "select 1")
}

// runServer has a server run until the end of the test.
func runServer(t *testing.T, n *lab.Namespace, end syscall.Signal, cmd *exec.Cmd) {
	t.Helper()
	var said locked
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(end)
		select {
		case <-ended:
		case <-time.After(stopWait):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, said.String())
		}
	})
}

func awaitAnswer(t *testing.T, n *lab.Namespace, name string, args ...string) {
	t.Helper()
	deadline := time.Now().Add(startWait)
	for {
		out, err := n.Run(t.Context(), name, args...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not get an answer: %s", name, out)
		}
		time.Sleep(pollEvery)
	}
}

// mariadb has a client carry out statements.
func (n *trio) mariadb(t *testing.T, user string, statements ...string) error {
	args := []string{"--no-defaults", "-h", "192.0.2.1", "-u", user}
	if user == "secret" {
		args = append(args, "-ppw")
	}
	_, err := n.client.Run(t.Context(), "mariadb", append(args, "shop", "-e", strings.Join(statements, ";"))...)
	return err
}

// psql is the same for PostgreSQL.
func (n *trio) psql(t *testing.T, user string, statements ...string) error {
	args := []string{"PGPASSWORD=pw", "psql", "-h", "192.0.2.1", "-U", user, "-d", "postgres", "-v", "ON_ERROR_STOP=1"}
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	_, err := n.client.Run(t.Context(), "env", args...)
	return err
}

// state asks both servers of a namespace what is in them.
func (n *trio) state(t *testing.T, ns *lab.Namespace) string {
	t.Helper()
	const query = "select count(*), sum(amount), min(name), max(name) from orders"
	maria, err := ns.Run(t.Context(), "mariadb", "--no-defaults", "-h", "127.0.0.1", "-u", "app", "-N", "shop", "-e", query)
	if err != nil {
		t.Error(err)
	}
	postgres, err := ns.Run(t.Context(), "psql", "-h", "127.0.0.1", "-U", "app", "-d", "postgres", "-At", "-c", query)
	if err != nil {
		t.Error(err)
	}
	return maria + postgres
}
