package top

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gdamore/tcell/v3"
	"github.com/gdamore/tcell/v3/vt"

	"gortap/internal/insight"
	"gortap/internal/testutil"
	"gortap/internal/testutil/incident"
)

const (
	wait = 20 * time.Second
	poll = 2 * time.Millisecond
)

// tube is Run on an emulated terminal.
type tube struct {
	*testing.T
	vt.MockTerm
	ended chan struct{}
	err   error
	panic any
}

func switchOn(t *testing.T, ctx context.Context, o Options) *tube {
	t.Helper()
	x := &tube{T: t, MockTerm: vt.NewMockTerm(vt.MockOptSize{X: 100, Y: 24}), ended: make(chan struct{})}
	screen, err := tcell.NewTerminfoScreenFromTty(x.MockTerm)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(x.ended)
		defer func() { x.panic = recover() }()
		x.err = Run(ctx, screen, o)
	}()
	return x
}

func (x *tube) text() string {
	var b strings.Builder
	for y := range vt.Row(24) {
		for c := range vt.Col(100) {
			b.WriteString(x.GetCell(vt.Coord{X: c, Y: y}).C)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (x *tube) await(want string) {
	x.Helper()
	deadline := time.Now().Add(wait)
	for !strings.Contains(x.text(), want) {
		select {
		case <-x.ended:
			x.Fatalf("it ended: %v %v", x.err, x.panic)
		default:
		}
		if time.Now().After(deadline) {
			x.Fatalf("no %q on\n%s", want, x.text())
		}
		time.Sleep(poll)
	}
}

func (x *tube) awaitEnd() {
	x.Helper()
	select {
	case <-x.ended:
	case <-time.After(wait):
		x.Fatal("it does not end")
	}
	if got := x.Backend().GetPrivateMode(vt.PmShowCursor); got != vt.ModeOn {
		x.Errorf("the cursor is left %v", got)
	}
	if got := x.Backend().GetPrivateMode(vt.PmMouseButton); got == vt.ModeOn {
		x.Error("the mouse is still reported")
	}
}

// slow answers when it is told to.
type slow struct {
	insight.Source
	asked chan struct{}
	gate  chan struct{}
}

func (s *slow) View(q insight.Query) (insight.View, error) {
	s.asked <- struct{}{}
	<-s.gate
	return s.Source.View(q)
}

// What is asked while the source is busy is asked as soon as it is not.
func TestKeysDuringASlowAnswerAreNotLost(t *testing.T) {
	testutil.CheckLeaks(t)
	src := &slow{incident.New(), make(chan struct{}), make(chan struct{})}
	x := switchOn(t, t.Context(), Options{Source: src})
	<-src.asked
	x.SendRaw([]byte("1"))
	x.await("service  ") // the head of the new list
	src.gate <- struct{}{}
	<-src.asked // the answer was to another question
	src.gate <- struct{}{}
	x.await("catalog.internal")
	x.SendRaw([]byte("q"))
	x.awaitEnd()
}

func TestAPanicOfTheSourceGivesTheTerminalBack(t *testing.T) {
	testutil.CheckLeaks(t)
	x := switchOn(t, t.Context(), Options{Source: panicking{}})
	x.awaitEnd()
	if !strings.HasPrefix(fmt.Sprint(x.panic), "broken\n") {
		t.Errorf("%v", x.panic)
	}
}

type panicking struct{ insight.Source }

func (panicking) View(insight.Query) (insight.View, error) { panic("broken") }

func TestTheContextEndsIt(t *testing.T) {
	testutil.CheckLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	x := switchOn(t, ctx, Options{Source: incident.New(), Live: true, Refresh: time.Millisecond})
	x.await("GET /api/v1/export")
	cancel()
	x.awaitEnd()
	if x.err != nil {
		t.Error(x.err)
	}
}

func TestItFollowsASourceThatGrowsUntilItEnds(t *testing.T) {
	testutil.CheckLeaks(t)
	src, ended := incident.New(), make(chan struct{})
	x := switchOn(t, t.Context(), Options{Source: src, Refresh: time.Millisecond, Ended: ended, Progress: func() (int64, int64) { return 1, 2 }})
	x.await("reading 50 %")
	src.Add(insight.Exchange{Time: incident.Begin, Client: "192.0.2.9:1", Server: "192.0.2.1:1", Service: "s", Method: "GET", Path: "/late", ResponseBytes: 9e9})
	x.await("GET /late")
	src.Add(insight.Exchange{Time: incident.Begin, Client: "192.0.2.9:1", Server: "192.0.2.1:1", Service: "s", Method: "GET", Path: "/last", ResponseBytes: 99e9})
	close(ended)
	x.await("GET /last")
	if strings.Contains(x.text(), "reading") {
		t.Error("it still reads")
	}
	x.SetSize(vt.Coord{X: 90, Y: 20})
	x.SendRaw([]byte("2\x1b[<0;3;8M\x1b[<0;3;8m")) // a click
	x.SendRaw([]byte("q"))
	x.awaitEnd()
}

func TestSuspendErrorsEndIt(t *testing.T) {
	testutil.CheckLeaks(t)
	x := switchOn(t, t.Context(), Options{Source: incident.New(), Suspend: func() error { return errors.New("cannot") }})
	x.await("GET /api/v1/export")
	x.SendRaw([]byte{0x1a})
	x.awaitEnd()
	if x.err == nil || !strings.Contains(x.err.Error(), "cannot") {
		t.Errorf("%v", x.err)
	}
}
