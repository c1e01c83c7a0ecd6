package http1

import "gortap/internal/proto"

// commit binds the head read so far to its exchange, makes that known where it
// is not yet, and credits what was read.
func (h *half) commit(part proto.Part) {
	if h.side == proto.Client {
		h.openRequest()
	} else {
		h.openResponse()
	}
	if h.head.size > int64(h.p.f.limits.Head) {
		mark(h.msg(h.x), proto.HeadLimit)
	}
	h.creditPending(part)
}

// openRequest makes the request at hand known.
func (h *half) openRequest() {
	x := h.x
	if x.begun {
		return
	}
	x.Request.Seen, x.Request.FirstNs = true, h.head.firstNs
	if x.connect && len(x.Host) == 0 {
		x.Host = x.Target
	}
	h.p.beginRequest(x)
}

// openResponse binds the response at hand to its exchange.
func (h *half) openResponse() {
	x := h.p.respondent()
	h.x = x
	x.Status = h.head.status
	x.Response.Seen, x.Response.FirstNs = true, h.head.firstNs
	if !x.begun {
		h.p.begin(x)
	}
}

// commitInterim credits a 1xx response to the exchange that waits for a final
// one. If none does, the head waits for its final one too.
func (h *half) commitInterim() {
	h.state = atStart
	if h.p.first == nil {
		return
	}
	h.x = h.p.first
	h.creditPending(proto.Interim)
	h.flush()
	h.x = nil
}

// commitPartial is commit for a head that ends early. It leaves no message at
// hand where the head was an interim one.
func (h *half) commitPartial() {
	h.line = h.line[:0]
	if h.side == proto.Server && h.head.interim() {
		h.commitInterim()
		return
	}
	h.commit(proto.Head)
}

func (h *half) creditPending(part proto.Part) {
	if h.pending == 0 {
		return
	}
	h.credit(h.pending)
	if h.p.obs != nil {
		h.p.obs.Payload(&h.x.Exchange, h.side, part, h.kept())
	}
	h.forgetHead()
}
