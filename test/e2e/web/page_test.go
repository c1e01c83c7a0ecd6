package web

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gortap/internal/testutil"
	"gortap/internal/testutil/fakesource"
	server "gortap/internal/web"

	"github.com/chromedp/chromedp/kb"
)

const hostile = `/<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>`

// One visit, as a user would make it. The steps follow from each other.
func TestAVisit(t *testing.T) {
	testutil.CheckLeaks(t)
	s := visit(t, fakesource.Options{Endpoints: 200, Extra: []string{hostile}}, server.Access{})
	s.must(s.Show(1440, 900, "light"))
	s.open("")

	t.Run("the overview answers first what people come with", s.overview)
	t.Run("it goes on by itself", s.live)
	t.Run("down from a service to exchanges, and the address holds all", s.drillDown)
	t.Run("search, sort and time stand in the address too", s.search)
	t.Run("exchanges come, hold and open", s.exchanges)
	t.Run("what clients send is text", s.hostile)
	t.Run("an agent that fails is shown as one", s.failure)
	t.Run("a scheme can be chosen and stays", s.scheme)
}

func (s *site) overview(t *testing.T) {
	s.t = t
	if got := s.text(`[...document.querySelectorAll('#main h2')].map((x) => x.textContent).join()`); got != "Findings,Bytes over time,Endpoints,Services,Clients" {
		t.Errorf("sections: %s", got)
	}
	if got := s.text(`document.querySelector('.findings .title').textContent`); !strings.Contains(got, "/api/export went from 4 to 40") {
		t.Errorf("the first finding is %q", got)
	}
	if got := s.text(`document.querySelector('.figure.big dd').textContent`); !strings.HasSuffix(got, "MB/s") {
		t.Errorf("the rate now is %q", got)
	}
	if got := s.number(`document.querySelectorAll('.stacked path[class^=slot]').length`); got != 7 {
		t.Errorf("the chart has %v layers, want six endpoints and the rest", got)
	}
}

func (s *site) live(t *testing.T) {
	s.t = t
	before := s.text(`document.querySelector('.figures').textContent`)
	height := s.number(`document.documentElement.scrollHeight`)
	s.skew.Add(int64(time.Minute))
	s.await(`document.querySelector('.figures').textContent !== ` + quote(before))
	if after := s.number(`document.documentElement.scrollHeight`); after != height {
		t.Errorf("the page was %v px high and is %v: it moved", height, after)
	}
	s.click("#pause")
	s.await(`document.getElementById('state').textContent === 'Paused'`)
	s.keys("p")
	s.await(`document.getElementById('state').textContent === 'Live'`)
}

func (s *site) drillDown(t *testing.T) {
	s.t = t
	s.click(`.stack section[aria-label=Services] a.row`)
	s.await(shown + `.textContent === 'Endpoints' && document.querySelectorAll('tbody tr').length > 5`)
	s.click(`tbody tr:first-child a.row`)
	s.await(shown + `.textContent === 'Clients' && document.querySelectorAll('tbody tr').length > 5`)
	s.click(`tbody tr:first-child a.row`)
	s.await(shown + `.textContent === 'Exchanges' && document.querySelectorAll('.log tbody tr').length > 2`)
	const level = `[...document.querySelectorAll('.levels li')].map((x) => x.textContent).join(' > ')`
	want := "All traffic > shop.example > GET /api/export > 192.0.2.10 > ×"
	if got := s.text(level); got != want {
		t.Errorf("selection %q, want %q", got, want)
	}
	if got := s.text(`[...new Set([...document.querySelectorAll('.log tbody button')].map((x) => x.textContent))].join()`); got != "GET /api/export?page=NaN&limit=100000" {
		t.Errorf("exchanges of %q", got)
	}

	// The same address in a new page shows the same.
	address := s.text(`location.search`)
	s.open(address)
	if got := s.text(level); got != want {
		t.Errorf("after a load of %s: selection %q, want %q", address, got, want)
	}
	s.keys("u")
	s.await(`!location.search.includes('client=')`)
	s.must(s.Go("about:blank"))
	s.open(address)
	s.click(`.levels .clear`)
	s.await(`document.querySelectorAll('.levels li').length === 1`)
	_ = s.text(`(history.back(), '')`)
	s.await(`document.querySelectorAll('.levels li').length === 5`)
}

