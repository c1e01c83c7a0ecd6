package output

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// closeGrace is how long Close waits for the writer to notice its deadline.
const closeGrace = 4 * writeTimeout

// ending is how an output's writer, a goroutine, is brought to its end.
type ending struct {
	closing chan struct{}
	giveUp  chan struct{} // closed when Close runs out of time
	done    chan struct{} // closed when the writer has ended
	once    sync.Once
	err     error
}

func newEnding() *ending {
	return &ending{closing: make(chan struct{}), giveUp: make(chan struct{}), done: make(chan struct{})}
}

// conclude asks the writer to write what is queued and to end. It returns when that is
// done; when ctx is, it gives up.
func (e *ending) conclude(ctx context.Context, name string) error {
	e.once.Do(func() {
		close(e.closing)
		select {
		case <-e.done:
			return
		case <-ctx.Done():
		}
		close(e.giveUp)
		e.err = fmt.Errorf("close %s: %w", name, ErrAbandoned)
		select {
		case <-e.done:
		case <-time.After(closeGrace):
		}
	})
	return e.err
}

// gaveUp tells that Close has run out of time.
func (e *ending) gaveUp() bool {
	select {
	case <-e.giveUp:
		return true
	default:
		return false
	}
}
