package way

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// filterDir is where a value of rp_filter waits that is to be set again. It is on a file
// system that a reboot empties, as it resets the values.
const filterDir = "/run/gortap"

// reverse is an interface's setting of the reverse path filter. Only IPv4 has one.
type reverse struct{ device string }

func (r reverse) name() string {
	return "net.ipv4.conf." + strings.ReplaceAll(r.device, ".", "/") + ".rp_filter"
}
func (r reverse) path() string {
	return filepath.Join("/proc/sys/net/ipv4/conf", r.device, "rp_filter")
}

func (r reverse) read() (int, error) {
	text, err := os.ReadFile(r.path())
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", r.name(), err)
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func (r reverse) write(v string) error {
	if err := os.WriteFile(r.path(), []byte(v), 0o644); err != nil {
		return fmt.Errorf("set %s: %w (needs root)", r.name(), err)
	}
	return nil
}

// mode is what applies to the interface: the greater of its own and that for all.
func (r reverse) mode() int {
	own, _ := r.read()
	all, _ := reverse{"all"}.read()
	return max(own, all)
}

// strict returns the setting that has to be loosened, nil for none. Answers that come in
// where the way to the target leads out pass the strictest filter.
func (r *Routes) strict() *reverse {
	s := reverse{r.Answers}
	if r.Target.Addr().Is6() || r.Answers == r.Device || s.mode() != 1 {
		return nil
	}
	return &s
}

// saved is the file that remembers the interface's value for as long as it is changed.
func (r reverse) saved() (string, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &st); err != nil {
		return "", fmt.Errorf("identify the network namespace: %w", err)
	}
	return filepath.Join(filterDir, fmt.Sprintf("rp_filter-%d-%s", st.Ino, r.device)), nil
}

// loosen sets the filter to loose, and remembers what it was.
func (r reverse) loosen() error {
	path, err := r.saved()
	if err != nil {
		return err
	}
	was, err := r.read()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filterDir, 0o755); err != nil {
		return fmt.Errorf("remember %s: %w", r.name(), err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	switch {
	case errors.Is(err, fs.ErrExist): // it is loose already, and the file has its true value
		return r.write("2")
	case err != nil:
		return fmt.Errorf("remember %s: %w", r.name(), err)
	}
	_, err = fmt.Fprintln(f, was)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("remember %s: %w", r.name(), err)
	}
	return r.write("2")
}

// restore sets what loosen changed back. Without a change it does nothing.
func (r reverse) restore() error {
	path, err := r.saved()
	if err != nil {
		return err
	}
	was, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remember %s: %w", r.name(), err)
	}
	if err := r.write(strings.TrimSpace(string(was))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Remove(path)
}

// loosened lists the interfaces whose filter is still changed.
func loosened() ([]reverse, error) {
	path, err := reverse{""}.saved()
	if err != nil {
		return nil, err
	}
	found, _ := filepath.Glob(path + "*") // the pattern is ours
	var all []reverse
	for _, f := range found {
		all = append(all, reverse{strings.TrimPrefix(f, path)})
	}
	return all, nil
}
