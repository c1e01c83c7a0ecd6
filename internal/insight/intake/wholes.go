package intake

import (
	"net/http"
	"time"

	"gortap/internal/proto"
)

// Live, the capture copies the beginning of a body alone. Where an endpoint's bodies are
// longer, a few of its connections are copied whole for a few exchanges, so that there
// are bodies to be compressed and compared. That is for connections that are kept
// alive: when a response is seen to be longer than its copy, the rest of it has passed.

const (
	maxWholes      = 8         // connections at once, of a shard
	wholeExchanges = 4         // of each
	wholeFor       = 5e9       // ns, at most
	maxWholeBody   = 512 << 10 // larger bodies could fill the ring
	firstWholes    = 4         // connections of an endpoint, without waiting between
	wholeEvery     = int64(10 * time.Second)
)

// wholes are the connections that are copied whole.
type wholes struct {
	list [maxWholes]whole
	n    int
}

type whole struct {
	conn    *proto.Conn
	left    int // exchanges
	untilNs int64
}

func (w *wholes) find(c *proto.Conn) int {
	for i := range w.n {
		if w.list[i].conn == c {
			return i
		}
	}
	return -1
}

func (w *wholes) has(c *proto.Conn) bool { return w.n > 0 && w.find(c) >= 0 }

func (w *wholes) add(c *proto.Conn, nowNs int64) {
	w.list[w.n] = whole{c, wholeExchanges, nowNs + wholeFor}
	w.n++
}

func (w *wholes) remove(i int) {
	w.n--
	w.list[i] = w.list[w.n]
	w.list[w.n] = whole{}
}

// forget is for a connection that is over.
func (w *wholes) forget(c *proto.Conn) {
	if w.n == 0 {
		return
	}
	if i := w.find(c); i >= 0 {
		w.remove(i)
	}
}

// expire is for connections on which nothing comes any more.
func (w *wholes) expire(nowNs int64) {
	for i := w.n - 1; i >= 0; i-- {
		if nowNs > w.list[i].untilNs {
			w.list[i].conn.Whole(false)
			w.remove(i)
		}
	}
}

// look decides, when an exchange ends, how much to copy of those that follow on its
// connection. seen is how much there was of the response's body.
func (f *Feed) look(x *proto.Exchange, seen int64) {
	if f.wholes.n > 0 {
		if i := f.wholes.find(x.Conn); i >= 0 {
			if w := &f.wholes.list[i]; w.left > 1 {
				w.left--
				return
			}
			x.Conn.Whole(false)
			f.wholes.remove(i)
			return
		}
	}
	if seen >= x.Response.Body || x.Response.Body > maxWholeBody || f.wholes.n == maxWholes || !continues(x) {
		return
	}
	e := f.samples.of(x)
	if e.asked >= firstWholes && f.nowNs-e.askedNs < wholeEvery || !f.in.cfg.Whole() {
		return
	}
	if x.Conn.Whole(true) {
		e.asked++
		e.askedNs = f.nowNs
		f.in.wholes.Add(1)
		f.wholes.add(x.Conn, f.nowNs)
	}
}

// continues says that HTTP/1 goes on after the exchange. Other protocols are copied as
// they need it.
func continues(x *proto.Exchange) bool {
	return (x.Protocol == proto.HTTP11 || x.Protocol == proto.HTTP10) && x.Status != http.StatusSwitchingProtocols &&
		string(x.Method) != http.MethodConnect
}
