package browser

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/chromedp/chromedp"
)

// attempts is how often a browser is started: on a machine that has no time for it, it
// gives up by itself now and then.
const attempts = 2

// Browser is a Chromium without a window. Safe for concurrent use.
type Browser struct {
	ctx   context.Context //nolint:containedctx // chromedp's handle of the browser is a context
	close func()
}

// programs are the names that distributions give Chromium.
func programs() []string { return []string{"chromium", "chromium-browser", "google-chrome"} }

// find returns the browser's program.
func find() (string, error) {
	for _, name := range programs() {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("find chromium: there is none (on Debian: apt-get install chromium)")
}

// Start starts a browser, which takes a second or more: one is enough for many tests.
// The caller closes it; it does not outlive this process.
func Start(ctx context.Context) (*Browser, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	for range attempts {
		var b *Browser
		if b, err = start(ctx, program); err == nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("start %s: %w", program, err)
}

func start(ctx context.Context, program string) (*Browser, error) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // its sandbox refuses root
		chromedp.IgnoreCertErrors,
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("lang", "en-GB"),
	)
	allocator, end := chromedp.NewExecAllocator(ctx, options...)
	first, closeFirst := chromedp.NewContext(allocator)
	b := &Browser{ctx: first, close: func() {
		// Cancel lets it end in order, unlike the context's own end, which kills.
		soon, cancel := context.WithTimeout(first, patience)
		defer cancel()
		_ = chromedp.Cancel(soon)
		closeFirst()
		end() // waits for the process, and removes its profile
	}}
	// A deadline of the first call would be one of the browser.
	late := time.AfterFunc(patience, closeFirst)
	err := chromedp.Do(first, chromedp.Navigate("about:blank"))
	if !late.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		closeFirst()
		end()
		return nil, err
	}
	return b, nil
}

// Close ends the browser with its pages.
func (b *Browser) Close() { b.close() }

// Open makes an empty page. The caller closes it.
func (b *Browser) Open() (*Page, error) {
	p := &Page{statuses: map[string]int64{}}
	p.ctx, p.close = chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.note))
	late := time.AfterFunc(patience, p.close)
	err := chromedp.Do(p.ctx, chromedp.Navigate("about:blank"))
	if !late.Stop() && err == nil {
		err = context.DeadlineExceeded
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("open page: %w", err)
	}
	return p, nil
}
