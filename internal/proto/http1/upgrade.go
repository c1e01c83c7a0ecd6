package http1

import "gortap/internal/proto"

// readHeld keeps what a client sends before it knows whether its connection
// changes the protocol. Clients may send early after CONNECT.
func (h *half) readHeld(b []byte) int {
	if len(h.held) == 0 {
		h.heldNs = h.ts
	}
	if len(h.held)+len(b) > h.p.f.limits.Hold {
		h.dropHeld()
		h.drop(int64(len(b)), proto.Tunnel)
		h.seek(nil, proto.Tunnel, false)
		return len(b)
	}
	h.held = append(h.held, b...)
	return len(b)
}

func (h *half) dropHeld() {
	h.drop(int64(len(h.held)), proto.Tunnel)
	h.held = h.held[:0]
}

// unhold reads what was held: the connection stays HTTP/1.
func (p *parser) unhold() {
	p.hold = nil
	h := &p.half[proto.Client]
	if h.state != onHold {
		return
	}
	h.state = atStart
	held, ts := h.held, h.ts
	h.held, h.ts = nil, h.heldNs
	for b := held; len(b) > 0; {
		b = b[h.step(b):]
	}
	h.flush()
	h.ts = ts
	if h.held == nil {
		h.held = held[:0]
	}
}

// handOver gives the connection away after the head of a 101 or of a 2xx to
// CONNECT. rest is what the server's delivery holds after it.
func (h *half) handOver(rest []byte) {
	p, x := h.p, h.x
	h.flush()
	client := &p.half[proto.Client]
	after := [2][]byte{proto.Server: rest}
	if client.state == onHold {
		after[proto.Client] = client.held
	}
	to := h.head.upgrade
	if len(to) == 0 {
		to = x.upgrade
	}
	if h.head.status != 101 {
		to = nil
	}
	p.switched = true
	p.sw.Switch(&x.Exchange, to, after)

	// The client may be in the middle of something only if the server
	// switched unasked.
	p.hold = nil
	if client.state != onHold {
		client.finish(proto.Aborted)
		client.flush()
	}
	client.state = ended
	h.end()
	h.state = ended
	p.endAll(proto.Aborted)
}
