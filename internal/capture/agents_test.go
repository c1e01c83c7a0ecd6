package capture

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/cilium/ebpf"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// childEnv makes the test binary another agent: it holds its options.
const childEnv = "GORTAP_TEST_AGENT"

func TestMain(m *testing.M) {
	if opts := os.Getenv(childEnv); opts != "" {
		if err := beAgent(opts); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// beAgent captures until it is killed. Once attached it prints the ids of its programs.
func beAgent(text string) error {
	var opts Options
	if err := json.Unmarshal([]byte(text), &opts); err != nil {
		return err
	}
	c, err := Open(opts)
	if err != nil {
		return err
	}
	defer c.Close()
	done := make(chan error, 1)
	handlers := handlersFor(c)
	go func() { done <- c.Run(context.Background(), handlers) }()
	for !c.Ready() {
		select {
		case err := <-done:
			return err
		default:
		}
	}
	ids, err := programIDs(c)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(ids); err != nil {
		return err
	}
	return <-done
}

// programIDs returns the ids of what the capture loaded.
func programIDs(c *Capture) (ids []ebpf.ProgramID, err error) {
	for _, p := range []*ebpf.Program{
		c.objs.TcL2Ingress, c.objs.TcL2Egress, c.objs.TcL3Ingress, c.objs.TcL3Egress, c.objs.XdpL2, c.objs.XdpL3, c.objs.Control,
	} {
		if p == nil {
			continue // of the other hook
		}
		info, e := p.Info()
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		id, _ := info.ID()
		ids = append(ids, id)
	}
	return ids, err
}

// waitUnloaded waits until the kernel has forgotten the programs.
func waitUnloaded(t *testing.T, ids []ebpf.ProgramID) {
	t.Helper()
	for _, id := range ids {
		eventually(t, fmt.Sprintf("unloaded: program %d", id), func() bool {
			p, err := ebpf.NewProgramFromID(id)
			if err != nil {
				return errors.Is(err, os.ErrNotExist)
			}
			p.Close()
			return false
		})
	}
}

// startAgent starts another agent in a process of its own.
func startAgent(t *testing.T, n *lab.Namespace, opts Options) (agent *exec.Cmd, ids []ebpf.ProgramID) {
	t.Helper()
	text, err := json.Marshal(opts)
	if err != nil {
		t.Fatal(err)
	}
	agent = exec.Command("/proc/self/exe")
	agent.Env = append(os.Environ(), childEnv+"="+string(text))
	agent.Stderr = os.Stderr
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(agent); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		agent.Process.Kill()
		agent.Wait()
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("start agent: %v", err)
	}
	if err := json.Unmarshal(line, &ids); err != nil {
		t.Fatal(err)
	}
	return agent, ids
}

// After kill -9 nothing is at work any more, and after the next agent nothing is
// left. Only a clsact filter survives its agent, as an empty one.
func TestKilledAgentLeavesNothingAtWork(t *testing.T) {
	for name, tc := range map[string]struct {
		opts Options
		left int
	}{
		"tcx":    {Options{Attach: AttachTCX}, 0},
		"clsact": {Options{Attach: AttachClsact}, 2},
		"XDP":    {Options{Hook: HookXDP}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			testutil.CheckLeaks(t)
			p := testutil.Pair(t, 1)
			tc.opts.Interfaces = []string{lab.Device}
			agent, ids := startAgent(t, p.Server, tc.opts)
			attached := len(testutil.Attached(t, p.Server, lab.Device))
			if attached == 0 {
				t.Error("the agent attached nothing")
			}
			talks(t, p.Server, p.Client, "192.0.2.1:80", 1, 1000, 1000)
			if err := agent.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			agent.Wait()

			waitUnloaded(t, ids)
			eventually(t, "detached", func() bool {
				return len(testutil.Attached(t, p.Server, lab.Device)) == tc.left
			})
			talks(t, p.Server, p.Client, "192.0.2.1:81", 1, 1000, 1000)

			next := start(t, p.Server, tc.opts)
			if n := len(testutil.Attached(t, p.Server, lab.Device)); n != attached {
				t.Errorf("the next agent attached %d programs or left old ones, want %d", n, attached)
			}
			sent := talks(t, p.Server, p.Client, "192.0.2.1:82", 1, 1000, 1000)
			next.stop()
			next.checkTalk(sent[0], true, tc.opts.Hook != HookXDP)
			if left := testutil.Attached(t, p.Server, lab.Device); len(left) > 0 {
				t.Errorf("still attached: %v", left)
			}
			if left := qdiscs(t, p.Server, lab.Device); len(left) > 0 {
				t.Errorf("qdiscs left: %v", left)
			}
		})
	}
}

// The filters of an agent that lives are not taken for those of a dead one, and
// agents go in any order.
func TestTwoAgentsSeeTheSame(t *testing.T) {
	for name, attach := range map[string][2]Attach{
		"tcx":             {AttachTCX, AttachTCX},
		"clsact":          {AttachClsact, AttachClsact},
		"tcx and clsact":  {AttachTCX, AttachClsact},
		"clsact and tcx":  {AttachClsact, AttachTCX},
		"one outlives it": {AttachClsact, AttachClsact},
	} {
		t.Run(name, func(t *testing.T) {
			testutil.CheckLeaks(t)
			p := testutil.Pair(t, 1)
			dev := []string{lab.Device}
			first := start(t, p.Server, Options{Attach: attach[0], Interfaces: dev})
			second := start(t, p.Server, Options{Attach: attach[1], Interfaces: dev})
			both := talks(t, p.Server, p.Client, "192.0.2.1:80", 2, 50_000, 100_000)
			eventually(t, "equal in what they saw", func() bool {
				return first.stats().Matched == second.stats().Matched
			})
			early, late := first, second
			if name == "one outlives it" {
				early, late = second, first
			}
			early.stop()
			one := talks(t, p.Server, p.Client, "192.0.2.1:81", 1, 10_000, 10_000)
			late.stop()
			for _, x := range both {
				early.checkTalk(x, true, true)
				late.checkTalk(x, true, true)
				// A last acknowledgement may come when one of them is gone.
				a, b := early.conn(x.key).ends[0].Dirs, late.conn(x.key).ends[0].Dirs
				for dir := range a {
					if a[dir].Retransmitted != b[dir].Retransmitted || a[dir].Packets > b[dir].Packets {
						t.Errorf("direction %d: one saw %+v, the other %+v", dir, a[dir], b[dir])
					}
				}
			}
			late.checkTalk(one[0], true, true)
			if left := testutil.Attached(t, p.Server, lab.Device); len(left) > 0 {
				t.Errorf("still attached: %v", left)
			}
			if left := qdiscs(t, p.Server, lab.Device); len(left) > 0 {
				t.Errorf("qdiscs left: %v", left)
			}
		})
	}
}

// The kernel keeps nothing of a capture that was closed, whether it ran or not.
func TestClosedCaptureIsUnloaded(t *testing.T) {
	testutil.CheckLeaks(t)
	host := testutil.Namespace(t)
	l := start(t, host, Options{Attach: AttachClsact})
	ids, err := programIDs(l.Capture)
	if err != nil {
		t.Fatal(err)
	}
	unused, err := Open(Options{RingBytes: 4096, Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	more, err := programIDs(unused)
	if err != nil {
		t.Fatal(err)
	}
	l.stop()
	for _, c := range []*Capture{l.Capture, unused} {
		for range 2 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	waitUnloaded(t, append(ids, more...))
}
