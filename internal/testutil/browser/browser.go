// Package browser looks at pages as users do: in a real headless Chromium. It notes what
// a page says on the console and whom it asks. Only tests import it, and what makes the
// screenshots of the documentation.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take for anything, on a machine that is busy.
const patience = 45 * time.Second

const poll = 20 * time.Millisecond

var errFalse = errors.New("still false")

// Page is a tab with cookies and storage of its own. Not safe for concurrent use.
type Page struct {
	ctx   context.Context //nolint:containedctx // chromedp's handle of the tab is a context
	close func()

	mu       sync.Mutex // of the rest, which events write
	said     []string
	asked    []string
	statuses map[string]int64
}

// Close ends the tab, and waits until it is gone.
func (p *Page) Close() { p.close() }

// Show is how wide a page is and in which scheme: "light" or "dark".
func (p *Page) Show(width, height int64, scheme string) error {
	if _, err := chromedp.Call(p.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600,
	}); err != nil {
		return fmt.Errorf("set size: %w", err)
	}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		return fmt.Errorf("set scheme: %w", err)
	}
	return nil
}

// Go loads a page.
func (p *Page) Go(address string) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(address)); err != nil {
		return fmt.Errorf("load %s: %w", address, err)
	}
	return nil
}

// Eval returns the value of a JavaScript expression.
func Eval[T any](p *Page, expression string) (v T, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err = chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		return v, fmt.Errorf("evaluate %s: %w", expression, err)
	}
	return v, nil
}

// Await polls until a JavaScript expression is true.
func (p *Page) Await(expression string) error {
	deadline := time.Now().Add(patience)
	var last error
	for time.Now().Before(deadline) {
		ok, err := Eval[bool](p, "Boolean("+expression+")")
		if ok && err == nil {
			return nil
		}
		last = err
		time.Sleep(poll)
	}
	text, _ := Eval[string](p, "document.body.innerText.slice(0, 2000)")
	if last == nil {
		last = errFalse
	}
	return fmt.Errorf("wait for %s: %w after %v; the page shows:\n%s", expression, last, patience, text)
}

// Click clicks with the mouse on what a CSS selector finds first.
func (p *Page) Click(selector string) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Click(selector)); err != nil {
		return fmt.Errorf("click %s: %w", selector, err)
	}
	return nil
}

// Keys types, wherever the focus is. chromedp/kb has names for keys without characters.
func (p *Page) Keys(keys string) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.KeyEvent(keys)); err != nil {
		return fmt.Errorf("type %q: %w", keys, err)
	}
	return nil
}

// Screenshot returns what is seen as PNG; whole: all of the page, else its window.
func (p *Page) Screenshot(whole bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	action := chromedp.CaptureScreenshot()
	if whole {
		action = chromedp.FullScreenshot(100)
	}
	shot, err := chromedp.Run(ctx, action)
	if err != nil {
		return nil, fmt.Errorf("take screenshot: %w", err)
	}
	return shot, nil
}

// note takes the browser's events, and must not block.
func (p *Page) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.asked = append(p.asked, e.Request.URL)
	case *network.EventResponseReceived:
		p.statuses[e.Response.URL] = e.Response.Status
	default:
		if text := complaint(event); text != "" {
			p.said = append(p.said, text)
		}
	}
}

// Said returns what pages wrote on the console, uncaught exceptions and what the browser
// refused (its policy, a status of 400 and more), and forgets it.
func (p *Page) Said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := p.said
	p.said = nil
	return said
}

// Strangers returns what pages asked of other hosts than these.
func (p *Page) Strangers(hosts ...string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var strangers []string
	for _, address := range p.asked {
		u, err := url.Parse(address)
		if err != nil || u.Scheme == "about" || u.Scheme == "data" {
			continue
		}
		own := false
		for _, h := range hosts {
			own = own || u.Host == h
		}
		if !own {
			strangers = append(strangers, address)
		}
	}
	return strangers
}

// Asked returns how many requests pages made.
func (p *Page) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}
