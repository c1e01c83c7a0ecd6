package capture

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"gortap/internal/testutil"
)

// What the kernel refuses comes to the user as one line with the reason; the
// verifier's log is there for those who ask.
func TestVerifierRejectionIsOneLine(t *testing.T) {
	testutil.RequireRoot(t)
	_, cause := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS,
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, 0),
			asm.LoadMem(asm.R2, asm.R1, 4000, asm.Word),
			asm.Return(),
		},
	})
	err := explainLoad(cause, Features(HookTC))
	for _, want := range []string{"verifier", "invalid bpf_context access", "--verbose"} {
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q, want one line with %q", err, want)
		}
	}
	var rejection *VerifierRejection
	if !errors.As(err, &rejection) {
		t.Fatalf("error of type %T", err)
	}
	if log := rejection.Log(); !strings.Contains(log, "r2 = *(u32 *)(r1 +4000)") {
		t.Errorf("log %q, want the instruction", log)
	}
}

func TestMissingPrivilegeNamesWhatIsNeeded(t *testing.T) {
	testutil.RequireRoot(t)
	agent := exec.Command("/proc/self/exe")
	agent.Env = append(os.Environ(), childEnv+"={}")
	agent.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var stderr bytes.Buffer
	agent.Stderr = &stderr
	if err := agent.Run(); err == nil {
		t.Fatal("captured without privileges")
	}
	if got := stderr.String(); !strings.Contains(got, "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON") || strings.Count(got, "\n") != 1 {
		t.Errorf("said %q, want one line with the capabilities", got)
	}
}

// A kernel that cannot load the programs of XDP can still do without them.
func TestOnlyTheProgramsOfTheHookAreLoaded(t *testing.T) {
	for _, hook := range []Hook{HookTC, HookXDP} {
		c := openIdle(t, Options{Hook: hook})
		tc := []*ebpf.Program{c.objs.TcL2Ingress, c.objs.TcL2Egress, c.objs.TcL3Ingress, c.objs.TcL3Egress}
		for i, p := range append(tc, c.objs.XdpL2, c.objs.XdpL3) {
			if want := (i < len(tc)) == (hook == HookTC); (p != nil) != want {
				t.Errorf("hook %s: program %d loaded: %v, want %v", hook, i, p != nil, want)
			}
		}
		if c.objs.Control == nil {
			t.Errorf("hook %s: no control program", hook)
		}
	}
}
