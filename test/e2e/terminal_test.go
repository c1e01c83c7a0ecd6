package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/gdamore/tcell/v3/vt"
	"golang.org/x/sys/unix"

	"gortap/internal/lab"
)

// terminal is a pseudo-terminal with an emulator behind it and the agent in front.
type terminal struct {
	t       *testing.T
	keyhole *os.File // the emulator's side
	line    *os.File // the agent's side, kept open to see how it is left
	screen  vt.MockTerm
	before  unix.Termios
	cmd     *exec.Cmd
	ended   chan struct{}
	err     error  // valid once ended is closed
	raw     locked // everything that was written
}

// onTerminal starts a command on a terminal of its own; n may be nil.
func onTerminal(t *testing.T, n *lab.Namespace, width, height int, env []string, args ...string) *terminal {
	t.Helper()
	keyhole, line, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, keyhole: keyhole, line: line, ended: make(chan struct{})}
	x.resize(width, height)
	x.screen = vt.NewMockTerm(vt.MockOptSize{X: vt.Col(width), Y: vt.Row(height)})
	if err := x.screen.Start(); err != nil {
		t.Fatal(err)
	}
	x.before = x.modes()
	x.cmd = exec.Command(binary, args...)
	x.cmd.Env = append(os.Environ(), append([]string{"TERM=xterm-256color", "NO_COLOR="}, env...)...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = line, line, line
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	start := x.cmd.Start
	if n != nil {
		start = func() error { return n.Start(x.cmd) }
	}
	if err := start(); err != nil {
		t.Fatal(err)
	}
	shown, typed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(shown)
		_, _ = io.Copy(io.MultiWriter(&x.raw, x.screen), keyhole) // ends with the terminal
	}()
	go func() {
		defer close(typed)
		_, _ = io.Copy(keyhole, x.screen) // what the emulator answers
	}()
	go func() {
		defer close(x.ended)
		x.err = x.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = x.cmd.Process.Kill()
		<-x.ended
		if t.Failed() {
			t.Logf("the screen was\n%s", x.text())
		}
		x.line.Close()
		x.keyhole.Close()
		_ = x.screen.Close()
		<-shown
		<-typed
	})
	return x
}

func (x *terminal) resize(width, height int) {
	x.t.Helper()
	if err := pty.Setsize(x.keyhole, &pty.Winsize{Cols: uint16(width), Rows: uint16(height)}); err != nil {
		x.t.Fatal(err)
	}
	if x.screen != nil {
		x.screen.SetSize(vt.Coord{X: vt.Col(width), Y: vt.Row(height)})
	}
}

func (x *terminal) modes() unix.Termios {
	x.t.Helper()
	m, err := unix.IoctlGetTermios(int(x.line.Fd()), unix.TCGETS)
	if err != nil {
		x.t.Fatal(err)
	}
	return *m
}

// text is what one sees.
func (x *terminal) text() string {
	size, _ := x.screen.WindowSize()
	var b strings.Builder
	for y := range size.Height {
		line := ""
		for c := range size.Width {
			cell := x.screen.GetCell(vt.Coord{X: vt.Col(c), Y: vt.Row(y)}).C
			if cell == "" {
				cell = " "
			}
			line += cell
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// await polls until the screen has all texts.
func (x *terminal) await(texts ...string) {
	x.t.Helper()
	deadline := time.Now().Add(startWait)
	for {
		s, missing := x.text(), ""
		for _, want := range texts {
			if !strings.Contains(s, want) {
				missing = want
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-x.ended:
			x.t.Fatalf("it ended (%v) before %q was on the screen; it wrote %q", x.err, missing, x.raw.String()[max(strings.Index(x.raw.String(), "panic:"), 0):])
		default:
		}
		if time.Now().After(deadline) {
			x.t.Fatalf("%q is not on the screen", missing)
		}
		time.Sleep(pollEvery)
	}
}

func (x *terminal) press(keys string) {
	x.t.Helper()
	if _, err := x.keyhole.WriteString(keys); err != nil {
		x.t.Fatal(err)
	}
}

// awaitEnd returns the exit status.
func (x *terminal) awaitEnd() int {
	x.t.Helper()
	select {
	case <-x.ended:
		return x.cmd.ProcessState.ExitCode()
	case <-time.After(stopWait):
		x.t.Fatal("it does not end")
		return -1
	}
}

// awaitWritten polls until the program has written a text: its last bytes may still be
// on their way when it has ended.
func (x *terminal) awaitWritten(want string) {
	x.t.Helper()
	for deadline := time.Now().Add(startWait); !strings.Contains(x.raw.String(), want); time.Sleep(pollEvery) {
		if time.Now().After(deadline) {
			x.t.Fatalf("it did not write %q: %s", want, tail(x.raw.String(), 500))
		}
	}
}

// checkRestored fails the test unless the terminal is as it was before.
func (x *terminal) checkRestored() {
	x.t.Helper()
	if got := x.modes(); got != x.before {
		x.t.Errorf("the terminal's modes are %+v, were %+v", got, x.before)
	}
	want := map[vt.PrivateMode]vt.ModeStatus{vt.PmShowCursor: vt.ModeOn, vt.PmMouseButton: vt.ModeOff, vt.PmMouseSgr: vt.ModeOff, vt.PmBracketedPaste: vt.ModeOff, vt.PmAppCursor: vt.ModeOff}
	deadline := time.Now().Add(stopWait)
	for { // the last bytes are on their way
		wrong := ""
		for mode, status := range want {
			if got := x.screen.Backend().GetPrivateMode(mode); got != status && got != vt.ModeNA {
				wrong = fmt.Sprintf("mode %d is %v", mode, got)
			}
		}
		if raw := x.raw.String(); strings.LastIndex(raw, "\x1b[?1049l") < strings.LastIndex(raw, "\x1b[?1049h") {
			wrong = "the alternate screen is still shown"
		}
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			x.t.Error(wrong)
			return
		}
		time.Sleep(pollEvery)
	}
}

func tail(s string, n int) string { return s[max(len(s)-n, 0):] }

// processState is the letter of /proc/PID/stat: T for a stopped process.
func processState(t *testing.T, pid int) byte {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[0]
}
