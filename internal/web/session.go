package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"time"
)

const (
	sessionTime = 12 * time.Hour
	maxForm     = 8 << 10
)

// cookieName has the port: browsers send a cookie to all ports of a host, and two agents
// would overwrite each other's.
func cookieName(port int) string { return "gortap-" + strconv.Itoa(port) }

// newSession makes a cookie's value: when it ends, and a code that only who knows the
// token can make. So sessions outlive a restart, and end when the token changes.
func (g *guard) newSession(ends time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(ends.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, g.seal(b)...))
}

func (g *guard) isSession(value string) bool {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) != 8+sha256.Size {
		return false
	}
	return hmac.Equal(g.seal(b[:8]), b[8:]) && int64(binary.BigEndian.Uint64(b)) > time.Now().Unix()
}

func (g *guard) seal(b []byte) []byte {
	m := hmac.New(sha256.New, []byte("gortap session "+g.token))
	m.Write(b)
	return m.Sum(nil)
}

func (g *guard) setCookie(w http.ResponseWriter, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: g.cookie, Value: value, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, Secure: g.secure, SameSite: http.SameSiteStrictMode,
	})
}

// login takes the token from the form, or from the script that found it in the URL's
// fragment, and gives a cookie for it.
func (g *guard) login(w http.ResponseWriter, r *http.Request, form func(w http.ResponseWriter, next string, failed bool)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		writeText(w, http.StatusBadRequest, "read form: want token and next, of at most 8 KiB")
		return
	}
	next := r.PostForm.Get("next")
	if !g.isToken(r.PostForm.Get("token")) {
		g.count(refusedToken)
		form(w, next, true)
		return
	}
	g.setCookie(w, g.newSession(time.Now().Add(sessionTime)), sessionTime)
	// Only a query follows "/?", so that it leads nowhere else.
	w.Header().Set("Location", "/?"+cleanQuery(next))
	w.WriteHeader(http.StatusSeeOther)
}

func (g *guard) logout(w http.ResponseWriter, _ *http.Request) {
	g.setCookie(w, "", -time.Second)
	w.Header().Set("Location", "/")
	w.WriteHeader(http.StatusSeeOther)
}

// cleanQuery keeps the characters that a query has.
func cleanQuery(q string) string {
	b := make([]byte, 0, len(q))
	for i := range len(q) {
		if c := q[i]; c > ' ' && c < 0x7f && c != '#' && c != '"' && c != '<' && c != '>' && c != '\\' {
			b = append(b, c)
		}
	}
	return string(b)
}
