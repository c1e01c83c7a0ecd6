// Package top is the terminal view of an insight.Source: who uses the bandwidth now, in
// the way of htop. Run owns the terminal while it runs and gives it back on every way
// out of it, a panic included.
//
// The screen is tcell: it knows terminals and their keys, draws only what changed,
// and comes with an emulated terminal for tests. What is shown is a model (model.go)
// that events change (keys.go) and that is drawn from scratch each time (draw.go).
//
// Caveat: a panic in a goroutine that Run did not start ends the process without Run.
package top

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gdamore/tcell/v3"

	"gortap/internal/insight"
)

// Options say what is shown.
type Options struct {
	Source insight.Source
	Title  string // what is captured, read or asked
	// Live says that the source grows: it is asked every Refresh, and the figures are
	// of its last minute at first. Otherwise they are of all.
	Live    bool
	Refresh time.Duration // 0: a second
	NoColor bool
	// Progress, where it is set, tells how much of the files is read; the source
	// grows until both are the same.
	Progress func() (read, total int64)
	// Ended is closed when the source grows no more. Nil: never.
	Ended <-chan struct{}
	// Suspend stops the process until it is continued, as Ctrl-Z asks for. Nil: it
	// cannot.
	Suspend func() error
}

// ErrNotTerminal is returned by Open where there is nothing to draw on.
var ErrNotTerminal = errors.New("not a terminal")

const (
	defaultRefresh = time.Second
	// eventsAtOnce bounds how many keys are taken before the screen is drawn again.
	eventsAtOnce = 256
)

// Open makes the screen of a terminal, by stdin and stdout. Run must be called with it.
func Open() (tcell.Screen, error) {
	if term := os.Getenv("TERM"); term == "" || term == "dumb" {
		return nil, fmt.Errorf("open terminal: TERM=%q cannot be drawn on (set TERM, for example to xterm-256color)", term)
	}
	tty, err := tcell.NewStdIoTty()
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w: %w", ErrNotTerminal, err)
	}
	screen, err := tcell.NewTerminfoScreenFromTty(tty)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	return screen, nil
}

// Run shows the source until the user quits or ctx is done. The screen is initialised
// and given back by it. What the source is busy with at the end is waited for, after
// the terminal is restored.
func Run(ctx context.Context, screen tcell.Screen, o Options) error {
	if o.Refresh <= 0 {
		o.Refresh = defaultRefresh
	}
	if err := screen.Init(); err != nil {
		return fmt.Errorf("open terminal: %w", err)
	}
	a := asker{source: o.Source, questions: make(chan question, 1), answers: make(chan answer, 1)}
	var worker sync.WaitGroup
	worker.Go(a.run)
	defer worker.Wait()
	defer close(a.questions)
	defer screen.Fini()
	screen.EnableMouse(tcell.MouseButtonEvents)
	return loop(ctx, screen, &a, newModel(o))
}

func loop(ctx context.Context, screen tcell.Screen, a *asker, m *model) error {
	tick := time.NewTicker(m.o.Refresh)
	defer tick.Stop()
	for !m.quit {
		if !a.busy { // otherwise the question stays
			if q, wanted := m.question(); wanted {
				a.ask(q)
			}
		}
		m.draw(screen)
		screen.Show()
		select {
		case <-ctx.Done():
			return nil
		case ev, ok := <-screen.EventQ():
			if !ok {
				return nil // the terminal is gone
			}
			if err := m.events(screen, ev); err != nil {
				return err
			}
		case got := <-a.answers:
			a.busy = false
			if got.panicked != "" {
				panic(got.panicked) // in this goroutine, which gives the terminal back
			}
			m.take(got)
		case <-m.o.Ended:
			m.ended()
		case <-tick.C:
			m.tick()
		}
	}
	return nil
}

// events takes an event and those that came with it.
func (m *model) events(screen tcell.Screen, ev tcell.Event) error {
	for range eventsAtOnce {
		if err := m.event(screen, ev); err != nil || m.quit {
			return err
		}
		select {
		case next, ok := <-screen.EventQ():
			if !ok {
				m.quit = true
				return nil
			}
			ev = next
		default:
			return nil
		}
	}
	return nil
}

func (m *model) event(screen tcell.Screen, ev tcell.Event) error {
	switch ev := ev.(type) {
	case *tcell.EventKey:
		if ev.Key() == tcell.KeyCtrlZ && m.o.Suspend != nil {
			return suspend(screen, m.o.Suspend)
		}
		if ev.Key() == tcell.KeyCtrlL {
			screen.Sync()
			return nil
		}
		m.key(ev)
	case *tcell.EventMouse:
		m.mouse(ev)
	case *tcell.EventResize:
		screen.Sync()
	case *tcell.EventError:
		m.quit = true // it can no longer be read: closed
	}
	return nil
}

func suspend(screen tcell.Screen, stop func() error) error {
	if err := screen.Suspend(); err != nil {
		return fmt.Errorf("give the terminal back: %w", err)
	}
	if err := stop(); err != nil {
		return fmt.Errorf("suspend: %w", err)
	}
	if err := screen.Resume(); err != nil {
		return fmt.Errorf("take the terminal again: %w", err)
	}
	return nil
}
