package http1

import (
	"slices"
	"strings"
	"testing"

	"gortap/internal/flow"
	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

const (
	client = proto.Client
	server = proto.Server

	chunkedOK = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" // 47 bytes
	goodPair  = " http/1.1 GET h / 200 request 27/0 response 43/5\n"
)

// gaps are the cases with bytes that are not there.
func gaps() []testCase {
	var all []testCase
	for _, group := range [][]testCase{skipped(), skippedInDoubt(), lost(), lostInDoubt(), truncated()} {
		all = append(all, group...)
	}
	return all
}

func skipped() []testCase {
	return []testCase{
		{name: "skipped in a body of known length", script: script(c(get), s("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nab"), skip(server, 900), s("last 16 of write"), skip(server, 82), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 1041/1000\n1" + goodPair},
		{name: "skipped in a request body", script: script(c("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n"), skip(client, 100), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 140/100 response 43/5\n1" + goodPair},
		{name: "skipped in a chunk", script: script(c(get), s(chunkedOK+"100\r\n"), skip(server, 250), s("123456\r\n5\r\nhello\r\n0\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 325/261\n1" + goodPair},
		{name: "skipped between chunks, ended by the next request", script: script(c(get), s(chunkedOK+"5\r\nhello"), skip(server, 100), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 155/105\n1" + goodPair},
		{name: "skipped between chunks, ended by the terminator", script: script(c(get), s(chunkedOK+"5\r\nhello"), skip(server, 100), s("write end\r\n"), skip(server, 100), s("abc\r\n0\r\n\r\n"), skip(server, 7), s("zz"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 276/226\n1" + goodPair + "response skipped 9\n"},
		{name: "terminator in two deliveries", script: script(c(get), s(chunkedOK+"5\r\nhello"), skip(server, 100), s("abc\r\n0\r"), s("\n\r"), s("\n"), s("over"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 165/115\n1" + goodPair + "response after-message 4\n"},
		{name: "terminator right after the gap", script: script(c(get), s(chunkedOK+"5\r\nhello"), skip(server, 100), s("0\r\n\r\n"), s("over"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 160/110\n1" + goodPair + "response after-message 4\n"},
		{name: "what looks like a terminator within a delivery is none", script: script(c(get), s(chunkedOK+"5\r\nhello"), skip(server, 100), s("\r\n0\r\n\r\nmore"), s("10\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 172/122\n1" + goodPair},
		{name: "a terminator with a gap in it is none", script: script(c(get), s(chunkedOK+"5\r\nhello"), skip(server, 100), s("\r\n0\r"), skip(server, 9), s("\n\r\n"), skip(server, 1), s("x")),
			want: "0 http/1.1 GET h / 200 request 27/0 response 173/123!skipped\n"},
		{name: "skipped between chunks, ended by FIN", script: script(c(get), s(chunkedOK+"5\r\nhello"), skip(server, 100), fin(server)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 155/105!skipped\n"},
		{name: "skipped between chunks of a request", script: script(c("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"), skip(client, 100), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 155/105 response 43/5\n1" + goodPair},
		{name: "skipped between chunks of a request that ends with its terminator", script: script(
			c("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"), skip(client, 100), c("x\r\n0\r\n\r\n"), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 163/113 response 43/5\n1" + goodPair},
		{name: "skipped in a close-delimited body", script: script(c(get), s("HTTP/1.1 200 OK\r\n\r\nab"), skip(server, 1000), s("cd"), fin(server)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 1023/1004\n"},
		{name: "skipped in an HTTP/0.9 response", script: script(c("GET /old\r\n"), s("H"), skip(server, 50), s("xx"), fin(server)),
			want: "0 http/0.9 GET - /old 0 request 10/0 response 53/53\n"},
		{name: "skipped in a response head", script: script(c(get), s("HTTP/1.1 200 OK\r\nSet-Cookie: a"), skip(server, 50), s("b\r\n\r\nbody"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 89/0!skipped\n1" + goodPair + "depth 1\n"},
		{name: "skipped in a request head", script: script(c("POST /big HTTP/1.1\r\nHost: h\r\nCookie: a"), skip(client, 50), c("b\r\n\r\nbody"), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 POST h /big 200 request 97/0!skipped response 43/5\n1" + goodPair + "depth 1\n"},
		{name: "skipped after early bytes of a CONNECT", script: script(c("CONNECT h:1 HTTP/1.1\r\n\r\nabc"), skip(client, 9), s("HTTP/1.1 200 OK\r\n\r\n"), c("x")),
			want: "0 http/1.1 CONNECT h:1 h:1 200 request 24/0 response 19/0\nrequest skipped 9\nrequest tunnel 4\nswitch h:1 to \n"},
		{name: "skipped in trailers", script: script(c(get), s(chunkedOK+"0\r\nX: "), skip(server, 20), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 73/20\n1" + goodPair},
	}
}

func skippedInDoubt() []testCase {
	three := strings.Repeat(get, 3)
	return []testCase{
		{name: "next of two responses found after another gap", script: script(c(get+get), s(chunkedOK+"5\r\nhello"), skip(server, 50), s("part of"), skip(server, 50), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 162/112\n1" + goodPair + "depth 1\n"},
		{name: "next of two responses found after a line end", script: script(c(get+get), s(chunkedOK+"5\r\nhello"), skip(server, 50), s("0\r\n\r\n"+ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 110/60\n1" + goodPair + "2" + goodPair + "depth 1\n"},
		{name: "terminator of either of two responses", script: script(c(get+get), s(chunkedOK+"5\r\nhello"), skip(server, 150), s("x\r\n0\r\n\r\n"), c("GET /3 HTTP/1.1\r\nHost: h\r\n\r\n"), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 213/163!skipped\n1 http/1.1 GET h / 0 request 27/0 response 0/0!skipped\n2 http/1.1 GET h /3 200 request 28/0 response 43/5\ndepth 1\n"},
		{name: "skipped in a response head, request after it not complete", script: script(c(get), s("HTTP/1.1 200 OK\r\nA"), skip(server, 50), c("GET /2 HT"), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 68/0!skipped\n1 http/1.1 - - - 200 request 0/0!no-request response 43/5\nrequest aborted 9\ndepth 1\n"},
		{name: "skipped start of a pipelined request", script: script(c(get+"GET /2 HT"), skip(client, 30), s(ok5+ok5), c(get), s(ok5)),
			want: "0" + goodPair + "1 http/1.1 GET - /2 200 request 39/0!skipped response 43/5\n2" + goodPair + "depth 1\n"},
		{name: "skipped from one response into the next of two", script: script(c(get+get), s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"), skip(server, 50), s("rest"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 47/9\n1 http/1.1 GET h / 0 request 27/0 response 46/0!skipped\n2" + goodPair + "depth 1\n"},
		{name: "skipped from one response into the next of three", script: script(c(three), s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"), skip(server, 50), s("rest\n"+ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 47/9\n1 http/1.1 GET h / 0 request 27/0 response 0/0!skipped\n2 http/1.1 GET h / 0 request 27/0 response 0/0!skipped\n" +
				"3 http/1.1 - - - 200 request 0/0!no-request response 43/5\n4" + goodPair + "response skipped 47\ndepth 1\n"},
		{name: "skipped between chunks, next of two responses found", script: script(c(get+get), s(chunkedOK+"5\r\nhello"), skip(server, 50), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 105/55\n1" + goodPair + "2" + goodPair + "depth 1\n"},
		{name: "skipped between chunks with two more to come", script: script(c(three), s(chunkedOK+"5\r\nhello"), skip(server, 50), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 105/55!skipped\n1 http/1.1 GET h / 0 request 27/0 response 0/0!skipped\n2 http/1.1 GET h / 0 request 27/0 response 0/0!skipped\n" +
				"3 http/1.1 - - - 200 request 0/0!no-request response 43/5\n4" + goodPair + "depth 1\n"},
	}
}

func lost() []testCase {
	return []testCase{
		{name: "lost in a body of known length", script: script(c(get), s("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nab"), lose(server, 998), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/1000!lost\n1" + goodPair},
		{name: "lost in a body of known length, pipelined", script: script(c(get+get), s("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh"), lose(server, 3), s("o"+ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 40/5!lost\n1" + goodPair + "depth 1\n"},
		{name: "lost in a chunk", script: script(c(get), s(chunkedOK+"5\r\nh"), lose(server, 3), s("o\r\n0\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 59/5!lost\n1" + goodPair},
		{name: "lost between chunks", script: script(c(get), s(chunkedOK+"5\r\nhello"), lose(server, 30), s("text\r\n0\r\n\r\n"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 55/5!lost\n1" + goodPair + "response lost 11\n"},
		{name: "lost in a close-delimited body", script: script(c(get), s("HTTP/1.1 200 OK\r\n\r\nab"), lose(server, 10), s("cd"), fin(server)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 23/14!lost\n"},
		{name: "lost request", script: script(c(get), s(ok5), lose(client, 27), s(ok5), c(get), s(ok5)),
			want: "0" + goodPair + "1 http/1.1 - - - 200 request 0/0!no-request response 43/5\n2" + goodPair},
		{name: "lost start of a request", script: script(c(get), s(ok5), lose(client, 9), c("HTTP/1.1\r\nHost: h\r\n\r\n"), s(ok5), c(get), s(ok5)),
			want: "0" + goodPair + "1 http/1.1 - - - 200 request 0/0!no-request response 43/5\n2" + goodPair + "request lost 21\n"},
		{name: "lost end of a request head", script: script(c("GET /x HTTP/1.1\r\nHost: h\r\n"), lose(client, 9), c("ab"), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h /x 200 request 26/0!lost response 43/5\n1" + goodPair + "request lost 2\n"},
		{name: "lost response", script: script(c(get), lose(server, 43), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 0 request 27/0 response 0/0!lost\n1" + goodPair},
		{name: "lost response and the connection's end", script: script(c(get), lose(server, 43), fin(server)),
			want: "0 http/1.1 GET h / 0 request 27/0 response 0/0!lost\n"},
		{name: "lost start of a response", script: script(c(get), lose(server, 10), s("200 OK\r\nX: y\r\n\r\nbody"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 0 request 27/0 response 0/0!lost\n1" + goodPair + "response lost 20\n"},
		{name: "lost interim response", script: script(c(get), lose(server, 25), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5!lost\n1" + goodPair},
		{name: "lost in an interim response", script: script(c(get), s("HTTP/1.1 100 Con"), lose(server, 8), s("\n"+ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 43/5!lost\n1" + goodPair + "response lost 17\n"},
		{name: "lost end of a response head", script: script(c(get), s("HTTP/1.1 200 OK\r\n"), lose(server, 21), s("hello"), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 17/0!lost\n1" + goodPair + "response lost 5\n"},
		{name: "lost both ways", script: script(c(get), s(ok5), lose(client, 27), lose(server, 43), c(get), s(ok5)),
			want: "0" + goodPair + "1" + goodPair},
		{name: "lost request body and next request", script: script(c("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"), lose(client, 27), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 POST - / 200 request 40/9!lost response 43/5\n1" + goodPair},
	}
}

func lostInDoubt() []testCase {
	three := strings.Repeat(get, 3)
	unanswered := " http/1.1 GET h / 0 request 27/0 response 0/0!lost\n"
	stranger := " http/1.1 - - - 200 request 0/0!no-request response 43/5\n"
	return []testCase{
		{name: "lost among pipelined responses", script: script(c(three), s(ok5), lose(server, 43), s(ok5), c(get), s(ok5)),
			want: "0" + goodPair + "1" + unanswered + "2" + unanswered + "3" + stranger + "4" + goodPair + "depth 1\n"},
		{name: "lost among pipelined requests", script: script(c(get), lose(client, 27), c(get), s(ok5+ok5+ok5), c(get), s(ok5)),
			want: "0" + goodPair + "1" + unanswered + "2" + stranger + "3" + stranger + "4" + goodPair},
		{name: "line that may have been a request", script: script(lose(client, 10), s(ok5), c("POST is it\r\n"+get), s(ok5+ok5), c(get), s(ok5)),
			want: "0" + stranger + "1" + unanswered + "2" + stranger + "3" + stranger + "4" + goodPair + "request lost 12\n"},
		{name: "lost while the client keeps two going", script: script(c(get+get), s(ok5), c(get), s(ok5), c(get), lose(server, 43), s(ok5), c(get), s(ok5), c(get), s(ok5)),
			want: "0" + goodPair + "1" + goodPair + "2" + unanswered + "3" + unanswered + "4" + stranger + "5" + unanswered + "6" + stranger + "7" + unanswered + "8" + stranger + "depth 1\n"},
	}
}

func truncated() []testCase {
	return []testCase{
		{name: "truncated in a body", script: script(c(get), s("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nab"), snap(server, 48), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 89/50!truncated\n1" + goodPair},
		{name: "truncated heads", script: script(c("GET /1 HTTP/1.1\r\nHo"), snap(client, 50), s("HTTP/1.1 200 OK\r\nX"), snap(server, 500), s("next packet"), snap(server, 20),
			c("GET /2 HTTP/1.1\r\nHost: h\r\nA"), snap(client, 50), s("HTTP/1.1 404 No\r\nX"), snap(server, 500)),
			want: "0 http/1.1 GET - /1 200 request 69/0!truncated response 549/0!truncated\n1 http/1.1 GET h /2 404 request 77/0!truncated response 518/0!truncated\n"},
		{name: "truncated request lines", script: script(c("GET /1"), snap(client, 50), s("HTTP/1.1 200 OK\r\nX"), snap(server, 500), c("GET /2"), snap(client, 50), s("HTTP/1.1 404 No\r\nX"), snap(server, 500)),
			want: "0 http/1.1 GET - /1 200 request 56/0!truncated response 518/0!truncated\n1 http/1.1 GET - /2 404 request 56/0!truncated response 518/0!truncated\n"},
		{name: "truncated interim response", script: script(c(get), snap(server, 25), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 68/5!truncated\n1" + goodPair},
		{name: "truncated request and start of the response, then anything", script: script(c("GET /1 HTTP/1.1\r\nHo"), snap(client, 50), s("HTTP/1."), snap(server, 50), c("what is this"), s(ok5), c(get), s(ok5)),
			want: "0 http/1.1 GET - /1 0 request 69/0!truncated response 0/0!truncated\n1 http/1.1 - - - 200 request 0/0!no-request response 43/5\n2" + goodPair + "request truncated 12\nresponse truncated 57\n"},
		{name: "truncated between chunks", script: script(c(get), s(chunkedOK+"5\r\nhello"), snap(server, 40), s("more"), snap(server, 40), c(get), s(ok5)),
			want: "0 http/1.1 GET h / 200 request 27/0 response 139/89!truncated\n1" + goodPair},
	}
}

func TestGapsAskForEveryByteWhereTheBudgetHidesWhatMatters(t *testing.T) {
	for _, tc := range append(wellFormed(), gaps()...) {
		h := play(t, testFactory(), tc.mid, tc.script, prototest.Whole, tc.close)
		if len(h.ledger.Depths) > 1 || slices.ContainsFunc(h.ledger.Depths, func(d flow.Depth) bool { return d != flow.DepthAll }) {
			t.Errorf("%s: asked for depths %v, want DepthAll once at most", tc.name, h.ledger.Depths)
		}
	}
}
