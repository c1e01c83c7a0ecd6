package main

import (
	"os"
	"runtime"
	"runtime/metrics"
	"time"

	"gortap/internal/insight/intake"
	"gortap/internal/reassembly"
	"gortap/internal/web/api"

	"golang.org/x/sys/unix"
)

// health tells the page how the agent does. It works beside run.
func (a *agent) health() api.Health {
	host, _ := os.Hostname() // for people; the page does without
	h := api.Health{
		Version: version, GoVersion: runtime.Version(), Host: host, Started: a.started, Now: time.Now(),
		Source: a.input.describe(), Ready: true, Sample: 1, Level: "full",
		CPULimit: float64(a.cfg.MaxCPU), MemoryLimit: uint64(a.cfg.MaxMemory),
		Degraded: []api.Spent{}, Losses: []api.Drop{}, Outputs: []api.Output{},
	}
	_, h.Live = a.input.(*live)
	if err := a.readiness(); err != nil {
		h.Ready, h.Reason = false, err.Error()
	}
	a.addCost(&h)
	a.addVolumes(&h)
	a.addDrops(&h)
	for _, o := range a.outputs {
		out := api.Output{Name: o.Name(), Written: o.Stats().Written}
		for _, n := range o.Stats().Dropped {
			out.Dropped += n
		}
		if err := o.Err(); err != nil {
			out.Error = err.Error()
		}
		h.Outputs = append(h.Outputs, out)
	}
	return h
}

// addCost tells what the governor measured; where there is none, the means of the run.
func (a *agent) addCost(h *api.Health) {
	if a.governor == nil {
		var u unix.Rusage
		if unix.Getrusage(unix.RUSAGE_SELF, &u) == nil {
			h.CPU = float64(u.Utime.Nano()+u.Stime.Nano()) / float64(max(time.Since(a.started), 1))
		}
		h.Memory = goMemory()
		return
	}
	s := a.governor.snapshot()
	h.CPU, h.Memory = s.reading.CPU, s.reading.Memory
	if h.Memory == 0 {
		h.Memory = goMemory() // nothing was measured yet
	}
	h.Level, h.LevelChanges = s.level.String(), s.changes
	for _, d := range a.governor.degraded() {
		h.Degraded = append(h.Degraded, api.Spent(d))
	}
}

func goMemory() uint64 {
	m := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(m)
	return m[0].Value.Uint64() - m[1].Value.Uint64()
}

func (a *agent) addVolumes(h *api.Health) {
	v, err := a.input.volumes()
	if err != nil {
		h.Ready, h.Reason = false, err.Error()
		return
	}
	h.Matched, h.Delivered = api.Volume(v.matched), api.Volume(v.delivered)
	if v.live {
		h.RingFill, h.Sample, h.Flows = v.ringFill, v.sample, v.flows
	}
	for _, d := range v.dropped {
		h.Drop(d.Stage, d.Reason, d.Packets, d.Bytes)
	}
}

// addDrops tells what stages behind the capture let go.
func (a *agent) addDrops(h *api.Health) {
	var dropped [len(reassembly.Stats{}.Dropped)]struct{ n, bytes uint64 }
	for _, s := range a.shards {
		st := s.Stats()
		h.Connections += st.Conns
		for i, d := range st.Dropped {
			dropped[i].n += d.N
			dropped[i].bytes += d.Bytes
		}
	}
	for i, d := range dropped {
		h.Drop("reassembly", reassembly.DropReason(i).String(), d.n, d.bytes)
	}
	if a.insights != nil {
		for i, n := range a.insights.intake.Stats().Missing {
			h.Drop("insight", intake.Reason(i).String(), n, 0)
		}
	}
	if a.records == nil {
		return
	}
	for _, d := range a.records.volumes().Dropped {
		h.Drop(d.Stage, d.Reason, d.Records, 0)
	}
}
