package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"gortap/internal/capture"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// finding is one line of the doctor's report.
type finding struct {
	what   string
	state  string // "ok", "no" (cannot capture, or replay), "note"
	detail string
	remedy []string // commands; may be none
}

const (
	stateOK   = "ok"
	stateNo   = "no"
	stateNote = "note"
)

func doctorCommand(e env) *cobra.Command {
	var t targetExam
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [--target HOST:PORT]",
		Short: "say what works on this machine, what does not, and the remedy; exit status 1 if capture, or the replay to --target, cannot work",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			examined, failure := examine, "live capture does not work here (see above; files can still be read)"
			if t.used(cmd) {
				checks, err := t.diagnose(cmd.Context())
				if err != nil {
					return err
				}
				examined, failure = func() []finding { return checks }, "sessions do not get to "+t.target+" (see above)"
			}
			return report(e, examined(), asJSON, failure)
		},
	}
	t.flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line instead of text")
	return cmd
}

// report prints findings. One that says no is a failure.
func report(e env, findings []finding, asJSON bool, failure string) error {
	show := printFindings
	if asJSON {
		show = writeFindings
	}
	if err := show(e.stdout, findings); err != nil {
		return err
	}
	for _, f := range findings {
		if f.state == stateNo {
			return errors.New(failure)
		}
	}
	return nil
}

func examine() []finding {
	findings := []finding{checkKernel(), checkPrivileges(), checkBTF()}
	findings = append(findings, featureFindings(capture.Features(capture.HookTC), capture.Features(capture.HookXDP))...)
	tcx := capture.Probe(capture.HookTC, capture.AttachTCX)
	clsact := capture.Probe(capture.HookTC, capture.AttachClsact)
	xdp := capture.Probe(capture.HookXDP, capture.AttachAuto)
	findings = append(findings, hookFindings(tcx, clsact, xdp)...)
	return append(findings, checkMemory())
}

// featureFindings says what the kernel lacks. Of what XDP alone needs it is a note.
func featureFindings(tc, xdp []capture.Feature) []finding {
	lacking := func(what, absent string, needed []capture.Feature) finding {
		var missing []string
		for _, f := range needed {
			if f.Missing() {
				missing = append(missing, fmt.Sprintf("%s (Linux %s)", f.Name, f.Since))
			}
		}
		if len(missing) == 0 {
			return finding{what: what, state: stateOK, detail: fmt.Sprintf("all %d that the programs need", len(needed))}
		}
		return finding{what: what, state: absent, detail: "lacks " + strings.Join(missing, ", ")}
	}
	return []finding{
		lacking("features for hook tc", stateNo, tc),
		lacking("features for hook xdp", stateNote, xdp),
	}
}

// hookFindings reports the attempts to attach. One way for tc is enough.
func hookFindings(tcx, clsact, xdp error) []finding {
	found := func(what string, err error, absent string) finding {
		if err != nil {
			return finding{what: what, state: absent, detail: err.Error()}
		}
		return finding{what: what, state: stateOK, detail: "programs load and attach"}
	}
	tcAbsent := stateNote
	if tcx != nil && clsact != nil {
		tcAbsent = stateNo
	}
	return []finding{
		found("hook tc, tcx", tcx, tcAbsent),
		found("hook tc, clsact", clsact, tcAbsent),
		found("hook xdp (received packets only)", xdp, stateNote),
	}
}

const minMajor, minMinor = 5, 18

func checkKernel() finding {
	f := finding{what: "kernel", state: stateOK}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return finding{what: f.what, state: stateNote, detail: err.Error()}
	}
	f.detail = unix.ByteSliceToString(u.Release[:])
	var major, minor int
	if n, _ := fmt.Sscanf(f.detail, "%d.%d", &major, &minor); n == 2 && (major < minMajor || (major == minMajor && minor < minMinor)) {
		f.state = stateNo
		f.detail += fmt.Sprintf(" (needs %d.%d or later)", minMajor, minMinor)
	}
	return f
}

// neededCapabilities are all that the agent uses.
var neededCapabilities = []struct {
	bit  uint
	name string
}{{unix.CAP_BPF, "CAP_BPF"}, {unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"}, {unix.CAP_PERFMON, "CAP_PERFMON"}}

func checkPrivileges() finding {
	f := finding{what: "privileges", state: stateOK, detail: "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON"}
	have, err := effectiveCapabilities()
	if err != nil {
		return finding{what: f.what, state: stateNote, detail: err.Error()}
	}
	if have&(1<<unix.CAP_SYS_ADMIN) != 0 {
		return f
	}
	var missing []string
	for _, c := range neededCapabilities {
		if have&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	if len(missing) > 0 {
		f.state = stateNo
		f.detail = "missing " + strings.Join(missing, ", ") + " (run as root, or see README, Privileges)"
	}
	return f
}

func effectiveCapabilities() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		var caps uint64
		if n, _ := fmt.Sscanf(line, "CapEff: %x", &caps); n == 1 {
			return caps, nil
		}
	}
	return 0, errors.New("read capabilities: no CapEff in /proc/self/status")
}

func checkBTF() finding {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return finding{what: "kernel BTF", state: stateOK, detail: "absent, and not needed: the programs are loaded in the form that does without (slower to start)"}
	}
	return finding{what: "kernel BTF", state: stateOK, detail: "present (not needed; with it the programs load faster)"}
}

// checkMemory tells what the kernel side can take with the defaults.
func checkMemory() finding {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return finding{what: "memory", state: stateNote, detail: err.Error()}
	}
	free := (info.Freeram + info.Bufferram) * uint64(info.Unit) >> 20
	f := finding{what: "memory", state: stateOK, detail: fmt.Sprintf("%d MiB free", free)}
	if free < 64 {
		f.state = stateNote
		f.detail += " (the defaults want about 64 MiB; see --ring-size, --max-flows, --max-buffered)"
	}
	return f
}

func printFindings(w io.Writer, findings []finding) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.state, f.what, f.detail)
		for _, r := range f.remedy {
			fmt.Fprintf(t, "\t\t  %s\n", r)
		}
	}
	return t.Flush()
}

// writeFindings writes one JSON object a finding.
func writeFindings(w io.Writer, findings []finding) error {
	enc := json.NewEncoder(w)
	for _, f := range findings {
		line := struct {
			State  string   `json:"state"`
			Check  string   `json:"check"`
			Detail string   `json:"detail"`
			Remedy []string `json:"remedy,omitempty"`
		}{f.state, f.what, f.detail, f.remedy}
		if err := enc.Encode(line); err != nil {
			return fmt.Errorf("write findings: %w", err)
		}
	}
	return nil
}