func (s *site) search(t *testing.T) {
	s.t = t
	s.open("?view=endpoints")
	if got := s.number(`document.querySelectorAll('tbody tr').length`); got != 200 {
		t.Errorf("%v rows, want 200", got)
	}
	s.keys("/")
	// DevTools send the character though the page took the key.
	s.await(`document.activeElement.id === 'search' && (document.activeElement.value = '', true)`)
	s.keys("THUMB")
	s.await(`location.search.includes('search=THUMB') && document.querySelectorAll('tbody tr').length === 1`)
	s.keys(kb.Escape)
	s.await(`!location.search.includes('search') && document.querySelectorAll('tbody tr').length === 200`)
	s.click(`th.col-requestRate a`)
	s.await(`document.querySelector('th[aria-sort=descending]').className.includes('requestRate')`)
	if got := s.text(`document.querySelector('tbody tr .path').textContent`); got != "/thumb/{id}" {
		t.Errorf("by requests/s %q is first", got)
	}
	s.keys("]")
	s.await(`location.search.includes('range=1h') && location.search.includes('sort=requestRate')`)
	s.open(s.text(`location.search`))
	if got := s.text(`document.getElementById('range').value + document.querySelector('tbody tr .path').textContent`); got != "1h/thumb/{id}" {
		t.Errorf("after a load: %q", got)
	}
	s.open("?view=endpoints&service=none.example")
	if got := s.text(`document.querySelector('.empty').textContent`); !strings.HasPrefix(got, "No traffic that fits the selection") {
		t.Errorf("with no traffic: %q", got)
	}
}

func (s *site) exchanges(t *testing.T) {
	s.t = t
	s.open("?view=exchanges")
	const first = `document.querySelector('.log tbody tr').dataset.key`
	before := s.text(first)
	s.skew.Add(int64(5 * time.Second))
	s.askNow()
	s.await(first + ` !== ` + quote(before))
	s.click(`.log tbody button.row`)
	s.await(`document.querySelector('.detail')`)
	if got := s.text(`document.querySelector('.log tbody button.row').getAttribute('aria-expanded')`); got != "true" {
		t.Errorf("aria-expanded is %s", got)
	}
	// The focus is in the list now: it holds still.
	s.skew.Add(int64(5 * time.Second))
	held := s.text(first)
	s.askNow()
	s.await(`document.querySelector('[data-action=release]')`)
	if now := s.text(first); now != held {
		t.Errorf("the list moved under who reads it")
	}
	s.click(`[data-action=release]`)
	s.await(first + ` !== ` + quote(held))
	s.click(`.choice a[href*="status=errors"]`)
	s.await(`location.search.includes('status=errors') && [...document.querySelectorAll('.log tbody tr:not(.detail)')].every((x) => x.className === 'err')`)
}

func (s *site) hostile(t *testing.T) {
	s.t = t
	for _, view := range []string{"?view=exchanges&search=onerror", "?view=endpoints&search=onerror"} {
		s.open(view)
		s.await(`document.querySelector('#main tbody').textContent.includes('onerror')`)
		if got := s.number(`document.querySelectorAll('#main img, #main script').length + (window.hurt ? 100 : 0)`); got != 0 {
			t.Errorf("%s: markup of a client became markup of the page (%v)", view, got)
		}
	}
}

