package web

import (
	"embed"
	"fmt"
	"strings"
	"testing"

	"gortap/internal/testutil"
	"gortap/internal/testutil/browser"
	"gortap/internal/testutil/fakesource"
	server "gortap/internal/web"
)

//go:embed checks.js
var checks embed.FS

// Every view, narrow and wide, light and dark: nothing is wider than the page, everything
// that can be used has a name and everything that can be read has contrast. checks.js says
// how that is looked at.
func TestEveryViewIsReadable(t *testing.T) {
	testutil.CheckLeaks(t)
	script, err := checks.ReadFile("checks.js")
	if err != nil {
		t.Fatal(err)
	}
	s := visit(t, fakesource.Options{Endpoints: 40, Extra: []string{"/" + strings.Repeat("averylongpathwithoutanybreak", 8)}}, server.Access{})
	for _, width := range []int64{360, 1440} {
		for _, query := range []string{
			"", "?view=endpoints", "?view=clients&group=service", "?view=findings", "?view=exchanges", "?view=events", "?view=health",
			"?view=clients&service=shop.example&method=GET&path=/api/export&client=2001:db8::104", "?search=nothing-has-this",
		} {
			s.must(s.Show(width, 900, "light"))
			s.open(query)
			light := s.text(ground)
			s.readable(script, query, width, "light")
			s.must(s.Show(width, 900, "dark"))
			s.await(ground + ` !== ` + quote(light))
			s.readable(script, query, width, "dark")
		}
	}
}

// ground is the colour of the page.
const ground = `getComputedStyle(document.body).backgroundColor`

func (s *site) readable(script []byte, query string, width int64, scheme string) {
	s.t.Helper()
	faults, err := browser.Eval[[]string](s.Page, fmt.Sprintf("%s(%d)", script, width))
	s.must(err)
	for _, fault := range faults {
		s.t.Errorf("%s at %d px, %s: %s", query, width, scheme, fault)
	}
}

// damaged looks at a copy of the page that something was done to, in one step: the page
// itself does not notice.
const damaged = `(() => {
	const sound = document.body;
	sound.replaceWith(sound.cloneNode(true));
	%s;
	const faults = (%s)(360);
	document.body.replaceWith(sound);
	document.documentElement.lang = 'en';
	return faults;
})()`

// The checks find what they look for.
func TestTheChecksFindFaults(t *testing.T) {
	testutil.CheckLeaks(t)
	script, err := checks.ReadFile("checks.js")
	if err != nil {
		t.Fatal(err)
	}
	s := visit(t, fakesource.Options{}, server.Access{})
	s.must(s.Show(360, 900, "light"))
	s.open("")
	s.click("#pause") // what is damaged is not to be repaired meanwhile
	s.await(`document.getElementById('state').textContent === 'Paused' && document.querySelector('#main[aria-busy=false]')`)
	for _, c := range []struct{ damage, want string }{
		{`document.querySelector('main').append(Object.assign(document.createElement('div'), {className: 'wide'})); document.querySelector('.wide').style.cssText = 'width: 900px; height: 9px'`, "wider than"},
		{`document.querySelector('#search').labels[0].remove(); document.querySelector('#search').placeholder = ''`, "has no name"},
		{`document.querySelector('th[scope]').removeAttribute('scope')`, "scope"},
		{`document.querySelector('.stacked').removeAttribute('aria-label')`, "has no name"},
		{`document.querySelector('.figure dt').style.color = '#999'`, "contrast"},
		{`document.querySelector('main').id = 'tabs'`, "twice"},
		{`document.documentElement.removeAttribute('lang')`, "language"},
		{`document.querySelector('h1').remove()`, "h1"},
		{`document.querySelector('.panel h2').outerHTML = '<h4>x</h4>'`, "h4"},
		{`document.querySelector('#help-open').setAttribute('aria-labelledby', 'none')`, "none"},
	} {
		s.readable(script, "undamaged", 360, "light")
		faults, err := browser.Eval[[]string](s.Page, fmt.Sprintf(damaged, c.damage, script))
		s.must(err)
		if !strings.Contains(strings.Join(faults, "\n"), c.want) {
			t.Errorf("after %s: %q", c.damage, faults)
		}
	}
}
