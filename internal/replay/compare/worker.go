package compare

import (
	"bytes"
	"hash/maphash"

	"gortap/internal/record"
)

// maxMethod is the longest method that names an endpoint.
const maxMethod = 17

// unknownEndpoint is that of responses whose request was not told of.
const unknownEndpoint = "(unknown)"

// endpointName is "GET /users/{id}".
func endpointName(method, path []byte) string {
	if len(method) == 0 || len(method) > maxMethod {
		method = []byte("(invalid)")
	}
	for _, c := range method {
		if c <= ' ' || c >= 0x7f {
			method = []byte("(invalid)")
			break
		}
	}
	return string(method) + " " + string(path)
}

// worker compares exchanges in one goroutine.
type worker struct {
	config *Config
	views  [3]view // reference, candidate, and the one that shows the noise
	differ differ
	noise  differ
}

func newWorker(c *Config, r *rules) *worker {
	w := &worker{config: c}
	w.differ = differ{rules: r, seed: maphash.MakeSeed(), redact: c.Redactor, maxBody: c.MaxBody}
	w.noise = w.differ
	return w
}

// outcome is what comparing an exchange gave.
type outcome struct {
	entry      *entry
	found      []difference
	more       bool // there were more than are told apart
	noise      []difference
	hasNoise   bool // there was a second response of the old version, noise is what it differed in
	cut        bool // a body was compared in part
	latencies  [3]int64
	byBaseline bool // the reference is a baseline's response
}

// compare compares an exchange and enters the result.
func (w *worker) compare(e *entry, b *books) {
	reference, second := e.parts[original], e.parts[baseline]
	if reference == nil {
		reference, second = e.parts[baseline], e.parts[baseline2]
	}
	if w.read(&w.views[0], reference, e.method, e.parts[original] == nil) != nil {
		b.incomplete(e)
		return
	}
	o := outcome{entry: e, byBaseline: e.parts[original] == nil}
	o.found, o.more = w.against(&w.differ, &w.views[1], e.parts[candidate], e.method)
	// A baseline that fails, or is cut short, shows no noise.
	if second != nil && w.read(&w.views[2], second, e.method, true) == nil {
		o.noise, o.hasNoise = w.pair(&w.noise, &w.views[2]), true
	}
	o.cut = w.views[0].cut || w.views[1].cut
	for i, s := range []side{original, candidate, baseline} {
		if r := e.parts[s]; r != nil && r.Protocol != failure {
			o.latencies[i] = r.LatencyNs
		}
	}
	b.add(&o)
}

// read takes a response apart; the replay kept no more than the limit of its body.
func (w *worker) read(v *view, r *record.Record, method []byte, replayed bool) error {
	if r.Protocol == failure {
		return errNotHTTP
	}
	if replayed {
		return v.read(r.Data, method, w.config.ResponseLimit)
	}
	return v.read(r.Data, method, 0)
}

// against compares a response that may not be one with the reference.
func (w *worker) against(d *differ, v *view, r *record.Record, method []byte) (found []difference, more bool) {
	if r.Protocol == failure {
		d.reset()
		d.addFailure(r.Data)
		return d.found, false
	}
	if err := w.read(v, r, method, true); err != nil {
		d.reset()
		d.addFailure([]byte(err.Error()))
		return d.found, false
	}
	return w.pair(d, v), d.more
}

// pair compares a response with the reference. Content coding is only undone
// where the bodies are not the same with it.
func (w *worker) pair(d *differ, v *view) []difference {
	reference := &w.views[0]
	if bytes.Equal(reference.coded, v.coded) &&
		bytes.Equal(get(reference.head, "content-encoding"), get(v.head, "content-encoding")) {
		reference.body, v.body = reference.coded, v.coded
		reference.broken, v.broken = false, false
		return d.diff(reference, v)
	}
	reference.decode(w.config.MaxBody)
	v.decode(w.config.MaxBody)
	return d.diff(reference, v)
}

// addFailure reports that there is no response to compare.
func (d *differ) addFailure(why []byte) {
	place := append(d.keep([]byte("no response: ")), why[:min(len(why), maxPath)]...)
	d.add(place, []byte("a response"), why)
}
