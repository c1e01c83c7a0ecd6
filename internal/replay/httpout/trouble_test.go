package httpout

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gortap/internal/testutil"
)

// logged replays three requests, each of a connection of its own, and returns what
// was said about it.
func logged(t *testing.T, url string) string {
	t.Helper()
	var b strings.Builder
	o, err := New(Config{URL: url, Log: slog.New(slog.NewTextHandler(&b, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for conn := range uint64(3) {
		put(t, o, get(conn+1, "/"), end(conn+1))
		await(t, func() bool { return o.records.Load() == 0 })
	}
	shut(t, o, time.Minute)
	return b.String()
}

func TestWhyATargetFailsIsToldOnce(t *testing.T) {
	testutil.CheckLeaks(t)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	garbage := testutil.NewOrigin(t, nil, "127.0.0.1:0", testutil.ReadHead(), testutil.Write("SSH-2.0-x\r\n"))
	for _, c := range []struct{ url, reason, want string }{
		{"http://127.0.0.1:1", "connect", "connection refused"},
		{"https://" + secure.Listener.Addr().String(), "connect", "--output-http-skip-verify"},
		{"https://" + plain.Listener.Addr().String(), "connect", "does not speak TLS"},
		{"http://" + garbage.Addr().String(), "protocol", "not HTTP"},
	} {
		got := logged(t, c.url)
		if strings.Count(got, "reason="+c.reason) != 1 || !strings.Contains(got, c.want) {
			t.Errorf("%s: told %q, want %q once", c.url, got, c.want)
		}
	}
}

func TestATargetThatAnswersIsNoTrouble(t *testing.T) {
	testutil.CheckLeaks(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if got := logged(t, plain.URL); got != "" {
		t.Errorf("told %q", got)
	}
}
