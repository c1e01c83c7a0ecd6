package http1

import (
	"strings"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

const (
	get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"                 // 27 bytes
	ok5 = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" // 43 bytes
)

type testCase struct {
	name   string
	mid    bool
	script prototest.Script
	close  proto.Reason
	want   string
}

// wellFormed are the cases without gaps: any way to split them gives the same.
func wellFormed() []testCase {
	var all []testCase
	for _, group := range [][]testCase{framing(), pairs(), lineSyntax(), endings(), switching(), garbage()} {
		all = append(all, group...)
	}
	return all
}

func framing() []testCase {
	return []testCase{
		{name: "keep-alive", script: script(c(get), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "request body", script: script(c("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"), s(ok5)),
			want: "0 http/1.1 POST h /p 200 request 51/3 response 43/5\n"},
		{name: "HEAD with Content-Length", script: script(c("HEAD / HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 HEAD - / 200 request 19/0 response 40/0\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "204 and 304 with Content-Length", script: script(
			c(get), s("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
			c(get), s("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 204 request 27/0 response 46/0\n1 http/1.1 GET h / 304 request 27/0 response 76/0\n2 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "chunked with extensions and trailers", script: script(
			c("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b;c=\"d\"\r\nabc\r\n0A \r\n0123456789\r\n000;x\r\nX-Sum: 1\r\nY: 2\r\n\r\n"),
			s("HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 POST - /c 200 request 108/13 response 62/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "chunked with bare LF", script: script(c(get), s("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 55/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "gzip, chunked", script: script(c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nzz\r\n0\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 65/2\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "coding in two fields", script: script(c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
			want: "0 http/1.1 GET h / 200 request 27/0 response 77/0\n"},
		{name: "response coding that is not chunked runs to the end", script: script(c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nzzzz"), fin(proto.Server)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 67/4\n"},
		{name: "Transfer-Encoding wins over Content-Length", script: script(c("POST / HTTP/1.1\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"+get), s(ok5+ok5)),
			want: "0 http/1.1 POST - / 200 request 79/1 response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "identity is no coding", script: script(c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 69/2\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "equal lengths are one", script: script(c("POST / HTTP/1.1\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\nabc"), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 63/3 response 43/5\n"},
		{name: "contradicting lengths are not guessed", script: script(
			c("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 90\r\n\r\nabcPOST /smuggled HTTP/1.1\r\n\r\n"), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 88/30!malformed response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "length that is no number", script: script(c("POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc"), s("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello"), c(get), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 42/3!malformed response 45/5!malformed\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "length without a number", script: script(c("POST / HTTP/1.1\r\nContent-Length:\r\n\r\nabc"), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 39/3!malformed response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "request coding that is not chunked", script: script(c("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nzzz"), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 47/3!malformed response 43/5\n"},
		{name: "huge length", script: script(c(get), s("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx")),
			want: "0 http/1.1 GET h / 200 request 27/0 response 58/1!malformed\n"},
		{name: "close-delimited", script: script(c(get), s("HTTP/1.1 200 OK\r\n\r\nsome"), s("more"), fin(proto.Server), fin(proto.Client)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 27/8\n"},
		{name: "HTTP/1.0 keep-alive", script: script(c("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), s("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"),
			c("GET /b HTTP/1.0\r\n\r\n"), s("HTTP/1.0 200 OK\r\n\r\nxy"), fin(proto.Server)),
			want: "0 http/1.0 GET - /a 200 request 43/0 response 39/1\n1 http/1.0 GET - /b 200 request 19/0 response 21/2\n"},
		{name: "multipart is opaque", script: script(c("POST /up HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 38\r\n\r\n--b\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n\r\n--b--"), s(ok5)),
			want: "0 http/1.1 POST - /up 200 request 126/38 response 43/5\n"},
		{name: "all-zero payload", script: script(c("PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\x00\x00\x00\x00"), s("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\x00\x00\x00"), c(get), s(ok5)),
			want: "0 http/1.1 PUT - / 200 request 41/4 response 41/3\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "head above the limit", script: script(c("GET / HTTP/1.1\r\nX: "+strings.Repeat("x", 3000)+"\r\nContent-Length: 2\r\n\r\nab"), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET - / 200 request 3044/2!head-limit response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "many fields", script: script(c("GET / HTTP/1.1\r\n"+strings.Repeat("A: b\r\n", 1000)+"Content-Length: 2\r\n\r\nab"), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET - / 200 request 6039/2!head-limit response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
	}
}

func pairs() []testCase {
	return []testCase{
		{name: "pipelined", script: script(c("GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\n3")),
			want: "0 http/1.1 GET - /1 200 request 19/0 response 39/1\n1 http/1.1 HEAD - /2 200 request 20/0 response 38/0\n2 http/1.1 GET - /3 404 request 19/0 response 39/1\n"},
		{name: "100-continue", script: script(c("PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), s("HTTP/1.1 100 Continue\r\n\r\n"), c("ab"), s(ok5)),
			want: "0 http/1.1 PUT - /x 200 request 62/2 response 68/5\n"},
		{name: "early hints", script: script(c(get), s("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), s("HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n"), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 127/5\n"},
		{name: "interim only", script: script(c(get), s("HTTP/1.1 102 Processing\r\n\r\n"), fin(proto.Server)),
			want: "0 http/1.1 GET h / 0 request 27/0 response 27/0!no-response\n"},
		{name: "early response", script: script(c("POST / HTTP/1.1\r\nContent-Length: 6\r\n\r\nab"), s("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n"), c("cdef"+get), s(ok5)),
			want: "0 http/1.1 POST - / 413 request 44/6 response 38/0\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "response before the head is complete", script: script(c("GET /long HTTP/1.1\r\nX: "), s("HTTP/1.1 431 No\r\nContent-Length: 0\r\n\r\n"), fin(proto.Server), fin(proto.Client)),
			want: "0 http/1.1 GET - /long 431 request 23/0!aborted response 38/0\n"},
		{name: "request without a response", script: script(c(get), fin(proto.Client), fin(proto.Server)),
			want: "0 http/1.1 GET h / 0 request 27/0 response 0/0!no-response\n"},
		{name: "response without a request", script: script(s("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"), fin(proto.Server)),
			want: "0 http/1.1 - - - 408 request 0/0!no-request response 51/0\n"},
		{name: "one response too many", script: script(c(get), s(ok5+ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5\n1 http/1.1 - - - 200 request 0/0!no-request response 43/5\n2 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "interim without a request", script: script(s("HTTP/1.1 100 Continue\r\n\r\n" + ok5)),
			want: "0 http/1.1 - - - 200 request 0/0!no-request response 68/5\n"},
		{name: "only requests", script: script(c(get), c(get), c(get)),
			want: strings.Repeat("N http/1.1 GET h / 0 request 27/0 response 0/0!no-response\n", 3)},
		{name: "more requests than may wait", script: script(c(strings.Repeat(get, 10)), s(strings.Repeat(ok5, 10))),
			want: strings.Repeat("N http/1.1 GET h / 200 request 27/0 response 43/5\n", 8) +
				strings.Repeat("N http/1.1 GET h / 0 request 27/0 response 0/0!no-response\n", 2) +
				strings.Repeat("N http/1.1 - - - 200 request 0/0!no-request response 43/5\n", 2)},
	}
}

func lineSyntax() []testCase {
	return []testCase{
		{name: "space before the colon", script: script(c("POST / HTTP/1.1\r\nContent-Length : 3\r\n\r\nabc"), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 42/3 response 43/5\n"},
		{name: "space before the colon and no length", script: script(c("POST / HTTP/1.1\r\nContent-Length :\r\n\r\n"), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 37/0!malformed response 43/5\n"},
		{name: "any method", script: script(c("purge /x HTTP/1.1\r\n\r\n"), s(ok5), c("M-SEARCH * HTTP/1.1\r\n\r\n"), s(ok5), c("a.b!~ /y HTTP/1.1\r\n\r\n"), s(ok5)),
			want: "0 http/1.1 purge - /x 200 request 21/0 response 43/5\n1 http/1.1 M-SEARCH - * 200 request 23/0 response 43/5\n2 http/1.1 a.b!~ - /y 200 request 21/0 response 43/5\n"},
		{name: "any status", script: script(c(get), s("HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n"), c(get), s("HTTP/1.1 999 \r\nContent-Length: 0\r\n\r\n"), c(get), s("HTTP/1.0 666 X Y\r\nContent-Length: 0\r\n\r\n")),
			want: "0 http/1.1 GET h / 299 request 27/0 response 35/0\n1 http/1.1 GET h / 999 request 27/0 response 36/0\n2 http/1.1 GET h / 666 request 27/0 response 39/0\n"},
		{name: "absolute form outranks Host", script: script(c("GET http://user:pw@a.example:81/p?q#f HTTP/1.1\r\nHost: b\r\n\r\n"), s(ok5)),
			want: "0 http/1.1 GET a.example:81 http://user:pw@a.example:81/p?q#f 200 request 59/0 response 43/5\n"},
		{name: "asterisk form", script: script(c("OPTIONS * HTTP/1.1\r\nHOST :  h \r\nHost: second\r\n\r\n"), s(ok5)),
			want: "0 http/1.1 OPTIONS h * 200 request 48/0 response 43/5\n"},
		{name: "obs-fold", script: script(c("GET / HTTP/1.1\r\nHost:\r\n  folded\r\nX: a\r\n\tContent-Length: 7\r\nContent-Length:\r\n 2\r\n\r\nab"), s(ok5)),
			want: "0 http/1.1 GET folded / 200 request 84/2 response 43/5\n"},
		{name: "folded coding", script: script(c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 54/0\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "white space before the first field", script: script(c("GET / HTTP/1.1\r\n Content-Length: 9\r\nHost: h\r\n\r\n"), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 47/0 response 43/5\n"},
		{name: "bare LF and empty lines before", script: script(c("\r\n\nGET / HTTP/1.1\nHost: h\n\n"), s("\r\nHTTP/1.1 200 OK\nContent-Length: 1\n\nx"), c("\r\n"+get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 38/1\n1 http/1.1 GET h / 200 request 29/0 response 43/5\n"},
		{name: "line that is no field", script: script(c("GET / HTTP/1.1\r\nnonsense\r\n folded\r\nHost: h\r\n\r\n"), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 46/0 response 43/5\n"},
		{name: "lenient white space", script: script(c("GET \t /a b  HTTP/1.1\r\n\r\n"), s("HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n")),
			want: "0 http/1.1 GET - /a b 200 request 24/0 response 39/0\n"},
		{name: "HTTP/0.9", script: script(c("GET /old\r\n"), s("HTTx just bytes\n"), s("more"), fin(proto.Server)),
			want: "0 http/0.9 GET - /old 0 request 10/0 response 20/20\n"},
		{name: "HTTP/0.9 answered with one byte of a status line", script: script(c("GET /old\r\n"), s("H"), fin(proto.Server)),
			want: "0 http/0.9 GET - /old 0 request 10/0 response 1/1\n"},
		{name: "HTTP/0.9 answered in HTTP/1.0", script: script(c("GET /HTTP/1.1\r\n"), s("HTTP/1.0 400 Bad Request\r\n\r\nno"), fin(proto.Server)),
			want: "0 http/0.9 GET - /HTTP/1.1 400 request 15/0 response 30/2\n"},
		{name: "target above the limit", script: script(c("GET /"+strings.Repeat("x", 3000)+" HTTP/1.1\r\nContent-Length: 1\r\n\r\na"), s(ok5)),
			want: "0 http/1.1 GET - /" + strings.Repeat("x", 2043) + " 200 request 3038/1!head-limit response 43/5\n"},
	}
}

func endings() []testCase {
	return []testCase{
		{name: "request body cut off", script: script(c("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab")), close: proto.Aborted,
			want: "0 http/1.1 POST - / 0 request 40/2!aborted response 0/0!aborted\n"},
		{name: "response cut off by FIN", script: script(c(get), s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), fin(proto.Server)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 40/2!aborted\n"},
		{name: "chunked response cut off by FIN", script: script(c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), fin(proto.Server)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 57/5!aborted\n"},
		{name: "response head cut off", script: script(c(get), s("HTTP/1.1 200 OK\r\nConte"), fin(proto.Server)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 22/0!aborted\n"},
		{name: "close-delimited response cut off by RST", script: script(c(get), s("HTTP/1.1 200 OK\r\n\r\nab")), close: proto.Aborted,
			want: "0 http/1.1 GET h / 200 request 27/0 response 21/2!aborted\n"},
		{name: "agent stops", script: script(c(get), s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")), close: proto.Unfinished,
			want: "0 http/1.1 GET h / 200 request 27/0 response 40/2!unfinished\n"},
		{name: "agent stops before the response", script: script(c(get)), close: proto.Unfinished,
			want: "0 http/1.1 GET h / 0 request 27/0 response 0/0!unfinished\n"},
		{name: "start line cut off", script: script(c(get), s(ok5), c("GET /x HT"), fin(proto.Client)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5\nrequest aborted 9\n"},
		{name: "empty lines at the end", script: script(c(get), s(ok5), c("\r\n"), fin(proto.Client)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5\nrequest after-message 2\n"},
		{name: "half-closed client gets its response", script: script(c(get), fin(proto.Client), s(ok5), fin(proto.Server)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "request after the server's FIN", script: script(c(get), s(ok5), fin(proto.Server), c(get)), close: proto.Aborted,
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5\n1 http/1.1 GET h / 0 request 27/0 response 0/0!no-response\n"},
	}
}

func switching() []testCase {
	const connect = "CONNECT h:443 HTTP/1.1\r\n\r\n"
	const upgrade = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: WebSocket, x\r\n\r\n"
	return []testCase{
		{name: "CONNECT", script: script(c(connect), s("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), c("\x16\x03\x01"), s("\x16\x03\x03")),
			want: "0 http/1.1 CONNECT h:443 h:443 200 request 26/0 response 38/0\nrequest tunnel 3\nresponse tunnel 3\nswitch h:443 to \n"},
		{name: "CONNECT with early bytes both ways", script: script(c(connect+"\x16\x03\x01"), s("HTTP/1.1 200 OK\r\n\r\nhello")),
			want: "0 http/1.1 CONNECT h:443 h:443 200 request 26/0 response 19/0\nrequest tunnel 3\nresponse tunnel 5\nswitch h:443 to \n"},
		{name: "CONNECT asks for no upgrade", script: script(c("CONNECT h:443 HTTP/1.1\r\nUpgrade: x\r\n\r\n"), s("HTTP/1.1 200 OK\r\nUpgrade: x\r\n\r\n"), c("y")),
			want: "0 http/1.1 CONNECT h:443 h:443 200 request 38/0 response 31/0\nrequest tunnel 1\nswitch h:443 to \n"},
		{name: "CONNECT refused", script: script(c(connect+get), s("HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nhello"+ok5), c(connect), s("HTTP/1.1 200 OK\r\n\r\n"), c("x")),
			want: "0 http/1.1 CONNECT h:443 h:443 407 request 26/0 response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n" +
				"2 http/1.1 CONNECT h:443 h:443 200 request 26/0 response 19/0\nrequest tunnel 1\nswitch h:443 to \n"},
		{name: "CONNECT with more early bytes than are held", script: script(c(connect+strings.Repeat("x", 100)), s("HTTP/1.1 200 OK\r\n\r\n"), c("y")),
			want: "0 http/1.1 CONNECT h:443 h:443 200 request 26/0 response 19/0\nrequest tunnel 101\nswitch h:443 to \n"},
		{name: "CONNECT never answered", script: script(c(connect+"abc"), fin(proto.Client), fin(proto.Server)),
			want: "0 http/1.1 CONNECT h:443 h:443 0 request 26/0 response 0/0!no-response\nrequest tunnel 3\n"},
		{name: "upgrade", script: script(c(upgrade), s("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x00"), c("\x81\x80")),
			want: "0 http/1.1 GET h /chat 101 request 75/0 response 56/0\nrequest tunnel 2\nresponse tunnel 2\nswitch /chat to websocket\n"},
		{name: "upgrade named by the request only", script: script(c(upgrade), s("HTTP/1.1 101 Switching Protocols\r\n\r\n"), c("\x81\x80")),
			want: "0 http/1.1 GET h /chat 101 request 75/0 response 36/0\nrequest tunnel 2\nswitch /chat to websocket\n"},
		{name: "upgrade after interim and with a body", script: script(c("POST /h HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab"), s("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), c("PRI")),
			want: "0 http/1.1 POST - /h 101 request 55/2 response 75/0\nrequest tunnel 3\nswitch /h to h2c\n"},
		{name: "upgrade ignored", script: script(c(upgrade), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h /chat 200 request 75/0 response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "switch nobody asked for", script: script(c(get+"GET /2 HT"), s("HTTP/1.1 101 Switching Protocols\r\n\r\nxx"), c("yy")),
			want: "0 http/1.1 GET h / 101 request 27/0 response 36/0\nrequest aborted 9\nrequest tunnel 2\nresponse tunnel 2\nswitch / to \n"},
		{name: "switch in the middle of the request", script: script(c("POST / HTTP/1.1\r\nUpgrade: x\r\nContent-Length: 9\r\n\r\nab"), s("HTTP/1.1 101 Switching Protocols\r\n\r\n"), c("yy")),
			want: "0 http/1.1 POST - / 101 request 52/2!aborted response 36/0\nrequest tunnel 2\nswitch / to x\n"},
	}
}

func garbage() []testCase {
	return []testCase{
		{name: "mid-stream", mid: true, script: script(c("rest of a body\r\n\r\n"), s("k: v\r\n\r\nbody"), c(get), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\nrequest mid-stream 18\nresponse mid-stream 12\n"},
		{name: "mid-stream before a response", mid: true, script: script(s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 - - - 200 request 0/0!no-request response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "mid-stream HEAD", mid: true, script: script(s("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 - - - 200 request 0/0!no-request response 40/0\n1 http/1.1 GET h / 200 request 27/0 response 43/5\n"},
		{name: "garbage after a request", script: script(c(get), s(ok5), c("{\"a\": 1}\r\n\x00\x01"), s("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5\n1 http/1.1 - - - 400 request 0/0!no-request response 47/0\n2 http/1.1 GET h / 200 request 27/0 response 43/5\nrequest malformed 12\n"},
		{name: "garbage after a response", script: script(c(get), s(ok5+"surplus\r\nbytes"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\nresponse after-message 14\n"},
		{name: "request answered in another protocol", script: script(c(get), s("SSH-2.0-x\r\n"), fin(proto.Server)),
			want: "0 http/1.1 GET h / 0 request 27/0 response 0/0!malformed\nresponse malformed 11\n"},
		{name: "broken chunk size", script: script(c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 57/5!malformed\n1 http/1.1 GET h / 200 request 27/0 response 43/5\nresponse malformed 5\n"},
		{name: "chunk longer than it says", script: script(c("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 53/3!malformed response 43/5\n1 http/1.1 GET h / 200 request 27/0 response 43/5\nrequest malformed 8\n"},
		{name: "chunk size out of range", script: script(c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n")),
			want: "0 http/1.1 GET h / 200 request 27/0 response 61/0!malformed\nresponse malformed 5\n"},
		{name: "empty chunk size", script: script(c(get), s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nx")),
			want: "0 http/1.1 GET h / 200 request 27/0 response 47/0!malformed\nresponse malformed 3\n"},
		{name: "status that is no number", script: script(c(get), s("HTTP/1.1 2OK\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 0 request 27/0 response 0/0!malformed\n1 http/1.1 GET h / 200 request 27/0 response 43/5\nresponse malformed 16\n"},
		{name: "target with a control character", script: script(c("GET /\x01 HTTP/1.1\r\n\r\n")), want: "request malformed 19\n"},
	}
}