func (s *site) failure(t *testing.T) {
	s.t = t
	s.open("?view=endpoints")
	s.source.Fail(errors.New("read book: it is shut"))
	s.askNow()
	s.await(`!document.getElementById('banner').hidden`)
	banner := s.text(`document.getElementById('banner').textContent`)
	if !strings.Contains(banner, "it is shut") || !strings.Contains(banner, "This is what was known at") {
		t.Errorf("banner: %q", banner)
	}
	if got := s.number(`document.querySelectorAll('tbody tr').length`); got != 200 {
		t.Errorf("what was known is gone: %v rows", got)
	}
	s.open0("?view=clients")
	s.await(`document.querySelector('#main .empty')?.textContent.includes('it is shut')`)
	s.source.Fail(nil)
	s.await(`document.getElementById('banner').hidden && document.querySelectorAll('tbody tr').length > 5`)
	for _, line := range s.Said() {
		if !strings.Contains(line, "500") {
			t.Errorf("on the console: %s", line)
		}
	}
}

// askNow has the page ask without waiting for its time, as it does when its tab is seen again.
func (s *site) askNow() {
	s.t.Helper()
	_ = s.text(`(document.dispatchEvent(new Event('visibilitychange')), '')`)
}

// open0 loads a page that may not come to show its view.
func (s *site) open0(query string) {
	s.t.Helper()
	s.must(s.Go(s.base + query))
}

func (s *site) scheme(t *testing.T) {
	s.t = t
	s.open("")
	light := s.text(ground)
	s.keys("t")
	s.await(ground + ` !== ` + quote(light))
	dark := s.text(ground)
	s.open("?view=events")
	if got := s.text(ground); got != dark {
		t.Errorf("the chosen scheme is forgotten: %s", got)
	}
	s.keys("t")
	s.await(ground + ` === ` + quote(light))
	s.must(s.Show(1440, 900, "dark"))
	s.await(ground + ` === ` + quote(dark))
}

func quote(text string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`", "${", "\\${").Replace(text) + "`"
}

// All of it goes without a pointer.
func TestTheKeyboardIsEnough(t *testing.T) {
	testutil.CheckLeaks(t)
	s := visit(t, fakesource.Options{}, server.Access{})
	s.must(s.Show(1440, 900, "dark"))
	s.open("")
	for i, want := range []string{"Overview", "Endpoints", "Clients", "Findings", "Exchanges", "Events", "Agent"} {
		s.keys(string(rune('1' + i)))
		s.await(shown + `.textContent === ` + quote(want) + ` && document.title.startsWith(` + quote(want) + `)`)
		if i > 0 {
			s.await(`document.activeElement.tagName === 'H1'`)
		}
	}
	s.keys("2")
	s.await(shown + `.textContent === 'Endpoints' && document.activeElement.tagName === 'H1'`)
	s.keys("jjk")
	s.await(`document.activeElement.matches('tbody tr:first-child a.row')`)
	if got := s.text(`getComputedStyle(document.activeElement).outlineStyle`); got == "none" {
		t.Error("the focus is not to be seen")
	}
	s.keys(kb.Enter)
	s.await(shown + `.textContent === 'Clients'`)
	s.keys("?")
	s.await(`document.getElementById('help').open`)
	s.keys("3") // is for the dialog, not for the page
	s.keys(kb.Escape)
	s.await(`!document.getElementById('help').open`)

	// In the chart the arrows go through time.
	s.open("")
	_ = s.text(`(document.querySelector('.stacked').focus(), '')`)
	s.keys(kb.ArrowRight + kb.ArrowRight)
	s.await(`document.querySelector('.cursor')`)
	s.keys(kb.Enter)
	s.await(`location.search.includes('from=') && document.getElementById('state').textContent === 'Past'`)

	// Keys of one character can be turned off (WCAG 2.1.4).
	s.open("")
	s.keys("?")
	s.click("#keys-on")
	s.keys(kb.Escape)
	s.await(`!document.getElementById('help').open`)
	s.keys("2")
	s.open("")
	if got := s.text(`localStorage.getItem('gortap-keys') + location.search`); got != "off" {
		t.Errorf("turned off: %q", got)
	}
}
