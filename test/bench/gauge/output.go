package gauge

import (
	"strings"
	"sync"
)

// Output keeps what a program says, up to a limit. The zero value is ready.
type Output struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	const limit = 1 << 20
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() < limit {
		o.text.Write(p)
	}
	return len(p), nil
}

// String is what it has said so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Tail is the last line, for errors.
func (o *Output) Tail() string {
	text := strings.TrimSpace(o.String())
	return text[strings.LastIndexByte(text, '\n')+1:]
}
