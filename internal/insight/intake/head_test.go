package intake

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gortap/internal/insight"
	"gortap/internal/process/message"
	"gortap/internal/proto"
)

// byView takes a head apart as message.View does.
func byView(side proto.Side, head []byte) (h insight.Head) {
	var v message.View
	if !v.Parse(head) {
		return h
	}
	values := func(name string) string {
		var all []string
		for i := v.Find(name, 0); i >= 0; i = v.Find(name, i+1) {
			if _, value := v.Field(i); len(value) > 0 {
				all = append(all, string(value))
			}
		}
		return strings.Join(all, ", ")
	}
	if side == proto.Client {
		return insight.Head{
			AcceptEncoding: values("Accept-Encoding"), IfNoneMatch: values("If-None-Match"), IfModifiedSince: values("If-Modified-Since"),
			Range: values("Range"), UserAgent: values("User-Agent"), Authorized: v.Find("Cookie", 0) >= 0 || v.Find("Authorization", 0) >= 0,
		}
	}
	return insight.Head{
		ContentEncoding: values("Content-Encoding"), ContentType: values("Content-Type"), CacheControl: values("Cache-Control"),
		ETag: values("ETag"), LastModified: values("Last-Modified"), Vary: values("Vary"), RetryAfter: values("Retry-After"),
	}
}

// FuzzHeads: the quick way finds what the thorough one does, also when a head comes
// again. Lines that are folded are joined by it, so that they are left out.
func FuzzHeads(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: h\r\ncookie: a\r\nAccept-Encoding : gzip\r\nuser-agent:curl\r\n\r\n"), true)
	f.Add([]byte("GET / HTTP/1.1\nRange: bytes=0-1\nIf-None-Match: \"x\"\nAuthorization:\nIf-None-Match: \"y\"\n\nETag: no"), true)
	f.Add([]byte("HTTP/1.1 200 OK\r\nVary: a\r\nvary:\r\nETAG: \"e\"\r\nno colon\r\nContent-Encoding: gzip\r\nRetry-After: 1\r\n"), false)
	f.Add([]byte("\r\nHTTP/1.0 304 \r\nLast-Modified: x\r\nCache-Control: a,b\r\nContent-Type: t\r\n\r\n"), false)
	hs := newHeads(newNames())
	f.Fuzz(func(t *testing.T, head []byte, request bool) {
		side := proto.Server
		if request {
			side = proto.Client
		}
		var v message.View
		if !v.Parse(head) || v.IsRequest() != request || strings.Contains(string(head), "\n ") || strings.Contains(string(head), "\n\t") {
			return
		}
		want := byView(side, head)
		var got insight.Head
		hs.clear(&got)
		for range 2 {
			if hs.read(side, fieldsOf(head), &got); got != want {
				t.Errorf("%q (-want +got):\n%s", head, cmp.Diff(want, got))
			}
		}
	})
}

func TestFoldedValuesAreJoined(t *testing.T) {
	hs := newHeads(newNames())
	var h insight.Head
	hs.read(proto.Server, []byte("Cache-Control: a,\r\n  b\r\nX: y\r\n\tz\r\nVary: v\r\n\r\n"), &h)
	if h.CacheControl != "a, b" || h.Vary != "v" {
		t.Errorf("got %+v", h)
	}
}
