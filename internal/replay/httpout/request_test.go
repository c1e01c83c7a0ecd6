package httpout

import (
	"testing"
)

func TestRequestIsWholeOrNot(t *testing.T) {
	for _, c := range []struct {
		data string
		ok   bool
	}{
		{"GET / HTTP/1.1\r\n\r\n", true},
		{"GET / HTTP/1.1\nHost: a\n\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\n", false},
		{"GET / HTTP/1.1\r\n\r\nx", false},
		{"GET /\r\n\r\n", false},
		{"", false},
		{"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", true},
		{"POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\nabc", true},
		{"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nabc", false},
		{"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc", false},
		{"POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc", false},
		{"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\nabc", false},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n", true},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 1\r\n\r\n", true},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 1\r\n", false},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", false},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc", false},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx", false},
		{"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nabc", false},
	} {
		if _, ok := parseRequest([]byte(c.data)); ok != c.ok {
			t.Errorf("%q: %v", c.data, ok)
		}
	}
}

func TestHostIsReplacedWhereTheRequestNamesIt(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"GET / HTTP/1.1\r\nHOST:old\r\nhost2: x\r\n\r\n", "GET / HTTP/1.1\r\nHOST:new:81\r\nhost2: x\r\n\r\n"},
		{"GET / HTTP/1.1\r\nA: Host: x\r\nHost: \t old.example:80 \r\n\r\n", "GET / HTTP/1.1\r\nA: Host: x\r\nHost: \t new:81 \r\n\r\n"},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.1\r\nHost:new:81\r\n\r\n"},
		{"GET http://old/a?b=http://c HTTP/1.1\r\nHost: old\r\n\r\n", "GET http://new:81/a?b=http://c HTTP/1.1\r\nHost: new:81\r\n\r\n"},
		{"GET http://old HTTP/1.1\r\nHost: old\r\n\r\n", "GET http://new:81 HTTP/1.1\r\nHost: new:81\r\n\r\n"},
		{"GET /x?u=http://old/ HTTP/1.1\r\n\r\n", "GET /x?u=http://old/ HTTP/1.1\r\n\r\n"},
	} {
		q, ok := parseRequest([]byte(c.in))
		if !ok {
			t.Fatalf("%q is not whole", c.in)
		}
		if got := string(q.appendTo(nil, []byte(c.in), "new:81")); got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
		if got := string(q.appendTo(nil, []byte(c.in), "")); got != c.in {
			t.Errorf("%q became %q with its own host", c.in, got)
		}
	}
}
