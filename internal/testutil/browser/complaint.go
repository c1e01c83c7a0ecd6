package browser

import (
	"strings"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
)

// complaint is an event of the console as a line; "" where it is none.
func complaint(event any) string {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		return "exception: " + text
	case *runtime.EventConsoleAPICalled:
		parts := []string{"console." + string(e.Type) + ":"}
		for _, a := range e.Args {
			parts = append(parts, string(a.Value)+a.Description)
		}
		return strings.Join(parts, " ")
	case *log.EventEntryAdded:
		return string(e.Entry.Level) + ": " + e.Entry.Text + " " + e.Entry.URL
	}
	return ""
}
