package web

import (
	"strings"
	"testing"

	"gortap/internal/testutil"
	"gortap/internal/testutil/fakesource"
	server "gortap/internal/web"

	"github.com/chromedp/chromedp/kb"
)

const token = "correct horse battery staple"

func TestATokenOpensThePage(t *testing.T) {
	testutil.CheckLeaks(t)
	cert, key := testutil.Certificate(t)
	s := visit(t, fakesource.Options{}, server.Access{Token: token, CertFile: cert, KeyFile: key})
	s.must(s.Show(360, 800, "light"))

	// By the form: a wrong token, then the right one, and on to what was asked for.
	s.open0("?view=clients&service=shop.example")
	const ready = `document.readyState === 'complete' && document.activeElement?.id === 'token'`
	s.await(ready)
	s.keys("not the token of this agent" + kb.Enter)
	s.await(`document.querySelector('.said').textContent.includes('not the token') && ` + ready)
	s.keys(token + kb.Enter)
	s.await(shown + `.textContent === 'Clients' && location.search.includes('service=shop.example')`)
	if got := s.text(`document.cookie`); got != "" {
		t.Errorf("scripts can read the cookie: %q", got)
	}

	// The cookie goes on, until the user ends it.
	s.open("")
	s.await(`!document.getElementById('logout').hidden`)
	s.click("#logout button")
	s.await(`document.querySelector('form #token')`)

	// By a link: the token leaves the address at once.
	s.open0("?view=events#token=" + strings.ReplaceAll(token, " ", "%20"))
	s.await(shown + `.textContent === 'Events'`)
	if got := s.text(`location.href`); got != s.base+"?view=events" {
		t.Errorf("the address is %s", got)
	}
	for _, line := range s.Said() {
		if !strings.Contains(line, "401") { // which is what the form comes with
			t.Errorf("on the console: %s", line)
		}
	}
}
