package e2e

import (
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/testutil"
)

// routesCommand is a running `agent session-routes --apply`.
type routesCommand struct {
	t    *testing.T
	cmd  *exec.Cmd
	said testutil.Buffer
}

func (n *trio) startRoutes(t *testing.T, flags ...string) *routesCommand {
	t.Helper()
	r := &routesCommand{t: t, cmd: exec.Command(binary, append([]string{"session-routes", "--apply"}, flags...)...)}
	r.cmd.Stderr = &r.said
	if err := n.online.Start(r.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.cmd.Process.Kill() })
	return r
}

func (r *routesCommand) await(words string) {
	r.t.Helper()
	deadline := time.Now().Add(startWait)
	for !strings.Contains(r.said.String(), words) {
		if time.Now().After(deadline) {
			r.t.Fatalf("it did not say %q but %q", words, r.said.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (r *routesCommand) end(signal syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(signal); err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil && signal != syscall.SIGKILL {
		r.t.Errorf("%v: %s", err, r.said.String())
	}
}

func (n *trio) same(t *testing.T, what, before string) {
	t.Helper()
	if diff := cmp.Diff(before, n.routes(t)); diff != "" {
		t.Errorf("%s (-before +after):\n%s", what, diff)
	}
}

const set = "routes are set; they go with this command"

func TestRoutesOfAKilledProcessGoWithTheNextOne(t *testing.T) {
	n := newTrio(t, 1)
	before := n.routes(t)
	for _, target := range []string{talkTarget, "[" + targetIP6 + "]:7000"} {
		killed := n.startRoutes(t, "--target", target)
		killed.await(set)
		alive := n.startRoutes(t, "--target", strings.Replace(target, ":7000", ":7001", 1))
		alive.await(set)
		killed.end(syscall.SIGKILL)
		if got := n.routes(t); strings.Count(got, "sport 7000") != 1 {
			t.Fatalf("the kill left no rule:\n%s", got)
		}
		next := n.startRoutes(t, "--target", strings.Replace(target, ":7000", ":7002", 1))
		next.await("removed 1 rule(s)")
		next.await(set)
		if got := n.routes(t); strings.Contains(got, "sport 7000 ") || !strings.Contains(got, "sport 7001") || !strings.Contains(got, "sport 7002") {
			t.Errorf("want the rules of those that live, and no other:\n%s", got)
		}
		alive.end(syscall.SIGTERM)
		next.end(syscall.SIGTERM)
		n.same(t, "after all ended", before)
	}
	killed := n.startRoutes(t, "--target", talkTarget)
	killed.await(set)
	killed.end(syscall.SIGKILL)
	if out, err := n.online.Run(t.Context(), binary, "session-routes", "--clean"); err != nil || !strings.Contains(out, "removed 1") {
		t.Errorf("--clean: %v: %s", err, out)
	}
	n.same(t, "after --clean", before)
}

func TestTheSameRoutesAreSetOnceAndHeldAsLongAsAnybodyNeedsThem(t *testing.T) {
	n := newTrio(t, 1)
	before := n.routes(t)
	first := n.startRoutes(t, "--target", talkTarget)
	first.await(set)
	held := n.routes(t)
	second := n.startRoutes(t, "--target", talkTarget)
	second.await("set by another session-routes")
	n.same(t, "with a second one", held)
	first.end(syscall.SIGTERM)
	second.await(set)
	n.same(t, "after the first one ended", held)
	second.end(syscall.SIGTERM)
	n.same(t, "after both ended", before)

	for _, command := range n.printedHere(t) {
		ip(t, n.online, strings.TrimPrefix(command, "ip "))
	}
	byHand := n.routes(t)
	third := n.startRoutes(t, "--target", talkTarget)
	third.await("by hand, so that they stay")
	third.end(syscall.SIGTERM)
	n.same(t, "which were set by hand", byHand)
}

// printedHere are the commands for this machine, as session-routes prints them.
func (n *trio) printedHere(t *testing.T) []string {
	t.Helper()
	text, err := n.online.Run(t.Context(), binary, "session-routes", "--target", talkTarget)
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "# At the target") {
			break
		}
		if strings.HasPrefix(line, "ip ") {
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	return commands
}

func TestAnswersByAnotherInterfaceNeedItsReversePathFilterLoose(t *testing.T) {
	n := newTrio(t, 1)
	startTalker(t, n.target, talkTarget)
	n.link(t, "side", n.online)
	ip(t, n.target, "route replace default via 10.1.1.1 dev side")
	sysctl(t, n.online, "net.ipv4.conf.side.rp_filter=1")
	before := n.routes(t)
	filter := func(want string) {
		t.Helper()
		got, err := n.online.Run(context.WithoutCancel(t.Context()), "sysctl", "-n", "net.ipv4.conf.side.rp_filter")
		if err != nil || strings.TrimSpace(got) != want {
			t.Errorf("rp_filter is %q, want %s: %v", got, want, err)
		}
	}
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		r := n.startRoutes(t, "--target", talkTarget, "--device", "side")
		r.await(set)
		filter("2")
		e := doctor(t, n.online, nil, "--target", talkTarget, "--session-client-ip", absent+"/32")
		e.check(t, []finding{{"ok", "own address", ""}, {"ok", "client address", "connects"}})
		r.end(end)
		if end == syscall.SIGKILL {
			filter("2")
			if out, err := n.online.Run(t.Context(), binary, "session-routes", "--clean"); err != nil {
				t.Errorf("--clean: %v: %s", err, out)
			}
		}
		filter("1")
		n.same(t, "after "+end.String(), before)
	}
}
