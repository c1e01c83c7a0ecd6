package session

import "time"

// maxSteps bounds what is remembered of a client's progress that is still to come. Beyond
// it the progress is made in larger steps, never sooner.
const maxSteps = 4096

// step says how many bytes of the target a client has taken from a time on.
type step struct {
	at    time.Time
	bytes int64 // less than 0: as many as there are
	// full says that the client's buffer was full: it does not go on by itself.
	full bool
}

// pace is how fast a client takes what it is answered. It is a function of the times
// it is asked at: it has no clock of its own. The zero value holds nobody up.
type pace struct {
	on      bool
	limit   int64 // bytes that may be taken; of on
	from    step  // which set the limit
	steps   []step
	shift   time.Duration // how much later the target is than the server was
	starved bool          // since the limit was set, there was nothing to take
}

// add appends a step.
func (p *pace) add(s step) {
	if n := len(p.steps); n >= maxSteps {
		p.steps[n-1] = s
		return
	}
	p.steps = append(p.steps, s)
}

// room returns how many bytes may be taken now by a client that has taken some, and, where
// there are none, when to ask again at the latest; that is zero where only a step can tell.
func (p *pace) room(taken int64, now time.Time) (n int64, next time.Time) {
	for {
		if !p.on && (len(p.steps) == 0 || now.Before(p.steps[0].at)) {
			return discardAtOnce, time.Time{}
		}
		if p.on && taken < p.limit {
			return p.limit - taken, time.Time{}
		}
		p.catchUp(now)
		if len(p.steps) == 0 {
			return p.idle(now)
		}
		at := p.steps[0].at.Add(p.shift)
		if now.Before(at) {
			return 0, at
		}
		p.take(p.steps[0])
		p.steps = p.steps[1:]
	}
}

// take lets a step be in force. What a client has taken it does not give back.
func (p *pace) take(s step) {
	p.on = s.bytes >= 0
	p.limit = max(p.limit, s.bytes)
	p.from, p.starved = s, false
	if !p.on {
		p.shift = 0
	}
}

// catchUp moves what is to come where the client had to wait for the last bytes of a step:
// it cannot take what was not there.
func (p *pace) catchUp(now time.Time) {
	if !p.starved || !p.on {
		return
	}
	p.starved = false
	if late := now.Sub(p.from.at.Add(p.shift)); late > drift {
		p.shift += late
	}
}

// idle is where nothing more is known of the client. One whose buffer had room would have
// gone on taking.
func (p *pace) idle(now time.Time) (n int64, next time.Time) {
	if p.from.full {
		return 0, time.Time{}
	}
	until := p.from.at.Add(p.shift + quiet)
	if now.Before(until) {
		return 0, until
	}
	p.on = false
	return discardAtOnce, time.Time{}
}

// settle makes an end of the steps so far, for the client has acted since. What comes is
// about bytes that the target counts as by more than the server did.
func (p *pace) settle() {
	for _, s := range p.steps {
		p.take(s)
	}
	p.steps, p.shift = p.steps[:0], 0
}

// free lets the client take all there is.
func (p *pace) free() { *p = pace{} }
