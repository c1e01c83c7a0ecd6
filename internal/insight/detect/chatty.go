package detect

import (
	"gortap/internal/insight"
)

// chatty finds a service that makes many small calls, one after another, for each
// request that it gets (N+1).
type chatty struct {
	t     *Thresholds
	conns cache[lastCall]
	slots[chattyState]
}

// lastCall is the latest call to an endpoint on a connection.
type lastCall struct {
	endNs  int64
	target uint64
}

type chattyState struct {
	caller            *service
	calls, sequential int64
	bodies, overhead  int64
	seen              span64
	examples          examples
}

const (
	maxChattyConns = 1024
	// nextCallNs is the pause after which a call is no longer the next of a loop.
	nextCallNs = 50e6
)

func (d *chatty) reset() {
	d.conns.reset()
	d.slots.reset()
}

func (d *chatty) observe(x *exchange) {
	if x.caller == nil || !x.ok {
		return
	}
	st := d.at(x.ep.slot)
	if st.caller != x.caller {
		if st.caller != nil && st.calls > 0 {
			st.calls-- // a majority vote for the one caller that is looked at
			return
		}
		*st = chattyState{caller: x.caller}
	}
	if d.conns.size == 0 {
		d.conns.size = maxChattyConns
	}
	last := d.conns.get(combine(x.Conn, uint64(x.ep.slot)), x.nowNs)
	if last.endNs != 0 && last.target != x.target.hash && x.StartNs-last.endNs < nextCallNs {
		st.sequential++
	}
	last.endNs, last.target = x.nowNs, x.target.hash
	st.calls++
	st.bodies += x.ResponseSize
	st.overhead += max(0, x.bytes-x.ResponseSize-x.RequestSize)
	st.seen.see(x.nowNs)
	st.examples.add(x)
}

func (d *chatty) find(r *report) {
	for slot, st := range d.of {
		if st == nil || st.calls < d.t.ChattyCalls || st.caller.requests == 0 || st.bodies > st.calls*d.t.ChattyBytes || 2*st.sequential < st.calls {
			continue
		}
		each := float64(st.calls) / float64(st.caller.requests)
		saves := int64(float64(st.overhead) * (1 - 1/each))
		if each < d.t.ChattyPerCall || float64(saves) < r.t.MinShare*float64(r.bytes) {
			continue
		}
		e := r.table.slots[slot]
		f := r.on(e, insight.ChattyPair, st.seen)
		f.Clients = []string{st.caller.name}
		f.Title = st.caller.name + " calls " + e.name() + " " + round(each) + " times for each of its own requests, one call after another (" + count(st.calls) + " calls of " +
			size(st.bodies/st.calls) + ")"
		f.evidence("Calls a second", "%s", round(float64(st.calls)/st.seen.seconds()))
		f.evidence("Calls that follow another within 50 ms on the same connection", "%s", percent(float64(st.sequential)/float64(st.calls)))
		f.evidence("Heads and requests around the answers", "%s", size(st.overhead))
		f.Remedy = "Ask for all of them at once: an endpoint that takes a list (" + e.path + "?ids=1,2,3, or POST with the ids), or a join in " + e.service + "; until then fetch them in parallel " +
			"and keep what is asked for twice within a request. It saves more time than bytes."
		f.Examples, f.Saves = st.examples.of, saves
		r.add(f)
	}
}
