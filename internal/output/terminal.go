package output

import (
	"os"

	"golang.org/x/term"
)

// TableFor returns a table that fits a file: the size of a terminal, colours
// unless NO_COLOR (https://no-color.org) or a dumb TERM speaks against them.
// live tells whether frames may be drawn over each other there; anything else
// gets plain lines. getenv is os.Getenv, but for tests.
func TableFor(f *os.File, getenv func(string) string) (t Table, live bool) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return Table{}, false
	}
	smart := getenv("TERM") != "dumb" && getenv("TERM") != ""
	return Table{Width: width, Height: height, Colour: smart && getenv("NO_COLOR") == ""}, smart
}
