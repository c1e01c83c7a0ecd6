package capture

import (
	"testing"

	"gortap/internal/flow"
)

// What a packet costs can be asked of the running capture.
func TestProgramsTellWhatTheyCost(t *testing.T) {
	c := openIdle(t, Options{Shards: 1})
	enabled, err := EnableStats()
	if err != nil {
		t.Fatal(err)
	}
	defer enabled.Close()
	for seq := range uint32(5) {
		show(t, c, testFrame(40000, false, flow.ACK, seq, 1, nil))
	}
	all, err := c.Programs()
	if err != nil {
		t.Fatal(err)
	}
	runs := uint64(0)
	names := map[string]bool{}
	for _, p := range all {
		names[p.Name] = true
		runs += p.Runs
		if p.Verified == 0 || p.Size == 0 || p.Runs > 0 && p.Time == 0 {
			t.Errorf("%+v: want its size, and a time for its runs", p)
		}
	}
	if runs != 5 || len(all) != 5 || !names["tc_l2_egress"] || names["xdp_l2"] {
		t.Errorf("%d runs of %v, want 5 of the four tc programs and control", runs, names)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if all, err := c.Programs(); err != nil || len(all) > 0 {
		t.Errorf("after Close: %v, %v", all, err)
	}
}
