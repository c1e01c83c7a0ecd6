package output

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gortap/internal/record"
)

// namer makes the names of a recording's files.
type namer struct {
	pattern   string
	run       string // %i
	everyTime bool   // a name holds for one record; else for a second
	now       func() time.Time
	second    int64
	name      string // of second
}

func newNamer(pattern string, now func() time.Time) *namer {
	n := &namer{pattern: pattern, now: now, second: -1}
	for _, p := range []string{"%r", "%t", "%NS"} {
		n.everyTime = n.everyTime || strings.Contains(pattern, p)
	}
	var b [8]byte
	rand.Read(b[:]) // never fails
	for _, c := range b {
		n.run += string('a' + rune(c)%26)
	}
	return n
}

// of returns the name for a record, without a number.
func (n *namer) of(r *record.Record) string {
	now := n.now()
	if !n.everyTime && now.Unix() == n.second {
		return n.name
	}
	n.second = now.Unix()
	n.name = filepath.Clean(strings.NewReplacer(
		"%Y", now.Format("2006"), "%m", now.Format("01"), "%d", now.Format("02"),
		"%H", now.Format("15"), "%M", now.Format("04"), "%S", now.Format("05"),
		"%NS", strconv.Itoa(now.Nanosecond()),
		"%r", safe(r.ID), "%t", string(rune(r.Kind)), "%i", n.run,
	).Replace(n.pattern))
	return n.name
}

// safe keeps an ID that comes from elsewhere inside of its folder.
func safe(id string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
			return c
		}
		return '_'
	}, id)
}

// numbered puts a number before the last extension, as GoReplay does: x_0.gor,
// x.gor_0.gz.
func numbered(name string, n int) string {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "_" + strconv.Itoa(n) + ext
}

// freeNumber returns the number after the largest one in use.
func freeNumber(name string) (int, error) {
	ext := filepath.Ext(name)
	base := strings.TrimSuffix(filepath.Base(name), ext) + "_"
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("number recording: %w", err)
	}
	free := 0
	for _, e := range entries {
		middle, ok := strings.CutPrefix(e.Name(), base)
		if !ok {
			continue
		}
		if middle, ok = strings.CutSuffix(middle, ext); !ok {
			continue
		}
		if n, err := strconv.ParseUint(middle, 10, 31); err == nil {
			free = max(free, int(n)+1)
		}
	}
	return free, nil
}

// firstFree returns the first number that is not in use: for names that are all
// different, where listing the folder each time would take too long.
func firstFree(name string) int {
	n := 0
	for {
		if _, err := os.Lstat(numbered(name, n)); err != nil {
			return n
		}
		n++
	}
}
