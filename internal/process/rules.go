package process

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"slices"

	"gortap/internal/process/message"
)

// rules is what is asked of requests, ready to use by one goroutine.
type rules struct {
	allowMethod, disallowMethod []string
	allowURL, disallowURL       []urlPattern
	allowHeader, disallowHeader []fieldPattern
	basicAuth                   []*regexp.Regexp
	headerShare, paramShare     []share
	setHeader, setParam         []pair
	rewriteURL, rewriteHeader   []rewrite
	rewriteBody                 []rewrite

	view  message.View
	urls  urls
	param []byte
}

// filters says whether there is anything that a request may fail.
func (r *rules) filters() bool {
	return len(r.allowMethod)+len(r.disallowMethod)+len(r.allowURL)+len(r.disallowURL)+len(r.allowHeader)+
		len(r.disallowHeader)+len(r.basicAuth)+len(r.headerShare)+len(r.paramShare) > 0
}

func (r *rules) modifies() bool {
	return len(r.setHeader)+len(r.setParam)+len(r.rewriteURL)+len(r.rewriteHeader)+len(r.rewriteBody) > 0
}

// apply returns the request as it goes on, which is data where nothing changed,
// or why it does not. The order is GoReplay's: filters see what was set, and not
// what is rewritten.
func (r *rules) apply(data []byte, count *counters) ([]byte, reason) {
	v := &r.view
	if !v.Parse(data) || !v.IsRequest() {
		return nil, unreadable
	}
	if !r.methodPasses(v.Method()) {
		return nil, byMethod
	}
	for _, h := range r.setHeader {
		v.Set(h.name, h.value)
	}
	for _, p := range r.setParam {
		r.set(v, p)
	}
	if why := r.filter(v); why != passed {
		return nil, why
	}
	r.rewriteHead(v)
	if len(r.rewriteBody) > 0 {
		r.rewriteContent(v, count)
	}
	if !v.Changed() {
		return data, passed
	}
	return v.Bytes(), passed
}

// upgrades says whether the request of the last apply may make a stream of its
// connection.
func (r *rules) upgrades() bool {
	return r.view.Find("Upgrade", 0) >= 0 || string(r.view.Method()) == "CONNECT"
}

func (r *rules) methodPasses(method []byte) bool {
	is := func(m string) bool { return string(method) == m }
	return (len(r.allowMethod) == 0 || slices.ContainsFunc(r.allowMethod, is)) && !slices.ContainsFunc(r.disallowMethod, is)
}

func (r *rules) filter(v *message.View) reason {
	url := func(p urlPattern) bool { return r.urls.match(p, v) }
	if len(r.allowURL) > 0 && !slices.ContainsFunc(r.allowURL, url) || slices.ContainsFunc(r.disallowURL, url) {
		return byURL
	}
	for _, p := range r.allowHeader {
		if !anyValue(v, p) {
			return byHeader
		}
	}
	for _, p := range r.disallowHeader {
		if anyValue(v, p) {
			return byHeader
		}
	}
	if len(r.basicAuth) > 0 && !r.basicAuthPasses(v.Value("Authorization")) {
		return byBasicAuth
	}
	for _, s := range r.headerShare {
		if value := v.Value(s.name); len(value) > 0 && !s.lets(value) {
			return byHeaderLimiter
		}
	}
	for _, s := range r.paramShare {
		if at, end := findParam(v.Target(), s.name, 0); at >= 0 && !s.lets(v.Target()[at:end]) {
			return byParamLimiter
		}
	}
	return passed
}

func anyValue(v *message.View, p fieldPattern) bool {
	for i := v.Find(p.name, 0); i >= 0; i = v.Find(p.name, i+1) {
		if _, value := v.Field(i); p.re.Match(value) {
			return true
		}
	}
	return false
}

// basicAuthPasses lets a request without such credentials through, as GoReplay does.
func (r *rules) basicAuthPasses(value []byte) bool {
	const scheme = "basic "
	if len(value) < len(scheme) || !bytes.EqualFold(value[:len(scheme)], []byte(scheme)) {
		return true
	}
	user, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(value[len(scheme):])))
	if err != nil {
		return false
	}
	for _, re := range r.basicAuth {
		if !re.Match(user) {
			return false
		}
	}
	return true
}

func (r *rules) rewriteHead(v *message.View) {
	for _, w := range r.rewriteURL {
		if target := v.Target(); w.re.Match(target) {
			v.SetTarget(w.re.ReplaceAll(target, w.to))
			break // the first that matches, as in GoReplay
		}
	}
	for _, w := range r.rewriteHeader {
		for i := v.Find(w.name, 0); i >= 0; i = v.Find(w.name, i+1) {
			if _, value := v.Field(i); w.re.Match(value) {
				v.SetValue(i, w.re.ReplaceAll(value, w.to))
			}
		}
	}
}

// maxContent bounds what is decoded of a body.
const maxContent = 64 << 20

func (r *rules) rewriteContent(v *message.View, count *counters) {
	if len(v.Body()) == 0 {
		return
	}
	content, err := v.Content(maxContent)
	if err != nil {
		count.bodiesKept.Add(1)
		return
	}
	changed := false
	for _, w := range r.rewriteBody {
		if w.re.Match(content) {
			content, changed = w.re.ReplaceAll(content, w.to), true
		}
	}
	if changed && v.SetContent(content) != nil {
		count.bodiesKept.Add(1)
	}
}

// set gives a query parameter a value, wherever it stands, or appends it.
func (r *rules) set(v *message.View, p pair) {
	target := v.Target()
	at, end := findParam(target, p.name, 0)
	if at < 0 {
		r.param = append(r.param[:0], target...)
		mark := byte('?')
		if bytes.IndexByte(target, '?') >= 0 {
			mark = '&'
		}
		r.param = append(append(append(r.param, mark), p.name...), '=')
		v.SetTarget(append(r.param, p.value...))
		return
	}
	r.param = r.param[:0]
	from := 0
	for ; at >= 0; at, end = findParam(target, p.name, end) {
		r.param = append(append(r.param, target[from:at]...), p.value...)
		from = end
	}
	if r.param = append(r.param, target[from:]...); !bytes.Equal(r.param, target) {
		v.SetTarget(r.param)
	}
}

// findParam returns where the value of a query parameter stands, from offset from
// on; -1 where it does not.
func findParam(target []byte, name string, from int) (at, end int) {
	query := bytes.IndexByte(target, '?')
	if query < 0 {
		return -1, -1
	}
	for at = max(query, from); at < len(target); {
		at++ // over the "?" or "&"
		end = len(target)
		if i := bytes.IndexByte(target[at:], '&'); i >= 0 {
			end = at + i
		}
		if v := at + len(name); v < end && target[v] == '=' && string(target[at:v]) == name {
			return v + 1, end
		}
		at = end
	}
	return -1, -1
}
