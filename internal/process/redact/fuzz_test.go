package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gortap/internal/process/message"
)

const needle = "S3CRETs3cret"

// FuzzNoSecretSurvives puts a secret in a place that is looked at, with anything
// around it.
func FuzzNoSecretSurvives(f *testing.F) {
	for place := range uint8(16) {
		f.Add(place, "before", "after", uint8(3), place%4)
	}
	f.Add(uint8(2), "a;b\r\n c", "&x=1#", uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, place uint8, before, after string, chunk, coding uint8) {
		msg, ok := hidden(place%16, before, after, int(chunk), coding%4)
		if !ok || strings.Contains(before+after, "S3") || strings.Contains(strings.ToLower(before+after), "s3c") {
			return
		}
		r := newRedactor(t, Config{})
		got, err := r.Message([]byte(msg))
		if err != nil {
			return // it is dropped
		}
		var v message.View
		if !v.Parse(got) {
			t.Fatalf("%q became %q", msg, got)
		}
		content, err := v.Content(1 << 20)
		if err != nil && v.Chunked() {
			t.Fatalf("%q became %q: %v", msg, got, err)
		}
		if all := string(got) + string(content); strings.Contains(all, needle) || strings.Contains(all, base64.StdEncoding.EncodeToString([]byte(needle))) {
			t.Fatalf("%q became %q, content %q", msg, got, content)
		}
		again, err := r.Message(got)
		if err != nil || !v.Parse(again) {
			t.Fatalf("%q, again %q, %v", got, again, err)
		}
		// Coded, another hash takes another length.
		if twice, _ := v.Content(1 << 20); len(twice) != len(content) {
			t.Fatalf("%q, again %q, with content %q", got, again, twice)
		}
	})
}

// hidden makes a message with the needle in it.
func hidden(place uint8, before, after string, chunk int, coding uint8) (msg string, ok bool) {
	quoted, _ := json.Marshal(before)
	tail, _ := json.Marshal(after)
	line := func(name, value string) (string, bool) {
		return "GET /x HTTP/1.1\r\nA: b\r\n" + name + ": " + value + "\r\nB: c\r\n\r\n", !strings.ContainsAny(before+after, "\r\n")
	}
	switch place {
	case 0:
		return line("Authorization", before+needle+after)
	case 1:
		return line("AUTHORIZATION", "Bearer "+before+needle+after)
	case 2:
		msg, ok := line("Cookie", "a="+before+needle+after)
		return msg, ok && !strings.Contains(before, ";")
	case 3:
		msg, ok := line("Set-Cookie", "a="+before+needle+"; "+after)
		return msg, ok && !strings.Contains(before, ";")
	case 4:
		return line("X-Api-Key", before+needle+after)
	case 5:
		msg, ok := line("Referer", "http://h/"+before+"?token="+needle+"&"+after)
		return msg, ok && !strings.ContainsAny(before, "=@")
	case 6:
		return "GET /" + before + "?api_key=" + needle + "&" + after + " HTTP/1.1\r\n\r\n", !strings.ContainsAny(before+after, "\r\n\t =@")
	case 7:
		return "GET http://u:" + before + needle + "@h/ HTTP/1.1\r\nX: " + after + "\r\n\r\n", !strings.ContainsAny(before+after, "/?#&; \"<>\r\n@:[")
	case 8:
		return framed("application/json", `{"a":`+string(quoted)+`,"password":"`+needle+`","b":`+string(tail)+`}`, chunk, coding), true
	case 9:
		return framed("text/json", `[{`+string(quoted)+`:{"x":[{"Access-Token":["`+needle+`"]}]}},`+string(tail)+`]`, chunk, coding), true
	case 10:
		return framed("application/json", before+`{"token":"`+needle+`"}`+after, chunk, coding), !strings.ContainsAny(before, `"\`)
	case 11:
		return framed("application/x-www-form-urlencoded", before+"&pass%77ord="+needle+after, chunk, coding), true
	case 12:
		return framed("multipart/form-data; boundary=bb", "--bb\r\nContent-Disposition: form-data; name=password\r\n\r\n"+needle+after+"\r\n--bb--", chunk, coding), !strings.Contains(after, "--bb")
	case 13:
		return framed("", `{"token":`+string(quoted)+`,"token":"`+needle+after, chunk, coding), true
	case 14:
		body := framed("text/html", before+after, chunk, 1)
		return body + "GET / HTTP/1.1\r\nAuthorization: " + needle + "\r\n\r\n", true
	default:
		return framed("application/json", `{"url":"http://h/?token=`+needle+`","x":`+string(quoted)+`}`, chunk, coding), true
	}
}

// framed makes a request with a body, in chunks or gzip.
func framed(kind, body string, chunk int, coding uint8) string {
	head := "POST / HTTP/1.1\r\nContent-Type: " + kind + "\r\n"
	if coding&2 != 0 {
		head += "Content-Encoding: gzip\r\n"
		body = zip(body)
	}
	if coding&1 == 0 {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	var b strings.Builder
	for size := chunk%50 + 1; len(body) > 0; {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return head + "Transfer-Encoding: chunked\r\n\r\n" + b.String() + "0\r\n\r\n"
}

func BenchmarkMessage(b *testing.B) {
	r := newRedactor(b, Config{})
	msg := []byte("POST /a?token=abc HTTP/1.1\r\nHost: x.example\r\nAuthorization: Bearer abcdefgh\r\nCookie: a=b; c=d\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n{\"user\":\"u\",\"password\":\"secretive\"}")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Message(msg); err != nil {
			b.Fatal(err)
		}
	}
}
