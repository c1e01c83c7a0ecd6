package session

import (
	"bufio"
	"fmt"
	"net"
	"testing"
	"time"

	rec "gortap/internal/session"
	"gortap/internal/testutil"
)

// A target may be faster than the server was: what it answers to the first of two writes
// of a turn, before the second one, is a part of the answer.
func TestAnswersWithinATurnCountForItsEnd(t *testing.T) {
	testutil.CheckLeaks(t)
	srv := startTarget(t, func(c *net.TCPConn) {
		in := bufio.NewReader(c)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(c, line)
		}
	})
	s := newStage(t, HubOptions{}, config(srv.addr()))
	c := s.begin()
	later := int64(50 * time.Millisecond)
	for _, e := range []*rec.Event{
		{Kind: rec.Write, TsNs: 1, Data: []byte("one\n")},
		{Kind: rec.Write, TsNs: later, Data: []byte("two\n")},
		{Kind: rec.Shutdown, TsNs: later + 1, Need: 8, NeedNs: later + 1},
		{Kind: rec.Over, TsNs: later + 1, Need: 8, NeedNs: later + 1, End: rec.Finished, Received: 8},
	} {
		e.Session = c.session
		s.hub.Put(e)
	}
	s.close()
	if l := s.only(); l.Stalls > 0 || l.Received != 8 {
		t.Errorf("stalled though all was answered: %+v", l)
	}
}
